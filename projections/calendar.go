package projections

import (
	"cmp"
	"context"
	"database/sql/driver"
	"slices"
	"strings"
	"time"

	"sundial/domain"
)

// Day is how much falls due on a day of the calendar, in UTC.
type Day struct {
	Start   domain.Instant // midnight
	Stopped int            // stops
	Expired int
	Active  int // reinstatements by orders that begin
	Edition int // changes of the edition, up or down, where the status stays
}

func (d *Day) add(to string, count int) {
	switch {
	case to == string(domain.Stopped):
		d.Stopped += count
	case to == string(domain.Expired):
		d.Expired += count
	case to == string(domain.Active):
		d.Active += count
	case strings.HasPrefix(to, editionGoal):
		d.Edition += count
	}
}

// millisecondsADay is what a day of UTC has, in the engine's time.
const millisecondsADay = int64(24 * time.Hour / time.Millisecond)

// Calendar counts what will change the status or the edition of apps within a window, day by day, without the days on which nothing does. It looks at every
// due of the window, a million of them in some tenths of a second, and into the apps of those that come first (MaxLookedInto).
func (s *Store) Calendar(ctx context.Context, filter DueFilter) ([]Day, error) {
	days := map[int64]*Day{}
	add := func(number int64, to string, count int) {
		if days[number] == nil {
			days[number] = &Day{Start: domain.Instant(number * millisecondsADay)}
		}
		days[number].add(to, count)
	}
	var err error
	if filter.Account != "" {
		var all []Transition
		all, err = s.transitionsOf(ctx, filter, filter.begin(), domain.MaxQuota*domain.MaxForeseen)
		for _, t := range all {
			add(int64(t.At)/millisecondsADay, t.To, 1)
		}
	} else {
		err = s.search(ctx, func(r *reader) error {
			return r.atOnce(func() error { return r.countAll(ctx, s.lookInto, filter, add) })
		})
	}
	if err != nil {
		return nil, err
	}
	calendar := make([]Day, 0, len(days))
	for _, d := range days {
		if *d != (Day{Start: d.Start}) {
			calendar = append(calendar, *d)
		}
	}
	slices.SortFunc(calendar, func(a, b Day) int { return cmp.Compare(a.Start, b.Start) })
	return calendar, nil
}

// countAll counts what is set in the dues, and corrects that by what is foreseen of the apps that are looked into.
func (r *reader) countAll(ctx context.Context, lookInto int, filter DueFilter, add func(day int64, to string, count int)) error {
	const query = `SELECT at / ?, goal, count(*) FROM dues WHERE at >= ? AND at < ? AND kind < ? AND goal <> '' GROUP BY 1, 2`
	args := []any{millisecondsADay, int64(filter.After), int64(filter.end()), lifecycleKinds}
	if err := r.list(ctx, query, args, 3, func(row []driver.Value) error {
		add(integer(row[0]), text(row[1]), int(integer(row[2])))
		return nil
	}); err != nil {
		return err
	}
	_, _, err := r.lookInto(ctx, lookInto, filter, func(l *lookedInto) bool {
		for _, d := range l.app.Transitions() {
			if d.At >= filter.After && d.At < filter.end() {
				add(int64(d.At)/millisecondsADay, d.To, -1)
			}
		}
		for _, t := range l.transitions(filter.begin(), filter.end()) {
			add(int64(t.At)/millisecondsADay, t.To, 1)
		}
		return true
	})
	return err
}
