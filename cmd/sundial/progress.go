package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/progress"
	"golang.org/x/term"
)

// bar shows how far a verb is: as a bar that is drawn over and over on a terminal, as a line every tenth elsewhere.
type bar struct {
	title string
	out   io.Writer

	mu       sync.Mutex
	writer   progress.Writer // nil: not a terminal
	tracker  *progress.Tracker
	rendered chan struct{} // closed when the terminal is ours no more
	tenth    int64
}

// newBar begins to show progress on out.
func newBar(out io.Writer, title string) *bar {
	b := &bar{title: title, out: out, rendered: make(chan struct{})}
	if o, is := out.(*output); is {
		out = o.Writer
	}
	f, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		close(b.rendered)
		return b
	}
	w := progress.NewWriter()
	w.SetOutputWriter(out)
	w.SetUpdateFrequency(100 * time.Millisecond)
	w.SetTrackerLength(30)
	w.SetTrackerPosition(progress.PositionRight)
	w.Style().Visibility.Value = true
	w.Style().Visibility.TrackerOverall = false
	b.writer, b.tracker = w, &progress.Tracker{Message: title}
	w.AppendTracker(b.tracker)
	go func() {
		defer close(b.rendered)
		w.Render()
	}()
	return b
}

// set says how much is done, of how much in all.
func (b *bar) set(done, total uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writer != nil {
		b.tracker.UpdateTotal(int64(total)) //nolint:gosec // counts of commits
		b.tracker.SetValue(int64(done))     //nolint:gosec // likewise
		return
	}
	if total == 0 {
		return
	}
	if tenth := int64(done * 10 / total); tenth > b.tenth { //nolint:gosec // 0 to 10
		b.tenth = tenth
		fmt.Fprintf(b.out, "%s: %d%% (%d of %d)\n", b.title, tenth*10, done, total)
	}
}

// say prints a line above the bar.
func (b *bar) say(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writer != nil {
		b.writer.Log("%s", line)
		return
	}
	fmt.Fprintln(b.out, line)
}

// close takes the bar away and waits until the terminal is free.
func (b *bar) close() {
	if b.writer != nil {
		b.tracker.MarkAsDone()
		b.writer.Stop()
	}
	<-b.rendered
}
