package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// TestFollow watches what happens, and leaves the stream open when the program ends: that must not hold it up.
func TestFollow(t *testing.T) {
	p := start(t, nil)
	cl, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir}).client()
	if err != nil {
		t.Fatal(err)
	}
	cl.create(t, "acme", "one")
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	errs, ended := &bytes.Buffer{}, make(chan int)
	go func() {
		ended <- run(ctx, []string{"events", "-f", "--server", p.HTTPURL(), "--data", p.Config.Dir}, &console{out: in, err: errs})
	}()
	lines := bufio.NewScanner(out)
	for i, id := range []string{"1.0", "2.0"} {
		if !lines.Scan() || !strings.Contains(lines.Text(), "  "+id+"  acme  ") {
			t.Fatalf("line %d: %q, %v", i+1, lines.Text(), lines.Err())
		}
		if i == 0 {
			cl.create(t, "acme", "two")
		}
	}
	// The program's end ends the stream: were it waited for, Close would fail.
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	cancel()
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
