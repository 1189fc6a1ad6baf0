package domain

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	gocmp "github.com/google/go-cmp/cmp"

	"sundial/eventstore"
	"sundial/internal/testing/oracle"
)

// harness is what stands around the domain in the program, as little of it as a test needs: a log per account, a command
// at a time, and a scheduler that fires what is due. Every command that it runs is held against the promises that all
// commands make.
type harness struct {
	policy   Policy
	decreed  bool // the policy has changed
	accounts map[string]*Account
	log      map[string][]commit
	fired    map[string]bool // ids of the transitions that led to events
	position uint64
}

// commit is one command's outcome as the log keeps it.
type commit struct {
	at     Recorded
	events []Event
}

// failer is what a property and a test have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

func newWorld(policy Policy) *harness {
	return &harness{policy: policy, accounts: map[string]*Account{}, log: map[string][]commit{}, fired: map[string]bool{}}
}

func (w *harness) account(id string) *Account {
	if w.accounts[id] == nil {
		w.accounts[id] = NewAccount(id)
	}
	return w.accounts[id]
}

// run decides a command and records its events.
func (w *harness) run(t failer, account string, now Instant, role Role, c Command) ([]Event, error) {
	t.Helper()
	acc := w.account(account)
	before := acc.Clone()
	events, err := Decide(acc, c, Moment{Now: now, Policy: w.policy, Role: role, Actor: string(role), NewApp: testApp + AppID(len(acc.Apps)), Shared: true})
	if diff := gocmp.Diff(before, acc); diff != "" {
		t.Fatalf("deciding %s changed the account (-before +after):\n%s", c.Name(), diff)
	}
	if err != nil || len(events) == 0 {
		return events, err
	}
	w.position++
	w.log[account] = append(w.log[account], commit{Recorded{now, w.position}, events})
	acc.Apply(Recorded{now, w.position}, events...)
	w.checkPromises(t, before, acc, now, c, events)
	return events, nil
}

// deliver records a fact of the feed; the feeds of these tests have none that must be refused.
func (w *harness) deliver(t failer, now Instant, fact oracle.Fact) {
	t.Helper()
	if _, err := w.run(t, fact.Account, now, Billing, commandOf(fact)); err != nil {
		t.Fatalf("the fact %+v was not taken in: %v", fact, err)
	}
}

// bring imports an app, with the orders that came along.
func (w *harness) bring(t failer, now Instant, app oracle.App, orders []oracle.Fact) {
	t.Helper()
	c := ImportApp{
		App: AppID(app.ID), AppName: app.Name, CreatedAt: Instant(app.CreatedAt), Edition: Edition(app.Edition),
	}
	for _, fact := range orders {
		c.Orders = append(c.Orders, termsOf(fact))
	}
	if _, err := w.run(t, app.Account, now, Operator, c); err != nil {
		t.Fatalf("importing app %d: %v", app.ID, err)
	}
}

// sweep is a tick of the scheduler: it fires all that is due by now, in due order within a batch and from batch to
// batch, and everything twice, as two schedulers would.
func (w *harness) sweep(t failer, now Instant) {
	t.Helper()
	for batch := w.due(now); len(batch) > 0; batch = w.due(now) {
		for _, c := range batch {
			id := c.FireTransition.ID()
			events, err := w.run(t, c.account, now, Operator, c.FireTransition)
			switch {
			case err != nil:
				t.Fatalf("%s was refused: %v", id, err)
			case len(events) == 0:
				continue // what fired before it in the batch has moved it
			case w.fired[id]:
				t.Fatalf("%s fired again: %v", id, events)
			}
			w.fired[id] = true
			if again, err := w.run(t, c.account, now, Operator, c.FireTransition); err != nil || len(again) > 0 {
				t.Fatalf("%s, fired twice, answered %v, %v", id, again, err)
			}
		}
	}
}

// dueCommand is a transition that is due.
type dueCommand struct {
	account string
	at      Instant
	FireTransition
}

func (w *harness) due(now Instant) []dueCommand {
	var all []dueCommand
	for _, acc := range w.accounts {
		for _, app := range acc.Apps {
			for _, d := range app.Dues() {
				if d.At <= now {
					all = append(all, dueCommand{acc.ID, d.At, FireTransition{app.ID, d.Kind, d.Episode}})
				}
			}
		}
	}
	slices.SortFunc(all, func(a, b dueCommand) int {
		return cmp.Or(
			cmp.Compare(a.at, b.at), cmp.Compare(a.account, b.account), cmp.Compare(a.App, b.App),
			cmp.Compare(slices.Index(Kinds(), a.Kind), slices.Index(Kinds(), b.Kind)),
		)
	})
	return all
}

// checkPromises holds the events of one command against what the lifecycle promises of all of them.
func (w *harness) checkPromises(t failer, before, after *Account, now Instant, c Command, events []Event) {
	t.Helper()
	_, byTime := c.(FireTransition)
	for _, e := range events {
		app := before.Apps[e.Subject()]
		switch e := e.(type) {
		case AppStopped:
			checkStop(t, app, now, byTime, e.Cause, e.EffectiveAt)
		case HoldAdded:
			checkStop(t, app, now, byTime, e.Cause, e.EffectiveAt)
		case AppReinstated:
			w.checkReinstatement(t, app, byTime, e.Cause, e.By, e.EffectiveAt, e.Late)
		case HoldEnded:
			w.checkReinstatement(t, app, byTime, e.Cause, e.By, e.EffectiveAt, e.Late)
		}
	}
	for id, app := range after.Apps {
		if old := before.Apps[id]; old != nil && (old.Status() == Stopped) != (app.Status() == Stopped) &&
			!slices.ContainsFunc(events, saysSo) {
			t.Fatalf("%s made app %d %s from %s, and no event says so: %v", c.Name(), id, app.Status(), old.Status(), events)
		}
	}
}

func saysSo(e Event) bool {
	switch e.(type) {
	case AppStopped, AppReinstated, AppDeleted, AppRenumbered:
		return true
	}
	return false
}

// checkStop: no stop before its due time, and for money by time alone.
func checkStop(t failer, app *App, now Instant, byTime bool, cause Cause, effectiveAt Instant) {
	t.Helper()
	if person := cause == CauseManual || cause == CauseOperator; person {
		if byTime || effectiveAt != now {
			t.Fatalf("a stop by %s, effective at %s, at %s", cause, effectiveAt, now)
		}
		return
	}
	due := app.Lapse.StopDue
	if cause == CauseArrears {
		due = app.Arrears.StopDue
	}
	if !byTime || effectiveAt != due || effectiveAt > now {
		t.Fatalf("app %d stopped by %s effective at %s, due at %s, at %s, by time: %t", app.ID, cause, effectiveAt, due, now, byTime)
	}
}

// checkReinstatement: every reinstatement has a cause, and time alone is none: an order that begins is.
func (w *harness) checkReinstatement(t failer, app *App, byTime bool, cause Cause, by By, effectiveAt Instant, late bool) {
	t.Helper()
	causes := map[Cause][]By{
		CauseArrears: {bySettlement, byVoiding, byOrder, byRejudgement},
		// An earlier word of the same refund, that it ends nothing, has its order cover again.
		CauseRefund:      {byOrder, byRefund, byRejudgement},
		CausePlanExpired: {byOrder, byRefund, byRejudgement},
		CauseManual:      {byStart},
		CauseOperator:    {byStart},
	}
	if w.decreed { // with another grace, whatever moves a due may lift it above now
		causes[CauseArrears] = append(causes[CauseArrears], byOverdue)
	}
	held := slices.IndexFunc(app.holds(), func(s Stop) bool { return s.Cause == cause })
	switch {
	case byTime && by != byOrder, !slices.Contains(causes[cause], by):
		t.Fatalf("app %d: the hold %s ended by %s", app.ID, cause, by)
	case held < 0:
		t.Fatalf("app %d: the hold %s ended and was not in force", app.ID, cause)
	case late != (by != byStart && by != byRejudgement && effectiveAt <= app.holds()[held].EffectiveAt):
		t.Fatalf("app %d: late is %t for %s at %s of the hold %s of %s", app.ID, late, by, effectiveAt, cause, app.holds()[held].EffectiveAt)
	}
}

// replayed folds the log of an account anew, from its bytes.
func (w *harness) replayed(t failer, account string) *Account {
	t.Helper()
	acc := NewAccount(account)
	for _, c := range w.log[account] {
		events := make([]Event, len(c.events))
		for i, e := range c.events {
			events[i] = stored(t, e)
		}
		acc.Apply(c.at, events...)
	}
	return acc
}

// codec knows today's shapes. The program's, which internal/codec makes over these, knows those before as well.
var codec = func() *eventstore.Codec[Event] {
	c, err := eventstore.NewCodec(Prototypes())
	if err != nil {
		panic(err)
	}
	return c
}()

// stored is the event as it comes back from the log.
func stored(t failer, e Event) Event {
	t.Helper()
	encoded, err := codec.Encode(e)
	if err != nil {
		t.Fatalf("encoding %#v: %v", e, err)
	}
	decoded, err := codec.Decode(encoded)
	if err != nil {
		t.Fatalf("decoding %s: %v", encoded.Data, err)
	}
	return decoded
}

// kept is the app as it comes back from a row of a projection.
func kept(t failer, app *App) *App {
	t.Helper()
	row, err := json.Marshal(app)
	if err != nil {
		t.Fatalf("encoding app %d: %v", app.ID, err)
	}
	var back App
	if err := json.Unmarshal(row, &back, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("decoding %s: %v", row, err)
	}
	return &back
}

// checkReplay: replay equals live, and rows give back what was put into them.
func (w *harness) checkReplay(t failer) {
	t.Helper()
	for id, acc := range w.accounts {
		if diff := gocmp.Diff(acc, w.replayed(t, id)); diff != "" {
			t.Fatalf("replay of %s differs from what lived (-live +replay):\n%s", id, diff)
		}
		for _, app := range acc.Apps {
			if diff := gocmp.Diff(app, kept(t, app)); diff != "" {
				t.Fatalf("app %d does not survive its row (-live +row):\n%s", app.ID, diff)
			}
		}
	}
}

func commandOf(fact oracle.Fact) Command {
	app, at := AppID(fact.App), Instant(fact.Effective)
	report := &Report{Source: fact.Source, ID: fact.ID}
	amount := Money{fact.Amount.Currency, fact.Amount.Minor}
	switch fact.Kind {
	case oracle.OrderPaid:
		return RecordOrder{app, termsOf(fact), report}
	case oracle.OrderRefunded:
		return Refund{App: app, Order: fact.Order, Refund: fact.Refund, EffectiveAt: at, Amount: amount, Goodwill: fact.Goodwill, Report: report}
	case oracle.InvoiceOverdue:
		return MarkArrears{app, fact.Invoice, fact.Version, at, amount, report}
	case oracle.InvoiceSettled:
		return SettleArrears{app, fact.Invoice, fact.Version, at, report}
	case oracle.InvoiceVoided:
		return VoidInvoice{app, fact.Invoice, fact.Version, at, report}
	}
	panic("no fact: " + fact.Kind)
}

func termsOf(fact oracle.Fact) OrderTerms {
	terms := OrderTerms{
		ID: fact.Order, Edition: Edition(fact.Edition), EffectiveAt: Instant(fact.Effective), PaidUntil: Instant(fact.PaidUntil),
		Version: fact.Version, Amount: Money{fact.Amount.Currency, fact.Amount.Minor},
	}
	if fact.AddOns != "" {
		if err := json.Unmarshal(jsontext.Value(fact.AddOns), &terms.Addons); err != nil {
			panic(err)
		}
	}
	return terms
}

// viewOf is the app in the words of the oracle.
func viewOf(app *App) oracle.View {
	view := oracle.View{
		App: uint64(app.ID), Edition: string(app.Edition), Status: string(app.Status()), PaidUntil: int64(app.PaidUntil()),
	}
	if a := app.Arrears; a.Since != 0 {
		view.Arrears = &oracle.Arrears{Since: int64(a.Since), StopDue: int64(a.StopDue)}
		for i := range app.OpenInvoices(0, "") {
			view.Arrears.Invoices = append(view.Arrears.Invoices, oracle.Invoice{
				ID: i.ID, Since: int64(i.Since), Amount: oracle.Money(i.Amount), Version: i.Version,
			})
		}
		slices.SortFunc(view.Arrears.Invoices, func(a, b oracle.Invoice) int { return cmp.Compare(a.ID, b.ID) })
	}
	if l := app.Lapse; l.Since != 0 {
		view.Lapse = &oracle.Lapse{Cause: string(l.Cause), Since: int64(l.Since), StopDue: int64(l.StopDue)}
	}
	if stop, stopped := app.Stop(); stopped {
		view.Stop = &oracle.Stop{Cause: string(stop.Cause), EffectiveAt: int64(stop.EffectiveAt)}
	}
	dues := app.Transitions()
	for _, d := range dues {
		if d.At == dues[0].At {
			view.Next = append(view.Next, oracle.Transition{To: d.To, Due: int64(d.At), Cause: string(d.Cause)})
		}
	}
	return view
}

// graces are those in force, as the oracle asks for them.
func (w *harness) graces() oracle.ByEdition {
	return func(account, edition string) int64 {
		return w.policy.For(w.account(account).Policy.AccountPolicy, Edition(edition)).Grace.Milliseconds()
	}
}

// checkView holds an app against the second opinion.
func (w *harness) checkView(t failer, app oracle.App, facts []oracle.Fact, now Instant) {
	t.Helper()
	want := oracle.State(app, facts, int64(now), w.graces())
	compareViews(t, want, viewOf(w.account(app.Account).Apps[AppID(app.ID)]), facts, now)
}

func compareViews(t failer, want, got oracle.View, facts []oracle.Fact, now Instant) {
	t.Helper()
	if diff := gocmp.Diff(inOneOrder(want), inOneOrder(got)); diff != "" {
		t.Fatalf("app %d at %s (-oracle +domain):\n%s\nfacts:\n%s", got.App, now, diff, listed(facts))
	}
}

// inOneOrder gives the transitions of one instant an order; the oracle's is that of the causes, the domain's that of
// firing.
func inOneOrder(v oracle.View) oracle.View {
	slices.SortFunc(v.Next, func(a, b oracle.Transition) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.Cause, b.Cause))
	})
	return v
}

func listed(facts []oracle.Fact) string {
	var b []byte
	for _, f := range facts {
		b = fmt.Appendf(b, "  %s\n", oracle.EncodeEvent(f))
	}
	return string(b)
}
