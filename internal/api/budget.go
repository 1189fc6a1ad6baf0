package api

import (
	"errors"
	"io"
	"sync/atomic"
)

const (
	// maxHeld bounds the bytes of bodies that are arriving or being worked on, and of large answers that are being written, of
	// all requests together: with what is made of them, the largest part of what the process may take. maxCallerHeld is one
	// token's part, so that nobody's slow sending or reading takes it from others.
	maxHeld       = 256 << 20
	maxCallerHeld = 32 << 20

	// smallAnswer is not counted: as many of them as there may be requests are less than the whole.
	smallAnswer = 16 << 10

	// firstRead is how much room a body gets before any of it has come; it grows with what comes.
	firstRead = 4 << 10
)

// budget counts bytes that are held.
type budget struct{ held atomic.Int64 }

func (b *budget) take(n, most int64) bool {
	if b.held.Add(n) > most {
		b.held.Add(-n)
		return false
	}
	return true
}

func (b *budget) give(n int64) { b.held.Add(-n) }

// hold counts bytes that a request holds until it has been answered. What does not fit is the token's own doing, or that of all.
func (x *call) hold(n int) (problem reply, fine bool) {
	switch l := &x.api.limits; {
	case x.of == nil:
		return reply{}, true
	case !x.of.bytes.take(int64(n), maxCallerHeld):
		return tooFast.reply(), false
	case !l.bytes.take(int64(n), maxHeld):
		x.of.bytes.give(int64(n))
		return overloaded.reply(), false
	}
	x.held += int64(n)
	return reply{}, true
}

// letGo gives back what the request held.
func (x *call) letGo() {
	if x.held > 0 {
		x.of.bytes.give(x.held)
		x.api.limits.bytes.give(x.held)
		x.held = 0
	}
}

// arriving reads a body as it comes: room is made for what has come, not for what was promised. It gives at most limit bytes and
// one more.
func (x *call) arriving(r io.Reader, limit int) (text []byte, problem reply, fine bool, err error) {
	for {
		if len(text) == cap(text) {
			more := min(max(firstRead, cap(text)), limit+1-cap(text))
			if problem, fine := x.hold(more); !fine {
				return nil, problem, false, nil
			}
			larger := make([]byte, len(text), cap(text)+more)
			copy(larger, text)
			text = larger
		}
		n, err := r.Read(text[len(text):cap(text)])
		switch text = text[:len(text)+n]; {
		case errors.Is(err, io.EOF):
			return text, reply{}, true, nil
		case err != nil:
			return nil, reply{}, true, err
		case len(text) > limit:
			return text, reply{}, true, nil
		}
	}
}
