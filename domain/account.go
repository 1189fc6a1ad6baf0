package domain

import "slices"

// AppID is an SDKAppID: ten digits, unique in the engine, never reused.
type AppID uint64

// The range of SDKAppIDs: new ones are counted from FirstApp; an imported one may be anywhere in it.
const (
	MinApp   AppID = 1_000_000_000
	FirstApp AppID = 1_400_000_001
	MaxApp   AppID = 9_999_999_999
)

// Account is a customer as the log has it: the boundary of consistency. It exists from its first commit on.
type Account struct {
	ID         string         `json:"id"`
	Quota      int            `json:"quota,omitzero"`    // 0: the policy's
	Policy     SetTerms       `json:"policy,omitzero"`   // what an operator set for this account; absent while Since is
	Policies   []Recorded     `json:"policies,omitzero"` // when its policy was set, at most MaxPolicies and one more; never changed in place
	InUse      int            `json:"in_use"`            // apps not deleted
	Version    uint64         `json:"version"`           // events applied so far
	RecordedAt Instant        `json:"recorded_at"`       // of its latest commit; never runs backwards
	Position   uint64         `json:"position"`          // of its latest commit
	Apps       map[AppID]*App `json:"-"`
}

// NewAccount is an account of which nothing is known yet.
func NewAccount(id string) *Account { return &Account{ID: id, Apps: map[AppID]*App{}} }

// Recorded is what a commit adds to its events: when the engine recorded them, and where in the log they stand.
type Recorded struct {
	At       Instant `json:"at"`
	Position uint64  `json:"position"`
}

// Apply folds the events of one commit into the account. It cannot fail and judges nothing: what is in the log
// happened.
func (acc *Account) Apply(at Recorded, events ...Event) {
	acc.RecordedAt, acc.Position = at.At, at.Position
	for _, e := range events {
		acc.fold(e)
	}
}

func (acc *Account) fold(e Event) {
	acc.Version++
	e.apply(acc)
	if app := acc.Apps[e.Subject()]; app != nil {
		app.Version++
		app.Position = acc.Position
	}
}

// change gives the app to the events' effects. An event about an app that the log never created changes a blank one,
// so that a fold cannot fail; the checks of the log are what finds such a log.
func (acc *Account) change(id AppID) *App {
	app := acc.Apps[id]
	if app == nil {
		app = &App{ID: id, Account: acc.ID}
		acc.Apps[id] = app
	}
	return app
}

// Cap is how many apps not deleted the account may have.
func (acc *Account) Cap(p Policy) int {
	if acc.Quota > 0 {
		return acc.Quota
	}
	return p.Quota
}

// Clone is a copy that shares nothing that Apply changes.
func (acc *Account) Clone() *Account {
	c := *acc
	c.Apps = make(map[AppID]*App, len(acc.Apps))
	for id, app := range acc.Apps {
		c.Apps[id] = app.Clone()
	}
	return &c
}

// App is an app as the log has it: the facts about it, and the state that has been committed from them.
type App struct {
	ID           AppID    `json:"id"`
	Account      string   `json:"account"`
	Name         string   `json:"name"`
	AppType      string   `json:"type"`
	Introduction string   `json:"introduction,omitzero"`
	CreatedAt    Instant  `json:"created_at"`
	Imported     bool     `json:"imported,omitzero"`
	Base         Edition  `json:"base"`    // what it was created with
	Edition      Edition  `json:"edition"` // what it has now
	Orders       Orders   `json:"orders,omitzero"`
	Invoices     Invoices `json:"invoices,omitzero"`
	Term         Term     `json:"term,omitzero"`     // the next change of coverage by time
	Expiries     []Expiry `json:"expiries,omitzero"` // that are known ahead, soonest first; never changed in place
	Lapse        Lapse    `json:"lapse,omitzero"`    // absent while Since is
	Arrears      Arrears  `json:"arrears,omitzero"`  // absent while Since is
	Manual       Hold     `json:"manual,omitzero"`   // the owner's; absent while EffectiveAt is
	Operator     Hold     `json:"operator,omitzero"` // the operator's
	TRTCStopped  bool     `json:"trtc_stopped,omitzero"`
	TRTCNotedAt  Instant  `json:"trtc_noted_at,omitzero"` // when the TRTC side's word that counts is effective
	DeletedAt    Instant  `json:"deleted_at,omitzero"`
	Renumbered   AppID    `json:"renumbered,omitzero"` // the number under which it goes on; deleted under this one

	Keys         []Key           `json:"keys,omitzero"` // in force; the last one signs
	KeysIssued   int             `json:"keys_issued,omitzero"`
	Reveals      []Reveal        `json:"reveals,omitzero"` // the latest, oldest first
	Admins       []string        `json:"admins,omitzero"`  // beside the fixed one
	Certificates []Certificate   `json:"certificates,omitzero"`
	Gone         []CertificateID `json:"gone,omitzero"` // certificates deleted lately
	TRTC         bool            `json:"trtc,omitzero"`
	TPNS         bool            `json:"tpns,omitzero"`
	TPNSUnpaid   bool            `json:"tpns_unpaid,omitzero"` // off for want of an order, and on again once there is one
	Deletion     DeletionRequest `json:"deletion,omitzero"`
	Closed       []ClosedRequest `json:"closed_requests,omitzero"` // earlier ones, oldest first; never changed in place

	Version  uint64 `json:"version"`  // events that changed it
	Position uint64 `json:"position"` // of the commit that changed it last
}

// Clone is a copy that shares nothing that Apply changes.
func (a *App) Clone() *App {
	c := *a
	c.Keys, c.Certificates = slices.Clone(a.Keys), slices.Clone(a.Certificates)
	return &c
}

// Facts is how many orders and invoices are known of the app.
func (a *App) Facts() int { return a.Orders.Len() + a.Invoices.Len() }

// Extra is what the app weighs where apps in memory are bounded by their number, beyond being one of them: each of its orders
// and invoices that few apps have takes a quarter of what an app takes.
func (a *App) Extra() int {
	const usual, perApp = 16, 4
	return max(0, a.Facts()-usual) / perApp
}

// Status is what the app is to its users, as committed.
func (a *App) Status() Status {
	switch {
	case a.DeletedAt != 0:
		return Deleted
	case a.stopped():
		return Stopped
	case a.Lapse.Since != 0:
		return Expired
	}
	return Active
}
