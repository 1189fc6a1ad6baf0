package publish

import (
	"context"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with what was published, stable.
const (
	publishedLost       = "published_lost"       // the stream has a message that it cannot give
	publishedUnreadable = "published_unreadable" // a message does not say which event it is, or is of another log
	publishedGap        = "published_gap"        // events between two others are missing
	publishedAhead      = "published_ahead"      // the stream has events that the log has not
)

const fixPublished = "consumers that have not read so far read what they lack with GET /v1/events; delete the stream " + streamName +
	" to have the whole log published again, which every consumer then sees again"

// Verify goes through what was published of a log whose latest commit is at head. An error says that it could not be looked.
func Verify(ctx context.Context, js jetstream.JetStream, log string, head uint64) (found []damage.Finding, err error) {
	const where = "nats/" + streamName
	add := func(code string, sequence uint64, problem string) {
		found = append(found, damage.Finding{Code: code, Where: where, Position: sequence, Problem: problem, Fix: fixPublished})
	}
	var before place
	var after uint64 // the sequence of the message before; 0: there is none to go on from
	// Where there is no stream it is published anew.
	_, err = streams.Visit(ctx, js, streamName, func(m *streams.Message) {
		at, is := placeOf(m, log)
		switch {
		case !is:
			add(publishedUnreadable, m.Sequence, "the message does not say which event of the log it is")
			after = 0
			return
		case at.position > head:
			add(publishedAhead, m.Sequence, fmt.Sprintf("it is of the commit %d, and the log ends at %d", at.position, head))
		case after == m.Sequence-1 && after > 0 && !at.follows(before):
			add(publishedGap, m.Sequence, fmt.Sprintf("it is event %d of the commit %d, and behind event %d of the commit %d there are others",
				at.index, at.position, before.index, before.position))
		}
		before, after = at, m.Sequence
	}, func(sequence uint64) {
		found = append(found, damage.Lost(publishedLost, where, sequence, fixPublished))
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// follows tells whether an event is the next one behind another.
func (p place) follows(o place) bool {
	if o.last {
		return p.position == o.position+1 && p.index == 0
	}
	return p.position == o.position && p.index == o.index+1
}

// placeOf reads which event of a log a message is.
func placeOf(m *streams.Message, log string) (at place, is bool) {
	position, err1 := strconv.ParseUint(m.Header.Get(headerPosition), 10, 64)
	index, err2 := strconv.Atoi(m.Header.Get(headerIndex))
	return place{position, index, m.Header.Get(headerLast) != ""}, err1 == nil && err2 == nil && m.Header.Get(headerLog) == log
}
