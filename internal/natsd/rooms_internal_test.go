package natsd

import (
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

func TestRoomsAreGivenAgain(t *testing.T) {
	s, err := Start(Config{Dir: t.TempDir(), Doors: Doors{Answered: []string{"command.>"}, Heard: []string{"lifecycle.>"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	r := s.present().rooms
	now := time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC)
	enter := func(key string) *room {
		t.Helper()
		o, err := r.enter(key, now)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	a := enter("a")
	if again := enter("a"); again != a {
		t.Error("a token has two rooms")
	}
	b := enter("b")
	if b == a {
		t.Fatal("two tokens have one room")
	}
	a.leave(now)
	now = now.Add(time.Hour)
	if enter("c") == a {
		t.Error("a room in which somebody is was given again")
	}
	a.leave(now)
	now = now.Add(vacant)
	if enter("d") == a {
		t.Error("a room was given again while an answer to those who left can be under way")
	}
	if enter("a") != a {
		t.Error("a token that comes back has another room")
	}
	a.leave(now)
	now = now.Add(vacant + time.Millisecond)
	e := enter("e")
	if e != a {
		t.Error("a room that stood empty was not given again")
	}
	if enter("a") == e {
		t.Error("two tokens have one room")
	}
}

func TestRoomsAreBounded(t *testing.T) {
	s, err := Start(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	r := s.present().rooms
	r.made = maxRooms - 1
	now := time.Now()
	o, err := r.enter("last", now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.enter("beyond", now); err == nil {
		t.Error("a room beyond the last was made")
	}
	o.leave(now)
	if again, err := r.enter("beyond", now.Add(2*vacant)); err != nil || again != o {
		t.Errorf("the room that was left: %v", err)
	}
}

func TestPrefixes(t *testing.T) {
	for _, row := range []struct{ address, want string }{
		{"192.0.2.1:4222", "192.0.2.1/32"},
		{"[::ffff:192.0.2.1]:4222", "192.0.2.1/32"},
		{"[2001:db8:1:2:3:4:5:6]:4222", "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:4222", "fe80::/64"},
		{"pipe", "invalid Prefix"},
	} {
		if got := fmt.Sprint(prefixOf(named(row.address))); got != row.want {
			t.Errorf("%s: %s, want %s", row.address, got, row.want)
		}
	}
}

type named string

func (named) Network() string  { return "tcp" }
func (n named) String() string { return string(n) }

// TestAbuseRooms prints what it costs to have as many rooms as there may be.
func TestAbuseRooms(t *testing.T) {
	s, err := Start(Config{Dir: t.TempDir(), NoSync: true, Doors: Doors{Answered: []string{"command.>", "billing.>", "$SRV.>"}, Heard: []string{"lifecycle.>"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	inUse := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	steps := []int{100}
	if os.Getenv("SUNDIAL_ABUSE") != "" {
		steps = append(steps, 1000, maxRooms)
	}
	r := s.present().rooms
	before, made := inUse(), 0
	for _, step := range steps {
		began, first := time.Now(), made
		for ; made < step; made++ {
			if _, err := r.build(fmt.Sprintf("room-%d", made+1)); err != nil {
				t.Fatal(err)
			}
		}
		t.Logf("%d rooms: %d kB each; the last ones %s each to make", made, (inUse()-before)/uint64(made)>>10, //nolint:gosec // a small number
			(time.Since(began) / time.Duration(made-first)).Round(time.Microsecond))
	}
}
