package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// rejudgeCmd has apps decided anew by today's rules.
type rejudgeCmd struct {
	conditional
	App     string `arg:"" optional:"" help:"The SDKAppID of the one app."`
	List    bool   `help:"Change nothing: list the apps that are judged otherwise, with what they are and would be."`
	All     bool   `help:"All of that list."`
	Account string `help:"Of the list only this account's." placeholder:"ACCOUNT"`
}

// Help shows how.
func (*rejudgeCmd) Help() string {
	return `An app that an earlier version of the program stopped by other rules stays stopped until it is decided anew; each time is on record, with its reason. An app that today's rules judge as it was judged is left as it is. Exit code 1 if an app of --all was refused: the others are done. docs/rejudging.md says more.

Examples:

    sundial rejudge --list
    sundial rejudge 1400000001 --reason 'stopped for an invoice over nothing'
    sundial rejudge --all --account acme --reason 'rules of this version'`
}

// Run lists, or rejudges one app or all of the list.
func (v *rejudgeCmd) Run(ctx context.Context, c *console) error {
	one := v.App != ""
	switch {
	case one && (v.List || v.All), v.List && v.All, !one && !v.List && !v.All:
		return misused("want one of: an app, --list, --all\n  fix: see sundial rejudge --help")
	case one && v.Account != "":
		return misused("--account: goes with --list and --all")
	case v.All && (v.IfMatch != "" || v.Key != ""):
		return misused("--if-match and --idempotency-key: go with one app")
	case v.List:
		return v.list(ctx, c)
	case v.All:
		return v.all(ctx, c)
	}
	return v.change(ctx, c, http.MethodPost, route("/v1/apps/%s/rejudge", v.App), reasoned{v.Reason})
}

// rejudgements is the route of the list.
const rejudgements = "/v1/rejudgements"

// rejudgement is what the table shows of an app of the list.
type rejudgement struct {
	Differs []string `json:"differs"`
	Is      appView  `json:"is"`
	WouldBe appView  `json:"would_be"`
}

func (v *rejudgeCmd) query() url.Values {
	q := url.Values{}
	set(q, "account", v.Account)
	return q
}

func (v *rejudgeCmd) list(ctx context.Context, c *console) error {
	found, _, err := list[rejudgement](ctx, c, &v.remote, paging{Limit: maxPage, All: true}, rejudgements, v.query())
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, r := range found {
		rows = append(rows, []string{
			strconv.FormatUint(r.Is.App, 10), r.Is.Account, strings.Join(r.Differs, ", "), r.Is.Edition + " " + r.Is.Status, r.WouldBe.Edition + " " + r.WouldBe.Status, r.WouldBe.next(),
		})
	}
	c.table("no app is judged otherwise", []string{"app", "account", "differs", "is", "would be", "next would be"}, rows)
	return nil
}

// all rejudges each app of the list. The list is read whole first, as it gets shorter on the way.
func (v *rejudgeCmd) all(ctx context.Context, c *console) error {
	cl, err := v.client()
	if err != nil {
		return err
	}
	found, err := each[rejudgement](ctx, cl, rejudgements, v.query())
	if err != nil {
		return err
	}
	apps := make([]string, len(found))
	for i, r := range found {
		apps[i] = strconv.FormatUint(r.Is.App, 10)
	}
	return inOneGo(ctx, c, &v.remote, goingThrough{"rejudging", "rejudged", "app"}, apps, func(app string) (answer, error) {
		id, err := uuid.NewV7()
		if err != nil {
			return answer{}, err
		}
		return cl.patiently(ctx, request{
			method: http.MethodPost, path: route("/v1/apps/%s/rejudge", app), body: reasoned{v.Reason},
			header: http.Header{"Idempotency-Key": {id.String()}},
		})
	})
}
