package timetravel

import (
	"cmp"
	"slices"

	"sundial/domain"
)

// life is an app, decided anew twice: as it was, and as it would have been. Until the policies part there is one.
type life struct {
	account string
	app     domain.AppID
	was     course
	would   *course // nil until they part
	common  int     // stops before that
}

// course is one of the two, with the stops for money that it led to.
type course struct {
	*domain.Rerun
	stops []stop
}

// stop is a hold for money that came into force, or will.
type stop struct {
	kind  domain.DueKind
	since domain.Instant // of the arrears or the lapse: what the stops of two courses are matched by
	cause domain.Cause
	at    domain.Instant
	ahead bool
}

func newLife(account string, app domain.AppID, policy func(domain.Instant) domain.Policy) *life {
	l := &life{account: account, app: app}
	l.was.Rerun = domain.NewRerun(account, app, policy, l.was.hear)
	return l
}

// fork lets the other course begin where the first one is.
func (l *life) fork(policy func(domain.Instant) domain.Policy) {
	if l.would != nil {
		return
	}
	l.common, l.was.stops = len(l.was.stops), nil
	l.would = &course{}
	l.would.Rerun = l.was.Fork(policy, l.would.hear)
}

func (l *life) count(at domain.Instant, e domain.Event) {
	l.was.Count(at, e)
	if l.would != nil {
		l.would.Count(at, e)
	}
}

// until lets what is due by an instant happen.
func (l *life) until(at domain.Instant) {
	l.was.Until(at)
	if l.would != nil {
		l.would.Until(at)
	}
}

// hear notes stops for money.
func (c *course) hear(e domain.Event) {
	cause, at, stops := domain.StopOf(e)
	if !stops || !domain.Follows(e) {
		return
	}
	c.stops = append(c.stops, c.stop(cause, at, false))
}

// stop is one of this cause, as the app now is.
func (c *course) stop(cause domain.Cause, at domain.Instant, ahead bool) stop {
	if cause == domain.CauseArrears {
		return stop{domain.DueArrears, c.App().Arrears.Since, cause, at, ahead}
	}
	return stop{domain.DueLapse, c.App().Lapse.Since, cause, at, ahead}
}

// end lets everything that is due by an instant happen, and adds the stops that are due later.
func (c *course) end(until domain.Instant) {
	c.Until(until)
	app := c.App()
	if app == nil {
		return
	}
	for _, d := range app.Transitions() {
		if d.To == string(domain.Stopped) {
			c.stops = append(c.stops, c.stop(d.Cause, d.At, true))
		}
	}
}

// end compares the two courses, stop by stop. What lies ahead in both is no matter of history.
func (l *life) end(until domain.Instant) []Change {
	l.was.end(until)
	l.would.end(until)
	var changes []Change
	change := func(f Fate, s stop, was, would domain.Instant, ahead bool) {
		changes = append(changes, Change{f, l.account, l.app, s.cause, s.since, was, would, ahead})
	}
	others := l.would.stops
	for _, s := range l.was.stops {
		i := slices.IndexFunc(others, func(o stop) bool { return o.kind == s.kind && o.since == s.since })
		if i < 0 {
			if !s.ahead {
				change(Prevented, s, s.at, 0, false)
			}
			continue
		}
		o := others[i]
		others = slices.Delete(slices.Clone(others), i, i+1)
		if s.ahead && o.ahead {
			continue
		}
		fate := map[int]Fate{-1: Earlier, 0: Same, 1: Later}[cmp.Compare(o.at, s.at)]
		change(fate, s, s.at, o.at, s.ahead || o.ahead)
	}
	for _, o := range others {
		if !o.ahead {
			change(Added, o, 0, o.at, false)
		}
	}
	return changes
}
