package main

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// window are the flags of a span of recorded time.
type window struct {
	From string `help:"Only what was recorded at this time or later, RFC 3339." placeholder:"TIME"`
	To   string `help:"Only what was recorded before this time, RFC 3339." placeholder:"TIME"`
}

func (w *window) query() url.Values {
	q := url.Values{}
	set(q, "from", w.From)
	set(q, "to", w.To)
	return q
}

// statementFlags are those of every statement.
type statementFlags struct {
	remote
	window
	CSV bool `help:"Print it as CSV." name:"csv"`
}

type statementCmd struct {
	statementFlags
	Account string `arg:"" help:"The account."`
}

// Help shows how.
func (*statementCmd) Help() string {
	return `Statements of windows that follow one another add up. Examples:

    sundial statement acme --from 2026-01-01T00:00:00Z --to 2026-02-01T00:00:00Z
    sundial statement acme --csv > acme.csv`
}

// Run shows an account's statement.
func (v *statementCmd) Run(ctx context.Context, c *console) error {
	return v.show(ctx, c, route("/v1/accounts/%s/statement", v.Account))
}

type appStatementCmd struct {
	statementFlags
	App string `arg:"" help:"The SDKAppID."`
}

// Run shows an app's statement.
func (v *appStatementCmd) Run(ctx context.Context, c *console) error {
	return v.show(ctx, c, route("/v1/apps/%s/statement", v.App))
}

// sumsView is what the table shows of sums.
type sumsView struct {
	Currency string `json:"currency"`
	Charged  int64  `json:"charged"`
	Refunded int64  `json:"refunded"`
	Owed     int64  `json:"owed"`
}

func (s sumsView) cells() []string {
	return []string{s.Currency, strconv.FormatInt(s.Charged, 10), strconv.FormatInt(s.Refunded, 10), strconv.FormatInt(s.Owed, 10)}
}

func (v *statementFlags) show(ctx context.Context, c *console, path string) error {
	q := v.query()
	if v.CSV {
		if v.JSON {
			return misused("--csv and --json: want one of them")
		}
		q.Set("format", "csv")
	}
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: path, query: q})
	if err != nil || v.JSON {
		return err
	}
	if v.CSV {
		_, err := c.out.Write(a.body)
		return err
	}
	var s struct {
		Opening []sumsView `json:"opening"`
		Lines   []struct {
			RecordedAt  string     `json:"recorded_at"`
			EffectiveAt string     `json:"effective_at"`
			Type        string     `json:"type"`
			App         uint64     `json:"app"`
			Document    string     `json:"document"`
			Effect      []sumsView `json:"effect"`
		} `json:"lines"`
		Closing []sumsView `json:"closing"`
	}
	if err := a.into(&s); err != nil {
		return err
	}
	var rows [][]string
	total := func(name string, sums []sumsView) {
		for _, sum := range sums {
			rows = append(rows, append([]string{name, "", "", "", ""}, sum.cells()...))
		}
	}
	total("opening", s.Opening)
	for _, l := range s.Lines {
		fact := []string{l.Type, l.RecordedAt, l.EffectiveAt, strconv.FormatUint(l.App, 10), l.Document}
		if len(l.Effect) == 0 {
			rows = append(rows, append(fact, "", "0", "0", "0"))
		}
		for _, effect := range l.Effect {
			rows = append(rows, append(fact[:len(fact):len(fact)], effect.cells()...))
		}
	}
	total("closing", s.Closing)
	c.table("nothing was charged, refunded or owed",
		[]string{"fact", "recorded", "effective", "app", "document", "currency", "charged", "refunded", "owed"}, rows)
	return nil
}
