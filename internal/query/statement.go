package query

import (
	"context"
	"errors"

	"sundial/domain"
	"sundial/eventstore"
)

// Window is a span of recorded time.
type Window struct {
	From domain.Instant // included; absent: from the beginning
	To   domain.Instant // not included; absent: to the latest commit
}

// Statement lists the billing facts that were recorded within a window, with what they come to. What was recorded does
// not change any more, so a window that is over always gives the same statement, and statements of windows that follow
// one another add up: the closing sums of one are the opening sums of the next.
type Statement struct {
	Account  string
	App      domain.AppID // 0: all of the account's
	Window   Window
	Position uint64 // up to which the log was read
	Opening  []Sums // by currency; what all facts recorded before come to
	Lines    []Line // in the order in which they were recorded
	Closing  []Sums
}

// Line is one billing fact.
type Line struct {
	Position    uint64
	Index       int
	Epoch       string // of its commit
	RecordedAt  domain.Instant
	EffectiveAt domain.Instant
	Kind        Kind
	App         domain.AppID
	Document    string // the id of the order or of the invoice
	Version     int64
	Stated      domain.Money // what the fact says; absent where it says no amount
	Effect      []Sums       // what it changes, by currency; negative in a correction; none where it changes nothing
	Sums        []Sums       // of the currencies that it changes, or of the one that it states, with it; without those beyond domain.MaxMinor
}

// Currencies are those that a line touches: those that it changes, or the one that it states; none where it does neither.
func (l *Line) Currencies() []string {
	if len(l.Effect) == 0 && l.Stated.Currency != "" {
		return []string{l.Stated.Currency}
	}
	all := make([]string, len(l.Effect))
	for i, e := range l.Effect {
		all[i] = e.Currency
	}
	return all
}

// maxLines bounds a statement: some megabytes. Windows add up, so a shorter one always helps.
const maxLines = 10_000

// ErrTooLong says that a statement would have more lines than one may have.
var ErrTooLong = errors.New("query: the statement has more than 10000 lines: ask for a shorter window")

// Statement gives the statement of an account, or of one of its apps. It reads all that the account ever did. ErrOverflow if
// the opening or closing sums, or what a line changes, are beyond domain.MaxMinor.
func (a *Reader) Statement(ctx context.Context, account string, app domain.AppID, window Window) (*Statement, error) {
	leave, err := a.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	b := newBook(account, app, window)
	b.statement.Position = a.Head()
	for m, err := range a.account(ctx, account, eventstore.Span{UpTo: b.statement.Position}) {
		if err != nil {
			return nil, err
		}
		if recorded := domain.Instant(m.Commit.RecordedAt); window.To != 0 && recorded >= window.To {
			break // time never runs backwards for an account
		}
		if err := a.enterFacts(b, m.Sequence, &m.Commit); err != nil {
			return nil, err
		}
	}
	return b.close()
}

// enterFacts enters a commit's facts into a book.
func (a *Reader) enterFacts(b *book, position uint64, commit *eventstore.Commit) error {
	for i, stored := range commit.Events {
		if !isOf(stored.Type, factNames) {
			continue
		}
		event, err := a.codec.Decode(stored)
		if err != nil {
			return err
		}
		if err := b.enter(position, i, domain.Instant(commit.RecordedAt), event); err != nil {
			return err
		}
		if lines := b.statement.Lines; len(lines) > 0 && lines[len(lines)-1].Position == position {
			lines[len(lines)-1].Epoch = a.log.Epochs().At(position)
		}
	}
	return nil
}

// book is a statement in the making.
type book struct {
	statement *Statement
	ledger    *ledger
	opened    bool // the window has begun
}

func newBook(account string, app domain.AppID, window Window) *book {
	return &book{statement: &Statement{Account: account, App: app, Window: window}, ledger: newLedger()}
}

// enter takes in what is recorded next.
func (b *book) enter(position uint64, index int, recordedAt domain.Instant, event domain.Event) error {
	f, is := factOf(event)
	if !is || b.statement.App != 0 && f.app != b.statement.App {
		return nil
	}
	if recordedAt >= b.statement.Window.From {
		if err := b.open(); err != nil {
			return err
		}
	}
	changed := b.ledger.enter(&f)
	if !b.opened {
		return nil
	}
	if len(b.statement.Lines) == maxLines {
		return ErrTooLong
	}
	line := Line{
		Position: position, Index: index, RecordedAt: recordedAt, EffectiveAt: f.effectiveAt, Kind: f.kind, App: f.app,
		Document: f.document, Version: f.version, Stated: f.amount,
	}
	if len(changed) > 0 {
		var err error
		if line.Effect, err = changed.tell(); err != nil {
			return err
		}
	}
	for _, currency := range line.Currencies() {
		if s, fine := b.ledger.totals.of(currency).tell(currency); fine {
			line.Sums = append(line.Sums, s)
		}
	}
	b.statement.Lines = append(b.statement.Lines, line)
	return nil
}

// open notes what there was before the window.
func (b *book) open() (err error) {
	if !b.opened {
		b.opened = true
		b.statement.Opening, err = b.ledger.totals.tell()
	}
	return err
}

func (b *book) close() (*Statement, error) {
	if err := b.open(); err != nil {
		return nil, err
	}
	var err error
	if b.statement.Closing, err = b.ledger.totals.tell(); err != nil {
		return nil, err
	}
	return b.statement, nil
}
