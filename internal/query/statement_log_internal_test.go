package query

import (
	"fmt"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
	"sundial/internal/testing/oracle"
)

// commandOf is the billing system's report of a fact.
func commandOf(f oracle.Fact, report *domain.Report) domain.Command {
	switch e := eventOf(f).(type) {
	case domain.OrderRecorded:
		return domain.RecordOrder{App: e.App, Order: e.Order, Report: report}
	case domain.RefundRecorded:
		return domain.Refund{
			App: e.App, Order: e.Order, Refund: e.Refund, EffectiveAt: e.EffectiveAt, Amount: e.Amount, Goodwill: e.Goodwill, Report: report,
		}
	case domain.InvoiceOverdueRecorded:
		return domain.MarkArrears{App: e.App, Invoice: e.Invoice, Version: e.Version, EffectiveAt: e.EffectiveAt, Amount: e.Amount, Report: report}
	case domain.InvoiceSettledRecorded:
		return domain.SettleArrears{App: e.App, Invoice: e.Invoice, Version: e.Version, EffectiveAt: e.EffectiveAt, Report: report}
	case domain.InvoiceVoidedRecorded:
		return domain.VoidInvoice{App: e.App, Invoice: e.Invoice, Version: e.Version, EffectiveAt: e.EffectiveAt, Report: report}
	}
	return nil
}

// TestStatementsOfALog takes a generated feed through an engine and reads the statements from its log.
func TestStatementsOfALog(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	node := enginetest.Start(t).Node(t, t.TempDir(), true)
	reader, err := New(node.Log, node.Store)
	if err != nil {
		t.Fatal(err)
	}
	feed := oracle.Generate(seed, oracle.Options{Accounts: 3, AppsPerAccount: 4})
	for _, app := range feed.Apps {
		node.Must(t, app.Account, fmt.Sprint("import-", app.ID), domain.Operator, domain.ImportApp{
			App: domain.AppID(app.ID), AppName: app.Name, CreatedAt: domain.Instant(app.CreatedAt),
		})
	}
	facts := map[string][]oracle.Fact{} // by account, and by app
	for _, d := range feed.Deliveries {
		node.Move(domain.Instant(d.ArrivesAt).Time().Sub(node.Time()))
		report := &domain.Report{Source: d.Fact.Source, ID: d.Fact.ID}
		answer := node.Must(t, d.Fact.Account, engine.FactPrefix+d.Fact.Source+"/"+d.Fact.ID, domain.Billing, commandOf(d.Fact, report))
		if answer.Outcome == engine.Repeated {
			continue
		}
		for _, which := range []string{d.Fact.Account, fmt.Sprint(d.Fact.App)} {
			facts[which] = append(facts[which], d.Fact)
		}
	}
	half := domain.Instant(feed.Deliveries[len(feed.Deliveries)/2].ArrivesAt)
	for _, app := range feed.Apps {
		for which, id := range map[string]domain.AppID{app.Account: 0, fmt.Sprint(app.ID): domain.AppID(app.ID)} {
			whole, err := reader.Statement(t.Context(), app.Account, id, Window{})
			if err != nil {
				t.Fatal(err)
			}
			sum := map[string]*Sums{}
			for currency, s := range worth(facts[which]) {
				*of(sum, currency) = s
			}
			if d := gocmp.Diff(present(ordered(sum)), present(whole.Closing)); d != "" || len(whole.Lines) != len(facts[which]) {
				t.Errorf("%s: %d lines for %d facts (-facts +closing):\n%s", which, len(whole.Lines), len(facts[which]), d)
			}
			first, err1 := reader.Statement(t.Context(), app.Account, id, Window{To: half})
			second, err2 := reader.Statement(t.Context(), app.Account, id, Window{From: half})
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			if d := gocmp.Diff(whole.Lines, append(first.Lines, second.Lines...)); d != "" {
				t.Errorf("%s, cut at %s (-whole +pieces):\n%s", which, half, d)
			}
			if d := gocmp.Diff(first.Closing, second.Opening); d != "" {
				t.Errorf("%s, cut at %s (-closing +opening):\n%s", which, half, d)
			}
		}
	}
}
