package oracle

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	oneSecond = int64(1000)
	oneHour   = 3600 * oneSecond
	oneDay    = 24 * oneHour
	// maxDelay is how late a delivery of a generated feed may come, first or again.
	maxDelay = 30 * oneDay
	// maxEarly is how much before its effective time a fact may come, but for orders paid ahead: less than [MaxAhead], so that a reader
	// whose clock lags a little behind still accepts it.
	maxEarly = 20 * oneHour
)

// Options shape a feed; a zero field takes the default, which is the measure of examples/upstream-2021.
type Options struct {
	Accounts       int    // default 24
	AppsPerAccount int    // default 5
	FirstApp       uint64 // SDKAppID of the first app, the others follow; default 1400110000
	Start          int64  // default 2021-01-01
	End            int64  // nothing arrives later; default 2021-07-01
	Grace          int64  // ms; default 168 hours
	FlagshipGrace  int64  // ms, for apps on flagship; default Grace
	DuePairs       int    // pairs of instants one ms before, and exactly at, something falling due; default 12
	Arrivals       int    // instants exactly at an arrival; default 4
	Midnights      int    // instants at some midnight; default 3
	// Faults adds deliveries that must be parked: malformed, about unknown apps, too far ahead, ids used twice.
	Faults bool
}

func (o Options) withDefaults() Options {
	o.Accounts = cmp.Or(o.Accounts, 24)
	o.AppsPerAccount = cmp.Or(o.AppsPerAccount, 5)
	o.FirstApp = cmp.Or(o.FirstApp, 1400110000)
	o.Start = cmp.Or(o.Start, time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	o.End = cmp.Or(o.End, time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
	o.Grace = cmp.Or(o.Grace, 7*oneDay)
	o.FlagshipGrace = cmp.Or(o.FlagshipGrace, o.Grace)
	o.DuePairs = cmp.Or(o.DuePairs, 12)
	o.Arrivals = cmp.Or(o.Arrivals, 4)
	o.Midnights = cmp.Or(o.Midnights, 3)
	return o
}

// Feed is a made-up upstream: what arrives when, for which apps, and instants at which it is worth looking.
type Feed struct {
	Seed          uint64
	Grace         int64
	FlagshipGrace int64
	Apps          []App
	Deliveries    []Delivery // in the order of arrival
	Instants      []int64    // ascending, without duplicates
}

// Policy is the grace of the feed by the edition of the app.
func (f Feed) Policy() ByEdition { return graceOf(f.Grace, f.FlagshipGrace) }

func graceOf(others, flagship int64) ByEdition {
	return func(_, edition string) int64 {
		if edition == Flagship {
			return flagship
		}
		return others
	}
}

// Generate makes up a feed of the kind of examples/upstream-2021. The same seed and options make the same feed:
// whoever uses one prints its seed.
func Generate(seed uint64, options Options) Feed {
	options = options.withDefaults()
	g := &generator{seed: seed, options: options, rng: rand.New(rand.NewPCG(seed, 0x5ad1a1))}
	feed := Feed{Seed: seed, Grace: options.Grace, FlagshipGrace: options.FlagshipGrace}
	for account := range options.Accounts {
		for range options.AppsPerAccount {
			app := App{
				Account:   fmt.Sprintf("acct-%d-%04d", seed, account),
				ID:        options.FirstApp + uint64(len(feed.Apps)),
				Name:      fmt.Sprintf("app %d", len(feed.Apps)),
				CreatedAt: options.Start - g.between(1, 700)*oneDay,
			}
			feed.Apps = append(feed.Apps, app)
			g.tell(app)
		}
	}
	if options.Faults {
		g.addFaults()
	}
	slices.SortStableFunc(g.deliveries, func(a, b Delivery) int { return cmp.Compare(a.ArrivesAt, b.ArrivesAt) })
	feed.Deliveries = g.deliveries
	feed.Instants = g.instants(feed)
	return feed
}

// Expected answers every app of the feed at every one of its instants.
func (f Feed) Expected() []Expected {
	var all []Expected
	for _, now := range f.Instants {
		facts, _ := Arrived(f.Apps, f.Deliveries, now)
		about := map[uint64][]Fact{}
		for _, fact := range facts {
			about[fact.App] = append(about[fact.App], fact)
		}
		for _, app := range f.Apps {
			all = append(all, State(app, about[app.ID], now, f.Policy()).expected(now))
		}
	}
	return all
}

type generator struct {
	seed       uint64
	options    Options
	rng        *rand.Rand
	events     int // ids given
	deliveries []Delivery
}

// tell makes up the history of one app.
func (g *generator) tell(app App) {
	s := &story{generator: g, app: app}
	s.orders()
	s.invoices()
}

// deliver says a fact when it is first heard of, and in a tenth of the cases again: in the same bytes, with its members
// sorted, or on another trace.
func (g *generator) deliver(fact Fact, arrives int64) {
	if arrives > g.options.End || arrives < g.options.Start-maxEarly {
		return
	}
	g.events++
	fact.Source, fact.ID = "urn:billing:upstream", fmt.Sprintf("up-%d-%d", g.seed, g.events)
	event := EncodeEvent(fact)
	g.arrive(arrives, event)
	for g.chance(10) {
		arrives += g.between(0, maxDelay/oneSecond) * oneSecond
		switch g.rng.IntN(4) {
		case 0:
			g.arrive(arrives, event)
		case 1:
			g.arrive(arrives, sorted(event))
		default:
			g.arrive(arrives, encodeTraced(fact, g.between(1, 1<<40), arrives))
		}
	}
}

func (g *generator) arrive(at int64, event []byte) {
	g.deliveries = append(g.deliveries, newDelivery(min(at, g.options.End), event))
}

// arrival is when something that took effect then is first heard of: mostly soon, sometimes weeks later, rarely
// before.
func (g *generator) arrival(effective int64) int64 {
	switch percent := g.rng.IntN(100); {
	case percent < 50:
		return effective
	case percent < 75:
		return effective + g.between(1, 600)*oneSecond
	case percent < 97:
		return effective + g.between(1, maxDelay/oneSecond)*oneSecond
	default:
		return effective - g.between(1, maxEarly/oneSecond)*oneSecond
	}
}

// chance is true in so many of a hundred cases.
func (g *generator) chance(percent int) bool { return g.rng.IntN(100) < percent }

// between is a number from low to high, both included.
func (g *generator) between(low, high int64) int64 { return low + g.rng.Int64N(high-low+1) }

// days is a span of whole seconds between so many days.
func (g *generator) days(low, high int64) int64 {
	return g.between(low*oneDay/oneSecond, high*oneDay/oneSecond) * oneSecond
}

// around is an instant that decides a tie: the one given, or a millisecond beside it.
func (g *generator) around(instant int64) int64 { return instant + g.between(-1, 1) }

func pick[T any](g *generator, among ...T) T { return among[g.rng.IntN(len(among))] }
