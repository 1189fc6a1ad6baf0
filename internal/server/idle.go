package server

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"sundial/domain"
	"sundial/internal/timetravel"
	"sundial/projections"
	"sundial/scheduler"
)

// Idle is the log of a data directory that no process serves from, opened to look after what is in the directory.
type Idle struct{ storage *storage }

// OpenIdle opens it as a server does; a directory that another process has is refused. Of Config it takes Dir, Outside,
// Replicas, Policy and Logger.
func OpenIdle(ctx context.Context, config Config) (*Idle, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := openDirectory(config.Dir, config.Logger)
	if err != nil {
		return nil, err
	}
	s, err := openStorage(ctx, &config, dir)
	if err != nil {
		dir.Close()
		return nil, err
	}
	return &Idle{s}, nil
}

// Close closes the log and gives the directory up.
func (i *Idle) Close() {
	i.storage.close()
	i.storage.dir.Close()
}

// Parts gives the log and JetStream; the rest is nil.
func (i *Idle) Parts() Parts { return i.storage.parts() }

// Projections says where the projections of this log are.
func (i *Idle) Projections() projections.Config { return i.storage.projections() }

// Rebuild builds the projections anew from the log. Progress is reported in commits.
func (i *Idle) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	return projections.Rebuild(ctx, i.storage.projections(), progress)
}

// Check compares the projections with the whole log.
func (i *Idle) Check(ctx context.Context, progress func(done, total uint64)) ([]projections.Difference, error) {
	return i.storage.check(ctx, progress)
}

// WhatIf replays the log under another policy, with everything that is due by the directory's clock, which may be a
// sandbox's.
func (i *Idle) WhatIf(ctx context.Context, asked WhatIf, progress func(done, total uint64)) (*timetravel.Report, error) {
	var clock scheduler.Clock = scheduler.System{}
	sandbox := i.storage.dir.file(SandboxFile)
	if _, err := os.Stat(sandbox); err == nil {
		if clock, err = scheduler.OpenSandbox(sandbox, time.Time{}); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return i.storage.whatIf(ctx, asked, clock.Now(), progress)
}

// whatIf replays the log, with everything that is due by now.
func (s *storage) whatIf(ctx context.Context, asked WhatIf, now time.Time, progress func(done, total uint64)) (*timetravel.Report, error) {
	return timetravel.WhatIf(ctx, timetravel.Question{
		Log: s.log, Policy: s.config.Policy, Grace: time.Duration(asked.Grace) * time.Millisecond, Editions: asked.Editions,
		From: asked.From, Until: domain.InstantOf(now), Account: asked.Account,
	}, progress)
}
