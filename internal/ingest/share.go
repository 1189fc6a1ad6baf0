package ingest

import (
	"unique"

	"sundial/domain"
)

const (
	// maxOpen and maxOpenBytes bound what waits for a person: beyond it nobody looks at single events any more, and
	// what comes stays where it is. maxParked bounds the index, 200 MB or so, discarded events included.
	maxOpen      = 100_000
	maxOpenBytes = 1 << 30
	maxParked    = 1_000_000

	// maxShare is what one account may have of it, and maxTokenShare one token, or all that comes over NATS: so that
	// neither takes the place of all others.
	maxShare      = maxOpen / 10
	maxTokenShare = maxOpen / 2

	// maxReserved is how many events of each account find room beyond what is full for others: the first mistakes of an account
	// are kept whatever others send. All together these take as much again.
	maxReserved = 20
)

// limits of the parking place, smaller in tests.
type limits struct {
	open     int   // all that is open
	bytes    int64 // of it
	all      int   // what was discarded or superseded included
	account  int   // of open, one account's; of bytes the same part
	token    int   // of open, one token's; of bytes the same part
	reserved int
}

func defaultLimits() limits {
	return limits{maxOpen, maxOpenBytes, maxParked, maxShare, maxTokenShare, maxReserved}
}

// part is that of bytes which goes with so many of the open events.
func (l limits) part(events int) int64 { return l.bytes / int64(max(l.open, 1)) * int64(events) }

// share is a part of the parking place: that of an account, or of a token.
type share struct{ of, name string }

// parkedFrom is where an open event came from and why it is parked.
type parkedFrom struct {
	account string // whose share it takes: that of its subject, or over HTTP the one that it names
	names   string // the account that it names, as far as it could be read
	actor   string
	code    string
}

func (f parkedFrom) ofAccount() share { return share{"account", f.account} }
func (f parkedFrom) ofToken() share   { return share{"token", f.actor} }

func (p *Parked) from() parkedFrom {
	f := parkedFrom{account: p.Account, names: p.Account, actor: p.Actor, code: p.Code}
	if p.Subject != "" {
		f.account = accountOf(p.Subject)
	}
	return f
}

// ShareError says that so much of one account, or of one token, is parked and open that no more of it is taken, while
// there is room for others. It is an ErrParkedFull.
type ShareError struct{ Of string } // "account", "token", or "NATS" for all that comes over it

func (e *ShareError) Error() string {
	if e.Of == viaNATS {
		return "too many events that came over NATS are parked and open: replay or discard some"
	}
	return "too many events of this " + e.Of + " are parked and open: replay or discard some"
}

const viaNATS = "NATS"

// Is makes it an ErrParkedFull.
func (e *ShareError) Is(target error) bool { return target == ErrParkedFull }

// reserve takes room for an event that is about to be parked, until release; a *ShareError or ErrParkedFull if there is none.
func (x *parkedIndex) reserve(l limits, from parkedFrom, size int) (release func(), err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.roomFor(l, from, size); err != nil {
		return nil, err
	}
	e := parkedEntry{size: int32(size), from: unique.Make(from)} //nolint:gosec // little more than MaxEvent
	x.count(e, 1)
	return func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.count(e, -1)
		x.freed.Add(1)
	}, nil
}

// room says whether there is room for another event.
func (x *parkedIndex) room(l limits, from parkedFrom, size int) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.roomFor(l, from, size) == nil
}

func (x *parkedIndex) roomFor(l limits, from parkedFrom, size int) error {
	fits := func(t tally, events int, bytes int64) bool {
		return t.events < events && t.bytes+int64(size) <= max(bytes, MaxEvent)
	}
	account := x.shares[from.ofAccount()]
	times := 1
	if account.events < l.reserved {
		times = 2
	}
	switch {
	case !fits(account, l.account, l.part(l.account)):
		return &ShareError{"account"}
	case !fits(x.shares[from.ofToken()], times*l.token, l.part(times*l.token)):
		if from.actor == NATSActor {
			return &ShareError{viaNATS}
		}
		return &ShareError{"token"}
	case !fits(x.open, times*l.open, int64(times)*l.bytes) || len(x.entries) >= l.all:
		return ErrParkedFull
	}
	return nil
}

// ParkedFilter narrows what is parked; what is empty does not.
type ParkedFilter struct {
	Account string // which the event names, or on whose subject it came
	Code    string // for which it is parked
	Actor   string // who gave it: the role and id of a token, such as billing:tok_51d2b07c93ef604a8e12, or billing:nats
	Before  domain.Instant
}

// None tells whether the filter lets everything through.
func (f ParkedFilter) None() bool { return f == ParkedFilter{} }

func (f ParkedFilter) lets(e parkedEntry) bool {
	if f.None() {
		return true
	}
	from := e.from.Value()
	return (f.Account == "" || f.Account == from.account || f.Account == from.names) &&
		(f.Code == "" || f.Code == from.code) && (f.Actor == "" || f.Actor == from.actor) &&
		(f.Before == 0 || e.parkedAt < f.Before)
}
