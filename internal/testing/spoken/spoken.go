// Package spoken keeps what a program or a part of it says while a test runs.
package spoken

import (
	"bytes"
	"sync"
)

// Text gathers what is written by several goroutines, and is read while they write. The zero Text is empty.
type Text struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write appends. It never fails.
func (t *Text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.Write(p)
}

// String is all that was written by now.
func (t *Text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all.String()
}

// Bytes is a copy of all that was written by now.
func (t *Text) Bytes() []byte { return []byte(t.String()) }
