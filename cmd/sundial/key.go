package main

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// keyCmd are the verbs on an app's signing keys.
type keyCmd struct {
	Show    keyShowCmd    `cmd:"" help:"Show an app's keys, without their secrets."`
	Reveal  keyRevealCmd  `cmd:"" help:"Reveal the key that signs; who did, and why, is on record."`
	Upgrade keyUpgradeCmd `cmd:"" help:"Move from ECDSA to HMAC; signatures of both kinds verify afterwards."`
	Rotate  keyRotateCmd  `cmd:"" help:"Make a new secret; the one before verifies on for a while."`
	Retire  keyRetireCmd  `cmd:"" help:"Retire the old keys now."`
}

type keyShowCmd struct {
	remote
	App string `arg:"" help:"Its SDKAppID."`
}

// Run shows the keys.
func (v *keyShowCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: route("/v1/apps/%s/key", v.App)})
	if err != nil || v.JSON {
		return err
	}
	var ring struct {
		Algorithm string `json:"algorithm"`
		Keys      []struct {
			ID        int    `json:"id"`
			Algorithm string `json:"algorithm"`
			CreatedAt string `json:"created_at"`
			Until     string `json:"until"`
			Public    string `json:"public_key"`
		} `json:"keys"`
	}
	if err := a.into(&ring); err != nil {
		return err
	}
	var rows [][]string
	for i, k := range ring.Keys {
		use := "verifies"
		if i == len(ring.Keys)-1 {
			use = "signs and verifies"
		}
		rows = append(rows, []string{strconv.Itoa(k.ID), k.Algorithm, use, k.CreatedAt, k.Until})
	}
	c.table("no key was needed yet; the first will be "+ring.Algorithm, []string{"key", "algorithm", "use", "created", "until"}, rows)
	for _, k := range ring.Keys {
		if k.Public != "" {
			c.say("\npublic half of key " + strconv.Itoa(k.ID) + ":\n" + k.Public)
		}
	}
	return nil
}

type keyRevealCmd struct {
	command
	App string `arg:"" help:"Its SDKAppID."`
}

// Help shows how.
func (*keyRevealCmd) Help() string {
	return `That it was revealed, by whom, from where and why, is in the log before the key is shown; anyone but the owner gives a reason. An app's key can be revealed ten times an hour by one token.

Example:

    sundial key reveal 1400000001 --reason 'asked for by its owner, ticket 4711'`
}

// Run reveals the key.
func (v *keyRevealCmd) Run(ctx context.Context, c *console) error {
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/apps/%s/key/reveal", v.App), body: reasoned{v.Reason}})
	if err == nil {
		c.after = "that the key was revealed is on record; to see it, reveal it again"
	}
	if err != nil || v.JSON {
		return err
	}
	var key struct {
		Algorithm string `json:"algorithm"`
		Secret    string `json:"secret"`
		Private   string `json:"private_key"`
		Public    string `json:"public_key"`
	}
	if err := a.into(&key); err != nil {
		return err
	}
	c.pairs([][2]string{{"algorithm", key.Algorithm}, {"secret", key.Secret}})
	for _, pem := range []string{key.Private, key.Public} {
		if pem != "" {
			c.say(strings.TrimSpace(pem))
		}
	}
	return nil
}

type keyUpgradeCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
}

// Help tells what comes after.
func (*keyUpgradeCmd) Help() string {
	return `New UserSigs are signed with the new key at once; those of the old one verify until it is retired (sundial key retire), so that clients can be moved one by one.`
}

// Run upgrades the key's algorithm.
func (v *keyUpgradeCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/key/upgrade", v.App), reasoned{v.Reason})
}

type keyRotateCmd struct {
	conditional
	App     string `arg:"" help:"Its SDKAppID."`
	Overlap string `help:"For how long the key before verifies on; absent: 24h." placeholder:"DURATION"`
}

// Help shows how.
func (*keyRotateCmd) Help() string {
	return `Examples:

    sundial key rotate 1400000001 --overlap 72h

After a leak, let nothing older verify; without the second line, keys still in an earlier overlap would:

    sundial key rotate 1400000001 --overlap 0s --reason 'the secret leaked'
    sundial key retire 1400000001`
}

// Run rotates the key.
func (v *keyRotateCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/key/rotate", v.App), struct {
		Overlap string `json:"overlap,omitzero"`
		Reason  string `json:"reason,omitzero"`
	}{v.Overlap, v.Reason})
}

type keyRetireCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
}

// Run retires the old keys.
func (v *keyRetireCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/key/retire", v.App), reasoned{v.Reason})
}
