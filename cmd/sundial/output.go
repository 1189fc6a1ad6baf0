package main

import (
	"context"
	"errors"
	"io"
	"sync"
)

// output is standard output, which can be full, or closed by whoever read it. The first write that fails ends the verb:
// nobody sees what it would still say.
type output struct {
	io.Writer
	end context.CancelCauseFunc

	mu     sync.Mutex // bars write beside verbs
	failed error
}

// Write writes until a write failed.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed != nil {
		return 0, o.failed
	}
	n, err := o.Writer.Write(p)
	if err != nil {
		o.failed = err
		o.end(errUnseen)
	}
	return n, err
}

// errUnseen is why the context of a verb ends whose output cannot be written.
var errUnseen = errors.New("standard output cannot be written")

// unseen gives the error with which standard output failed, nil while it is fine.
func (c *console) unseen() error {
	o, is := c.out.(*output)
	if !is {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.failed
}
