package scheduler_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/internal/testing/enginetest"
	"sundial/scheduler"
)

// TestWhatIsAheadIsCounted by the days of the calendar, and anew when a minute or the day is over.
func TestWhatIsAheadIsCounted(t *testing.T) {
	s := enginetest.Start(t)
	n := s.Node(t, t.TempDir(), true)
	registry, elapsed := prometheus.NewRegistry(), time.Duration(0)
	start(t, s, n, func(c *scheduler.Config) {
		c.Registerer, c.Elapsed = registry, func() time.Duration { return elapsed }
	})
	counted := func() map[string]float64 {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		found, all := map[string]float64{}, 0
		for _, f := range families {
			if f.GetName() != "sundial_transitions_ahead" {
				continue
			}
			for _, m := range f.GetMetric() {
				all++
				if v := m.GetGauge().GetValue(); v > 0 {
					found[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = v
				}
			}
		}
		if all != 30*4 {
			t.Errorf("%d counts, want one for each of 30 days and 4 goals", all)
		}
		return found
	}
	check := func(what string, want map[string]float64) {
		t.Helper()
		if diff := cmp.Diff(want, counted()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	check("nothing", map[string]float64{})
	owing(t, n, "acme", enginetest.Began)
	owing(t, n, "acme", enginetest.Began.Add(-time.Hour))
	check("within the minute", map[string]float64{})
	elapsed = time.Minute
	check("a minute later", map[string]float64{"6 stopped": 1, "7 stopped": 1})
	n.Move(24 * time.Hour)
	check("a day later", map[string]float64{"5 stopped": 1, "6 stopped": 1})
	order := domain.OrderTerms{
		ID: "o", Edition: domain.Pro, EffectiveAt: n.Now(), PaidUntil: n.Now().Add(30 * 24 * time.Hour), Amount: domain.Money{Currency: "CNY", Minor: 1},
	}
	n.Must(t, "acme", "later", domain.Owner, domain.CreateApp{AppName: "later", Order: &order})
	n.Move(24 * time.Hour)
	check("what comes into view", map[string]float64{"4 stopped": 1, "5 stopped": 1, "29 expired": 1})
}
