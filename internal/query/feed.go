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
	Before  eventstore.Hash // of the account's last commit that lies wholly up to After, as the page before gave it; zero: it is looked up
	Limit   int             // events at most; a page may have fewer, and still more to come
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
	After  Place           // where to go on; it moves on also where nothing was found
	Told   string          // the same for a client: the id of the last event, where the page ends with it
	Before eventstore.Hash // what a reader of an account goes on with as well; zero where it is not known
	More   bool            // there is more behind it now
}

const (
	// maxScan bounds the commits that one page looks through for events of the types wanted: some tenths of a second.
	maxScan = 5_000

	// maxPageBytes bounds a page, and so what a slow reader keeps in memory: about what one commit can have at most.
	maxPageBytes = 1 << 20
)

// Feed gives the next piece of the feed: what was committed, in the order of the log, which is that of each account.
// Two readings give the same. It begins behind the given place, whatever lies before: *UnknownPlaceError if the log has no
// such place. At the head it is empty.
func (a *Reader) Feed(ctx context.Context, f Feed) (FeedPage, error) {
	head := a.Head()
	if err := a.Reached(ctx, f.After); err != nil {
		return FeedPage{}, err
	}
	if f.After.Epoch == "" { // a number cannot tell a later restore; what is given to go on with can
		f.After.Epoch = a.behind(f.After.Position).Epoch
	}
	page, err := a.page(ctx, f, head)
	if err == nil && page.Told == "" {
		page.Told = page.After.String()
	}
	return page, err
}

func (a *Reader) page(ctx context.Context, f Feed, head uint64) (FeedPage, error) {
	if end := a.end.Load(); f.After.read() >= head || end != nil && *end == f.After && end.Position == head {
		return FeedPage{After: f.After, Before: f.Before}, nil
	}
	p := piece{Feed: f, reader: a, page: FeedPage{After: f.After, Before: f.Before}}
	scanned := 0
	for m, err := range a.commits(ctx, &f, head) {
		if err != nil {
			return FeedPage{}, err
		}
		if full, err := p.add(&m); err != nil || full {
			return p.page, err
		}
		if scanned++; scanned == maxScan {
			p.page.More = true
			return p.page, nil
		}
	}
	if p.page.After.Position < head {
		p.page.After, p.page.Told = a.behind(head), ""
	} else if p.end.Position == head {
		a.end.Store(&p.end)
	}
	return p.page, nil
}

// commits reads the commits of which a page may be made, of one account or of all.
func (a *Reader) commits(ctx context.Context, f *Feed, head uint64) iter.Seq2[eventstore.Chained, error] {
	after := f.After.read()
	if f.Account != "" {
		return a.account(ctx, f.Account, eventstore.Span{After: after, UpTo: head, Before: f.Before})
	}
	end := head
	if len(f.Types) == 0 {
		// Every commit has an event, so a page is full before this: one may be sent already, and one tells of more.
		end = min(head, after+uint64(f.Limit)+2)
	}
	return func(yield func(eventstore.Chained, error) bool) {
		for m, err := range a.log.All(ctx, after, end) {
			if err != nil {
				err = failed(ctx, err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// piece is a page in the making.
type piece struct {
	Feed
	reader *Reader
	page   FeedPage
	last   Place // of the last event that was added
	end    Place // the same, if its commit has none behind it
	bytes  int
}

// add adds a commit's events; full tells that the page ends here.
func (p *piece) add(m *eventstore.Chained) (full bool, err error) {
	commit := &m.Commit
	if !wanted(commit, p.Types) {
		p.behind(m)
		return false, nil
	}
	events, err := p.reader.events.Events(commit, m.Sequence)
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
		body, err := p.reader.events.Append(nil, commit, e,
			cloudevent.Attribute{Name: "command", Value: commit.Command}, cloudevent.Attribute{Name: "reason", Value: commit.Reason})
		if err != nil {
			return false, err
		}
		p.bytes += len(body)
		p.page.Events = append(p.page.Events, FeedEvent{e.ID(), e.Type(), body})
		p.last = Place{e.Position, e.Index, e.Epoch}
		p.page.After, p.page.Told = p.last, e.ID()
	}
	p.behind(m)
	if p.last.Position == m.Sequence && p.last.Index == len(events)-1 {
		p.end, p.page.Told = p.last, p.last.String()
	}
	return false, nil
}

// behind goes on behind a commit.
func (p *piece) behind(m *eventstore.Chained) {
	p.page.After, p.page.Told = p.reader.behind(m.Sequence), ""
	if p.Account != "" {
		p.page.Before = m.Hash()
	}
}

// wanted tells whether a commit has an event of one of the names, before it is decoded.
func wanted(commit *eventstore.Commit, names []string) bool {
	return slices.ContainsFunc(commit.Events, func(e eventstore.Event) bool { return isOf(e.Type, names) })
}

// isOf tells whether an event's stored name is one of those wanted.
func isOf(stored string, names []string) bool {
	return len(names) == 0 || slices.Contains(names, cloudevent.NameOf(stored))
}
