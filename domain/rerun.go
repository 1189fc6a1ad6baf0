package domain

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// Rerun decides the life of one app anew: it is given what people did and which facts came, with the instants from which
// they are to count, and lets follow from them what the rules say, time included, each due exactly when it is due. The
// scheduler's delays, and the order in which facts became known, are then no part of it. It belongs to one goroutine.
type Rerun struct {
	account Account
	id      AppID
	policy  func(Instant) Policy
	told    func(Event)
}

// NewRerun begins with an app that does not exist yet. The policy is asked for the moment of each decision. Told, if
// given, hears every event, those of Take as well as what follows.
func NewRerun(account string, app AppID, policy func(Instant) Policy, told func(Event)) *Rerun {
	return &Rerun{account: *NewAccount(account), id: app, policy: policy, told: told}
}

// Fork is another rerun that goes on from where this one is.
func (r *Rerun) Fork(policy func(Instant) Policy, told func(Event)) *Rerun {
	return &Rerun{account: *r.account.Clone(), id: r.id, policy: policy, told: told}
}

// App is the app as it now is, nil while it does not exist. Whoever changes it changes the rerun.
func (r *Rerun) App() *App { return r.account.Apps[r.id] }

// Count lets what was due before an instant happen, and then an event count. What falls due at that instant comes after
// it: the customer wins a tie. Instants must not go back; consequences are not counted: they follow.
func (r *Rerun) Count(now Instant, e Event) {
	r.Until(now - 1)
	d := r.draft(now)
	f, isFact := e.(fact)
	switch app := r.App(); {
	case app == nil || app.DeletedAt != 0:
		d.emit(e)
	case isFact:
		d.follow(app, f.trigger(), e)
	default:
		d.emit(e)
		if _, started := e.(TRTCStartNoted); started && !app.TRTCStopped {
			d.withdraw(app, byTRTC)
		}
	}
	r.tell(d)
}

// Until lets happen what is due by an instant, it included.
func (r *Rerun) Until(now Instant) {
	for r.App() != nil && r.fire(now) {
	}
}

// fire lets the first due happen that leads to something: a notice that would come too late does not, and stays until
// what it warns of has come.
func (r *Rerun) fire(now Instant) bool {
	for _, due := range r.App().Dues() {
		if due.At > now {
			break
		}
		d := r.draft(max(due.At, r.account.RecordedAt)) // later than its due only if its cause counts since later
		if d.fire(r.App(), due); len(d.events) > 0 {
			r.tell(d)
			return true
		}
	}
	return false
}

// draft is a decision that takes effect as it is made.
func (r *Rerun) draft(now Instant) *draft {
	r.account.RecordedAt = now
	return &draft{from: &r.account, work: &r.account, at: Moment{Now: now, Policy: r.policy(now)}}
}

func (r *Rerun) tell(d *draft) {
	if r.told == nil {
		return
	}
	for _, e := range d.events {
		r.told(e)
	}
}

// Past is an event as the log has it.
type Past struct {
	Recorded
	Event Event
}

// Follows says whether an event follows from others by the rules and by time, rather than being what people did or what
// a billing system reported.
func Follows(e Event) bool {
	c, may := e.(consequence)
	return may && c.derived()
}

// Effective is when a fact was true in the world; false for an event that is no fact.
func Effective(e Event) (Instant, bool) {
	f, isFact := e.(fact)
	if !isFact {
		return 0, false
	}
	return f.trigger().effectiveAt, true
}

// ReportOf says which message a fact came with, nil for a fact that came as a command, and for an event that is no fact.
func ReportOf(e Event) *Report {
	if f, isFact := e.(fact); isFact {
		return f.report()
	}
	return nil
}

// StopOf says which hold an event puts in force, and from when; false for an event that stops nothing.
func StopOf(e Event) (cause Cause, effectiveAt Instant, stops bool) {
	s, stops := e.(stopping)
	if !stops {
		return "", 0, false
	}
	cause, effectiveAt = s.stops()
	return cause, effectiveAt, true
}

// countsFrom is the instant from which an event counts in hindsight: a fact's effective time, but not before the app
// exists; the recorded time of what people did. An order counts from when it was known, if that was before it begins:
// what it covers is a matter of its own times.
func (p Past) countsFrom(born Instant) Instant {
	if at, isFact := Effective(p.Event); isFact {
		if _, order := p.Event.(OrderRecorded); order {
			at = min(at, p.At)
		}
		return max(at, born)
	}
	if b, begins := p.Event.(beginning); begins {
		return b.begins()
	}
	return max(p.At, born)
}

// Hindsight is what was true of an app at an instant, as the given events of its log, and those of its account's policy,
// know it: facts count from their
// effective time, what people did from when it was recorded, and what time causes happens when it is due. It is nil if
// the app did not exist then. Version and Position are those of the last commit that counts.
//
// A due time is set with the policy that the log shows for the moment; where it shows none, with the given one.
func Hindsight(account string, app AppID, log []Past, policy Policy, at Instant) *App {
	type input struct {
		at Instant
		e  Event
	}
	var inputs []input
	var graces Graces
	born := Instant(0)
	version, counted, last := uint64(0), uint64(0), Recorded{}
	for _, p := range log {
		graces.Learn(account, p)
		if b, begins := p.Event.(beginning); begins {
			born = b.begins()
		}
		from := p.countsFrom(born)
		counts := !Follows(p.Event) && from <= at
		if counts {
			inputs = append(inputs, input{from, p.Event})
		}
		if p.Event.Subject() != app { // the account's policy
			continue
		}
		version++
		if counts {
			last = p.Recorded
		}
		if p.Position == last.Position { // of a commit that counts
			counted = version
		}
	}
	slices.SortStableFunc(inputs, func(a, b input) int { return cmp.Compare(a.at, b.at) })
	rerun := NewRerun(account, app, graces.Over(policy), nil)
	for _, in := range inputs {
		rerun.Count(in.at, in.e)
	}
	rerun.Until(at)
	was := rerun.App()
	if was == nil || born > at {
		return nil
	}
	was.Version, was.Position = counted, last.Position
	return was
}

// HindsightAccount is what was true of an account at an instant, without its apps, as the given events of its whole log
// know it; nil if nothing had happened. Version and Position are those of the last commit that counts.
func HindsightAccount(id string, log []Past, at Instant) *Account {
	acc, born := NewAccount(id), map[AppID]Instant{}
	version, counted, last := uint64(0), uint64(0), Recorded{}
	for _, p := range log {
		version++
		app := p.Event.Subject()
		if b, begins := p.Event.(beginning); begins {
			born[app] = b.begins()
		}
		if !Follows(p.Event) && p.countsFrom(born[app]) <= at {
			last = p.Recorded
			if _, isFact := Effective(p.Event); !isFact { // facts change apps alone
				acc.RecordedAt, acc.Position = p.At, p.Position
				acc.fold(p.Event)
			}
		}
		if p.Position == last.Position { // of a commit that counts
			counted = version
		}
	}
	if counted == 0 {
		return nil
	}
	acc.Apps, acc.Version, acc.Position, acc.RecordedAt = nil, counted, last.Position, last.At
	return acc
}

// Expected is what an app will be at an instant if nothing more becomes known: what is due by then happens, by the policy
// of the engine and what its account has of its own. The app is not changed; Version and Position stay, as no commit has
// come.
func Expected(app *App, own AccountPolicy, policy Policy, at Instant) *App {
	r := NewRerun(app.Account, app.ID, func(Instant) Policy { return policy }, nil)
	r.account.Policy.AccountPolicy = own
	will := app.Clone()
	r.account.Apps[app.ID] = will
	r.Until(at)
	will.Version, will.Position = app.Version, app.Position
	return will
}

// Graces are the engine's own graces that decisions in the log were made with: its flags are not in the log, but every due
// time is, with the time that it is counted from. What an account's policy says is in the log, and is no part of it. The
// zero value knows none.
type Graces struct {
	changes  []graceChange
	accounts map[string]AccountPolicy
}

// graceChange is what was known from a moment on, by edition; "" is what holds where nothing is known of an edition.
type graceChange struct {
	since Instant
	of    map[Edition]time.Duration
}

// Learn takes in an event of an account; they come in the order of the log.
func (g *Graces) Learn(account string, p Past) {
	switch e := p.Event.(type) {
	case PolicySet:
		if g.accounts == nil {
			g.accounts = map[string]AccountPolicy{}
		}
		g.accounts[account] = e.Policy
	case decision:
		g.learn(account, p.At, e)
	}
}

func (g *Graces) learn(account string, at Instant, d decision) {
	since, due, edition := d.sets()
	own := g.accounts[account]
	if due == MaxInstant || own.Grace != 0 || own.Editions.Of(edition).Grace != 0 { // cut off, or the account's own
		return
	}
	grace := due.Sub(since)
	known := map[Edition]time.Duration{}
	if n := len(g.changes); n > 0 {
		known = g.changes[n-1].of
	}
	if known[edition] == grace && known[""] == grace {
		return
	}
	known = maps.Clone(known)
	if edition == "" { // set before it was written for which edition
		clear(known)
	}
	known[edition], known[""] = grace, grace
	g.changes = append(g.changes, graceChange{at, known})
}

// Over is the policy with the graces that are known by the time of each decision: of the last decision before it or then,
// or of the first one at all. Where the policy has graces of its own for editions, what was learned of one edition says
// nothing of another.
func (g *Graces) Over(policy Policy) func(Instant) Policy {
	return func(t Instant) Policy {
		if len(g.changes) == 0 {
			return policy
		}
		i := len(g.changes) - 1
		for i > 0 && g.changes[i].since > t {
			i--
		}
		p, known := policy, g.changes[i].of
		if policy.Editions.Of(Pro).Grace == 0 && policy.Editions.Of(Flagship).Grace == 0 {
			p.Grace = known[""]
		}
		p.Editions.Pro = withGrace(policy.Editions.Pro, known[Pro])
		p.Editions.Flagship = withGrace(policy.Editions.Flagship, known[Flagship])
		return p
	}
}

func withGrace(part *PolicyPart, grace time.Duration) *PolicyPart {
	if grace == 0 {
		return part
	}
	var with PolicyPart
	if part != nil {
		with = *part
	}
	with.Grace = Span(grace)
	return &with
}
