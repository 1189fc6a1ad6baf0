package projections

import (
	"fmt"
	"slices"
	"testing"

	"sundial/domain"
)

func TestSeen(t *testing.T) {
	w := newWorld(t)
	w.fill() // command-1 set acme's quota
	fact := w.doAs("acme", "fact/abc", domain.SetQuota{Apps: 130})
	both := []uint64{w.doAs("acme", "same", domain.SetQuota{Apps: 131}), w.doAs("bolt", "same", domain.SetQuota{Apps: 131})}
	s := w.serve()
	w.wait(s)
	for _, filtered := range []bool{true, false} {
		s.work.Wait() // the filter is there
		if !filtered {
			s.seen.current.Store(nil)
		}
		for _, row := range []struct {
			account, id string
			want        []uint64
		}{
			{"acme", "command-1", []uint64{1}},
			{"bolt", "command-1", nil},
			{"acme", "command-2", []uint64{2}},
			{"acme", "nothing", nil},
			{"nobody", "command-1", nil},
			{"acme", "same", both[:1]},
			{"bolt", "same", both[1:]},
			{"acme", "fact/abc", []uint64{fact}},
			{"cord", "fact/abc", []uint64{fact}},
			{"acme", "fact/abd", nil},
			{"ac", "mecommand-1", nil},
		} {
			if got, err := s.Seen(t.Context(), row.account, row.id); !slices.Equal(got, row.want) || err != nil {
				t.Errorf("%s %s, filter %t: %v, %v; want %v", row.account, row.id, filtered, got, err, row.want)
			}
		}
	}
}

// TestSeenGrows makes the filter anew while commits come in.
func TestSeenGrows(t *testing.T) {
	w := newWorld(t)
	s := w.open()
	s.work.Wait()
	s.seen.current.Store(newFilter(100)) // as if it had been made for a hundred
	w.follow(s)
	w.load(40, 50)
	w.wait(s)
	s.work.Wait()
	if f := s.seen.current.Load(); f.capacity < w.head {
		t.Errorf("the filter has room for %d of %d", f.capacity, w.head)
	}
	for seq := uint64(1); seq <= w.head; seq += 7 {
		m, err := w.log.Get(t.Context(), seq)
		if err != nil {
			t.Fatal(err)
		}
		d := decoded{message: m}
		if err := (&pipeline{codec: w.codec}).decodeOne(&d); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Seen(t.Context(), m.Account, d.commit.ID); !slices.Contains(got, seq) || err != nil {
			t.Errorf("commit %d: %v, %v", seq, got, err)
		}
	}
}

func TestFilter(t *testing.T) {
	keys := uint64(200_000)
	if raceEnabled {
		keys = 50_000
	}
	f := newFilter(keys)
	for i := range keys {
		f.add(commandKey("acme", fmt.Sprint(i)))
	}
	wrong := uint64(0)
	for i := range keys {
		if !f.has(commandKey("acme", fmt.Sprint(i))) {
			t.Fatalf("key %d is missing", i)
		}
		if f.has(commandKey("bolt", fmt.Sprint(i))) {
			wrong++
		}
	}
	if wrong > keys/100 {
		t.Errorf("%d of %d unknown keys are taken for known, want at most one in a hundred", wrong, keys)
	}
	t.Logf("%.2f%% false positives", 100*float64(wrong)/float64(keys))
}
