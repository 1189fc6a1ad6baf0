package timetravel

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
)

// Limits of a replay.
const (
	// heldApps is how many apps are replayed at once, some 3 KB each. Accounts that appear when there are as many come in
	// another pass over the rest of the log.
	heldApps = 200_000

	// MaxChanges is how many stops a report lists; its counts count all.
	MaxChanges = 10_000

	// replayBatch is how many commits are read at once.
	replayBatch = 256
)

// Question is what another policy is asked about. Log, Policy, Grace and Until are required.
type Question struct {
	Log    *eventstore.Log
	Policy domain.Policy // in force now; what was in force before, the log shows
	Grace  time.Duration // instead of the policy's

	Editions domain.EditionsPolicy // graces of editions of their own, instead of the policy's

	From    domain.Instant // from then on; 0: since ever
	Until   domain.Instant // what is due by then has happened, in both
	Account string         // only this one's; "" for all

	held    int // apps that are replayed at once; 0: heldApps, tests want fewer
	changes int // that are listed; 0: MaxChanges, tests want fewer
}

// Fate is what another policy does to a stop.
type Fate string

// The fates.
const (
	Prevented Fate = "prevented" // it would not have happened
	Earlier   Fate = "earlier"
	Later     Fate = "later"
	Added     Fate = "new" // one that did not happen
	Same      Fate = "unchanged"
)

// Change is a stop for money that would have been another, or none.
type Change struct {
	Fate    Fate           `json:"fate"`
	Account string         `json:"account"`
	App     domain.AppID   `json:"app"`
	Cause   domain.Cause   `json:"cause"`
	Since   domain.Instant `json:"since"`           // of the arrears or the lapse
	Was     domain.Instant `json:"was,omitzero"`    // when it was, or is, due; absent for a new one
	Would   domain.Instant `json:"would,omitzero"`  // when it would be; absent for one that is prevented
	Ahead   bool           `json:"ahead,omitempty"` // one of the two lies ahead yet
}

// Counts counts stops by their fate.
type Counts struct {
	Prevented int `json:"prevented"`
	Earlier   int `json:"earlier"`
	Later     int `json:"later"`
	Added     int `json:"new"`
	Same      int `json:"unchanged"`
}

func (c *Counts) add(f Fate) {
	switch f {
	case Prevented:
		c.Prevented++
	case Earlier:
		c.Earlier++
	case Later:
		c.Later++
	case Added:
		c.Added++
	case Same:
		c.Same++
	}
}

// AccountCounts are an account's.
type AccountCounts struct {
	Account string `json:"account"`
	Counts
}

// Report is what another policy would have led to.
type Report struct {
	Commits  uint64          `json:"commits"` // that were replayed
	Apps     int             `json:"apps"`
	Total    Counts          `json:"total"`
	Accounts []AccountCounts `json:"accounts"` // those in which something would have changed, by id
	Changes  []Change        `json:"changes"`  // by account, app, and time, the first MaxChanges
	More     int             `json:"changes_left_off,omitempty"`
}

// WhatIf replays the log under another policy and compares with the log replayed under the policies that its decisions
// show, both with the facts as they arrived and with each due on time: what differs is the policy's doing alone, not the
// scheduler's. It reads the log and nothing else. Progress is reported in commits, and may be nil.
func WhatIf(ctx context.Context, q Question, progress func(done, total uint64)) (*Report, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("time travel: %w", err)
	}
	head, err := q.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	report := &Report{Accounts: []AccountCounts{}, Changes: []Change{}}
	done, graces := uint64(0), new(domain.Graces)
	for start := uint64(0); start < head; {
		p := newPass(q, codec, graces)
		p.learns = start == 0
		err := p.run(ctx, start, head, func(at uint64) {
			if progress != nil {
				progress(done+at-start, done+head-start)
			}
		})
		if err != nil {
			return nil, err
		}
		p.tell(report)
		done += head - start
		start = head
		if p.full > 0 {
			start = p.full - 1
		}
	}
	report.cut(cmp.Or(q.changes, MaxChanges))
	slices.SortFunc(report.Accounts, func(a, b AccountCounts) int { return strings.Compare(a.Account, b.Account) })
	return report, nil
}

// cut sorts the changes and leaves the first ones.
func (r *Report) cut(most int) {
	slices.SortFunc(r.Changes, func(a, b Change) int {
		return cmp.Or(strings.Compare(a.Account, b.Account), cmp.Compare(a.App, b.App), cmp.Compare(max(a.Was, a.Would), max(b.Was, b.Would)), cmp.Compare(a.Cause, b.Cause), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Fate, b.Fate))
	})
	if more := len(r.Changes) - most; more > 0 {
		r.More += more
		r.Changes = slices.Delete(r.Changes, most, len(r.Changes))
	}
}

// pass replays the accounts that appear in the log after its start, until it holds as many apps as it may.
type pass struct {
	question Question
	codec    *eventstore.Codec[domain.Event]
	was      func(domain.Instant) domain.Policy // as the log shows
	would    func(domain.Instant) domain.Policy
	graces   *domain.Graces
	learns   bool // the graces, which must be told in the order of the log
	accounts map[string]struct{}
	policies map[string]domain.PolicySet // that accounts have of their own
	lives    map[domain.AppID]*life
	limit    int    // of lives
	full     uint64 // the position of the first account that had no room; 0: all had
	commits  uint64
}

func newPass(q Question, codec *eventstore.Codec[domain.Event], graces *domain.Graces) *pass {
	p := &pass{question: q, codec: codec, graces: graces, accounts: map[string]struct{}{}, policies: map[string]domain.PolicySet{}, lives: map[domain.AppID]*life{}, limit: cmp.Or(q.held, heldApps)}
	p.was = p.graces.Over(q.Policy)
	p.would = func(t domain.Instant) domain.Policy {
		policy := p.was(t)
		if t >= q.From {
			policy.Grace, policy.Editions = q.Grace, q.Editions // of the engine; accounts keep their own
		}
		return policy
	}
	return p
}

func (p *pass) run(ctx context.Context, after, upTo uint64, progress func(at uint64)) error {
	follower, err := p.question.Log.Follow(ctx, after)
	if err != nil {
		return err
	}
	defer follower.Close()
	for at := after; at < upTo; progress(at) {
		messages, err := follower.Next(ctx, int(min(replayBatch, upTo-at))) //nolint:gosec // at most replayBatch
		if err != nil {
			return err
		}
		for i := range messages {
			if err := p.replay(&messages[i]); err != nil {
				return err
			}
		}
		at += uint64(len(messages))
	}
	return nil
}

// replay replays a commit of an account that this pass has.
func (p *pass) replay(m *eventstore.Message) error {
	if p.question.Account != "" && m.Account != p.question.Account {
		return nil
	}
	_, known := p.accounts[m.Account]
	if !known && p.full > 0 {
		return nil
	}
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return fmt.Errorf("time travel: commit %d: %w", m.Sequence, err)
	}
	if !known {
		switch {
		case !commit.Previous.IsZero():
			return nil // of an account that an earlier pass had
		case len(p.lives) >= p.limit:
			p.full = m.Sequence
			return nil
		}
		p.accounts[strings.Clone(m.Account)] = struct{}{}
	}
	p.commits++
	return p.events(m, &commit)
}

func (p *pass) events(m *eventstore.Message, commit *eventstore.Commit) error {
	at := domain.Recorded{At: domain.Instant(commit.RecordedAt), Position: m.Sequence}
	events := make([]domain.Event, len(commit.Events))
	for i, e := range commit.Events {
		var err error
		if events[i], err = p.codec.Decode(e); err != nil {
			return fmt.Errorf("time travel: commit %d: %w", m.Sequence, err)
		}
		if p.learns {
			p.graces.Learn(m.Account, domain.Past{Recorded: at, Event: events[i]})
		}
	}
	for i, e := range events {
		if set, is := e.(domain.PolicySet); is {
			p.decree(m.Account, at, set)
		}
		l := p.lives[e.Subject()]
		if i == 0 && l != nil && domain.Follows(e) { // time's own commit: it came before what follows at the same instant
			l.until(at.At)
		}
		if e.Subject() == 0 || domain.Follows(e) {
			continue
		}
		if l == nil {
			l = newLife(m.Account, e.Subject(), p.was)
			p.lives[e.Subject()] = l
			if set, own := p.policies[m.Account]; own {
				l.count(at.At, set)
			}
		}
		if at.At >= p.question.From {
			l.fork(p.would)
		}
		l.count(at.At, e)
	}
	return nil
}

// decree lets the policy that an account is given count for its apps, those to come as well.
func (p *pass) decree(account string, at domain.Recorded, set domain.PolicySet) {
	p.policies[strings.Clone(account)] = set
	for _, l := range p.lives {
		if l.account == account {
			if at.At >= p.question.From {
				l.fork(p.would)
			}
			l.count(at.At, set)
		}
	}
}

// tell adds what came of the pass to a report.
func (p *pass) tell(r *Report) {
	r.Commits += p.commits
	r.Apps += len(p.lives)
	accounts := map[string]*Counts{}
	for _, l := range p.lives {
		l.fork(p.would)
		r.Total.Same += l.common
		for _, c := range l.end(p.question.Until) {
			r.Total.add(c.Fate)
			if c.Fate == Same {
				continue
			}
			of := accounts[c.Account]
			if of == nil {
				of = &Counts{}
				accounts[c.Account] = of
			}
			of.add(c.Fate)
			r.Changes = append(r.Changes, c)
		}
		if most := cmp.Or(p.question.changes, MaxChanges); len(r.Changes) > 2*most { // so that memory is bounded, too
			r.cut(most)
		}
	}
	for id, counts := range accounts {
		r.Accounts = append(r.Accounts, AccountCounts{id, *counts})
	}
}
