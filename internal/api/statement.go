package api

import (
	"bytes"
	"encoding/csv"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"sundial/domain"
	"sundial/internal/mediatype"
	"sundial/internal/query"
)

// Statement is what was charged, refunded and owed within a window.
type Statement struct {
	Account  string          `json:"account" example:"acme"`
	App      *domain.AppID   `json:"app" doc:"null: of all the account's apps"`
	From     Absentable      `json:"from" doc:"null: from the beginning"`
	To       Absentable      `json:"to" doc:"null: to the latest commit"`
	Position uint64          `json:"position" doc:"Up to which the log was read"`
	Opening  []Sums          `json:"opening" doc:"What all facts recorded before come to"`
	Lines    []StatementLine `json:"lines" doc:"In the order in which they were recorded"`
	Closing  []Sums          `json:"closing" doc:"The opening sums with every line"`
}

// StatementLine is a billing fact.
type StatementLine struct {
	ID          string         `json:"id" doc:"Of the event" example:"1234.0"`
	RecordedAt  domain.Instant `json:"recorded_at"`
	EffectiveAt domain.Instant `json:"effective_at"`
	Type        query.Kind     `json:"type" enum:"order_paid,order_refunded,invoice_overdue,invoice_settled,invoice_voided"`
	App         domain.AppID   `json:"app" example:"1400000001"`
	Document    string         `json:"document" doc:"The id of the order or of the invoice" example:"ord-1"`
	Version     int64          `json:"version"`
	Amount      *Money         `json:"amount" doc:"As the fact states it"`
	Effect      []Sums         `json:"effect" doc:"What it changes; negative in a correction, empty where nothing is new"`
	Sums        []Sums         `json:"sums" doc:"With this line, of the currencies that it touches; without one whose sums are beyond 9007199254740991 there"`
}

// Sums are sums of money of one currency, in minor units.
type Sums struct {
	Currency string `json:"currency" example:"CNY"`
	Charged  int64  `json:"charged" doc:"Orders paid and invoices settled"`
	Refunded int64  `json:"refunded" doc:"Orders refunded"`
	Owed     int64  `json:"owed" doc:"Invoices that are overdue"`
}

// readAccountStatement answers GET /v1/accounts/{account}/statement.
func (a *API) readAccountStatement(x *call) reply {
	acc, problem, fine := a.known(x)
	if !fine {
		return problem
	}
	return a.statementOf(x, acc.ID, 0)
}

// readAppStatement answers GET /v1/apps/{app}/statement.
func (a *API) readAppStatement(x *call) reply {
	app, account, problem, fine := x.app()
	if !fine {
		return problem
	}
	return a.statementOf(x, account, app)
}

func (a *API) statementOf(x *call, account string, app domain.AppID) reply {
	window, wrong := windowOf(x.query)
	format := x.query.Get("format")
	if x.query.Has("format") && format != "json" && format != "csv" {
		wrong = append(wrong, field("format", "unknown_format", "must be json or csv"))
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	s, err := a.config.Query.Statement(x.r.Context(), account, app, window)
	if err != nil {
		return errorReply(err)
	}
	if format == "csv" || format == "" && mediatype.Prefers(x.r.Header["Accept"], "text/csv", jsonType) {
		rep := ok(statementCSV(s))
		rep.contentType = csvType
		return rep
	}
	return ok(marshal(shownStatement(s)))
}

// windowOf reads a span of recorded time.
func windowOf(query url.Values) (w query.Window, wrong []domain.FieldError) {
	for _, p := range []struct {
		name string
		into *domain.Instant
	}{{"from", &w.From}, {"to", &w.To}} {
		if query.Has(p.name) {
			wrong = append(wrong, instantOf(query, p.name, p.into)...)
		}
	}
	if w.To != 0 && w.From > w.To {
		wrong = append(wrong, field("to", "out_of_range", "must not be before from"))
	}
	return w, wrong
}

func shownStatement(s *query.Statement) Statement {
	out := Statement{
		Account: s.Account, App: present(s.App), From: present(s.Window.From), To: present(s.Window.To), Position: s.Position,
		Opening: shownSums(s.Opening), Lines: make([]StatementLine, len(s.Lines)), Closing: shownSums(s.Closing),
	}
	for i := range s.Lines {
		l := &s.Lines[i]
		out.Lines[i] = StatementLine{
			ID: lineID(l), RecordedAt: l.RecordedAt, EffectiveAt: l.EffectiveAt, Type: l.Kind, App: l.App, Document: l.Document,
			Version: l.Version, Amount: present(Money(l.Stated)), Effect: shownSums(l.Effect), Sums: shownSums(l.Sums),
		}
	}
	return out
}

func shownSums(sums []query.Sums) []Sums {
	out := make([]Sums, len(sums))
	for i, s := range sums {
		out[i] = Sums(s)
	}
	return out
}

func lineID(l *query.Line) string {
	return query.Place{Position: l.Position, Index: l.Index, Epoch: l.Epoch}.String()
}

// statementColumns name the columns of a statement as CSV.
var statementColumns = []string{
	"id", "recorded_at", "effective_at", "type", "account", "app", "document", "version", "amount_currency", "amount_minor",
	"currency", "charged", "refunded", "owed", "charged_sum", "refunded_sum", "owed_sum",
}

// statementCSV writes a statement as CSV (RFC 4180): a row for each currency of the opening sums, one for each line and
// currency that it touches, and one for each currency of the closing sums.
func statementCSV(s *query.Statement) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	w.UseCRLF = true
	row := func(cells ...string) { _ = w.Write(cells) } // a buffer takes everything
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	app := ""
	if s.App != 0 {
		app = strconv.FormatUint(uint64(s.App), 10)
	}
	total := func(kind string, at domain.Instant, sums []query.Sums) {
		for _, c := range sums {
			row("", at.String(), "", kind, s.Account, app, "", "", "", "", c.Currency, "", "", "", number(c.Charged), number(c.Refunded), number(c.Owed))
		}
	}
	row(statementColumns...)
	total("opening", s.Window.From, s.Opening)
	for i := range s.Lines {
		l := &s.Lines[i]
		stated := []string{"", ""}
		if l.Stated != (domain.Money{}) {
			stated = []string{l.Stated.Currency, number(l.Stated.Minor)}
		}
		fact := append([]string{
			lineID(l), l.RecordedAt.String(), l.EffectiveAt.String(), string(l.Kind), s.Account, strconv.FormatUint(uint64(l.App), 10),
			guarded(l.Document), number(l.Version),
		}, stated...)
		currencies := l.Currencies()
		if len(currencies) == 0 {
			row(append(fact, "", "0", "0", "0", "", "", "")...)
		}
		for c, currency := range currencies {
			effect := query.Sums{}
			if len(l.Effect) > 0 {
				effect = l.Effect[c]
			}
			sums := []string{"", "", ""} // beyond what can be shown
			if i := slices.IndexFunc(l.Sums, func(s query.Sums) bool { return s.Currency == currency }); i >= 0 {
				sums = []string{number(l.Sums[i].Charged), number(l.Sums[i].Refunded), number(l.Sums[i].Owed)}
			}
			row(append(append(fact[:len(fact):len(fact)], currency, number(effect.Charged), number(effect.Refunded), number(effect.Owed)), sums...)...)
		}
	}
	total("closing", s.Window.To, s.Closing)
	w.Flush()
	return out.Bytes()
}

// formulas are what begins one; spreadsheets set to Chinese or Japanese take the wide forms as well.
const formulas = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"

// guarded keeps a text that others chose from being taken for a formula by a spreadsheet. Numbers are ours, and can be
// negative.
func guarded(text string) string {
	if strings.IndexAny(text, formulas) == 0 {
		return "'" + text
	}
	return text
}
