package publish

import (
	"fmt"
	"strconv"

	"github.com/ThreeDotsLabs/watermill/message"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/cloudevent"
)

// place is where an event stands in the log: its commit, and which of its events it is. Places are ordered.
type place struct {
	position uint64
	index    int
	last     bool // the commit has no event behind it
}

// after tells whether an event stands behind another.
func (p place) after(o place) bool {
	return p.position > o.position || p.position == o.position && p.index > o.index
}

// item is an event on its way downstream.
type item struct {
	place place
	m     *message.Message
}

// metaSubject is what Watermill's metadata says beside the headers.
const metaSubject = "subject"

// translator makes messages from commits.
type translator struct{ events *cloudevent.Translator }

func newTranslator(log string, epochs eventstore.Epochs) (*translator, error) {
	events, err := cloudevent.New(log, epochs)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return &translator{events}, nil
}

// translate gives the events of a commit in their order.
func (t *translator) translate(m *eventstore.Message) ([]item, error) {
	commit, err := eventstore.DecodeCommit(m.Payload)
	if err != nil {
		return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
	}
	events, err := t.events.Events(&commit, m.Sequence)
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	items := make([]item, len(events))
	for i := range events {
		e := &events[i]
		at := place{m.Sequence, i, e.Last}
		body, err := t.events.Append(nil, &commit, e)
		if err != nil {
			return nil, fmt.Errorf("publish: commit %d: %w", m.Sequence, err)
		}
		out := message.NewMessage(e.ID(), body)
		out.Metadata.Set(metaSubject, subjectOf(commit.Account, e.App))
		out.Metadata.Set(headerPosition, strconv.FormatUint(at.position, 10))
		out.Metadata.Set(headerIndex, strconv.Itoa(at.index))
		if at.last {
			out.Metadata.Set(headerLast, "1")
		}
		items[i] = item{at, out}
	}
	return items, nil
}

// subjectOf is lifecycle.<account>.<app>, or lifecycle.<account>.account for what is about the account itself, so that
// lifecycle.<account>.> is all of an account.
func subjectOf(account string, app domain.AppID) string {
	if app == 0 {
		return subjectPrefix + account + ".account"
	}
	return subjectPrefix + account + "." + strconv.FormatUint(uint64(app), 10)
}
