package natsd

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Rehearsal is the recovery of the streams in a process of its own, before the server is started in this one: damaged files
// can make it panic, in goroutines of its own, and then the process is gone that could say what is wrong. What the rehearsal
// has recovered it writes down in order, so that the server's own recovery finds it done.
type Rehearsal struct {
	// Dir is that of the server to be started. Nobody else may have it meanwhile.
	Dir string

	// Worthless are streams that are removed first, as Config has it.
	Worthless []string

	// Command calls Rehearse on the directory that it gets as its last argument, writes each line that it is told, and ends
	// when its standard input does.
	Command []string

	// Hold, if given, is open in that process too: a lock on it is held until it has ended, however this one ends.
	Hold *os.File

	// Logger is told how far an honest recovery of much is; nil discards it.
	Logger *slog.Logger

	patience time.Duration // 0: recoveryPatience
	memory   uint64        // beyond what is on disk; 0: recoveryMemory
}

// Rehearse recovers the streams in a directory and ends in order. It tells each line of the server's log that is about one. It
// may panic, hang, or take memory without end: that is what it is for, in a process of its own.
func Rehearse(dir string, told func(line string)) error {
	s, err := start(Config{Dir: dir}, told)
	if err != nil {
		return err
	}
	s.Shutdown()
	return nil
}

const (
	// maxLastWords is how much is kept of what a rehearsal says on its standard error, from its beginning: the server logs
	// nothing there, and what a panic is about comes first.
	maxLastWords = 16 << 10

	// diagnosisPatience bounds the search for the stream that is at fault among those that were under way.
	diagnosisPatience = 5 * time.Minute
)

// Run has the recovery rehearsed, if there is anything to recover: a *RecoveryError if it fails.
func (r *Rehearsal) Run(ctx context.Context) error {
	if err := discard(r.Dir, r.Worthless); err != nil {
		return err
	}
	if found, err := filepath.Glob(filepath.Join(streamsDirs(r.Dir), "*")); err != nil || len(found) == 0 {
		return nil //nolint:nilerr // the pattern is fine
	}
	err := r.in(ctx, r.Dir)
	var fault *RecoveryError
	if errors.As(err, &fault) && len(fault.Streams) != 1 {
		r.diagnose(ctx, fault)
	}
	return err
}

// in has the recovery of the streams in a directory rehearsed.
func (r *Rehearsal) in(ctx context.Context, dir string) error {
	command := exec.CommandContext(ctx, r.Command[0], append(slices.Clone(r.Command[1:]), dir)...) //nolint:gosec // the program's own
	// It ends with this process: it reads until nobody is there to write.
	alive, err := command.StdinPipe()
	if err != nil {
		return fmt.Errorf("natsd: rehearsing the recovery: %w", err)
	}
	defer alive.Close()
	out, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("natsd: rehearsing the recovery: %w", err)
	}
	words := &lastWords{}
	command.Stderr = words
	if r.Hold != nil {
		command.ExtraFiles = []*os.File{r.Hold}
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("natsd: rehearsing the recovery: %w", err)
	}
	heard := &recovery{}
	over := make(chan struct{})
	go func() {
		defer close(over)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			heard.hear(lines.Text())
		}
	}()
	watch := watch(heard, r.Dir, command.Process.Pid, r.Logger)
	watch.patience = cmp.Or(r.patience, watch.patience)
	if r.memory != 0 {
		watch.memory += r.memory - recoveryMemory
	}
	err = watch.until(ctx, over)
	if err != nil {
		_ = command.Process.Kill() // it may have ended by now
	}
	<-over
	ended := command.Wait()
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case ended == nil:
		return nil
	}
	return watch.fault(words.why(ended))
}

// diagnose finds which stream is at fault: each alone, until one fails again.
func (r *Rehearsal) diagnose(ctx context.Context, fault *RecoveryError) {
	ctx, cancel := context.WithTimeout(ctx, diagnosisPatience)
	defer cancel()
	names := fault.Streams
	if len(names) == 0 {
		names = []string{"*"}
	}
	for _, name := range names {
		found, err := filepath.Glob(filepath.Join(streamsDirs(r.Dir), name))
		if err != nil {
			return
		}
		for _, path := range found {
			alone, err := r.alone(path)
			if err == nil {
				err = r.in(ctx, alone)
			}
			_ = os.RemoveAll(alone) // of links; what stays is no harm
			var again *RecoveryError
			if errors.As(err, &again) {
				fault.Streams, fault.Problem = []string{filepath.Base(path)}, again.Problem
				return
			}
		}
	}
}

// alone makes a server's directory in which there is one stream, which lies elsewhere.
func (r *Rehearsal) alone(stream string) (string, error) {
	dir, err := os.MkdirTemp(r.Dir, ".alone-*")
	if err != nil {
		return "", err
	}
	relative, err := filepath.Rel(r.Dir, filepath.Dir(stream))
	if err != nil {
		return dir, err
	}
	if stream, err = filepath.Abs(stream); err != nil {
		return dir, err
	}
	if err := os.MkdirAll(filepath.Join(dir, relative), 0o700); err != nil {
		return dir, err
	}
	return dir, os.Symlink(stream, filepath.Join(dir, relative, filepath.Base(stream)))
}

// lastWords keeps the beginning of what a process says.
type lastWords struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lastWords) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p[:min(len(p), maxLastWords-l.text.Len())])
	return len(p), nil
}

// why says in a line how the process ended.
func (l *lastWords) why(ended error) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if line = strings.TrimSpace(line); line != "" {
			return line
		}
	}
	return ended.Error()
}
