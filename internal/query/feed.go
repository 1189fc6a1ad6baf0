package query

import (
	"context"
	"iter"
	"slices"

	"sundial/eventstore"
	"sundial/internal/cloudevent"
)

// Feed says what a reader of the feed wants.
type Feed struct {
	Account string   // only this one's; empty: every account's
	Types   []string // only events of these names, as ParseTypes gives them; empty: all
	After   Place
	Limit   int // events at most; a page may have fewer, and still more to come
}

// FeedEvent is an event of the feed.
type FeedEvent struct {
	ID   string // the place behind it
	Type string // the CloudEvent's
	Body []byte // the CloudEvent as JSON, in one line
}

// FeedPage is a piece of the feed.
type FeedPage struct {
	Events []FeedEvent
	After  Place // where to go on; it moves on also where nothing was found
	More   bool  // there is more behind it now
}

const (
	// maxScan bounds the commits that one page looks through for events of the types wanted: some tenths of a second.
	maxScan = 5_000

	// maxPageBytes bounds a page, and so what a slow reader keeps in memory: about what one commit can have at most.
	maxPageBytes = 1 << 20
)

// Feed gives the next piece of the feed: what was committed, in the order of the log, which is that of each account.
// Two readings give the same. It begins behind the given place, whatever lies before. Behind the head it is empty.
func (a *Reader) Feed(ctx context.Context, f Feed) (FeedPage, error) {
	head := a.Head()
	if f.After.read() >= head {
		return FeedPage{After: f.After}, nil
	}
	end := head // of what is read; behind it, up to the head, is nothing that is wanted
	switch {
	case f.Account != "":
		// An account in which nothing has happened since costs no reading of the log.
		account, found, err := a.store.Account(ctx, f.Account)
		if err != nil {
			return FeedPage{}, err
		}
		if !found || account.Position <= f.After.read() {
			return FeedPage{After: Behind(head)}, nil
		}
		end = min(head, account.Position)
	case len(f.Types) == 0:
		// Every commit has an event, so a page is full before this: one may be sent already, and one tells of more.
		end = min(head, f.After.read()+uint64(f.Limit)+2)
	}
	p := piece{Feed: f, reader: a, page: FeedPage{After: f.After}}
	scanned := 0
	for m, err := range a.commits(ctx, f.Account, f.After.read(), end) {
		if err != nil {
			return FeedPage{}, failed(ctx, err)
		}
		if full, err := p.add(&m); err != nil || full {
			return p.page, err
		}
		if scanned++; scanned == maxScan {
			p.page.More = true
			return p.page, nil
		}
	}
	p.page.After = Behind(head)
	return p.page, nil
}

// commits reads one account's, or all.
func (a *Reader) commits(ctx context.Context, account string, after, upTo uint64) iter.Seq2[eventstore.Message, error] {
	if account == "" {
		return a.log.All(ctx, after, upTo)
	}
	return a.log.Account(ctx, account, after, upTo)
}

// piece is a page in the making.
type piece struct {
	Feed
	reader *Reader
	page   FeedPage
	bytes  int
}

// add adds a commit's events; full tells that the page ends here.
func (p *piece) add(m *eventstore.Message) (full bool, err error) {
	commit, err := commitOf(m)
	if err != nil {
		return false, err
	}
	if !wanted(&commit, p.Types) {
		p.page.After = Behind(m.Sequence)
		return false, nil
	}
	events, err := p.reader.events.Events(&commit, m.Sequence)
	if err != nil {
		return false, err
	}
	for i := range events {
		e := &events[i]
		if !p.After.before(e.Position, e.Index) || !isOf(e.Stored, p.Types) {
			continue
		}
		if len(p.page.Events) == p.Limit || p.bytes >= maxPageBytes {
			p.page.More = true
			return true, nil
		}
		body, err := p.reader.events.Append(nil, &commit, e,
			cloudevent.Attribute{Name: "command", Value: commit.Command}, cloudevent.Attribute{Name: "reason", Value: commit.Reason})
		if err != nil {
			return false, err
		}
		p.bytes += len(body)
		p.page.Events = append(p.page.Events, FeedEvent{e.ID(), e.Type(), body})
		p.page.After = Place{e.Position, e.Index}
	}
	p.page.After = Behind(m.Sequence)
	return false, nil
}

// wanted tells whether a commit has an event of one of the names, before it is decoded.
func wanted(commit *eventstore.Commit, names []string) bool {
	return slices.ContainsFunc(commit.Events, func(e eventstore.Event) bool { return isOf(e.Type, names) })
}

// isOf tells whether an event's stored name is one of those wanted.
func isOf(stored string, names []string) bool {
	return len(names) == 0 || slices.Contains(names, cloudevent.NameOf(stored))
}
