package scheduler

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with what is kept of the clock, stable.
const (
	clockHoldUnreadable = "clock_hold_unreadable" // whether a person has still to confirm the clock
	sandboxUnreadable   = "sandbox_unreadable"    // the time of a sandbox
)

const (
	fixHold    = "delete the bucket " + stateBucket + ", which the next start makes anew: a hold that was in force is lifted with it, so look at the machine's clock first"
	fixSandbox = "write the time into it that the clock stood at, such as 2021-01-01T00:00:00.000Z; the latest commit's recorded_at is not later"
)

// Verify reads what is kept of the clock: the hold, and a sandbox's time in a file, if there is one. An error says that it could
// not be looked.
func Verify(ctx context.Context, js jetstream.JetStream, sandbox string) (found []damage.Finding, err error) {
	if _, _, err := readSandbox(sandbox); err != nil && !errors.Is(err, fs.ErrNotExist) {
		problem, _, _ := strings.Cut(err.Error(), "\n")
		found = append(found, damage.Finding{Code: sandboxUnreadable, Where: filepath.Base(sandbox), Problem: problem, Fix: fixSandbox})
	}
	const where = "nats/KV_" + stateBucket
	_, err = streams.Visit(ctx, js, "KV_"+stateBucket, func(m *streams.Message) {
		var hold ClockHold
		if m.Header.Get("KV-Operation") != "" {
			return // the hold was lifted
		}
		if json.Unmarshal(m.Data, &hold) != nil {
			found = append(found, damage.Finding{Code: clockHoldUnreadable, Where: where, Position: m.Sequence, Problem: "the hold cannot be read", Fix: fixHold})
		}
	}, func(sequence uint64) {
		found = append(found, damage.Lost(clockHoldUnreadable, where, sequence, fixHold))
	})
	return found, err
}
