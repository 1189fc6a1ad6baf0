package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/auth"
	"sundial/internal/timetravel"
	"sundial/projections"
)

// maxSocketPath is what a Unix socket's address holds, less its final zero.
const maxSocketPath = 107

// control takes orders from whoever has the data directory, on a socket in it: what the verbs rebuild and token recover ask
// of a process that serves. Who may open the socket may read and write everything beside it anyway, so there is no token.
type control struct {
	server     *http.Server
	background sync.WaitGroup

	mu   sync.Mutex
	life *engineLife // nil while there is none
}

// openControl listens. Without the socket everything else goes on, so a failure is only logged.
func (p *Program) openControl() *control {
	c := &control{}
	path := p.dir.file(socketFile)
	if len(path) > maxSocketPath {
		p.Config.Logger.Warn("the data directory's path is too long for a socket in it: sundial rebuild works only while the engine is stopped", "path", path)
		return c
	}
	_ = os.Remove(path) // one of a process that was killed: the lock says that nobody else serves
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "unix", path)
	if err != nil {
		p.Config.Logger.Warn("no socket in the data directory: sundial rebuild works only while the engine is stopped", "error", err)
		return c
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /rebuild", c.rebuild)
	routes.HandleFunc("POST /check", c.check)
	routes.HandleFunc("POST /whatif", c.whatIf)
	routes.HandleFunc("POST /operator", c.operator)
	routes.HandleFunc("POST /vault/rotate", c.rotateRoot)
	routes.HandleFunc("POST /vault/status", c.vaultStatus)
	c.server = &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	c.background.Go(func() { _ = c.server.Serve(l) }) // ends with Close
	return c
}

// attend names the life of the engine that orders go to; nil for none.
func (c *control) attend(l *engineLife) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life = l
}

// attended is the life that orders go to, nil if there is none.
func (c *control) attended() *engineLife {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life
}

// Close ends orders under way.
func (c *control) Close() {
	if c == nil || c.server == nil {
		return
	}
	_ = c.server.Close() // nothing is lost: a rebuild that is cut short leaves what was there
	c.background.Wait()
}

// told is a line of the answer to an order: how far it is, and in the end what came of it.
type told struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
	Ended bool   `json:"ended,omitzero"`
	Error string `json:"error,omitzero"`
	found
}

// found is what comes of an order.
type found struct {
	Differences []projections.Difference `json:"differences,omitzero"`
	WhatIf      *timetravel.Report       `json:"what_if,omitzero"`
}

func (c *control) rebuild(w http.ResponseWriter, r *http.Request) {
	c.work(w, r, func(ctx context.Context, l *engineLife, progress func(done, total uint64)) (found, error) {
		return found{}, l.rebuild(ctx, progress)
	})
}

func (c *control) check(w http.ResponseWriter, r *http.Request) {
	c.work(w, r, func(ctx context.Context, l *engineLife, progress func(done, total uint64)) (found, error) {
		differences, err := l.check(ctx, progress)
		return found{Differences: differences}, err
	})
}

func (c *control) whatIf(w http.ResponseWriter, r *http.Request) {
	var asked whatIfOrder
	if err := json.UnmarshalRead(r.Body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.work(w, r, func(ctx context.Context, l *engineLife, progress func(done, total uint64)) (found, error) {
		report, err := l.whatIf(ctx, asked, l.clock.Now(), progress)
		return found{WhatIf: report}, err
	})
}

// work does what was ordered and tells of it as it goes, at most ten times a second.
func (c *control) work(
	w http.ResponseWriter, r *http.Request,
	do func(context.Context, *engineLife, func(done, total uint64)) (found, error),
) {
	l := c.attended()
	tell := func(t told) {
		if line, err := json.Marshal(t, json.Deterministic(true)); err == nil {
			_, _ = w.Write(append(line, '\n')) // who ordered is gone if it fails, and the context with it
			_ = http.NewResponseController(w).Flush()
		}
	}
	if l == nil {
		tell(told{Ended: true, Error: busyText})
		return
	}
	var mu sync.Mutex // progress may be told from several goroutines
	var last time.Time
	var latest told
	result, err := do(r.Context(), l, func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		latest = told{Done: done, Total: total}
		if now := time.Now(); now.Sub(last) >= 100*time.Millisecond {
			last = now
			tell(latest)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	latest.Ended, latest.found = true, result
	if err != nil {
		latest.Error = err.Error()
	}
	tell(latest)
}

// operator makes an operator's token, for whoever lost all of them.
func (c *control) operator(w http.ResponseWriter, r *http.Request) {
	l := c.attended()
	if l == nil {
		http.Error(w, busyText, http.StatusServiceUnavailable)
		return
	}
	made, secret, err := l.tokens.Load().Create(r.Context(), auth.NewToken{Role: auth.Operator, Name: "recovered operator"})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	l.config.Logger.Warn("an operator's token was made over the socket in the data directory", "id", made.ID)
	_, _ = io.WriteString(w, secret) // who asked is gone if it fails, and asks again
}

func (c *control) rotateRoot(w http.ResponseWriter, r *http.Request) {
	c.work(w, r, func(ctx context.Context, l *engineLife, progress func(done, total uint64)) (found, error) {
		return found{}, l.rotateRoot(ctx, r.URL.Query().Get("to"), progress)
	})
}

// vaultStatus says how the keeper of secrets stands.
func (c *control) vaultStatus(w http.ResponseWriter, r *http.Request) {
	l := c.attended()
	if l == nil {
		http.Error(w, busyText, http.StatusServiceUnavailable)
		return
	}
	status, err := l.vault.Status(r.Context())
	var text []byte
	if err == nil {
		text, err = json.Marshal(status, json.Deterministic(true))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write(text) // who asked is gone if it fails
}

// busyText says that there is nobody to take an order just now.
const busyText = "the engine is being started anew: try again"

// errNotServing means that no process serves from a directory.
var errNotServing = errors.New("no engine serves from this directory")

// ask sends an order to the process that serves from a directory.
func (d dirPath) ask(ctx context.Context, order string, with any) (*http.Response, error) {
	body, err := json.Marshal(with, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", d.file(socketFile))
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sundial/"+order, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return nil, errNotServing
	}
	return resp, err
}

// order has work done by the process that serves from a directory: errNotServing if there is none.
func (d dirPath) order(ctx context.Context, verb string, with any, progress func(done, total uint64)) (found, error) {
	resp, err := d.ask(ctx, verb, with)
	if err != nil {
		return found{}, err
	}
	defer resp.Body.Close()
	var last told
	for lines := jsontext.NewDecoder(resp.Body); ; {
		var line told
		err := json.UnmarshalDecode(lines, &line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return found{}, fmt.Errorf("the serving process: %w", err)
		}
		last = line
		progress(last.Done, last.Total)
	}
	switch {
	case !last.Ended:
		return found{}, errors.New("the serving process ended before the work was done")
	case last.Error != "":
		return found{}, errors.New(last.Error)
	}
	return last.found, nil
}
