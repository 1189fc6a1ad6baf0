// Package timetravel answers what only a log that keeps everything can: what was true at an instant, as it was known at
// another; what will be if nothing more happens; why something is as it is; what another policy would have led to. It
// reads, and changes nothing.
package timetravel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/archive"
	"sundial/internal/codec"
	"sundial/projections"
)

// MaxCommits bounds the commits that one answer is made from: 20,000 take a third of a second. An app has some dozens.
const MaxCommits = 20_000

// maxQuestions bounds the questions that are answered at once: each may hold MaxCommits commits, some 100 MB when they are
// decoded, and keep a processor from those who commit. The others wait.
const maxQuestions = 4

// The errors beside those of the log and the projections.
var (
	ErrAhead   = errors.New("known_at lies ahead of the clock: what will be known is not known")
	ErrTooLong = fmt.Errorf("the answer takes more than %d commits of history", MaxCommits)
)

// Config is what answers are made from. All parts are required.
type Config struct {
	Log     *eventstore.Log
	Archive *archive.Archive
	Store   *projections.Store
	Policy  domain.Policy
	Now     func() time.Time
}

// Past answers. It is safe for concurrent use.
type Past struct {
	config Config
	codec  *eventstore.Codec[domain.Event]
	most   int // commits in an answer: MaxCommits; tests want fewer
	places *semaphore.Weighted

	rejudged int // apps that are looked at for a page: MaxRejudged; tests want fewer
}

// New makes what answers. It starts nothing.
func New(config Config) (*Past, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("time travel: %w", err)
	}
	return &Past{config: config, codec: codec, most: MaxCommits, places: semaphore.NewWeighted(maxQuestions), rejudged: MaxRejudged}, nil
}

// Clocks are the two clocks of a question: what was true as of one instant, as far as was known at another. Both are
// absent in a question about the present.
type Clocks struct {
	AsOf    domain.Instant
	KnownAt domain.Instant
}

// Resolve fills in what is left out: known is what is known now, and what was true then is what is asked. It is ErrAhead
// if more is to be known than the clock allows.
func (p *Past) Resolve(c Clocks) (Clocks, error) {
	now := domain.InstantOf(p.config.Now())
	if c.KnownAt > now {
		return c, ErrAhead
	}
	if c.AsOf == 0 {
		c.AsOf = c.KnownAt
	}
	if c.KnownAt == 0 {
		c.KnownAt = now
	}
	return c, nil
}

// enter waits for a place among the questions that are answered, which leave gives back; an error is the context's.
func (p *Past) enter(ctx context.Context) error {
	if err := p.places.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("time travel: waiting for other questions: %w", err)
	}
	return nil
}

func (p *Past) leave() { p.places.Release(1) }

// budget is how many commits an answer may still take.
type budget struct{ left int }

func (b *budget) spend(n int) error {
	if b.left -= n; b.left < 0 {
		return ErrTooLong
	}
	return nil
}

// App gives an app by the given clocks, resolved; false if it did not exist then.
func (p *Past) App(ctx context.Context, id domain.AppID, c Clocks) (*domain.App, bool, error) {
	if err := p.enter(ctx); err != nil {
		return nil, false, err
	}
	defer p.leave()
	present, found, err := p.config.Store.App(ctx, id)
	if err != nil || !found {
		return nil, false, err
	}
	app, err := p.appThen(ctx, present, c, &budget{p.most})
	return app, app != nil, err
}

// appThen is what an app was by the given clocks, nil if it did not exist.
func (p *Past) appThen(ctx context.Context, present *domain.App, c Clocks, b *budget) (*domain.App, error) {
	entries, err := p.entries(ctx, present.ID, c.KnownAt, b)
	if err != nil || len(entries) == 0 {
		return nil, err
	}
	if c.AsOf >= c.KnownAt && entries[0].Position == present.Position { // nothing has come since
		return p.ahead(ctx, present, c)
	}
	log, err := p.read(ctx, present, entries)
	if err != nil {
		return nil, err
	}
	if c.AsOf < c.KnownAt {
		sets, err := p.policies(ctx, present.Account, c.KnownAt)
		if err != nil {
			return nil, err
		}
		if len(sets) > 0 {
			log = append(log, sets...)
			slices.SortStableFunc(log, func(a, b domain.Past) int { return cmp.Compare(a.Position, b.Position) })
		}
		return domain.Hindsight(present.Account, present.ID, log, p.config.Policy, c.AsOf), nil
	}
	return p.ahead(ctx, fold(present, log), c)
}

// ahead lets what is due happen, where the question is about a time after what is known.
func (p *Past) ahead(ctx context.Context, app *domain.App, c Clocks) (*domain.App, error) {
	if app == nil || c.AsOf <= c.KnownAt {
		return app, nil
	}
	sets, err := p.policies(ctx, app.Account, c.KnownAt)
	if err != nil {
		return nil, err
	}
	var own domain.AccountPolicy
	for _, past := range sets {
		if set, is := past.Event.(domain.PolicySet); is {
			own = set.Policy
		}
	}
	return domain.Expected(app, own, p.config.Policy, c.AsOf), nil
}

// entries lists an app's commits that were recorded by an instant, latest first.
func (p *Past) entries(ctx context.Context, id domain.AppID, by domain.Instant, b *budget) ([]projections.Entry, error) {
	var all []projections.Entry
	for before := uint64(0); ; {
		page, err := p.config.Store.History(ctx, id, before, projections.MaxLimit)
		if err != nil || len(page) == 0 {
			return all, err
		}
		if err := b.spend(len(page)); err != nil {
			return nil, err
		}
		before = page[len(page)-1].Position
		for _, e := range page {
			if e.RecordedAt <= by {
				all = append(all, e)
			}
		}
		if len(page) < projections.MaxLimit {
			return all, nil
		}
	}
}

// commit reads a commit of an account with its events. What the archive has and the projections did not see is of a
// history that the log has lost since: then the log is asked.
func (p *Past) commit(ctx context.Context, account string, at projections.Entry) (eventstore.Commit, []domain.Event, error) {
	payload, err := p.config.Archive.Get(ctx, at.Position)
	if err == nil {
		c, events, err := p.decode(at.Position, payload)
		if err == nil && c.Account == account && domain.Instant(c.RecordedAt) == at.RecordedAt {
			return c, events, nil
		}
	}
	m, err := p.config.Log.Known(ctx, at.Position)
	if err != nil {
		return eventstore.Commit{}, nil, fmt.Errorf("time travel: reading commit %d: %w", at.Position, err)
	}
	c, events, err := p.decode(at.Position, m.Payload)
	if err == nil && (c.Account != account || domain.Instant(c.RecordedAt) != at.RecordedAt) {
		err = eventstore.Changed(at.Position, errors.New("the commit is not the one that was projected"))
	}
	return c, events, err
}

func (p *Past) decode(position uint64, payload []byte) (eventstore.Commit, []domain.Event, error) {
	c, err := eventstore.DecodeCommit(payload)
	if err != nil {
		return c, nil, eventstore.Changed(position, err)
	}
	events, err := p.events(position, &c)
	return c, events, err
}

func (p *Past) events(position uint64, c *eventstore.Commit) (events []domain.Event, err error) {
	events = make([]domain.Event, len(c.Events))
	for i, e := range c.Events {
		if events[i], err = p.codec.Decode(e); err != nil {
			return nil, fmt.Errorf("time travel: commit %d: %w", position, err)
		}
	}
	return events, nil
}

// policies lists when an account was given a policy of its own by an instant, oldest first.
func (p *Past) policies(ctx context.Context, account string, by domain.Instant) ([]domain.Past, error) {
	present, found, err := p.config.Store.Account(ctx, account)
	if err != nil || !found {
		return nil, err
	}
	var sets []domain.Past
	for _, at := range present.Policies {
		if at.At > by {
			break
		}
		_, events, err := p.commit(ctx, account, projections.Entry{Position: at.Position, RecordedAt: at.At})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if _, is := e.(domain.PolicySet); is {
				sets = append(sets, domain.Past{Recorded: at, Event: e})
			}
		}
	}
	return sets, nil
}

// read gives an app's part of the log, oldest first, of commits that were listed latest first.
func (p *Past) read(ctx context.Context, app *domain.App, entries []projections.Entry) ([]domain.Past, error) {
	log := make([]domain.Past, 0, 2*len(entries))
	for i := len(entries) - 1; i >= 0; i-- {
		c, events, err := p.commit(ctx, app.Account, entries[i])
		if err != nil {
			return nil, err
		}
		at := domain.Recorded{At: domain.Instant(c.RecordedAt), Position: entries[i].Position}
		for _, e := range events {
			if e.Subject() == app.ID {
				log = append(log, domain.Past{Recorded: at, Event: e})
			}
		}
	}
	return log, nil
}

// fold makes an app of its part of the log, as the projections do it.
func fold(app *domain.App, log []domain.Past) *domain.App {
	acc := domain.NewAccount(app.Account)
	for _, past := range log {
		acc.Apply(past.Recorded, past.Event)
	}
	return acc.Apps[app.ID]
}
