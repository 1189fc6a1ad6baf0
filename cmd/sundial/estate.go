package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/sync/semaphore"

	"sundial/internal/accountid"
	"sundial/internal/api"
)

const (
	// importWriters is how many imports are on their way at a time: enough for the log to write many at once, few enough
	// not to disturb a serving engine.
	importWriters = 32

	// Lines that were read and wait for their turn: so many bytes, a short line counting as a long one, so that it is
	// a thousand lines at most.
	waitingBytes = 64 << 20
	shortLine    = 64 << 10

	// maxEstateLine bounds a line: more than the API takes, so that what is a little too large is still known by its app.
	maxEstateLine = 2 * api.MaxBody

	// maxProblemsKept bounds a report; who has as many problems mends the first ones and looks again.
	maxProblemsKept = 100_000
)

// importing is a line of a file of apps: whose it is, and the body of the request.
type importing struct {
	account string
	app     uint64 // as far as it can be read
	body    []byte
	key     string // of the command: the same content has the same one
}

// importOf takes the account out of a line; the rest is what the API takes.
func importOf(line jsontext.Value, reason string) (importing, error) {
	var in struct {
		Account string                    `json:"account"`
		Rest    map[string]jsontext.Value `json:",embed"`
	}
	if err := json.Unmarshal(line, &in); err != nil || in.Account == "" || in.Rest == nil {
		return importing{}, errors.New("want one JSON object with an account, and the app's members (docs/import.md)")
	}
	if reason != "" && in.Rest["reason"] == nil {
		text, err := json.Marshal(reason, json.Deterministic(true))
		if err != nil {
			return importing{}, fmt.Errorf("--reason: %w", err)
		}
		in.Rest["reason"] = text
	}
	out := importing{account: in.Account}
	_ = json.Unmarshal(in.Rest["app"], &out.app) // what is no number is refused with the rest
	var err error
	if out.body, err = json.Marshal(in.Rest, json.Deterministic(true)); err != nil {
		return importing{}, errors.New("cannot be written as JSON again")
	}
	same := jsontext.Value(bytes.Clone(out.body))
	_ = same.Canonicalize() // if it fails, the same content must be spelled alike to be known as such
	sum := sha256.Sum256(append([]byte(in.Account+"\n"), same...))
	out.key = "import-" + base64.RawURLEncoding.EncodeToString(sum[:])
	return out, nil
}

func (c *client) importApp(ctx context.Context, app importing) (answer, error) {
	return c.patiently(ctx, request{
		method: http.MethodPost, path: route("/v1/accounts/%s/apps/import", app.account), body: app.body,
		header: http.Header{"Idempotency-Key": {app.key}},
	})
}

// present says whether the engine has an app of this number, and shows it.
func (c *client) present(ctx context.Context, app uint64) (appView, bool, error) {
	a, err := c.patiently(ctx, request{method: http.MethodGet, path: route("/v1/apps/%s", strconv.FormatUint(app, 10))})
	if a.status == http.StatusNotFound && errors.As(err, new(*problem)) {
		return appView{}, false, nil
	}
	var view appView
	if err == nil {
		err = a.into(&view)
	}
	return view, err == nil, err
}

// lineProblem is what is wrong with a line; it never repeats a value.
type lineProblem struct {
	Line    int    `json:"line"`
	Account string `json:"account,omitzero"`
	App     uint64 `json:"app,omitzero"`
	Field   string `json:"field,omitzero"`
	Code    string `json:"code"`
	Reason  string `json:"reason"`
	Fix     string `json:"fix,omitzero"`
}

// estateReport is what became of a file.
type estateReport struct {
	DryRun   bool          `json:"dry_run"`
	Lines    int           `json:"lines"`    // that were looked at
	Imported int           `json:"imported"` // or, of a dry run, would be
	Repeated int           `json:"repeated"` // were there already
	Refused  int           `json:"refused"`
	Problems []lineProblem `json:"problems"`
	More     int           `json:"problems_left_off,omitzero"`
}

// estateLine is a line under way.
type estateLine struct {
	importing
	n    int
	size int64
	twin *lineProblem // it contradicts an earlier line
}

// say is a problem of the line.
func (l *estateLine) say(field, code, reason, fix string) lineProblem {
	p := lineProblem{l.n, "", l.app, field, code, reason, fix}
	if accountid.Valid(l.account) { // else it may be anything
		p.Account = l.account
	}
	return p
}

// estate moves apps in from JSON lines: accounts side by side, the lines of one account in their order. A line that is
// refused stops no other. What was imported before is told apart, so that a file can be given again.
type estate struct {
	client *client
	reason string
	dry    *dryRun // nil: import
	told   func(done int)

	room    *semaphore.Weighted
	slots   *semaphore.Weighted
	working sync.WaitGroup

	mu     sync.Mutex // guards what follows
	lanes  map[string][]*estateLine
	report estateReport
}

func newEstate(cl *client, reason string, dry *dryRun, told func(done int)) *estate {
	return &estate{
		client: cl, reason: reason, dry: dry, told: told, lanes: map[string][]*estateLine{},
		room: semaphore.NewWeighted(waitingBytes), slots: semaphore.NewWeighted(importWriters),
		report: estateReport{DryRun: dry != nil, Problems: []lineProblem{}},
	}
}

// run takes the file through. An error means that not every line was looked at; the report is of those that were.
func (e *estate) run(ctx context.Context, in io.Reader) (estateReport, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	err := eachText(in, maxEstateLine, func(n int, text []byte, long bool) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		l := &estateLine{n: n, size: max(int64(len(text)), shortLine)}
		if !e.read(l, text, long) {
			return nil
		}
		if err := e.room.Acquire(ctx, l.size); err != nil {
			return context.Cause(ctx)
		}
		e.queue(ctx, stop, l)
		return nil
	})
	e.working.Wait()
	if cause := context.Cause(ctx); err == nil && cause != nil {
		err = cause
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	slices.SortStableFunc(e.report.Problems, func(a, b lineProblem) int { return a.Line - b.Line })
	return e.report, err
}

// read makes a line of its text; false if it is refused here.
func (e *estate) read(l *estateLine, text []byte, long bool) bool {
	value := jsontext.Value(text)
	var err error
	switch {
	case long:
		e.done(nil, l.say("", "too_large", "The line is larger than 2 MB.", tooLargeFix))
	case !value.IsValid():
		e.done(nil, l.say("", "malformed", "The line is not one JSON object without duplicate names.", "Send one JSON object in UTF-8, each name in it once."))
	default:
		if l.importing, err = importOf(value, e.reason); err == nil {
			if e.dry != nil {
				l.twin = e.dry.compare(l)
			}
			return true
		}
		e.done(nil, l.say("", "malformed", "The line is not what is imported: "+err.Error()+".", ""))
	}
	return false
}

// tooLargeFix is what helps against the limit on what the API takes at once.
const tooLargeFix = "Export the p12 files without the certificates of their issuers (then they take 3 to 8 KB), or leave some certificates away (added afterwards they get new ids), or orders that are over."

// queue gives a line to its account's lane, and has somebody work there.
func (e *estate) queue(ctx context.Context, stop context.CancelCauseFunc, l *estateLine) {
	e.mu.Lock()
	lane, busy := e.lanes[l.account]
	e.lanes[l.account] = append(lane, l)
	e.mu.Unlock()
	if !busy {
		e.working.Go(func() { e.work(ctx, stop, l.account) })
	}
}

func (e *estate) work(ctx context.Context, stop context.CancelCauseFunc, account string) {
	for {
		e.mu.Lock()
		lane := e.lanes[account]
		if len(lane) == 0 {
			delete(e.lanes, account)
			e.mu.Unlock()
			return
		}
		l := lane[0]
		e.lanes[account] = lane[1:]
		e.mu.Unlock()
		if e.slots.Acquire(ctx, 1) == nil {
			if err := e.one(ctx, l); err != nil {
				stop(err)
			}
			e.slots.Release(1)
		}
		e.room.Release(l.size)
	}
}

// one sends a line, or checks it. An error is one of the engine or the way to it, not of the line.
func (e *estate) one(ctx context.Context, l *estateLine) error {
	if e.dry != nil {
		return e.check(ctx, l)
	}
	_, there, err := e.client.present(ctx, l.app)
	if err != nil {
		return err
	}
	_, err = e.client.importApp(ctx, l.importing)
	var p *problem
	switch {
	case err == nil && there:
		e.done(&e.report.Repeated)
	case err == nil:
		e.done(&e.report.Imported)
	case errors.As(err, &p) && ofTheLine(p):
		e.done(nil, l.refused(p)...)
	default:
		return err
	}
	return nil
}

// ofTheLine says whether a problem is one of what was sent; others would meet every line.
func ofTheLine(p *problem) bool {
	switch p.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return false
	}
	return p.Code != "" && p.Status/100 == 4
}

// refused tells a problem as one of the line.
func (l *estateLine) refused(p *problem) []lineProblem {
	if p.Status == http.StatusRequestEntityTooLarge {
		p.Fix = tooLargeFix
	}
	var out []lineProblem
	for _, f := range p.Errors {
		out = append(out, l.say(f.Field, f.Code, f.Detail, ""))
	}
	if len(out) == 0 {
		out = append(out, l.say("", p.Code, p.Detail, p.Fix))
	}
	return out
}

// done counts a line: with problems it is refused.
func (e *estate) done(count *int, problems ...lineProblem) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.report.Lines++
	if len(problems) > 0 {
		count = &e.report.Refused
	}
	*count++
	kept := min(len(problems), maxProblemsKept-len(e.report.Problems))
	e.report.Problems = append(e.report.Problems, problems[:kept]...)
	e.report.More += len(problems) - kept
	e.told(e.report.Lines)
}

// byteOrderMark is what editors of Windows put at the start of a file in UTF-8.
const byteOrderMark = "\ufeff"

// eachText gives every line that is not empty, with its number from 1, less a byte order mark at the start of the file. One
// that is longer than the limit comes without its text. The text is the callee's to keep.
func eachText(r io.Reader, limit int, do func(n int, text []byte, long bool) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		var text []byte
		long := false
		for {
			part, err := in.ReadSlice('\n')
			if long = long || len(text)+len(part) > limit; long {
				text = nil
			} else {
				text = append(text, part...)
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("line %d: %w", n, err)
			}
			if n == 1 {
				text = bytes.TrimPrefix(text, []byte(byteOrderMark))
			}
			if text = bytes.TrimSpace(text); long || len(text) > 0 {
				if err := do(n, text, long); err != nil {
					return err
				}
			}
			if err != nil {
				return nil
			}
			break
		}
	}
}
