package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// shipper is a pipe, as standard error is one where something ships what is said.
func shipper(t testing.TB) (reader, writer *os.File) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { reader.Close(); writer.Close() })
	return reader, writer
}

func TestLinesAreWrittenInOrderAndAllOfThemBeforeTheEnd(t *testing.T) {
	var out, want bytes.Buffer
	u := newUnheld(&out)
	for i := range 1000 {
		fmt.Fprintf(&want, "line %d\n", i)
		fmt.Fprintf(u, "line %d\n", i)
	}
	u.Close()
	if out.String() != want.String() || u.Lost() != 0 {
		t.Errorf("%d bytes came, want %d; %d lines are counted as lost", out.Len(), want.Len(), u.Lost())
	}
	fmt.Fprintln(u, "too late")
	if u.Lost() != 1 {
		t.Errorf("%d lines are counted as lost after the end, want 1", u.Lost())
	}
}

func TestLinesThatNobodyCanReadAreCounted(t *testing.T) {
	reader, writer := shipper(t)
	reader.Close()
	u := newUnheld(writer)
	defer u.Close()
	for range 3 {
		fmt.Fprintln(u, "a line")
	}
	until(t, "three lines are counted as lost", func() bool { return u.Lost() == 3 })
}

func TestAReaderThatDoesNotReadHoldsNobodyUp(t *testing.T) {
	reader, writer := shipper(t)
	u := newUnheld(writer)
	defer u.Close()
	told := make(chan uint64, 1)
	u.whenBack(func(lost uint64) { told <- lost })
	line := strings.Repeat("x", 1023) + "\n"
	const sent = 4096 // four times what may wait
	began := time.Now()
	for range sent {
		io.WriteString(u, line)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to say what nobody reads", took)
	}
	lost := u.Lost()
	if lost == 0 || lost > sent-maxUnwritten/uint64(len(line)) {
		t.Errorf("of %d lines %d are lost", sent, lost)
	}
	came := bufio.NewScanner(reader)
	for range sent - lost {
		if !came.Scan() || came.Text()+"\n" != line {
			t.Fatalf("a line came as %q: %v", came.Text(), came.Err())
		}
	}
	if got := <-told; got != lost {
		t.Errorf("it is said that %d lines were lost, want %d", got, lost)
	}
	u.Close() // not held up either
}
