package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// overdue is a line with an event.
func overdue(id string) string {
	return fmt.Sprintf(`{"specversion":"1.0","source":"urn:x","id":%q,"type":"sundial.billing.invoice.overdue","data":`+
		`{"account":"acme","app":1400000001,"invoice":%q,"version":1,"effective_at":"2021-01-01T00:00:00Z","amount":{"currency":"CNY","minor":500}}}`+"\n", id, id)
}

func TestAPipeIsSentOnceItIsQuiet(t *testing.T) {
	p := start(t, nil)
	lines, feed := io.Pipe()
	out, printed := io.Pipe()
	silence := make(chan time.Time)
	verb := &billingSendCmd{remote: remote{Server: p.HTTPURL(), Data: p.Config.Dir, JSON: true}, File: "-", Batch: maxBatch}
	ended := make(chan error)
	go func() {
		ended <- verb.run(t.Context(), &console{in: lines, out: printed, err: io.Discard}, func() <-chan time.Time { return silence })
		printed.Close()
	}()
	answers := bufio.NewScanner(out)
	for _, id := range []string{"e-1", "e-2"} {
		if _, err := io.WriteString(feed, overdue(id)); err != nil {
			t.Fatal(err)
		}
		silence <- time.Time{} // is taken only once a line waits to be sent
		if !answers.Scan() || !strings.Contains(answers.Text(), `"id":"`+id+`"`) {
			t.Fatalf("answer %q, %v", answers.Text(), answers.Err())
		}
	}
	feed.Close()
	if !answers.Scan() || !strings.Contains(answers.Text(), `"parked":2,`) {
		t.Errorf("in the end %q, %v", answers.Text(), answers.Err())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestWhatCannotBeReadLosesNothingElse(t *testing.T) {
	p := start(t, nil)
	long := `"` + strings.Repeat("x", maxLine) + `"` + "\n"
	for _, row := range []struct {
		name string
		in   io.Reader
		code int
		out  string
		errs string
	}{
		{"an over-long line", strings.NewReader(overdue("a-1") + long + overdue("a-2")), exitPartly, `"parked":2,"skipped":1,`, "line 2: skipped: longer than 1048576 bytes"},
		{
			"a read error", io.MultiReader(strings.NewReader(overdue("b-1")+overdue("b-2")+`{"spec`), iotest.ErrReader(errors.New("the disk is broken"))),
			exitPartly, `"parked":2,"skipped":0,`, "the rest cannot be read: line 3: the disk is broken",
		},
		{"nothing but a read error", iotest.ErrReader(errors.New("the disk is broken")), exitFailed, `"parked":0,"skipped":0,`, "line 1: the disk is broken"},
		{"a byte order mark", strings.NewReader("\ufeff" + overdue("c-1")), exitDone, `"parked":1,"skipped":0,`, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			code := run(t.Context(), []string{"billing", "send", "-", "--json", "--server", p.HTTPURL(), "--data", p.Config.Dir}, &console{in: row.in, out: &out, err: &errs})
			if code != row.code || !strings.Contains(out.String(), row.out) || !strings.Contains(errs.String(), row.errs) {
				t.Errorf("exit code %d, %s\n%s", code, out.String(), errs.String())
			}
		})
	}
}
