package domain

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEveryCause walks the table: each cause can come into force, is shown, explained and lifted as its row says.
func TestEveryCause(t *testing.T) {
	about := About{App: FirstApp}
	for _, row := range Causes() {
		t.Run(string(row.Cause), func(t *testing.T) {
			log := []Past{{Recorded{day(1), 1}, AppCreated{About: about, Name: "app", CreatedAt: day(1)}}}
			if row.Lapses() {
				log = append(log, Past{Recorded{day(1), 2}, Lapsed{About: about, Cause: row.Cause, Grace: Grace{Since: day(1), StopDue: day(8)}}})
			}
			if row.Due == DueArrears {
				log = append(log, Past{Recorded{day(1), 2}, ArrearsStarted{About: about, Grace: Grace{Since: day(1), StopDue: day(8)}}})
			}
			log = append(log, Past{Recorded{day(9), 3}, AppStopped{About: about, Cause: row.Cause, EffectiveAt: day(8)}})
			app := foldApp(log, len(log))
			if want := (Stop{row.Cause, day(8), day(9)}); !slices.Equal(app.holds(), []Stop{want}) {
				t.Fatalf("holds %+v, want %+v", app.holds(), want)
			}
			if Follows(log[len(log)-1].Event) != row.ByRule() {
				t.Errorf("the stop follows by rule: %t, the row says %t", !row.ByRule(), row.ByRule())
			}
			if e := Why(log, FieldStop); !strings.HasPrefix(e.Value, string(row.Cause)+" since ") || len(e.Links) == 0 {
				t.Errorf("explained as %+v", e)
			}
			if row.Means == "" {
				t.Error("the row does not say what it means")
			}
			for _, role := range []Role{Owner, Operator, Billing} {
				acc := NewAccount("acme")
				for _, p := range log {
					acc.Apply(p.Recorded, p.Event)
				}
				_, err := Decide(acc, StartApp{FirstApp}, Moment{Now: day(10), Policy: DefaultPolicy(), Role: role})
				if lifted := err == nil; lifted != slices.Contains(row.Lifts, role) {
					t.Errorf("started by %s: %v; the row says %v", role, err, row.Lifts)
				}
			}
			app.setHold(row.Cause, 0, 0)
			if app.stopped() {
				t.Error("lifted, and still stopped")
			}
		})
	}
}

// TestEveryCauseIsInTheTable: a constant without a row would stop an app for nothing that is shown. Only an order's
// beginning stops nothing.
func TestEveryCauseIsInTheTable(t *testing.T) {
	source, err := os.ReadFile("cause.go")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`Cause += "(\w+)"`).FindAllSubmatch(source, -1)
	named = slices.DeleteFunc(named, func(n [][]byte) bool { return Cause(n[1]) == CauseOrder })
	if len(named) != len(causes) {
		t.Errorf("%d constants, %d rows", len(named), len(causes))
	}
	for _, n := range named {
		if Cause(n[1]).row() == nil {
			t.Errorf("%s has no row", n[1])
		}
	}
	page, err := os.ReadFile("../docs/lifecycle.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Causes() {
		if !strings.Contains(string(page), fmt.Sprintf("`%s`", c.Cause)) {
			t.Errorf("docs/lifecycle.md does not tell of %s", c.Cause)
		}
	}
}
