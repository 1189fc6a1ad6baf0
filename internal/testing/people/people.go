// Package people says what the API must answer to what people ask for: who may do what (docs/lifecycle.md, "Who may do what")
// and what an app holds, read a second time and independently of the package domain, so that the two can be held against
// each other. What billing and time make of an app it leaves to the package oracle.
//
// Where the texts leave open which of two rules is named first, or what becomes of something, [Account.Judge] gives several
// outcomes, and the model goes on with the one that was answered.
//
// Instants are milliseconds since the Unix epoch in UTC; 0 means absent.
package people

import (
	"cmp"
	"maps"
	"slices"

	"sundial/internal/testing/oracle"
)

// Spans in milliseconds, and limits: the defaults of policy.
const (
	Hour       = int64(3_600_000)
	Grace      = 168 * Hour
	FactAhead  = 24 * Hour
	OrderAhead = 26_280 * Hour

	DefaultQuota = 100
	maxAdmins    = 5
)

// administrator is there from the start and stays.
const administrator = "administrator"

// Account is what the model knows of one account. The zero value, with a name, is one that does not exist yet.
type Account struct {
	Name  string
	Now   int64 // what the clock says; it is moved by Advance
	Quota int   // 0: the default
	Apps  []*App
	done  map[string]done // by Idempotency-Key: what appended
}

// App is what the model knows of one app.
type App struct {
	Number  uint64
	Name    string
	Version uint64 // as last answered
	Deleted bool

	imported Import // zero if it was created here

	base   oracle.App
	facts  []oracle.Fact
	orders map[string]Order // the word that counts, by id

	// Holds in force. Those of people have the instant since which they are.
	manual, operator int64
	arrears, lapse   bool

	admins     []string // without administrator
	trtc       bool
	tpnsWanted bool
	notedAt    int64 // effective time of what counts of the TRTC side's words
	trtcStill  bool  // the TRTC side is stopped
	requests   []*Request
}

// Request is a deletion request.
type Request struct {
	ID    string
	State string // open, approved, rejected or withdrawn
}

// Seen is the part of an app's answer that the model knows.
type Seen struct {
	Name     string
	Status   string
	Edition  string
	Paid     int64 // paid_until
	Arrears  *oracle.Arrears
	Lapse    *oracle.Lapse
	Stop     *oracle.Stop
	Admins   []string
	TRTC     bool
	TPNS     bool
	Deletion string // the state of the last request; "" if there was none
}

// InUse counts the apps that are not deleted.
func (a *Account) InUse() (count int) {
	for _, app := range a.Apps {
		if !app.Deleted {
			count++
		}
	}
	return count
}

func (a *Account) quota() int {
	if a.Quota == 0 {
		return DefaultQuota
	}
	return a.Quota
}

// Advance moves the clock to an instant that is not earlier, and lets time do to each app what it does.
func (a *Account) Advance(to int64) {
	for _, app := range a.Apps {
		app.pass(a.Now, to)
	}
	a.Now = to
}

// pass lets time do what falls due after from, until to, one instant after another.
func (app *App) pass(from, to int64) {
	if app.Deleted {
		return
	}
	for at := from; ; {
		app.change(func() { app.arrears, app.lapse = app.due(at) })
		next := app.view(at).Next
		if len(next) == 0 || next[0].Due > to {
			return
		}
		at = next[0].Due
	}
}

// Next is the instant of the next thing that time does to an app, 0 if there is none.
func (a *Account) Next() (due int64) {
	for _, app := range a.Apps {
		if next := app.view(a.Now).Next; !app.Deleted && len(next) > 0 && (due == 0 || next[0].Due < due) {
			due = next[0].Due
		}
	}
	return due
}

// change makes a change to what the app is; if that reinstates it, a request that waits is withdrawn.
func (app *App) change(makes func()) {
	before := app.Stopped()
	makes()
	if before && !app.Stopped() {
		app.withdraw()
	}
}

func (app *App) withdraw() {
	if open := app.open(); open != nil {
		open.State = "withdrawn"
	}
}

// Requested names the last request as the answer did.
func (app *App) Requested(id string) {
	if len(app.requests) > 0 {
		app.requests[len(app.requests)-1].ID = id
	}
}

// Requests lists the ids of the deletion requests that there were.
func (app *App) Requests() (ids []string) {
	for _, request := range app.requests {
		ids = append(ids, request.ID)
	}
	return ids
}

// Orders lists the ids of the orders that are known.
func (app *App) Orders() []string { return slices.Sorted(maps.Keys(app.orders)) }

// open is the request that waits for an operator, nil if none does.
func (app *App) open() *Request {
	if len(app.requests) > 0 && app.requests[len(app.requests)-1].State == "open" {
		return app.requests[len(app.requests)-1]
	}
	return nil
}

// take takes a fact in. Holds whose cause ends with it, or moves so that it is not due, end; those that fall due by it are
// left to the scheduler, which is Advance.
func (app *App) take(now int64, fact oracle.Fact) {
	app.change(func() {
		fact.Account, fact.App = app.base.Account, app.base.ID
		app.facts = append(app.facts, fact)
		arrears, lapse := app.due(now)
		app.arrears, app.lapse = app.arrears && arrears, app.lapse && lapse
	})
}

func (app *App) view(now int64) oracle.View {
	return oracle.State(app.base, app.facts, now, oracle.Always(Grace))
}

// due says which of the holds that time causes must be in force.
func (app *App) due(now int64) (arrears, lapse bool) {
	v := app.view(now)
	return v.Arrears != nil && v.Arrears.StopDue <= now, v.Lapse != nil && v.Lapse.StopDue <= now
}

// Stopped says whether a hold is in force.
func (app *App) Stopped() bool {
	return app.manual != 0 || app.operator != 0 || app.arrears || app.lapse
}

// Held says whether people hold the app.
func (app *App) Held() bool { return app.manual != 0 || app.operator != 0 }

// tpns says whether mobile push is on: it is wanted, and some known order with it has no refund that ends it.
func (app *App) tpns() bool { return app.tpnsWanted && app.tpnsPaid() }

func (app *App) tpnsPaid() bool {
	for id, order := range app.orders {
		if slices.Contains(order.Addons, "tpns") && !app.ended(id) {
			return true
		}
	}
	return false
}

// ended says whether a refund is known that ends the order, whenever it takes effect.
func (app *App) ended(order string) bool {
	return slices.ContainsFunc(oracle.Refunds(app.facts), func(f oracle.Fact) bool { return f.Order == order && !f.Goodwill })
}

// Next lists what time causes next for one app; several at one instant.
func (app *App) Next(now int64) []oracle.Transition {
	if app.Deleted {
		return nil
	}
	return app.view(now).Next
}

// Look is what a read of the app must show.
func (app *App) Look(now int64) Seen {
	s := Seen{Name: app.Name}
	if len(app.requests) > 0 {
		s.Deletion = app.requests[len(app.requests)-1].State
	}
	if app.Deleted { // what else is left of it is nobody's promise
		s.Status = "deleted"
		return s
	}
	v := app.view(now)
	s.Status, s.Edition, s.Paid, s.Arrears, s.Lapse = v.Status, v.Edition, v.PaidUntil, v.Arrears, v.Lapse
	if s.Arrears != nil { // the app shows them earliest first
		slices.SortStableFunc(s.Arrears.Invoices, func(a, b oracle.Invoice) int { return cmp.Compare(a.Since, b.Since) })
	}
	s.Stop = app.stop(v)
	if s.Stop != nil {
		s.Status = oracle.Stopped
	}
	s.Admins = append([]string{administrator}, app.admins...)
	slices.Sort(s.Admins)
	s.TRTC, s.TPNS = app.trtc, app.tpns()
	return s
}

// stop is the hold effective first, at one instant in this order: those of time, manual, operator.
func (app *App) stop(v oracle.View) *oracle.Stop {
	first := v.Stop
	for _, hold := range []oracle.Stop{{Cause: "manual", EffectiveAt: app.manual}, {Cause: "operator", EffectiveAt: app.operator}} {
		if hold.EffectiveAt != 0 && (first == nil || hold.EffectiveAt < first.EffectiveAt) {
			first = &hold
		}
	}
	return first
}
