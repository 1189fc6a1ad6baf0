package server

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sys/unix"

	"sundial/internal/auth"
	"sundial/internal/damage"
	"sundial/internal/timetravel"
	"sundial/projections"
)

// maxSocketPath is what a Unix socket's address holds, less its final zero.
const maxSocketPath = 107

// maintenance takes orders from whoever has the data directory, on a socket in it (Serving gives them). Who may open the
// socket may read and write everything beside it anyway, so there is no token.
type maintenance struct {
	http       *http.Server
	background sync.WaitGroup

	mu       sync.Mutex
	instance *instance // nil while there is none
}

// openMaintenance listens. Without the socket everything else goes on, so a failure is only logged.
func (s *Server) openMaintenance() *maintenance {
	m := &maintenance{}
	path := s.dir.file(socketFile)
	if len(path) > maxSocketPath {
		s.Config.Logger.Warn("the data directory's path is too long for a socket in it: sundial rebuild works only while the engine is stopped", "path", path)
		return m
	}
	_ = os.Remove(path) // one of a process that was killed: the lock says that nobody else serves
	l, err := listenPrivately(path)
	if err != nil {
		s.Config.Logger.Warn("no socket in the data directory: sundial rebuild works only while the engine is stopped", "error", err)
		return m
	}
	routes := http.NewServeMux()
	routes.HandleFunc("POST /rebuild", m.rebuild)
	routes.HandleFunc("POST /check", m.check)
	routes.HandleFunc("POST /verify", m.verify)
	routes.HandleFunc("POST /whatif", m.whatIf)
	routes.HandleFunc("POST /operator", m.operator)
	routes.HandleFunc("POST /vault/rotate", m.rotateRoot)
	routes.HandleFunc("POST /vault/status", m.vaultStatus)
	m.http = &http.Server{Handler: routes, ReadHeaderTimeout: 5 * time.Second}
	m.background.Go(func() { _ = m.http.Serve(l) }) // ends with Close
	return m
}

// listenPrivately makes a socket that nobody but its owner can open, from its first instant on: Linux gives it the mode
// that it had before it got its name, less the umask.
func listenPrivately(path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) })
		return errors.Join(err, failed)
	}}
	return config.Listen(context.Background(), "unix", path)
}

// attend names the instance of the engine that orders go to; nil for none.
func (m *maintenance) attend(l *instance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.instance = l
}

// attended is the instance that orders go to, nil if there is none.
func (m *maintenance) attended() *instance {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.instance
}

// Close ends orders under way.
func (m *maintenance) Close() {
	if m == nil || m.http == nil {
		return
	}
	_ = m.http.Close() // nothing is lost: a rebuild that is cut short leaves what was there
	m.background.Wait()
}

// told is a line of the answer to an order: how far it is, and in the end what came of it.
type told struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
	Ended bool   `json:"ended,omitzero"`
	Error string `json:"error,omitzero"`
	outcome
}

// outcome is what comes of an order.
type outcome struct {
	Differences []projections.Difference `json:"differences,omitzero"`
	Findings    []damage.Finding         `json:"findings,omitzero"`
	WhatIf      *timetravel.Report       `json:"what_if,omitzero"`
}

func (m *maintenance) rebuild(w http.ResponseWriter, r *http.Request) {
	m.work(w, r, func(ctx context.Context, l *instance, progress func(done, total uint64)) (outcome, error) {
		return outcome{}, l.rebuild(ctx, progress)
	})
}

func (m *maintenance) check(w http.ResponseWriter, r *http.Request) {
	m.work(w, r, func(ctx context.Context, l *instance, progress func(done, total uint64)) (outcome, error) {
		differences, err := l.check(ctx, progress)
		return outcome{Differences: differences}, err
	})
}

func (m *maintenance) verify(w http.ResponseWriter, r *http.Request) {
	m.work(w, r, func(ctx context.Context, l *instance, progress func(done, total uint64)) (outcome, error) {
		found, err := l.verify(ctx, true, progress)
		return outcome{Findings: found}, err
	})
}

func (m *maintenance) whatIf(w http.ResponseWriter, r *http.Request) {
	var asked WhatIf
	if err := json.UnmarshalRead(r.Body, &asked); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	m.work(w, r, func(ctx context.Context, l *instance, progress func(done, total uint64)) (outcome, error) {
		report, err := l.whatIf(ctx, asked, l.clock.Now(), progress)
		return outcome{WhatIf: report}, err
	})
}

// work does what was ordered and tells of it as it goes, at most ten times a second.
func (m *maintenance) work(
	w http.ResponseWriter, r *http.Request,
	do func(context.Context, *instance, func(done, total uint64)) (outcome, error),
) {
	l := m.attended()
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
	var mu sync.Mutex // progress may be reported from several goroutines
	var last time.Time
	var latest told
	result, err := do(r.Context(), l, func(done, total uint64) {
		mu.Lock()
		defer mu.Unlock()
		latest = told{Done: done, Total: total}
		if now := time.Now(); now.Sub(last) >= 100*time.Millisecond { //nolint:forbidigo // measures a duration
			last = now
			tell(latest)
		}
	})
	mu.Lock()
	defer mu.Unlock()
	latest.Ended, latest.outcome = true, result
	if err != nil {
		latest.Error = err.Error()
	}
	tell(latest)
}

// operator makes an operator's token, for whoever lost all of them.
func (m *maintenance) operator(w http.ResponseWriter, r *http.Request) {
	l := m.attended()
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

func (m *maintenance) rotateRoot(w http.ResponseWriter, r *http.Request) {
	m.work(w, r, func(ctx context.Context, l *instance, progress func(done, total uint64)) (outcome, error) {
		return outcome{}, l.rotateRoot(ctx, r.URL.Query().Get("to"), progress)
	})
}

// vaultStatus says how the keeper of secrets stands.
func (m *maintenance) vaultStatus(w http.ResponseWriter, r *http.Request) {
	l := m.attended()
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
