package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/datadir"
	"sundial/projections"
)

// Restored takes the streams of a directory, or of a cluster, as they are after a restore from a backup: a new epoch of the log
// begins, in which events have other ids than those that the restore lost. No process may serve from it. A run that was cut
// short is repaired by the next. Of Config it takes Dir, Outside, Replicas, Version and Logger; progress is that of a
// rebuild of the projections, where they have commits that the log has lost.
func Restored(ctx context.Context, config Config, progress func(done, total uint64)) (eventstore.Epoch, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	dir, err := openDirectory(config.Dir, config.Logger)
	if err != nil {
		return eventstore.Epoch{}, err
	}
	defer dir.Close()
	known, err := datadir.ReadRecord(dir.file(IdentityFile))
	switch {
	case err != nil:
	case known.Restoring:
		err = dir.putSettingsBack()
	default:
		err = dir.keepSettings()
	}
	if err != nil {
		return eventstore.Epoch{}, err
	}
	s, err := openStorageAs(ctx, &config, dir, true)
	if err != nil {
		return eventstore.Epoch{}, err
	}
	defer s.close()
	return s.beginEpoch(ctx, progress)
}

func (s *storage) beginEpoch(ctx context.Context, progress func(done, total uint64)) (begun eventstore.Epoch, err error) {
	known, err := datadir.ReadRecord(s.dir.file(IdentityFile))
	if err != nil {
		return begun, err
	}
	var shared *datadir.Shared
	if s.config.Outside != nil {
		if err := s.nobodyServes(ctx); err != nil {
			return begun, err
		}
		if shared, err = datadir.OpenShared(ctx, s.js, s.config.Replicas); err != nil {
			return begun, err
		}
	}
	keep := func(r datadir.Record) error {
		if shared != nil {
			_, revision, err := shared.Read(ctx)
			if err != nil {
				return err
			}
			written, err := shared.Write(ctx, &r, revision)
			if err == nil && !written {
				err = errors.New("the record of the cluster was changed by another meanwhile\n  fix: see that nobody else is at it, and give it again")
			}
			if err != nil {
				return err
			}
		}
		return r.Write(s.dir.file(IdentityFile))
	}

	// From here to the end nothing starts on the directory.
	pending := s.record(s.log)
	if known.Epochs.Number() > pending.Epochs.Number() { // the log is a copy from before another restore
		pending.Epochs = known.Epochs
	}
	pending.Restoring = true
	if err := keep(pending); err != nil {
		return begun, err
	}
	epochs, err := s.log.BeginEpoch(ctx, pending.Epochs.Number()+1)
	if err != nil {
		return begun, err
	}
	if err := s.marks.Begin(ctx); err != nil {
		return begun, err
	}
	if err := s.fitProjections(ctx, progress); err != nil {
		return begun, err
	}
	if err := keep(s.record(s.log)); err != nil {
		return begun, err
	}
	return epochs[len(epochs)-1], s.dir.forgetSettings()
}

// fitProjections rebuilds the projections if they have what the log has not.
func (s *storage) fitProjections(ctx context.Context, progress func(done, total uint64)) error {
	store, err := projections.Open(ctx, s.projections())
	if err == nil {
		return store.Close()
	}
	if !errors.As(err, new(*eventstore.CorruptError)) {
		return err
	}
	return projections.Rebuild(ctx, s.projections(), progress)
}

// nobodyServes refuses while a node of the cluster has a lease.
func (s *storage) nobodyServes(ctx context.Context) error {
	bucket, err := s.js.KeyValue(ctx, leases)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for nodes that serve: %w", err)
	}
	held, err := bucket.Keys(ctx)
	if errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for nodes that serve: %w", err)
	}
	return fmt.Errorf("a node of the cluster serves: it has the lease %s\n  fix: stop every node; the lease of one that was killed ends within 10 s", held[0])
}
