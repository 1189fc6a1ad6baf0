package domain

import (
	"slices"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"sundial/internal/testing/oracle"
)

// TestWholeLives lets everybody do anything to an account, in any order, while time passes and ticks come now and then:
// people, billing and time, allowed or not. Whatever happens, the promises of every command hold, what is asked for a
// second time is silence or the same refusal, the account counts its apps right, and each app is what the facts in its
// log make of it.
func TestWholeLives(t *testing.T) {
	for range 4 { // a life is short, and rare meetings matter here
		rapid.Check(t, wholeLife)
	}
}

// FuzzWholeLives is the same, led by what the fuzzer finds new.
func FuzzWholeLives(f *testing.F) { f.Fuzz(rapid.MakeFuzz(wholeLife)) }

func wholeLife(t *rapid.T) {
	policy := unhurried()
	policy.Grace, policy.Quota = 5*time.Hour, 2
	w, now := newWorld(policy), crowdBegins
	c := anyCommand()
	for range rapid.IntRange(1, 25).Draw(t, "commands") {
		now = now.Add(time.Duration(rapid.IntRange(0, 4).Draw(t, "hours")) * time.Hour)
		asked := c.Draw(t, "command")
		if rapid.IntRange(0, 2).Draw(t, "what it is about") == 0 {
			asked = w.anyHolding(t, testApp+AppID(rapid.IntRange(0, 1).Draw(t, "app")), now)
		}
		first, err := w.run(t, acme, now, asked.as, asked.Command)
		if _, anew := asked.Command.(Rejudge); anew && len(first) > 0 {
			t.Fatalf("what today's rules decided is judged otherwise: %v", first)
		}
		if add, is := asked.Command.(AddCertificate); is {
			add.Certificate = w.nextCertificate() // the engine gives an id once
			asked.Command = add
		}
		second, errAgain := w.run(t, acme, now, asked.as, asked.Command)
		checkAgain(t, asked.Command, first, second, err, errAgain)
		w.checkHoldings(t)
		if rapid.Bool().Draw(t, "tick") {
			w.sweep(t, now)
			w.checkFacts(t, now)
			w.checkNothingIsLate(t, now)
		}
	}
	w.checkReplay(t)
	for id, app := range w.account(acme).Apps {
		origin, facts := w.told(id)
		origin.CreatedAt = int64(app.CreatedAt)
		w.checkHindsight(t, origin, facts, crowdBegins.Add(time.Duration(rapid.IntRange(-1, 100).Draw(t, "looking back"))*time.Hour))
	}
}

// asked is a command and who gives it.
type asked struct {
	as Role
	Command
}

// checkAgain: the second time there is silence, or the same refusal.
func checkAgain(t failer, c Command, first, second []Event, err, errAgain error) {
	t.Helper()
	switch c := c.(type) {
	case CreateApp, StartApp: // another app; what is left may not be the asker's to lift
		return
	case RotateKey, RevealKey, AddCertificate: // one more each time
		return
	case NoteTRTCStopped, NoteTRTCStarted: // said again is a later word
		return
	case RecordOrder:
		if c.Report != nil {
			return // evidence, kept each time
		}
	}
	if len(second) > 0 || len(first) > 0 && errAgain != nil || err != nil && (errAgain == nil || err.Error() != errAgain.Error()) {
		t.Fatalf("%#v was answered with %v (%v), and then with %v (%v)", c, first, err, second, errAgain)
	}
}

func anyCommand() *rapid.Generator[asked] {
	fact := crowdedFact()
	names := []string{"shop", "chat", "\u5e97"}
	return rapid.Custom(func(t *rapid.T) asked {
		who := rapid.SampledFrom([]Role{Owner, Owner, Operator}).Draw(t, "who")
		app := testApp + AppID(rapid.IntRange(0, 1).Draw(t, "app"))
		name := rapid.SampledFrom(names).Draw(t, "name")
		order := func() OrderTerms {
			return OrderTerms{
				ID:      rapid.SampledFrom([]string{"o1", "o2", "o3", "o4"}).Draw(t, "order"),
				Edition: rapid.SampledFrom([]Edition{Pro, Flagship, Trial, ""}).Draw(t, "edition"), Amount: price,
				PaidUntil: rapid.SampledFrom([]Instant{0, crowdBegins.Add(40 * time.Hour), crowdBegins.Add(60 * time.Hour)}).Draw(t, "until"),
				Addons:    rapid.SampledFrom([][]string{nil, {"push"}}).Draw(t, "addons"),
			}
		}
		switch rapid.IntRange(0, 16).Draw(t, "kind") {
		case 0, 1:
			return asked{who, CreateApp{AppName: name}}
		case 2:
			o := order()
			return asked{who, CreateApp{AppName: name, Order: &o}}
		case 3:
			e := rapid.SampledFrom(Editions()).Draw(t, "imported as")
			return asked{Operator, ImportApp{App: app, AppName: name, CreatedAt: crowdBegins, Edition: e}}
		case 4:
			return asked{who, UpgradeEdition{app, order()}}
		case 5:
			return asked{who, RenewPlan{app, order()}}
		case 6:
			return asked{who, StopApp{app, rapid.SampledFrom([]string{"", "abuse"}).Draw(t, "reason")}}
		case 7:
			return asked{who, StartApp{app}}
		case 8:
			return asked{who, DeleteApp{app, name}}
		case 9:
			return asked{who, EditAppInfo{App: app, AppName: &name}}
		case 10:
			return asked{Operator, SetQuota{rapid.IntRange(0, 3).Draw(t, "quota")}}
		case 11:
			return asked{Operator, NoteTRTCStopped{App: app}}
		case 12:
			return asked{Operator, NoteTRTCStarted{App: app}}
		case 13:
			return asked{Operator, Rejudge{app}}
		}
		f := fact.Draw(t, "fact")
		f.App = uint64(app)
		return asked{Billing, withoutReport(commandOf(f), rapid.Bool().Draw(t, "as a message"))}
	})
}

func withoutReport(c Command, message bool) Command {
	switch c := c.(type) {
	case RecordOrder:
		if !message {
			c.Report = nil
		}
		return c
	case Refund:
		c.Report = nil
		return c
	case MarkArrears:
		c.Report = nil
		return c
	case SettleArrears:
		c.Report = nil
		return c
	case VoidInvoice:
		c.Report = nil
		return c
	}
	return c
}

// checkFacts holds every app against what the oracle makes of the facts in its log; what people did is left out.
func (w *harness) checkFacts(t failer, now Instant) {
	t.Helper()
	acc := w.account(acme)
	inUse := 0
	for id, app := range acc.Apps {
		if app.DeletedAt != 0 {
			continue
		}
		inUse++
		origin, facts := w.told(id)
		plain := app.Clone()
		plain.Manual, plain.Operator = Hold{}, Hold{}
		compareViews(t, oracle.State(origin, facts, int64(now), w.graces()), viewOf(plain), facts, now)
		if people := app.Manual.EffectiveAt + app.Operator.EffectiveAt; people != 0 && app.Status() != Stopped {
			t.Fatalf("app %d is %s under a hold by people", id, app.Status())
		}
	}
	if acc.InUse != inUse {
		t.Fatalf("the account counts %d apps in use, and has %d", acc.InUse, inUse)
	}
}

// told reads an app and the facts about it from the log.
func (w *harness) told(id AppID) (oracle.App, []oracle.Fact) {
	origin := oracle.App{Account: acme, ID: uint64(id)}
	var facts []oracle.Fact
	fact := func(f oracle.Fact) {
		f.Account, f.App = acme, uint64(id)
		facts = append(facts, f)
	}
	for _, c := range w.log[acme] {
		for _, e := range c.events {
			if e.Subject() != id {
				continue
			}
			switch e := e.(type) {
			case AppImported:
				origin.Edition = string(e.Edition)
			case OrderRecorded:
				f := oracle.Fact{
					Kind: oracle.OrderPaid, Order: e.Order.ID, Edition: string(e.Order.Edition), Effective: int64(e.Order.EffectiveAt),
					PaidUntil: int64(e.Order.PaidUntil), Version: e.Order.Version, OwnersWord: e.By != Billing,
				}
				if len(e.Order.Addons) > 0 {
					text, _ := json.Marshal(e.Order.Addons)
					f.AddOns = string(text)
				}
				fact(f)
			case RefundRecorded:
				fact(oracle.Fact{Kind: oracle.OrderRefunded, Order: e.Order, Refund: e.Refund, Goodwill: e.Goodwill, Effective: int64(e.EffectiveAt)})
			case InvoiceOverdueRecorded:
				fact(oracle.Fact{Kind: oracle.InvoiceOverdue, Invoice: e.Invoice, Version: e.Version, Effective: int64(e.EffectiveAt), Amount: oracle.Money(e.Amount)})
			case InvoiceSettledRecorded:
				fact(oracle.Fact{Kind: oracle.InvoiceSettled, Invoice: e.Invoice, Version: e.Version, Effective: int64(e.EffectiveAt)})
			case InvoiceVoidedRecorded:
				fact(oracle.Fact{Kind: oracle.InvoiceVoided, Invoice: e.Invoice, Version: e.Version, Effective: int64(e.EffectiveAt)})
			}
		}
	}
	return origin, slices.Clip(facts)
}
