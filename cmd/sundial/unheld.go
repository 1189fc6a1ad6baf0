package main

import (
	"bytes"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxUnwritten bounds what waits to be written, in bytes: some thousands of lines, which a reader that is there takes
	// in milliseconds.
	maxUnwritten = 1 << 20

	// lastWords is how long the end waits for a reader of what was said last.
	lastWords = time.Second
)

// unheld writes lines to where somebody reads them, a log shipper for instance, and holds up nobody who has one to say:
// where the reader is away, or does not read, lines are lost and counted. What it has taken is written by a goroutine of
// its own, which Close ends.
type unheld struct {
	to   io.Writer
	lost atomic.Uint64

	mu    sync.Mutex
	back  func(lost uint64) // may be nil
	next  bytes.Buffer
	ended bool
	more  chan struct{} // holds a token while there may be something to write
	done  chan struct{} // closed when the goroutine has ended
}

func newUnheld(to io.Writer) *unheld {
	u := &unheld{to: to, more: make(chan struct{}, 1), done: make(chan struct{})}
	go u.run()
	return u
}

// Write takes one line, or several, or counts them as lost. It never fails.
func (u *unheld) Write(p []byte) (int, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended || u.next.Len()+len(p) > maxUnwritten {
		u.lost.Add(lines(p))
		return len(p), nil
	}
	u.next.Write(p)
	u.wake()
	return len(p), nil
}

// wake has the goroutine look; mu is held.
func (u *unheld) wake() {
	select {
	case u.more <- struct{}{}:
	default: // it is about to look
	}
}

// whenBack has a function told how many lines were lost when one is written again.
func (u *unheld) whenBack(back func(lost uint64)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.back = back
}

// Lost is how many lines were never written.
func (u *unheld) Lost() uint64 { return u.lost.Load() }

// Close writes what was taken, if somebody reads it. What is written to it afterwards is lost.
func (u *unheld) Close() {
	u.mu.Lock()
	u.ended = true
	u.wake()
	u.mu.Unlock()
	select {
	case <-u.done:
	case <-time.After(lastWords):
	}
}

func (u *unheld) run() {
	defer close(u.done)
	var taken bytes.Buffer
	told := uint64(0)
	for range u.more {
		u.mu.Lock()
		taken.Reset()
		taken, u.next = u.next, taken
		ended, back := u.ended, u.back
		u.mu.Unlock()
		if all := taken.Bytes(); len(all) > 0 {
			n, err := u.to.Write(all)
			if err != nil {
				u.lost.Add(lines(all[n:]))
			} else if lost := u.lost.Load(); lost > told && back != nil {
				back(lost - told)
				told = lost
			}
		}
		if ended {
			return
		}
	}
}

// lines counts the lines in p, the last of which may have lost its beginning or its end.
func lines(p []byte) uint64 {
	n := bytes.Count(p, []byte("\n"))
	if len(p) > 0 && p[len(p)-1] != '\n' {
		n++
	}
	return uint64(n) //nolint:gosec // a count
}
