package main

import (
	"context"
	"net/http"
)

// adminCmd are the verbs on an app's account administrators.
type adminCmd struct {
	List   adminListCmd   `cmd:"" help:"List an app's administrators."`
	Add    adminAddCmd    `cmd:"" help:"Add administrators: all that are named, or none."`
	Remove adminRemoveCmd `cmd:"" help:"Remove administrators: all that are named, or none."`
}

type adminListCmd struct {
	remote
	App string `arg:"" help:"The app's SDKAppID."`
}

// Run lists the administrators, a name on each line.
func (v *adminListCmd) Run(ctx context.Context, c *console) error {
	names, err := whole[string](ctx, c, &v.remote, route("/v1/apps/%s/admins", v.App))
	if err != nil || v.JSON {
		return err
	}
	for _, name := range names {
		c.say(name)
	}
	return nil
}

// naming is the body of a command that takes names.
type naming struct {
	Names  []string `json:"names"`
	Reason string   `json:"reason,omitzero"`
}

type adminAddCmd struct {
	conditional
	App   string   `arg:"" help:"The app's SDKAppID."`
	Names []string `arg:"" help:"1 to 32 of A-Z, a-z, 0-9, _ and -; an app has at most 5, administrator among them."`
}

// Help shows how.
func (*adminAddCmd) Help() string {
	return `Example:

    sundial admin add 1400000001 alice bob`
}

// Run adds the administrators.
func (v *adminAddCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/admins", v.App), naming{v.Names, v.Reason})
}

type adminRemoveCmd struct {
	conditional
	App   string   `arg:"" help:"The app's SDKAppID."`
	Names []string `arg:"" help:"Whom; administrator stays."`
}

// Run removes the administrators.
func (v *adminRemoveCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/admins/remove", v.App), naming{v.Names, v.Reason})
}
