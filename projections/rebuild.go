package projections

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"sundial/domain"
	"sundial/eventstore"
)

// Limits of a build, where nobody waits for a batch: a row that many commits change is written once for all commits
// of one batch, so it is large; what it holds in memory is some 200 MB.
const (
	buildBatch = 100_000
	buildApps  = 300_000
)

// Rebuild builds the projections from the log, into a new file beside the serving one, and puts it in that one's
// place. The directory must not be open in a Store (ErrInUse): a running server uses Store.Rebuild. Progress is told
// in commits, and may be nil.
func Rebuild(ctx context.Context, config Config, progress func(done, total uint64)) error {
	codec, err := eventstore.NewCodec(domain.Prototypes())
	if err != nil {
		return err
	}
	held, err := lock(config.Dir)
	if err != nil {
		return err
	}
	defer held.Close()
	return rebuild(ctx, config, codec, progress)
}

func rebuild(ctx context.Context, config Config, codec *eventstore.Codec[domain.Event], progress func(done, total uint64)) error {
	path := filepath.Join(config.Dir, fileName+".new")
	head, err := config.Log.Head(ctx)
	if err == nil {
		err = build(ctx, config, codec, path, head, progress)
	}
	if err != nil {
		return err
	}
	return replace(filepath.Join(config.Dir, fileName), path)
}

// build writes the projections of the log up to a position into a new file; what a build before left there goes.
func build(ctx context.Context, config Config, codec *eventstore.Codec[domain.Event], path string, upTo uint64, progress func(done, total uint64)) error {
	if err := remove(path); err != nil {
		return err
	}
	c, err := create(path, config.Log.Identity())
	if err != nil {
		return err
	}
	err = fill(ctx, config, codec, c, upTo, progress)
	if err := errors.Join(err, c.close()); err != nil {
		return errors.Join(err, remove(path))
	}
	return nil
}

func fill(ctx context.Context, config Config, codec *eventstore.Codec[domain.Event], c *conn, upTo uint64, progress func(done, total uint64)) error {
	w, err := newWriter(c)
	if err != nil {
		return err
	}
	l, err := newLookup(c)
	if err != nil {
		return err
	}
	b := &builder{writer: w, rows: l}
	if upTo > 0 {
		p := &pipeline{log: config.Log, codec: codec, batch: buildBatch, upTo: upTo, folder: newFolder(b, checkpoint{}, buildApps)}
		p.write = func(r *rows) error {
			if err := b.write(r); err != nil {
				return err
			}
			if progress != nil {
				progress(r.position, upTo)
			}
			return nil
		}
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("projections: building: %w", err)
		}
	}
	for _, i := range indexes {
		if err := c.exec(i); err != nil {
			return fmt.Errorf("projections: making indexes: %w", err)
		}
	}
	return nil
}

// builder is the one connection of a build. What the folder reads back, it reads through the same connection that
// writes, between two batches.
type builder struct {
	mu     sync.Mutex
	writer *writer
	rows   lookup
}

func (b *builder) loadAccount(id string) (Row, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows.loadAccount(id)
}

func (b *builder) loadApp(id domain.AppID) (*domain.App, bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rows.loadApp(id)
}

func (b *builder) write(r *rows) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writer.write(r)
}

func remove(path string) error {
	for _, p := range []string{path, path + walSuffix, path + shmSuffix, path + "-journal"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("projections: removing what an earlier build left: %w", err)
		}
	}
	return nil
}
