package natsd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logger hands the server's log to slog and listens for the lines that tell of failed writes: a publisher gets no
// answer at all then, so that without them it would learn of a full disk only by its own timeout.
type logger struct {
	log    *slog.Logger
	failed *failures
	heard  *recovery

	mu       sync.Mutex // guards what follows
	first    error      // what Fatalf said first
	refusals int        // of clients, since that was last told
	told     time.Time
}

// signs of a failed write in what the server logs (stream.go, consumer.go and filestore.go of nats-server).
var signs = []string{"ritical write error", "failed to store a msg", "disabling JetStream"}

func (l *logger) Noticef(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	l.heard.hear(text)
	l.write(slog.LevelDebug, text)
}
func (l *logger) Debugf(string, ...any) {}
func (l *logger) Tracef(string, ...any) {}

func (l *logger) Warnf(format string, v ...any) { l.listen(slog.LevelWarn, fmt.Sprintf(format, v...)) }
func (l *logger) Errorf(format string, v ...any) {
	l.listen(slog.LevelError, fmt.Sprintf(format, v...))
}

func (l *logger) listen(level slog.Level, text string) {
	l.heard.hear(text)
	l.write(level, text)
	if strings.Contains(text, ofClient) {
		return // it can hold whatever a client likes
	}
	for _, sign := range signs {
		if strings.Contains(text, sign) {
			l.failed.set(errors.New("nats-server: " + text))
			return
		}
	}
}

// Fatalf of the server's own logger ends the process; here the start reports it.
func (l *logger) Fatalf(format string, v ...any) {
	l.write(slog.LevelError, fmt.Sprintf(format, v...))
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = fmt.Errorf(format, v...)
	}
}

func (l *logger) fatal() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

// ofClient is in every line that the server writes about a connection.
const ofClient = " - cid:"

func (l *logger) write(level slog.Level, text string) {
	if l.log == nil {
		return
	}
	// Only a part of the program can be slow for the server; clients are in front of it.
	if _, said, is := strings.Cut(text, ofClient); is && !strings.Contains(said, "Slow Consumer") {
		l.refused(said)
		return
	}
	l.log.Log(context.Background(), level, "nats: "+text)
}

// refused tells, now and then, that clients were refused something. What exactly a client wanted is the client's own text:
// it may be of any length and hold secrets that were put in the wrong place, and as many lines may come as it likes. The
// client itself was told.
func (l *logger) refused(said string) {
	const seldom = 10 * time.Second
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refusals++
	now := time.Now()
	if now.Sub(l.told) < seldom {
		return
	}
	kind := "other"
	for _, known := range []string{"Publish Violation", "Subscription Violation", "maximum", "Authorization", "authorization"} {
		if strings.Contains(said, known) {
			kind = known
			break
		}
	}
	l.log.Info("nats: clients were refused something, as they were told", "times", l.refusals, "last", kind)
	l.refusals, l.told = 0, now
}

// failures remembers that writes to the disk failed, until the server is restarted.
type failures struct {
	mu  sync.Mutex
	err error
	ch  chan struct{} // closed by the first failure
}

func newFailures() *failures { return &failures{ch: make(chan struct{})} }

func (f *failures) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
		close(f.ch)
	}
}

func (f *failures) reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		f.err = nil
		f.ch = make(chan struct{})
	}
}

// ErrWrite is what Failure wraps.
var ErrWrite = errors.New("the NATS server could not write to its disk and stays stuck until it is restarted: make room, or see why it cannot be written, then restart it")

// Failed is closed once a write to the disk has failed; a fresh one stands in after Restart.
func (s *Server) Failed() <-chan struct{} {
	s.failed.mu.Lock()
	defer s.failed.mu.Unlock()
	return s.failed.ch
}

// Failure says which write failed since the last start, nil if none did.
func (s *Server) Failure() error {
	s.failed.mu.Lock()
	defer s.failed.mu.Unlock()
	if s.failed.err == nil {
		return nil
	}
	return fmt.Errorf("%w (%w)", ErrWrite, s.failed.err)
}
