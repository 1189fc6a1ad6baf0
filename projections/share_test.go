package projections

import (
	"math"
	"runtime/debug"
	"testing"
)

func TestABuildTakesItsShareOfTheMemory(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	for _, row := range []struct {
		mb          int64 // that Go may take; 0 for no limit
		batch, apps int
	}{
		{0, 50_000, 200_000}, {4096, 50_000, 200_000}, {1024, 50_000, 200_000},
		{256, 12_500, 50_000}, {64, 3_125, 12_500}, {1, 1_562, 6_250},
	} {
		limit := row.mb << 20
		if limit == 0 {
			limit = math.MaxInt64
		}
		debug.SetMemoryLimit(limit)
		if batch, apps := share(buildBatch), share(buildApps); batch != row.batch || apps != row.apps {
			t.Errorf("with %d MB a build takes %d commits and %d apps at once, want %d and %d", row.mb, batch, apps, row.batch, row.apps)
		}
	}
}
