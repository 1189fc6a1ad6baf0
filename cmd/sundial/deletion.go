package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"sundial/internal/terminal"
)

// deletionCmd are the verbs on requests to delete apps that their owners cannot delete themselves.
type deletionCmd struct {
	Request deletionRequestCmd `cmd:"" help:"Ask for a stopped app to be deleted."`
	List    deletionListCmd    `cmd:"" help:"List the requests that wait, the longest waiting first."`
	Approve deletionApproveCmd `cmd:"" help:"Delete the app, for good."`
	Reject  deletionRejectCmd  `cmd:"" help:"Say no, with a reason."`
}

type deletionRequestCmd struct {
	conditional
	App string `arg:"" help:"Its SDKAppID."`
}

// Help says when an app is deleted on request.
func (*deletionRequestCmd) Help() string {
	return `A stopped trial is deleted by its owner (sundial app delete); a paid app and one of the TRTC side is deleted on request. The request is withdrawn by itself when the app is reinstated.

Example:

    sundial deletion request 1400000001 --reason 'moved away'`
}

// Run makes the request.
func (v *deletionRequestCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/deletion-requests", v.App), reasoned{v.Reason})
}

type deletionListCmd struct {
	remote
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	Losses  bool   `help:"List what the approval of each destroys."`
	paging
}

// Run lists the requests.
func (v *deletionListCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "account", v.Account)
	requests, cursor, err := list[struct {
		ID          string   `json:"id"`
		App         uint64   `json:"app"`
		Account     string   `json:"account"`
		Name        string   `json:"name"`
		Edition     string   `json:"edition"`
		RequestedAt string   `json:"requested_at"`
		By          string   `json:"by"`
		Reason      string   `json:"reason"`
		Losses      []string `json:"losses"`
	}](ctx, c, &v.remote, v.paging, "/v1/deletion-requests", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, r := range requests {
		rows = append(rows, []string{r.ID, strconv.FormatUint(r.App, 10), r.Account, r.Name, r.Edition, r.RequestedAt, r.By, r.Reason})
	}
	c.table("no deletion requests", []string{"id", "app", "account", "name", "edition", "requested", "by", "reason"}, rows)
	for _, r := range requests {
		if !v.Losses {
			break
		}
		c.say("\napproving " + r.ID + " destroys:")
		for _, loss := range r.Losses {
			c.say("  - " + terminal.Text(loss, "    "))
		}
	}
	c.more(cursor)
	return nil
}

type deletionApproveCmd struct {
	conditional
	ID string `arg:"" help:"The request's id (see: deletion list)."`
}

// Help warns.
func (*deletionApproveCmd) Help() string {
	return `The app's keys are destroyed at once: nothing that was sealed for it can be read again, in no backup either. What that is, sundial deletion list --losses tells.`
}

// Run approves the request.
func (v *deletionApproveCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/deletion-requests/%s/approve", v.ID), reasoned{v.Reason})
}

type deletionRejectCmd struct {
	conditional
	ID string `arg:"" help:"The request's id (see: deletion list)."`
}

// Help shows how.
func (*deletionRejectCmd) Help() string {
	return `Example:

    sundial deletion reject 1400000001-12 --reason 'a bill is open'`
}

// Run rejects the request.
func (v *deletionRejectCmd) Run(ctx context.Context, c *console) error {
	return v.change(ctx, c, http.MethodPost, route("/v1/deletion-requests/%s/reject", v.ID), reasoned{v.Reason})
}
