package domain

import (
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sundial/internal/testing/oracle"
)

func TestNotices(t *testing.T) {
	given := func(of DueKind, to Status, cause Cause, due, at, next Instant) answer {
		return events(NoticeGiven{about, of, to, cause, due, at, next})
	}
	hour := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	fire := func(episode uint64) FireTransition { return FireTransition{testApp, DueNotice, episode} }
	owing := and(pro(0), did(day(2), Billing, overdue("i1", 1, day(2)))) // due on day 9
	expiring := pro(day(30))
	warn := func(rows []row) []row {
		for i := range rows {
			rows[i].warned = true
		}
		return rows
	}
	check(t, warn([]row{
		{
			name: "a debt is warned of three days before the stop: the week's notice is the debt itself", given: pro(0),
			as: Billing, at: day(2), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, warned(stopsFor(day(2), day(9), Pro), day(6))}),
		},
		{
			name: "one that became known late, by what is left", given: pro(0),
			as: Billing, at: day(8), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, warned(stopsFor(day(2), day(9), Pro), day(9).Add(-hour(1)))}),
		},
		{
			name: "or not at all", given: pro(0),
			as: Billing, at: day(9).Add(-hour(1)), when: overdue("i1", 1, day(2)),
			then: events(overdueRecorded("i1", 1, day(2)), ArrearsStarted{about, stopsFor(day(2), day(9), Pro)}),
		},
		{
			name: "a plan's end is warned of a week before", given: []step{created()},
			as: Billing, at: day(0), when: paid("o1", Pro, day(0), day(30)),
			then: events(
				recorded(paid("o1", Pro, day(0), day(30))), EditionChanged{about, Trial, Pro, byOrder, day(0)},
				TermScheduled{about, day(30), "", CausePlanExpired, expiryWarned(expiry(day(30), CausePlanExpired, Pro), day(23))},
			),
		},
		{name: "not before its time", given: owing, as: Operator, at: day(6).Add(-ms), when: fire(5), then: silence},
		{name: "the first", given: owing, as: Operator, at: day(6), when: fire(5), then: given(DueArrears, Stopped, CauseArrears, day(9), day(6), day(8))},
		{
			name: "the second", given: and(owing, ticked(day(6))),
			as: Operator, at: day(8), when: fire(6), then: given(DueArrears, Stopped, CauseArrears, day(9), day(8), day(9).Add(-hour(1))),
		},
		{
			name: "the last", given: and(owing, ticked(day(6)), ticked(day(8))),
			as: Operator, at: day(9).Add(-ms), when: fire(7), then: given(DueArrears, Stopped, CauseArrears, day(9), day(9).Add(-hour(1)), 0),
		},
		{
			name: "after an outage, the one that still says something", given: owing,
			as: Operator, at: day(8).Add(ms), when: fire(5), then: given(DueArrears, Stopped, CauseArrears, day(9), day(8), day(9).Add(-hour(1))),
		},
		{name: "none once it has come to it", given: owing, as: Operator, at: day(9), when: fire(5), then: silence},
		{name: "none after it was paid", given: and(owing, did(day(5), Billing, settle("i1", 2, day(5)))), as: Operator, at: day(6), when: fire(5), then: silence},
		{name: "none of an app that was deleted", given: deletedTrial(), as: Operator, at: day(6), when: fire(5), then: silence},
		{name: "of an expiry", given: expiring, as: Operator, at: day(23), when: fire(4), then: given(DueTerm, Expired, CausePlanExpired, day(30), day(23), day(27))},
		{
			name: "and of the stop that follows it", given: and(expiring, ticked(day(30))),
			as: Operator, at: day(34), when: fire(5), then: given(DueLapse, Stopped, CausePlanExpired, day(37), day(34), day(36)),
		},
	}))
}

// TestNoticesOverFeeds: over generated feeds (as many as SUNDIAL_NOTICE_FEEDS says), with ticks at odd times as after outages, restarts, and a clock
// that is set back, every notice that is owed at a tick is given once, and none whose cause is gone. What is owed follows
// here from what is due, seen from outside: of the times of notices that have passed since the due was set or since the
// tick before, the last, unless the due itself has passed.
func TestNoticesOverFeeds(t *testing.T) {
	feeds := 150
	if raceEnabled {
		feeds = 40
	}
	if n, err := strconv.Atoi(os.Getenv("SUNDIAL_NOTICE_FEEDS")); err == nil {
		feeds = n
	}
	for seed := range feeds {
		n := noticed{harness: newWorld(DefaultPolicy()), random: rand.New(rand.NewPCG(uint64(seed), 1)), targets: map[noticeKey]target{}}
		n.feed(t, oracle.Generate(uint64(seed), oracle.Options{Accounts: 1, AppsPerAccount: 2, DuePairs: 1, Arrivals: 1, Midnights: 1}))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// noticed is a world whose notices are foretold.
type noticed struct {
	*harness
	random  *rand.Rand
	targets map[noticeKey]target
	ticked  Instant // the last tick
}

// noticeKey is what notices warn of: the stop of an app, or one of its expiries.
type noticeKey struct {
	app    AppID
	kind   DueKind
	expiry Instant
}

// target is when it is due, since when it is due then, and up to when notices of it were given. A stop that an order known
// by now prevents needs none; should it come after all, what was passed over meanwhile is given as after an outage.
type target struct {
	due, set, told Instant
	episode        uint64
	prevented      bool
}

// feed lives through a feed: facts come when they arrive, and the scheduler ticks now and then.
func (n *noticed) feed(t *testing.T, feed oracle.Feed) {
	t.Helper()
	now := Instant(feed.Deliveries[0].ArrivesAt) - 1
	for _, app := range feed.Apps {
		n.bring(t, now, app, nil)
	}
	n.watch(now)
	for _, d := range feed.Deliveries {
		for at := Instant(d.ArrivesAt); now < at; {
			now = min(now.Add(time.Duration(n.random.Int64N(int64(4*24*time.Hour)))), at)
			if n.random.IntN(3) > 0 {
				n.tick(t, now)
			}
		}
		n.deliver(t, now, d.Fact)
		n.watch(now)
	}
	for range 40 {
		now = now.Add(time.Duration(n.random.Int64N(int64(4 * 24 * time.Hour))))
		n.tick(t, now)
	}
}

// watch notes what has become due otherwise than it was.
func (n *noticed) watch(now Instant) {
	ahead := map[noticeKey]target{}
	for _, acc := range n.accounts {
		for id, app := range acc.Apps {
			for _, x := range app.Expiries {
				ahead[noticeKey{id, DueTerm, x.At}] = target{due: x.At}
			}
			if a := app.Arrears; a.Since != 0 && a.HeldAt == 0 {
				ahead[noticeKey{id, DueArrears, 0}] = target{due: a.StopDue, episode: a.Episode}
			}
			if l := app.Lapse; l.Since != 0 && l.HeldAt == 0 {
				prevented := slices.ContainsFunc(slices.Collect(app.Orders.All()), func(o Order) bool {
					end, _ := o.end()
					return o.buysEdition() && o.Terms.EffectiveAt <= l.StopDue && end > max(o.Terms.EffectiveAt, l.Since)
				})
				ahead[noticeKey{id, DueLapse, 0}] = target{due: l.StopDue, episode: l.Episode, prevented: prevented}
			}
		}
	}
	for key, is := range ahead {
		if was, known := n.targets[key]; known && was.due == is.due && was.episode == is.episode {
			is.set, is.told = was.set, was.told
		} else {
			is.set = now
		}
		ahead[key] = is
	}
	n.targets = ahead
}

// tick sweeps, and holds the notices that were given against those that were owed.
func (n *noticed) tick(t *testing.T, now Instant) {
	t.Helper()
	want := map[noticeKey]Instant{}
	for key, is := range n.targets {
		if is.due <= now || is.prevented {
			continue
		}
		for _, before := range n.policy.Notices {
			if at := is.due.Add(-time.Duration(before)); at > max(is.set, is.told) && at <= now {
				want[key] = max(want[key], at)
			}
		}
	}
	logged := map[string]int{}
	for id, log := range n.log {
		logged[id] = len(log)
	}
	n.sweep(t, now)
	got := map[noticeKey]Instant{}
	for id, log := range n.log {
		for _, c := range log[logged[id]:] {
			for _, e := range c.events {
				if g, is := e.(NoticeGiven); is {
					key := noticeKey{app: g.App, kind: g.Of}
					if g.Of == DueTerm {
						key.expiry = g.Due
					}
					if got[key] != 0 {
						t.Errorf("app %d was warned of %s twice at %s", g.App, g.Of, now)
					}
					got[key] = g.EffectiveAt
				}
			}
		}
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("notices at %s, the tick before at %s (-owed +given):\n%s", now, n.ticked, diff)
	}
	n.ticked = now
	for key, is := range n.targets {
		if !is.prevented {
			is.told = max(is.told, now)
			n.targets[key] = is
		}
	}
	n.watch(now)
	if n.random.IntN(10) == 0 { // a restart
		for id := range n.accounts {
			n.accounts[id] = n.replayed(t, id)
		}
	}
	if n.random.IntN(10) == 0 { // a clock that is set back undoes nothing, and brings nothing
		before := n.position
		if n.sweep(t, now.Add(-48*time.Hour)); n.position != before {
			t.Errorf("a tick of the past did something at %s", now)
		}
	}
}
