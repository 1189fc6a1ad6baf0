// Package datadir keeps what a data directory says of itself: its record (which log belongs to it, in which epoch, written
// by whom), and how far each of its streams had come, so that an older copy of one beside newer ones is noticed.
package datadir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFile bounds what is read of a file of this package: a thousand restores in a record are 30 kB, and a mark is some
// 150 bytes of a stream.
const maxFile = 1 << 20

// A sealed text is a line of JSON, and below it its SHA-256, for people to read and for any flipped bit to show.
const sumPrefix = "sha256 "

func seal(body []byte) []byte {
	sum := sha256.Sum256(body)
	b := append(bytes.Clone(body), '\n')
	b = append(b, sumPrefix...)
	b = hex.AppendEncode(b, sum[:])
	return append(b, '\n')
}

var errSeal = errors.New("it does not have the checksum that stands in it")

// unseal gives the line of a sealed text.
func unseal(text []byte) ([]byte, error) {
	body, _, found := bytes.Cut(text, []byte{'\n'})
	if !found || !bytes.Equal(seal(body), text) {
		return nil, errSeal
	}
	return body, nil
}

// readFile reads a file whole.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than any that this program writes", path)
	}
	return text, err
}
