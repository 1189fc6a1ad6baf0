package people

import (
	"reflect"
	"slices"

	"sundial/internal/testing/oracle"
)

// Role is in which capacity somebody asks.
type Role string

// The roles; a stranger is the owner of another account.
const (
	Owner    Role = "owner"
	Operator Role = "operator"
	Billing  Role = "billing"
	Reader   Role = "reader"
	Auditor  Role = "auditor"
	Stranger Role = "stranger"
)

// Command is what somebody asks for. Name says which of the fields count.
type Command struct {
	Name   string // as the table of roles has it
	Role   Role
	Key    string  // the Idempotency-Key
	Reason string  // no part of its content
	Stale  bool    // If-Match names a version that the app does not have
	App    *App    // nil if it is about the account
	Body   Content // with the name and the app, what makes two commands the same
}

// Content is what a command says. Pointers, slices and zero values are absent members.
type Content struct {
	AppName string
	Confirm string
	Import  *Import
	Order   *Order
	Fact    *oracle.Fact // of mark_arrears, settle_arrears, void_invoice and refund
	At      int64        // of what the TRTC side says
	Names   []string
	Apps    int
	Request string // the id of a deletion request
}

// Import is an app of another system.
type Import struct {
	Number    uint64
	Edition   string
	CreatedAt int64
}

// Order is an order in a command.
type Order struct {
	ID        string
	Edition   string
	Effective int64 // 0 on the wire: now
	PaidUntil int64
	Addons    []string
	Minor     int64
}

// Outcome is one answer that is right.
type Outcome struct {
	Status int
	Code   string // of the problem
	Change Change // what it does to the version of the app
	// Then makes the change to the model; grew says whether something was recorded. nil: none.
	Then func(grew bool)
}

// Change says what an outcome does to the version of an app.
type Change int

// Silence leaves the version, an event raises it; where the texts leave open whether something is recorded, it is either.
const (
	Either Change = iota
	Same
	Grows
)

// done is a command that appended.
type done struct {
	command Command
	outcome Outcome
	version uint64
	number  uint64
}

// may are the roles that give each command (docs/lifecycle.md, "Who may do what"), but for operators, who "may do whatever an
// owner or billing may".
var may = map[string][]Role{
	"create_app": {Owner}, "edit_app_info": {Owner}, "stop_app": {Owner}, "start_app": {Owner}, "delete_app": {Owner},
	"request_deletion": {Owner}, "add_admins": {Owner}, "remove_admins": {Owner}, "enable_trtc": {Owner},
	"enable_tpns": {Owner}, "disable_tpns": {Owner},
	"upgrade_edition": {Owner, Billing}, "renew_plan": {Owner, Billing},
	"mark_arrears": {Billing}, "settle_arrears": {Billing}, "void_invoice": {Billing}, "refund": {Billing},
	"note_trtc_stopped": {Billing}, "note_trtc_started": {Billing},
	"import_app": {}, "set_quota": {}, "approve_deletion": {}, "reject_deletion": {},
}

// ofAccount are the commands that are about no app yet.
var ofAccount = map[string]bool{"create_app": true, "import_app": true, "set_quota": true}

// Commands are the names of those that are about an app, without the decision of a deletion request.
func Commands() []string {
	var names []string
	for name := range may {
		if !ofAccount[name] && name != "approve_deletion" && name != "reject_deletion" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func refused(status int, codes ...string) (all []Outcome) {
	for _, code := range codes {
		all = append(all, Outcome{Status: status, Code: code, Change: Same})
	}
	return all
}

func silent() []Outcome { return []Outcome{{Status: 200, Change: Same}} }

func recorded(then func()) []Outcome {
	return []Outcome{{Status: 200, Change: Grows, Then: func(bool) { then() }}}
}

// Judge gives the outcomes that are right; any of them.
func (a *Account) Judge(c Command) []Outcome {
	switch {
	case c.Role == Stranger && len(may[c.Name]) > 0 && slices.Contains(may[c.Name], Owner):
		return refused(404, "app_not_found", "account_not_found")
	case c.Role == Stranger: // both are true
		return append(refused(404, "app_not_found", "account_not_found", "deletion_request_not_found"), refused(403, "forbidden")...)
	case c.Role != Operator && !slices.Contains(may[c.Name], c.Role):
		if c.App == nil && !ofAccount[c.Name] { // both are true
			return append(refused(404, "app_not_found"), refused(403, "forbidden")...)
		}
		return refused(403, "forbidden")
	}
	if c.App == nil && !ofAccount[c.Name] {
		return refused(404, "app_not_found")
	}
	if before, known := a.done[c.Key]; known {
		if !before.command.same(c) {
			return refused(422, "idempotency_key_reused")
		}
		return []Outcome{{Status: before.outcome.Status, Change: Either}}
	}
	switch c.Name {
	case "create_app":
		return a.create(c)
	case "import_app":
		return a.importApp(c)
	case "set_quota":
		return a.setQuota(c)
	}
	if c.Stale {
		return refused(412, "stale_version")
	}
	if c.Name == "approve_deletion" || c.Name == "reject_deletion" {
		return c.App.decide(c)
	}
	if c.App.Deleted {
		if c.Name == "delete_app" {
			return silent()
		}
		outcomes := refused(409, "app_deleted")
		if c.Body.Order != nil {
			outcomes = append(outcomes, c.Body.Order.invalid(a.Now)...)
		}
		return outcomes
	}
	return c.App.judge(a.Now, c)
}

// Known says what was answered first to a command that appended and comes again.
func (a *Account) Known(c Command) (version, number uint64, known bool) {
	before, known := a.done[c.Key]
	return before.version, before.number, known && before.command.same(c)
}

// Answered makes the change of the outcome that was answered to the model. The version is that of the app in the answer.
func (a *Account) Answered(c Command, o Outcome, number, version uint64, grew bool) {
	if o.Then != nil {
		o.Then(grew)
	}
	if _, known := a.done[c.Key]; known || !grew || o.Status >= 300 {
		return
	}
	if a.done == nil {
		a.done = map[string]done{}
	}
	if c.Name == "create_app" || c.Name == "import_app" {
		app := a.Apps[len(a.Apps)-1]
		app.Number, app.base.ID = number, number
		for i := range app.facts {
			app.facts[i].App = number
		}
	}
	a.done[c.Key] = done{c, o, version, number}
}

// same says whether it is the same command, for the same id: by whom and why is no part of it.
func (c Command) same(as Command) bool {
	return c.Name == as.Name && c.App == as.App && reflect.DeepEqual(c.Body, as.Body)
}

func (a *Account) create(c Command) []Outcome {
	var outcomes []Outcome
	if c.Body.Order != nil && c.Body.Order.Effective > a.Now+OrderAhead {
		outcomes = refused(409, "effective_too_far_ahead")
	}
	if c.Body.Order != nil {
		outcomes = append(outcomes, c.Body.Order.invalid(a.Now)...)
	}
	if a.InUse() >= a.quota() {
		outcomes = append(outcomes, refused(409, "quota_exhausted")...)
	}
	if outcomes != nil {
		return outcomes
	}
	app := &App{Name: c.Body.AppName, base: oracle.App{Account: a.Name}, orders: map[string]Order{}}
	return []Outcome{{Status: 201, Change: Grows, Then: func(bool) {
		a.Apps = append(a.Apps, app)
		if c.Body.Order != nil {
			app.order(a.Now, *c.Body.Order)
		}
	}}}
}

func (a *Account) importApp(c Command) []Outcome {
	in := c.Body.Import
	if i := slices.IndexFunc(a.Apps, func(app *App) bool { return app.Number == in.Number }); i >= 0 {
		taken := refused(409, "app_id_taken")
		if app := a.Apps[i]; !app.Deleted && app.imported == *in { // it may be so already; once it was changed, that is left open
			return append(taken, Outcome{Status: 201, Change: Same})
		}
		return taken
	}
	if in.CreatedAt > a.Now+FactAhead {
		return refused(409, "effective_too_far_ahead")
	}
	app := &App{
		Name: c.Body.AppName, orders: map[string]Order{},
		base: oracle.App{Account: a.Name, CreatedAt: in.CreatedAt, Edition: in.Edition},
		trtc: in.Edition == oracle.TRTCTrial, imported: *in,
	}
	return []Outcome{{Status: 201, Change: Grows, Then: func(bool) {
		if in.Edition == oracle.Pro || in.Edition == oracle.Flagship {
			app.orders["import"] = Order{ID: "import", Edition: in.Edition, Effective: in.CreatedAt}
		}
		a.Apps = append(a.Apps, app)
	}}}
}

func (a *Account) setQuota(c Command) []Outcome {
	switch apps := c.Body.Apps; {
	case apps == a.quota():
		return []Outcome{{Status: 200}}
	case apps < a.InUse() && apps <= a.quota():
		return refused(409, "quota_below_use")
	}
	return []Outcome{{Status: 200, Change: Grows, Then: func(bool) { a.Quota = c.Body.Apps }}}
}
