package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"

	"sundial/internal/natsd"
)

// rehearsalVerb is what this program is called with by itself, to recover the streams of the embedded server in a process of
// its own.
const rehearsalVerb = "rehearse-recovery"

// itself finds the file of this program; empty if it cannot.
func itself() string {
	self, err := exec.LookPath(os.Args[0])
	if err != nil {
		self, err = os.Executable()
	}
	if err != nil {
		return ""
	}
	return self
}

// rehearsal is the command line of it; nil where the program does not know its own file.
func (c *console) rehearsal() []string {
	if c.self == "" {
		return nil
	}
	return []string{c.self, rehearsalVerb}
}

type rehearseRecoveryCmd struct {
	Dir string `arg:"" help:"The directory of the NATS server's files."`
}

// Run recovers the streams, and tells of each on standard output. It ends with whoever started it, however that ends.
func (v *rehearseRecoveryCmd) Run(_ context.Context, c *console) error {
	go func() {
		_, _ = io.Copy(io.Discard, c.in)
		os.Exit(exitFailed)
	}()
	return natsd.Rehearse(v.Dir, func(line string) { fmt.Fprintln(c.out, line) })
}
