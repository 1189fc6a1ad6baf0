package ingest

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"unique"

	"sundial/domain"
)

// appKey names an app that facts wait for.
type appKey struct {
	account string
	app     domain.AppID
}

// parkedIndex knows what is parked, in memory: keys and a few numbers, never an event. It follows the stream, so that
// nodes agree; what this node writes is in it before the writer goes on.
type parkedIndex struct {
	mu      sync.RWMutex
	entries map[parkedKey]parkedEntry // open and discarded or superseded
	slots   map[parkedKey][]parkedKey // those of one source and id
	order   []parkedPlace             // open ones by sequence; closed ones are swept out now and then
	waiting map[appKey]map[parkedKey]struct{}
	open    tally // of all open events
	shares  map[share]tally
	freed   atomic.Uint64 // how often an open event was closed, so that there may be room again

	followed uint64 // sequence up to which the stream was followed
}

type parkedEntry struct {
	sequence uint64
	parkedAt domain.Instant
	from     unique.Handle[parkedFrom] // of an open one
	size     int32
	open     bool
	waits    bool
	gone     bool // replayed: kept until the stream is followed so far, so that an older word does not bring it back
}

// tally is how much is open of something.
type tally struct {
	events int
	bytes  int64
}

func (t tally) less(events int, bytes int64) tally { return tally{t.events - events, t.bytes - bytes} }

type parkedPlace struct {
	sequence uint64
	key      parkedKey
}

func newParkedIndex() *parkedIndex {
	return &parkedIndex{
		entries: map[parkedKey]parkedEntry{}, slots: map[parkedKey][]parkedKey{}, waiting: map[appKey]map[parkedKey]struct{}{},
		shares: map[share]tally{},
	}
}

// apply takes in what the stream says of a key: as it was followed, in order, or as this node wrote it, perhaps ahead of
// that or late. What is older than what is known is passed over.
func (x *parkedIndex) apply(key parkedKey, p *Parked, followed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	was, known := x.entries[key]
	switch {
	case followed:
		x.followed = max(x.followed, p.sequence)
		if was.gone && was.sequence == p.sequence {
			x.forget(key, p)
			return
		}
	case p.sequence <= x.followed:
		return
	}
	if known && was.sequence >= p.sequence {
		return
	}
	if known && was.open {
		x.count(was, -1)
		x.freed.Add(1)
	}
	app := appKey{p.Account, p.App}
	if was.waits && !p.waits() {
		delete(x.waiting[app], key)
		if len(x.waiting[app]) == 0 {
			delete(x.waiting, app)
		}
	}
	if p.State == StateReplayed { // the log knows it
		if followed {
			x.forget(key, p)
		} else {
			x.entries[key] = parkedEntry{sequence: p.sequence, gone: true}
		}
		return
	}
	is := parkedEntry{sequence: p.sequence, size: int32(p.Size), open: p.State == StateOpen, waits: p.waits()} //nolint:gosec // at most MaxEvent
	if is.open {
		is.parkedAt, is.from = p.ParkedAt, unique.Make(p.from())
	}
	x.entries[key] = is
	if slot := slotOf(p.Source, p.EventID); !known && slot != (parkedKey{}) {
		x.slots[slot] = append(x.slots[slot], key)
	}
	if is.waits {
		if x.waiting[app] == nil {
			x.waiting[app] = map[parkedKey]struct{}{}
		}
		x.waiting[app][key] = struct{}{}
	}
	if is.open {
		x.count(is, 1)
		x.place(parkedPlace{p.sequence, key})
	}
}

// count counts an open event in, or out where by is -1.
func (x *parkedIndex) count(e parkedEntry, by int) {
	bytes := int64(by) * int64(e.size)
	x.open = x.open.less(-by, -bytes)
	from := e.from.Value()
	for _, s := range [...]share{from.ofAccount(), from.ofToken()} {
		if left := x.shares[s].less(-by, -bytes); left.events > 0 {
			x.shares[s] = left
		} else {
			delete(x.shares, s)
		}
	}
}

// forget drops what the log knows.
func (x *parkedIndex) forget(key parkedKey, p *Parked) {
	delete(x.entries, key)
	slot := slotOf(p.Source, p.EventID)
	left := slices.DeleteFunc(x.slots[slot], func(k parkedKey) bool { return k == key })
	if len(left) == 0 {
		delete(x.slots, slot)
	} else {
		x.slots[slot] = left
	}
}

// under lists what is parked under one source and id: open, discarded and superseded.
func (x *parkedIndex) under(slot parkedKey) []parkedKey {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var keys []parkedKey
	for _, key := range x.slots[slot] {
		if !x.entries[key].gone {
			keys = append(keys, key)
		}
	}
	return keys
}

// place keeps the order; what this node writes may come a little out of it.
func (x *parkedIndex) place(p parkedPlace) {
	if len(x.order) > 2*x.open.events+64 {
		x.order = slices.DeleteFunc(x.order, func(o parkedPlace) bool { return !x.current(o) })
	}
	at, _ := slices.BinarySearchFunc(x.order, p, bySequence)
	x.order = slices.Insert(x.order, at, p)
}

func bySequence(a, b parkedPlace) int { return cmp.Compare(a.sequence, b.sequence) }

// current tells whether a place is that of an event that is still open.
func (x *parkedIndex) current(p parkedPlace) bool {
	e, known := x.entries[p.key]
	return known && e.open && e.sequence == p.sequence
}

// has tells whether an event is parked: open, discarded or superseded.
func (x *parkedIndex) has(key parkedKey) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, known := x.entries[key]
	return known && !e.gone
}

// size gives the number of open events, their bytes, and the number of all entries.
func (x *parkedIndex) size() (open int, bytes int64, all int) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.open.events, x.open.bytes, len(x.entries)
}

// after lists open events behind a sequence that a filter lets through, oldest first.
func (x *parkedIndex) after(sequence uint64, filter ParkedFilter, limit int) []parkedPlace {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, _ := slices.BinarySearchFunc(x.order, parkedPlace{sequence: sequence + 1}, bySequence)
	var out []parkedPlace
	for _, p := range x.order[at:] {
		if len(out) == limit {
			break
		}
		if x.current(p) && filter.lets(x.entries[p.key]) {
			out = append(out, p)
		}
	}
	return out
}

// accountOf gives the account whose share an open event takes.
func (x *parkedIndex) accountOf(key parkedKey) string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if e := x.entries[key]; e.open {
		return e.from.Value().account
	}
	return ""
}

// parkedAt tells since when an event is parked that is open.
func (x *parkedIndex) parkedAt(key parkedKey) (at domain.Instant, open bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e := x.entries[key]
	return e.parkedAt, e.open
}

// waitingFor lists the events that wait for an app, oldest first.
func (x *parkedIndex) waitingFor(app appKey) []parkedKey {
	x.mu.RLock()
	defer x.mu.RUnlock()
	places := make([]parkedPlace, 0, len(x.waiting[app]))
	for key := range x.waiting[app] {
		places = append(places, parkedPlace{x.entries[key].sequence, key})
	}
	slices.SortFunc(places, bySequence)
	keys := make([]parkedKey, len(places))
	for i, p := range places {
		keys[i] = p.key
	}
	return keys
}

// awaited lists the apps that events wait for.
func (x *parkedIndex) awaited() []appKey {
	x.mu.RLock()
	defer x.mu.RUnlock()
	apps := make([]appKey, 0, len(x.waiting))
	for app := range x.waiting {
		apps = append(apps, app)
	}
	return apps
}

// awaits tells whether events wait for an app.
func (x *parkedIndex) awaits(app appKey) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.waiting[app]) > 0
}
