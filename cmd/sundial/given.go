package main

import (
	"bytes"
	"fmt"
	"io"
)

// maxGiven bounds a file with a secret or a certificate: the API takes at most 1 MB.
const maxGiven = 1 << 20

// given reads a whole file that a verb was given, - for standard input, less a byte order mark at its start.
func (c *console) given(name string) ([]byte, error) {
	in, closeIn, err := c.open(name)
	if err != nil {
		return nil, err
	}
	defer closeIn()
	text, err := io.ReadAll(io.LimitReader(in, maxGiven+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case len(text) > maxGiven:
		return nil, misused("%s is larger than %d MB", name, maxGiven>>20)
	}
	return bytes.TrimPrefix(text, []byte(byteOrderMark)), nil // no binary form of a certificate begins so
}
