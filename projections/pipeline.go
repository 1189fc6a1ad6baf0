package projections

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"sundial/domain"
	"sundial/eventstore"
)

// Limits of the pipeline.
const (
	// readLimit is how many commits are handed on together: enough that handing on costs nothing, few enough that
	// two decoders share what comes.
	readLimit = 256

	// batchLimit is how many commits one transaction takes while serving: beyond it the pages that are written do
	// not get fewer, and what waits for the batch waits longer.
	batchLimit = 5000

	// patience is how long commits are gathered for one batch while nobody waits for them: a row that many of them
	// change is then written once, and the processor is left to those who commit. Reads may be as far behind, unless
	// they name a position.
	patience = 250 * time.Millisecond

	// Where somebody waits: after a batch of gatherFrom commits or more the next one waits for gatherEnough of them,
	// but no longer than gatherTime, as a transaction costs as much as some dozens of rows. One writer alone, or a
	// few, wait for nothing.
	gatherFrom   = 8
	gatherEnough = 128
	gatherTime   = time.Millisecond

	// chunksAhead is how many chunks wait between two stages; with readLimit some 5 MB of commits.
	chunksAhead = 16
)

// pipeline follows the log from a checkpoint: one goroutine reads, some decode, one folds, one writes. All of them
// have ended when run returns.
type pipeline struct {
	log    *eventstore.Log
	codec  *eventstore.Codec[domain.Event]
	folder *folder
	upTo   uint64    // ends there; 0: goes on
	batch  int       // commits in a batch, at most
	worth  int       // a batch of so many is written as soon as the writer is idle; 0: only full ones
	waits  *progress // who waits for what; nil: nobody does
	write  func(*batch) error
}

// chunk is a run of commits on their way from the reader, over a decoder, to the folder.
type chunk struct {
	commits []decoded
	err     error
	done    chan struct{} // closed when decoded
}

func (p *pipeline) run(ctx context.Context) error {
	follower, err := p.log.Follow(ctx, p.folder.position)
	if err != nil {
		return err
	}
	defer follower.Close()
	group, ctx := errgroup.WithContext(ctx)
	todo := make(chan *chunk, chunksAhead)
	ordered := make(chan *chunk, chunksAhead)
	batches := make(chan *batch)
	idle := make(chan struct{}, 1) // holds a token while the writer has nothing to do
	group.Go(func() error {
		defer close(todo)
		defer close(ordered)
		return p.read(ctx, follower, todo, ordered)
	})
	for range min(runtime.GOMAXPROCS(0), 4) {
		group.Go(func() error {
			for c := range todo {
				p.decode(c)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(batches)
		return p.fold(ctx, ordered, idle, batches)
	})
	group.Go(func() error {
		idle <- struct{}{}
		for b := range batches {
			if err := p.write(b); err != nil {
				return err
			}
			p.folder.done(b)
			idle <- struct{}{}
		}
		return nil
	})
	return group.Wait()
}

func (p *pipeline) read(ctx context.Context, follower *eventstore.Follower, todo, ordered chan<- *chunk) error {
	for at := p.folder.position; p.upTo == 0 || at < p.upTo; {
		limit := readLimit
		if p.upTo > 0 {
			limit = int(min(uint64(limit), p.upTo-at))
		}
		messages, err := follower.Next(ctx, limit)
		if err != nil {
			return err
		}
		c := &chunk{commits: make([]decoded, len(messages)), done: make(chan struct{})}
		for i := range messages {
			c.commits[i].message = messages[i]
		}
		at += uint64(len(messages))
		for _, to := range []chan<- *chunk{todo, ordered} {
			select {
			case to <- c:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return nil
}

func (p *pipeline) decode(c *chunk) {
	defer close(c.done)
	for i := range c.commits {
		if err := p.decodeOne(&c.commits[i]); err != nil {
			c.commits, c.err = c.commits[:i], err
			return
		}
	}
}

func (p *pipeline) decodeOne(d *decoded) (err error) {
	m := &d.message
	if d.commit, err = eventstore.DecodeCommit(m.Payload); err != nil {
		return &eventstore.CorruptError{Sequence: m.Sequence, Problem: err.Error(), Advice: adviceUnreadable}
	}
	d.hash = m.Hash()
	d.key = commandKey(m.Account, d.commit.ID)
	d.events = make([]domain.Event, len(d.commit.Events))
	for i := range d.commit.Events {
		if d.events[i], err = p.codec.Decode(d.commit.Events[i]); err != nil {
			var unknown *eventstore.UnknownTypeError
			if errors.As(err, &unknown) {
				return fmt.Errorf("projections: at sequence %d: %w", m.Sequence, err)
			}
			return &eventstore.CorruptError{Sequence: m.Sequence, Problem: err.Error(), Advice: adviceUnreadable}
		}
	}
	return nil
}

const adviceUnreadable = "stop, keep a copy of the data directory, and look whether a newer version of the program wrote it; if not, restore the log from the latest backup"

// fold hands batches to the writer. What was folded before an error is written too, so that a spoiled commit stops
// the projections right before itself.
func (p *pipeline) fold(ctx context.Context, ordered <-chan *chunk, idle <-chan struct{}, batches chan<- *batch) error {
	late, gathered := time.NewTimer(patience), time.NewTimer(gatherTime)
	defer late.Stop()
	defer gathered.Stop()
	pressing, gathering := false, false // whether patience is at its end; whether more should come first
	var asked <-chan struct{}
	if p.waits != nil {
		asked = p.waits.asked
	}
	hand := func() error {
		n := len(p.folder.batch.keys)
		b, err := p.folder.drain()
		if err != nil {
			return err
		}
		if gathering = n >= gatherFrom; gathering {
			gathered.Reset(gatherTime)
		}
		pressing = false
		select {
		case batches <- b:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	finish := func(why error) error {
		if len(p.folder.batch.keys) == 0 {
			return why
		}
		select {
		case <-idle:
			return cmp.Or(why, hand())
		case <-ctx.Done():
			return cmp.Or(why, context.Cause(ctx))
		}
	}
	for {
		n := len(p.folder.batch.keys)
		ready, more := idle, ordered
		switch {
		case n >= p.batch:
			more = nil
		case p.worth > 0 && n >= p.worth:
		case n == 0 || p.waits == nil || gathering && n < gatherEnough:
			ready = nil
		case !pressing && !p.waits.wanted(p.folder.position):
			ready = nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-gathered.C:
			gathering = false
		case <-late.C:
			pressing = true
		case <-asked: // somebody has begun to wait, perhaps for this batch
		case <-ready:
			if err := hand(); err != nil {
				return err
			}
		case c, ok := <-more:
			if !ok {
				return finish(nil)
			}
			if n == 0 {
				late.Reset(patience)
				pressing = false
			}
			if err := p.foldChunk(ctx, c); err != nil {
				return finish(err)
			}
		}
	}
}

func (p *pipeline) foldChunk(ctx context.Context, c *chunk) error {
	select {
	case <-c.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for i := range c.commits {
		if err := p.folder.fold(&c.commits[i]); err != nil {
			return err
		}
	}
	return c.err
}
