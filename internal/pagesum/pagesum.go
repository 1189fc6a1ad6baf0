// Package pagesum gives SQLite a file system in which each page of a database carries a checksum, so that a flipped bit, a
// page that was cut off and one that stands in another's place are found when the page is read, before anything is
// decided on it.
//
// The last eight bytes of a page are the XXH64 of the others, seeded with the page's number (from 1), low byte first. SQLite
// leaves them alone where a database reserves that many; it is made so (Reserved) before its first page is written, and
// the file system refuses to write any other. SQLite's own module for this (ext/misc/cksumvfs.c) would want SQLite's header,
// which the driver's package keeps to itself; nor does it notice a page of zeros, or one in another's place.
//
// What a page had in the write-ahead log is checked by the checksums of that, whenever a process opens it first.
package pagesum

/*
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include "vfs.h"
*/
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/cespare/xxhash/v2"
)

const (
	// FS is the name of the file system, as SQLite is given it: vfs=sundial.
	FS = C.PAGESUM_NAME

	// PageSize is that of every database.
	PageSize = C.PAGESUM_PAGE

	// Reserved are the bytes at the end of each page.
	Reserved = C.PAGESUM_RESERVED
)

var register = sync.OnceValue(func() error {
	if C.pagesum_register() != 0 {
		return errors.New("pagesum: SQLite takes no file system: the program was not linked with it as it is built")
	}
	return nil
})

// Register makes the file system known to SQLite, once in the process.
func Register() error { return register() }

// Fits tells whether a page is what was written under its number, which counts from 1.
func Fits(page []byte, number uint64) bool {
	h := xxhash.NewWithSeed(number)
	_, _ = h.Write(page[:PageSize-Reserved]) // it cannot fail
	return h.Sum64() == binary.LittleEndian.Uint64(page[PageSize-Reserved:])
}

// Damaged lists the pages of a database that are not what was written, at most limit of them, without SQLite. A page of zeros
// is passed over: one that was given up before it was ever written is that, and is not read. Nobody may be writing.
func Damaged(path string, limit int) (pages []uint64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("pagesum: %w", err)
	}
	defer f.Close()
	page := make([]byte, PageSize)
	for number := uint64(1); len(pages) < limit; number++ {
		_, err := io.ReadFull(f, page)
		if errors.Is(err, io.EOF) {
			return pages, nil
		}
		cut := errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !cut {
			return pages, fmt.Errorf("pagesum: %w", err)
		}
		if cut || !Fits(page, number) && !zero(page) {
			pages = append(pages, number)
		}
		if cut {
			return pages, nil
		}
	}
	return pages, nil
}

func zero(page []byte) bool {
	for _, b := range page {
		if b != 0 {
			return false
		}
	}
	return true
}
