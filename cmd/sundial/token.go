package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	"sundial/internal/auth"
	"sundial/internal/server"
)

// tokenCmd are the verbs on access tokens.
type tokenCmd struct {
	Create tokenCreateCmd `cmd:"" help:"Create a token; it is shown once."`
	List   tokenListCmd   `cmd:"" help:"List tokens, without their secrets."`
	Revoke tokenRevokeCmd `cmd:"" help:"Revoke a token."`

	Recover tokenRecoverCmd `cmd:"" help:"Make an operator's token where the last one was lost."`
}

// tokenView is what the tables show of a token.
type tokenView struct {
	ID        string `json:"id"`
	Role      string `json:"role"`
	Account   string `json:"account"`
	Name      string `json:"name"`
	CreatedAt string `json:"created_at"`
	ExpiresAt string `json:"expires_at"`
	RevokedAt string `json:"revoked_at"`
	Token     string `json:"token"` // only in the answer that makes it
	Inbox     string `json:"inbox_prefix"`
}

type tokenCreateCmd struct {
	command
	Role      string `arg:"" help:"What it is for: operator, owner, billing, auditor or reader."`
	Name      string `help:"Who uses it." required:"" placeholder:"TEXT"`
	Account   string `help:"The one account of an owner or a reader." placeholder:"ACCOUNT"`
	ExpiresAt string `help:"When it stops to work, RFC 3339; absent: never." placeholder:"TIME"`
}

// Help shows how.
func (*tokenCreateCmd) Help() string {
	return `Examples:

    sundial token create billing --name 'billing system'
    sundial token create owner --account acme --name 'acme console' --expires-at 2027-01-01T00:00:00Z`
}

// Run creates the token and shows it, this once.
func (v *tokenCreateCmd) Run(ctx context.Context, c *console) error {
	a, err := v.send(ctx, c, request{method: http.MethodPost, path: "/v1/tokens", body: struct {
		Role      string `json:"role"`
		Account   string `json:"account,omitzero"`
		Name      string `json:"name"`
		ExpiresAt string `json:"expires_at,omitzero"`
		Reason    string `json:"reason,omitzero"`
	}{v.Role, v.Account, v.Name, v.ExpiresAt, v.Reason}})
	if err != nil {
		return err
	}
	var t tokenView
	if err := a.into(&t); err != nil {
		return err
	}
	if !v.JSON {
		t.show(c)
	}
	if c.unseen() != nil && t.Token != "" { // a token that was made before is somebody's
		c.after = v.revokeUnseen(context.WithoutCancel(ctx), t.ID)
	}
	return nil
}

// revokeUnseen revokes a token that nobody has, and says so.
func (v *tokenCreateCmd) revokeUnseen(ctx context.Context, id string) string {
	cl, err := v.client()
	if err == nil {
		_, err = cl.do(ctx, request{method: http.MethodDelete, path: route("/v1/tokens/%s", id)})
	}
	if err != nil {
		return "nobody has the token that was made, and it could not be revoked: run sundial token revoke " + id + "; " + err.Error()
	}
	return "the token that was made is revoked again, as nobody has it: create another, without the --idempotency-key of this one"
}

// show shows a new token.
func (t *tokenView) show(c *console) {
	c.pairs([][2]string{
		{"token", t.Token},
		{"id", t.ID},
		{"role", t.Role},
		{"account", t.Account},
		{"name", t.Name},
		{"expires", t.ExpiresAt},
		{"NATS inbox prefix", t.Inbox},
	})
	c.say("\nKeep the token now: only its hash is stored, and it cannot be shown again.")
}

type tokenListCmd struct {
	remote
	paging
}

// Run lists tokens.
func (v *tokenListCmd) Run(ctx context.Context, c *console) error {
	tokens, cursor, err := list[tokenView](ctx, c, &v.remote, v.paging, "/v1/tokens", url.Values{})
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, t := range tokens {
		rows = append(rows, []string{t.ID, t.Role, t.Account, t.Name, t.CreatedAt, t.ExpiresAt, t.RevokedAt})
	}
	c.table("no tokens", []string{"id", "role", "account", "name", "created", "expires", "revoked"}, rows)
	c.more(cursor)
	return nil
}

type tokenRevokeCmd struct {
	command
	ID string `arg:"" help:"The token's id (see: token list)."`
}

// Run revokes the token.
func (v *tokenRevokeCmd) Run(ctx context.Context, c *console) error {
	_, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/tokens/%s", v.ID)})
	if err != nil || v.JSON {
		return err
	}
	c.say("revoked")
	return nil
}

type tokenRecoverCmd struct {
	Data string `help:"The data directory of an engine that serves on this machine." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
}

// Help tells who may.
func (*tokenRecoverCmd) Help() string {
	return `Takes no token: whoever may write to the data directory may have one. The new token is written to operator.token in it.`
}

// Run has the serving engine make the token, and writes it where the other verbs look.
func (v *tokenRecoverCmd) Run(ctx context.Context, c *console) error {
	token, err := server.ServingFrom(v.Data).RecoverOperator(ctx)
	if err != nil {
		return notServing(v.Data, err)
	}
	file := filepath.Join(v.Data, auth.TokenFile)
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return err
	}
	if err := os.Chmod(file, 0o600); err != nil {
		return err
	}
	c.after = "the new operator's token is in " + file
	c.say("wrote a new operator's token to " + file)
	return nil
}
