package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// usersigCmd are the verbs on UserSigs, the credentials of an app's users.
type usersigCmd struct {
	Sign   usersigSignCmd   `cmd:"" help:"Make a UserSig for a user."`
	Verify usersigVerifyCmd `cmd:"" help:"Say whether a UserSig is valid, and if not, why not."`
}

type usersigSignCmd struct {
	command
	App    string        `arg:"" help:"The app's SDKAppID."`
	User   string        `arg:"" help:"The user's id: 1 to 32 of A-Z, a-z, 0-9, _ and -."`
	Expire time.Duration `help:"For how long it is valid, in whole seconds." default:"168h" placeholder:"DURATION"`
	Buffer string        `help:"A text to sign along." name:"user-buf" placeholder:"TEXT"`
}

// Help shows how.
func (*usersigSignCmd) Help() string {
	return `Examples:

    sundial usersig sign 1400000001 alice
    sundial usersig sign 1400000001 alice --expire 24h --json`
}

// Run makes the UserSig.
func (v *usersigSignCmd) Run(ctx context.Context, c *console) error {
	if v.Expire%time.Second != 0 {
		return misused("--expire: want whole seconds, such as 24h")
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/apps/%s/usersigs", v.App), body: struct {
		User   string `json:"user_id"`
		Expire int64  `json:"expire_seconds"`
		Buffer []byte `json:"user_buf,omitempty"`
	}{v.User, int64(v.Expire / time.Second), []byte(v.Buffer)}})
	if err != nil || v.JSON {
		return err
	}
	var sig struct {
		UserSig   string `json:"user_sig"`
		Algorithm string `json:"algorithm"`
		ExpiresAt string `json:"expires_at"`
	}
	if err := a.into(&sig); err != nil {
		return err
	}
	c.pairs([][2]string{{"user sig", sig.UserSig}, {"algorithm", sig.Algorithm}, {"expires", sig.ExpiresAt}})
	return nil
}

type usersigVerifyCmd struct {
	command
	App     string `arg:"" help:"The app's SDKAppID."`
	User    string `arg:"" help:"The user's id."`
	UserSig string `arg:"" help:"The UserSig; - for standard input."`
}

// Help tells what is printed.
func (*usersigVerifyCmd) Help() string {
	return `Prints valid, or invalid and the first reason that applies: malformed, wrong_app, wrong_user, bad_signature, expired, app_stopped; and from when to when it says that it is valid. Exit code 1 if it is not valid.

Example:

    sundial usersig sign 1400000001 alice | awk '/^user sig/ { print $3 }' | sundial usersig verify 1400000001 alice -`
}

// Run judges the UserSig.
func (v *usersigVerifyCmd) Run(ctx context.Context, c *console) error {
	sig := v.UserSig
	if sig == "-" {
		text, err := c.given(sig)
		if err != nil {
			return err
		}
		sig = strings.TrimSpace(string(text))
	}
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: route("/v1/apps/%s/usersigs/verify", v.App), body: struct {
		User    string `json:"user_id"`
		UserSig string `json:"user_sig"`
	}{v.User, sig}})
	if err != nil {
		return err
	}
	var found struct {
		Valid     bool   `json:"valid"`
		Reason    string `json:"reason"`
		IssuedAt  string `json:"issued_at"`
		ExpiresAt string `json:"expires_at"`
	}
	if err := a.into(&found); err != nil {
		return err
	}
	if found.Valid && !v.JSON {
		c.say("valid")
	}
	if found.ExpiresAt != "" && !v.JSON {
		c.pairs([][2]string{{"issued", found.IssuedAt}, {"expires", found.ExpiresAt}})
	}
	switch {
	case !found.Valid && v.JSON:
		return errSilent
	case !found.Valid:
		return fmt.Errorf("invalid: %s", found.Reason)
	}
	return nil
}
