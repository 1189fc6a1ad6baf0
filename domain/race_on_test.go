//go:build race

package domain

import "flag"

const raceEnabled = true

// What is drawn at random is drawn less often under the race detector: one goroutine computes, and it takes five times as
// long for that. As many as usual are drawn without it, and as -rapid.checks says.
func init() {
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
}
