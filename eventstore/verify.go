package eventstore

import (
	"context"
	"errors"
	"fmt"
)

// CheckAt compares the log with a checkpoint: it must reach the sequence, and the commit there must be the one that
// was projected, by its hash. Otherwise *CorruptError.
func (l *Log) CheckAt(ctx context.Context, seq uint64, want Hash) error {
	if seq == 0 {
		return nil
	}
	m, err := l.Get(ctx, seq)
	if errors.Is(err, ErrNotFound) {
		head, err := l.Head(ctx)
		if err != nil {
			return err
		}
		if head < seq {
			return &CorruptError{Sequence: seq, Problem: fmt.Sprintf("it ends at %d, before the checkpoint", head), Advice: adviceWrong}
		}
		return &CorruptError{Sequence: seq, Problem: "the commit is missing", Advice: adviceRestore}
	}
	if err != nil {
		return err
	}
	if m.Hash() != want {
		return &CorruptError{Sequence: seq, Problem: "the commit is not the one that was projected", Advice: adviceWrong}
	}
	return nil
}

// Chain follows the commits of all accounts in the log's order and checks that each names the hash of its account's
// previous one. Its zero value stands before the first commit. It holds one hash for each account.
type Chain struct {
	last map[string]Hash
}

// Add checks a commit, decoded from m, and makes it its account's last: *CorruptError if it breaks the chain.
func (c *Chain) Add(m *Message, commit *Commit) error {
	if err := CheckLink(m, commit, c.last[m.Account]); err != nil {
		return err
	}
	if c.last == nil {
		c.last = make(map[string]Hash)
	}
	c.last[m.Account] = m.Hash()
	return nil
}

// CheckLink checks a commit against the hash of its account's previous one, zero if it has none: for a caller that
// keeps those hashes itself.
func CheckLink(m *Message, commit *Commit, previous Hash) error {
	switch {
	case commit.Account != m.Account:
		return &CorruptError{Sequence: m.Sequence, Problem: fmt.Sprintf("a commit of account %s stands on the subject of %s", commit.Account, m.Account), Advice: adviceRestore}
	case commit.Previous != previous:
		return &CorruptError{Sequence: m.Sequence, Problem: fmt.Sprintf("the chain of account %s is broken: the commit follows %.8s, not %.8s", m.Account, commit.Previous, previous), Advice: adviceRestore}
	}
	return nil
}

// verifyBatch is how many commits Verify takes at a time; progress is reported after each.
const verifyBatch = 5000

// Verify reads the whole log as it is when called, and checks every commit and every account's chain: *CorruptError
// or *GapError at the first fault. Progress may be nil.
func (l *Log) Verify(ctx context.Context, progress func(done, total uint64)) error {
	info, err := l.info(ctx)
	if err != nil {
		return err
	}
	if err := l.check(info); err != nil {
		return err
	}
	total := info.State.LastSeq
	if progress == nil {
		progress = func(uint64, uint64) {}
	}
	f, err := l.Follow(ctx, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	var chain Chain
	for done := uint64(0); done < total; {
		batch, err := f.Next(ctx, int(min(verifyBatch, total-done)))
		if err != nil {
			return err
		}
		for i := range batch {
			m := &batch[i]
			commit, err := DecodeCommit(m.Payload)
			if err != nil {
				return &CorruptError{Sequence: m.Sequence, Problem: err.Error(), Advice: adviceRestore}
			}
			if err := chain.Add(m, &commit); err != nil {
				return err
			}
			done = m.Sequence
		}
		progress(done, total)
	}
	return nil
}
