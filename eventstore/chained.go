package eventstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
)

// Chained is a commit that was read from the log together with those before it, and follows them: its account's chain was
// checked up to it, and its stored bytes are what the account's next commit names.
type Chained struct {
	Message
	Commit Commit
}

// Span is a part of an account's commits that is to be read: those in (After, UpTo].
type Span struct {
	After uint64
	UpTo  uint64 // 0: to the end as it is when it is reached

	// Before is the hash of the account's last commit up to After; zero where the caller does not know it. Then it is looked
	// up, which costs one more question, unless After is 0.
	Before Hash

	// Unanchored leaves the link of the first commit to the caller: who reads backwards knows only later what comes before.
	Unanchored bool

	// Tip is a commit of the account that somebody has seen. The part must hold it, if it lies within.
	Tip Tip
}

// Tip is where somebody has seen a commit of an account; its zero value says that nobody has.
type Tip struct {
	Sequence uint64
	Hash     Hash // zero where only the sequence is known
}

// Account gives one account's commits in their order, and checks each against the one before it: a server leaves out,
// without a word, what it cannot read any more. *CorruptError where one is missing or is not what it was; it names the
// sequence of that one where it can be found. An error ends the sequence.
func (l *Log) Account(ctx context.Context, account string, span Span) iter.Seq2[Chained, error] {
	return func(yield func(Chained, error) bool) {
		if err := checkAccount(account); err != nil {
			yield(Chained{}, err)
			return
		}
		r := reading{log: l, account: account, Span: span, last: span.After}
		ended := true // of itself, so that what should have come can be missed
		l.each(ctx, l.subject(account), span.After, span.UpTo, func(m Message, err error) bool {
			var c Chained
			if err == nil {
				c, err = r.take(ctx, m)
			}
			ended = yield(c, err) && err == nil
			return ended
		})
		if !ended {
			return
		}
		if err := r.end(ctx); err != nil {
			yield(Chained{}, err)
		}
	}
}

// reading is a part of an account's commits being read.
type reading struct {
	Span
	log     *Log
	account string
	begun   bool
	last    uint64 // sequence read last, or After
	hash    Hash   // of that commit
}

// take checks the next commit.
func (r *reading) take(ctx context.Context, m Message) (Chained, error) {
	commit, err := DecodeCommit(m.Payload)
	if err != nil {
		return Chained{}, Changed(m.Sequence, err)
	}
	if !r.begun {
		r.begun = true
		switch {
		case r.Unanchored:
			r.hash = commit.Previous
		case r.After > 0 && r.Before.IsZero():
			if r.last, r.hash, err = r.log.before(ctx, r.account, m.Sequence); err != nil {
				return Chained{}, err
			}
		default:
			r.hash = r.Before
		}
	}
	if err := CheckLink(&m, &commit, r.hash); err != nil {
		return Chained{}, r.missing(ctx, m.Sequence, err)
	}
	if r.Tip.Sequence > r.last && r.Tip.Sequence < m.Sequence {
		return Chained{}, r.missing(ctx, m.Sequence, missing(r.Tip.Sequence))
	}
	r.last, r.hash = m.Sequence, m.Hash()
	if m.Sequence == r.Tip.Sequence && !r.Tip.Hash.IsZero() && r.hash != r.Tip.Hash {
		return Chained{}, &CorruptError{Sequence: m.Sequence, Problem: "the commit is not the one that was projected", Advice: adviceWrong}
	}
	return Chained{m, commit}, nil
}

// end misses what should have come.
func (r *reading) end(ctx context.Context) error {
	if r.Tip.Sequence <= r.last || r.UpTo > 0 && r.Tip.Sequence > r.UpTo {
		return nil
	}
	return r.missing(ctx, r.Tip.Sequence+1, missing(r.Tip.Sequence))
}

// maxLocated bounds the commits, of all accounts, among which a missing one is looked for, the latest ones: a tenth of a
// second.
const maxLocated = 20_000

// missing names the first commit between the one read last and the given one that cannot be read. Where none is found the
// fault is told as it was met.
func (r *reading) missing(ctx context.Context, before uint64, fault error) error {
	next := max(r.last+1, before-min(before, maxLocated))
	for m, err := range r.log.All(ctx, next-1, before-1) {
		if err != nil {
			var gap *GapError
			var corrupt *CorruptError
			if errors.As(err, &gap) || errors.As(err, &corrupt) {
				return missing(next)
			}
			return fault
		}
		next = m.Sequence + 1
	}
	return fault
}

// Lost names what is missing of an account where its chain says that there is a commit in (after, upTo].
func (l *Log) Lost(ctx context.Context, account string, after, upTo uint64) error {
	r := reading{log: l, account: account, last: after}
	return r.missing(ctx, upTo+1, &CorruptError{
		Problem: fmt.Sprintf("the chain of account %s is broken: a commit is missing between %d and %d", account, after+1, upTo), Advice: adviceRestore,
	})
}

// Changed says that the commit at a sequence is not what it was.
func Changed(sequence uint64, why error) error {
	return &CorruptError{Sequence: sequence, Problem: why.Error(), Advice: adviceRestore}
}

func missing(sequence uint64) *CorruptError {
	return &CorruptError{Sequence: sequence, Problem: "the commit is missing, or cannot be read any more", Advice: adviceRestore}
}

// before looks up an account's last commit before a sequence; zero if it has none.
func (l *Log) before(ctx context.Context, account string, sequence uint64) (uint64, Hash, error) {
	if sequence <= 1 {
		return 0, Hash{}, nil
	}
	if l.replicas > 1 {
		return l.beforeByReading(ctx, account, sequence)
	}
	batch, _, err := l.readBatch(ctx, query{LastsFor: []string{l.subject(account)}, UpTo: sequence - 1})
	if err != nil || len(batch) == 0 {
		return 0, Hash{}, err
	}
	m := &batch[len(batch)-1]
	return m.Sequence, m.Hash(), nil
}

// beforeByReading reads the account from its beginning: what is asked for by subject and sequence is answered by any
// replica, which may lag.
func (l *Log) beforeByReading(ctx context.Context, account string, sequence uint64) (last uint64, hash Hash, err error) {
	l.each(ctx, l.subject(account), 0, sequence-1, func(m Message, wrong error) bool {
		last, hash, err = m.Sequence, m.Hash(), wrong
		return wrong == nil
	})
	return last, hash, err
}

// All gives the commits of every account in their order, those in (after, upTo], as Account does. It begins behind after,
// whatever lies before, and asks for no more than what is taken; whoever reads on and on follows instead. A gap is corruption
// (*GapError), and so is a log that ends before upTo, or a link between two commits of this reading that does not hold
// (*CorruptError).
func (l *Log) All(ctx context.Context, after, upTo uint64) iter.Seq2[Chained, error] {
	return func(yield func(Chained, error) bool) {
		last, ended := after, true
		hashes := map[string]Hash{} // of the accounts met, each its last commit's
		l.each(ctx, "", after, upTo, func(m Message, err error) bool {
			var c Chained
			if err == nil {
				c, err = link(m, last, hashes)
			}
			ended = yield(c, err) && err == nil
			last = m.Sequence
			return ended
		})
		if ended && last < upTo {
			yield(Chained{}, missing(last+1))
		}
	}
}

// link checks a commit that is to follow the last one of all.
func link(m Message, last uint64, hashes map[string]Hash) (Chained, error) {
	if m.Sequence != last+1 {
		return Chained{}, &GapError{Want: last + 1, Got: m.Sequence}
	}
	commit, err := DecodeCommit(m.Payload)
	if err != nil {
		return Chained{}, Changed(m.Sequence, err)
	}
	previous, met := hashes[m.Account]
	if !met {
		previous = commit.Previous
	}
	if err := CheckLink(&m, &commit, previous); err != nil {
		return Chained{}, err
	}
	hashes[m.Account] = m.Hash()
	return Chained{m, commit}, nil
}

// Known gives the commit at a sequence at which somebody has seen one: *CorruptError where the log has none there.
func (l *Log) Known(ctx context.Context, seq uint64) (Message, error) {
	m, err := l.Get(ctx, seq)
	if errors.Is(err, ErrNotFound) {
		return Message{}, missing(seq)
	}
	return m, err
}

// Successor gives an account's first commit at or behind a sequence, false if there is none.
func (l *Log) Successor(ctx context.Context, account string, seq uint64) (m Message, found bool, err error) {
	if err := checkAccount(account); err != nil {
		return Message{}, false, err
	}
	m, err = l.read(ctx, query{NextFor: l.subject(account), Sequence: seq})
	if errors.Is(err, ErrNotFound) {
		return Message{}, false, nil
	}
	return m, err == nil, err
}
