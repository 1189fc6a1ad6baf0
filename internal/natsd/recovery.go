package natsd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// recoveryPatience is how long the recovery of the streams may make no progress: it reads what is on disk, and a disk
	// that gives nothing for so long has failed.
	recoveryPatience = 30 * time.Second

	// recoveryMemory is what the recovery may take of memory beyond as much as the streams take on disk: what the server keeps of
	// a stream is smaller than the stream. One that is damaged made it take 1 GB in 6 s, without an end.
	recoveryMemory = 1 << 30

	// readAtLeast is what a process reads, in bytes, where it makes progress: the watch itself reads some 50 KB in its patience.
	readAtLeast = 256 << 10

	// tellEvery is how often an honest recovery of much says how far it is.
	tellEvery = 5 * time.Second
)

// RecoveryError says that the server does not come back on its files. Nothing was changed but what a recovery changes.
type RecoveryError struct {
	Dir     string
	Streams []string // at fault; more than one where it is not known which, none where none was begun
	Problem string
}

func (e *RecoveryError) Error() string {
	which := "its streams"
	if len(e.Streams) > 0 {
		which = "the stream " + strings.Join(e.Streams, ", or ")
	}
	return fmt.Sprintf("the embedded NATS server does not come back on %s in %s: %s", which, e.Dir, e.Problem)
}

// recovery hears from the server's log which streams it is recovering.
type recovery struct {
	told func(line string) // in a rehearsal: each line that tells of one

	mu       sync.Mutex
	underWay map[string]bool
	done     int
	heard    uint64
}

// What the server logs when it begins with a stream and when it is through (EnableJetStream in jetstream.go of nats-server).
var (
	began    = regexp.MustCompile(`Starting restore for stream '\S+ > (\S+)'`)
	restored = regexp.MustCompile(`Restored .* messages for stream '\S+ > (\S+)'`)
	failed   = regexp.MustCompile(`Error recreating stream "(\S+)"`)
)

func (r *recovery) hear(line string) {
	name, over := began.FindStringSubmatch(line), false
	for _, end := range []*regexp.Regexp{restored, failed} {
		if name == nil {
			name, over = end.FindStringSubmatch(line), true
		}
	}
	if name == nil {
		return
	}
	r.mu.Lock()
	if r.underWay == nil {
		r.underWay = map[string]bool{}
	}
	if r.heard++; over {
		delete(r.underWay, name[1])
		r.done++
	} else {
		r.underWay[name[1]] = true
	}
	r.mu.Unlock()
	if r.told != nil {
		r.told(line)
	}
}

// state gives which streams are being recovered, how many are through, and a number that grows with each line heard.
func (r *recovery) state() (underWay []string, done int, heard uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Sorted(maps.Keys(r.underWay)), r.done, r.heard
}

// usage is what a process has taken so far, in bytes; zero where the system does not tell.
type usage struct{ memory, read uint64 }

func usageOf(pid int) (u usage) {
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	if text, err := os.ReadFile(filepath.Join(proc, "statm")); err == nil {
		if fields := bytes.Fields(text); len(fields) > 1 {
			pages, _ := strconv.ParseUint(string(fields[1]), 10, 64)
			u.memory = pages * uint64(os.Getpagesize())
		}
	}
	if text, err := os.ReadFile(filepath.Join(proc, "io")); err == nil {
		for line := range bytes.Lines(text) {
			if count, is := bytes.CutPrefix(line, []byte("rchar: ")); is {
				u.read, _ = strconv.ParseUint(string(bytes.TrimSpace(count)), 10, 64)
			}
		}
	}
	return u
}

// sizeOf is what the files below a directory take, in bytes; what cannot be looked at counts nothing.
func sizeOf(dir string) (size uint64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // see above
		}
		if info, err := d.Info(); err == nil {
			size += uint64(info.Size())
		}
		return nil
	})
	return size
}

// watched waits for a recovery in a process until it is over, makes no progress, or takes more memory than it may.
type watched struct {
	*recovery
	dir      string
	pid      int
	log      *slog.Logger
	patience time.Duration
	memory   uint64 // that the process may take
}

func watch(r *recovery, dir string, pid int, log *slog.Logger) *watched {
	return &watched{
		recovery: r, dir: dir, pid: pid, log: log, patience: recoveryPatience,
		memory: usageOf(pid).memory + sizeOf(dir) + recoveryMemory,
	}
}

// until waits; its error is a *RecoveryError, or the context's.
func (w *watched) until(ctx context.Context, over <-chan struct{}) error {
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	start := time.Now()
	moved, told := start, start
	var lines, read uint64
	for {
		select {
		case <-over:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-look.C:
		}
		underWay, done, heard := w.state()
		u := usageOf(w.pid)
		now := time.Now()
		if heard != lines || u.read > read+readAtLeast {
			lines, read, moved = heard, u.read, now
		}
		switch {
		case u.memory > w.memory:
			return w.fault(fmt.Sprintf("it took %d MB of memory, and would take more", u.memory>>20))
		case now.Sub(moved) > w.patience:
			return w.fault(fmt.Sprintf("it made no progress for %s", w.patience))
		case now.Sub(told) > tellEvery && w.log != nil:
			told = now
			w.log.Info("the NATS server is recovering its streams", "under_way", underWay, "done", done,
				"read_mb", u.read>>20, "for", now.Sub(start).Round(time.Second))
		}
	}
}

func (w *watched) fault(problem string) *RecoveryError {
	underWay, _, _ := w.state()
	return &RecoveryError{Dir: w.dir, Streams: underWay, Problem: problem}
}

// streamsDirs are where the streams lie below a server's directory, a folder for each.
func streamsDirs(dir string) string { return filepath.Join(dir, "jetstream", "*", "streams") }

// discard takes away the files of streams that hold nothing of value. Their owners make them anew.
func discard(dir string, streams []string) error {
	for _, name := range streams {
		found, err := filepath.Glob(filepath.Join(streamsDirs(dir), name))
		if err != nil {
			return fmt.Errorf("natsd: looking for what is made anew: %w", err)
		}
		for _, path := range found {
			if err := os.RemoveAll(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("natsd: making the stream %s anew: %w", name, err)
			}
		}
	}
	return nil
}
