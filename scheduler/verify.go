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
	stream, err := js.Stream(ctx, "KV_"+stateBucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	for m, err := range streams.Walk(ctx, stream) {
		var lost *streams.LostError
		var hold ClockHold
		switch {
		case errors.As(err, &lost):
			found = append(found, damage.Finding{Code: clockHoldUnreadable, Where: "nats/KV_" + stateBucket, Position: lost.Sequence, Problem: "the message cannot be read", Fix: fixHold})
		case err != nil:
			return found, err
		case m.Header.Get("KV-Operation") != "": // the hold was lifted
		case json.Unmarshal(m.Data, &hold) != nil:
			found = append(found, damage.Finding{Code: clockHoldUnreadable, Where: "nats/KV_" + stateBucket, Position: m.Sequence, Problem: "the hold cannot be read", Fix: fixHold})
		}
	}
	return found, nil
}
