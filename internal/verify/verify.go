// Package verify goes through everything that the program keeps and says what of it is damaged. Whether a thing is whole is known
// by who owns it; this room reads the log once, and asks them all.
package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/archive"
	"sundial/internal/auth"
	"sundial/internal/damage"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/lease"
	"sundial/internal/pause"
	"sundial/internal/publish"
	"sundial/internal/vault"
	"sundial/projections"
	"sundial/scheduler"
)

// The codes of what can be wrong with the log and what is made from it, stable.
const (
	logCorrupt         = "log_corrupt"         // a commit is not what was written, or does not follow the one before
	logGap             = "log_gap"             // a commit is missing
	logUnknown         = "log_unknown"         // a commit has an event that this version does not know
	numberTwice        = "number_twice"        // two apps have one number
	logMissing         = "log_missing"         // there is no log
	projectionsDiffer  = "projections_differ"  // a row is not what the log makes of it
	projectionsDamaged = "projections_damaged" // the file cannot be read, or is not there
	archiveDiffers     = "archive_differs"     // a commit in the archive is not the log's
	notVerified        = "not_verified"        // something could not be looked at
)

// where is the log in findings.
const where = "nats/SUNDIAL_EVENTS"

const (
	fixLog     = "stop, keep a copy of the data directory, restore the log from the latest backup, and send again what upstream has since then"
	fixRebuild = "run sundial rebuild; if it comes again, the disk is broken"
	fixArchive = "stop, and remove the folder archive: the next start makes it anew from the log; until then such a commit is read from the log itself"
	fixLook    = "mend what is named before it, and verify again"
)

// maxOfKind bounds how many findings of one code are given: whoever reads twenty restores, or rebuilds.
const maxOfKind = 20

// Config says what is gone through. JetStream is required.
type Config struct {
	JetStream   jetstream.JetStream
	Log         *eventstore.Log    // nil where it cannot be opened: what is held against it is left out
	Projections projections.Config // of this node
	ArchiveDir  string
	SandboxFile string       // "" for none
	Ledger      string       // of the tokens
	TokenFile   string       // an operator's
	Leases      string       // the bucket of the nodes' leases
	Roots       []vault.Root // those that are known; without the one in force it is not looked whether keys open
	// Beside says that an engine serves meanwhile: the work pauses for as long as it lasts, batch by batch.
	Beside bool
}

// All goes through everything. Progress is told in commits, and may be nil. What cannot be looked at is a finding too; an error
// says that the context ended.
func All(ctx context.Context, config Config, progress func(done, total uint64)) ([]damage.Finding, error) {
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	v := &verification{config: config, progress: progress, counts: map[string]int{}}
	known := v.log(ctx)
	v.ask("the keys", func() ([]damage.Finding, error) {
		return vault.Verify(ctx, config.JetStream, config.Roots, known.holders())
	})
	v.ask("the tokens", func() ([]damage.Finding, error) {
		return auth.Verify(ctx, config.JetStream, config.Ledger, time.Now()) //nolint:forbidigo // tokens are made and used in real time
	})
	v.ask("the operator's token", func() ([]damage.Finding, error) { return auth.VerifyOperator(config.TokenFile), nil })
	v.ask("the leases", func() ([]damage.Finding, error) { return lease.Verify(ctx, config.JetStream, config.Leases) })
	v.ask("bills", func() ([]damage.Finding, error) { return ingest.Verify(ctx, config.JetStream) })
	v.ask("the clock", func() ([]damage.Finding, error) { return scheduler.Verify(ctx, config.JetStream, config.SandboxFile) })
	if known != nil {
		v.ask("the numbers of apps", func() ([]damage.Finding, error) { return known.shared(), nil })
		v.ask("the numbers", func() ([]damage.Finding, error) {
			return engine.VerifyNumbers(ctx, config.JetStream, known.highestApp, known.highestCertificate)
		})
		v.ask("what was published", func() ([]damage.Finding, error) {
			return publish.Verify(ctx, config.JetStream, config.Log.Identity(), known.head)
		})
		v.projections(ctx)
	}
	return v.found, ctx.Err()
}

type verification struct {
	config   Config
	progress func(done, total uint64)
	found    []damage.Finding
	counts   map[string]int // by code
}

func (v *verification) add(f damage.Finding) {
	if v.counts[f.Code]++; v.counts[f.Code] <= maxOfKind {
		v.found = append(v.found, f)
	}
}

// ask has an owner look.
func (v *verification) ask(what string, owner func() ([]damage.Finding, error)) {
	found, err := owner()
	for _, f := range found {
		v.add(f)
	}
	if err != nil {
		v.add(damage.Finding{Code: notVerified, Where: what, Problem: err.Error(), Fix: fixLook})
	}
}

// batch is how many commits are read at once.
const batch = 2000

// log reads the whole log as it is now, and the archive beside it. nil: it could not be read to its end, so that nothing is known
// of what should be in the rest.
func (v *verification) log(ctx context.Context) *contents {
	if v.config.Log == nil {
		return nil
	}
	known, err := v.read(ctx)
	if err == nil {
		return known
	}
	v.add(OfLog(err))
	return nil
}

// OfLog is the finding that an error of the log is.
func OfLog(err error) damage.Finding {
	f := damage.Finding{Code: notVerified, Where: where, Problem: err.Error(), Fix: fixLook}
	var corrupt *eventstore.CorruptError
	var gap *eventstore.GapError
	var unknown *eventstore.UnknownTypeError
	switch {
	case errors.As(err, &corrupt):
		f.Code, f.Position, f.Problem, f.Fix = logCorrupt, corrupt.Sequence, corrupt.Problem, corrupt.Advice
	case errors.As(err, &gap):
		f.Code, f.Position, f.Problem, f.Fix = logGap, gap.Want, fmt.Sprintf("the commit is missing, %d comes next", gap.Got), fixLog
	case errors.As(err, &unknown):
		f.Code, f.Fix = logUnknown, "start the version of the program that wrote it, or a later one"
	case errors.Is(err, eventstore.ErrMissing):
		f.Code, f.Problem, f.Fix = logMissing, "there is no log", fixLog
	}
	return f
}

func (v *verification) read(ctx context.Context) (*contents, error) {
	head, err := v.config.Log.Head(ctx)
	if err != nil {
		return nil, err
	}
	known, err := newContents(head)
	if err != nil {
		return nil, err
	}
	copied, err := archive.OpenCopy(archive.Config{Dir: v.config.ArchiveDir, Log: v.config.Log})
	if err != nil {
		v.add(damage.Finding{Code: archiveDiffers, Where: "archive", Problem: err.Error(), Fix: fixArchive})
	}
	if copied != nil {
		defer copied.Close() //nolint:errcheck // it was only read
	}
	follower, err := v.config.Log.Follow(ctx, 0)
	if err != nil {
		return nil, err
	}
	defer follower.Close()
	for done := uint64(0); done < head; {
		began := time.Now() //nolint:forbidigo // measures a duration
		messages, err := follower.Next(ctx, int(min(batch, head-done)))
		if err != nil {
			return nil, err
		}
		for i := range messages {
			m := &messages[i]
			if err := known.add(m); err != nil {
				return nil, err
			}
			if copied != nil && copied.Has(m.Sequence) && !copied.Is(m.Sequence, m.Payload) {
				v.add(damage.Finding{Code: archiveDiffers, Where: "archive", Position: m.Sequence, Problem: "the commit is not whole, or not the log's", Fix: fixArchive})
			}
			done = m.Sequence
		}
		v.progress(done, head)
		v.rest(ctx, began)
	}
	return known, nil
}

// rest pauses for as long as a piece of work took, where others are served meanwhile.
func (v *verification) rest(ctx context.Context, began time.Time) {
	if v.config.Beside {
		pause.For(ctx, time.Since(began)) //nolint:forbidigo // measures a duration
	}
}

// projections has what is served compared with the log, as sundial rebuild --check does.
func (v *verification) projections(ctx context.Context) {
	file := projections.File()
	began := time.Now() //nolint:forbidigo // measures a duration
	differences, err := projections.Check(ctx, v.config.Projections, func(done, total uint64) {
		v.progress(done, total)
		v.rest(ctx, began)
		began = time.Now() //nolint:forbidigo // measures a duration
	})
	for _, d := range differences {
		v.add(damage.Finding{Code: projectionsDiffer, Where: file, Problem: d.String(), Fix: fixRebuild})
	}
	if err == nil || ctx.Err() != nil {
		return
	}
	if f := OfLog(err); f.Code != notVerified {
		v.add(f)
		return
	}
	v.add(damage.Finding{Code: projectionsDamaged, Where: file, Problem: err.Error(), Fix: fixRebuild})
}
