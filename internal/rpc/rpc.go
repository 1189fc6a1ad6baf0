// Package rpc takes commands over NATS: a service of nats.go's micro, so that it can be discovered and counts its
// requests, with an endpoint for each command on command.<account>.<name>. What a command is, who may give it and what
// is answered is HTTP's: requests go through a door that package api gives, with the same bodies, headers, answers and
// problems.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// Config is what the service is made of.
type Config struct {
	// Conn must be allowed to subscribe to command.> and $SRV.> and to answer on any inbox.
	Conn *nats.Conn

	// Commands are the names of the commands, each an endpoint.
	Commands []string

	// Do answers a request. Its context ends when the service is stopped and has waited long enough.
	Do func(context.Context, Request) Reply

	Logger *slog.Logger
}

// Request is a command as it came.
type Request struct {
	Account string // as the subject names it; nobody has judged it
	Name    string // of the command; nobody has judged it
	Header  map[string][]string
	Body    []byte
}

// Reply is what is answered. Status and Header are HTTP's.
type Reply struct {
	Status int
	Code   string // of the problem; "" where the command was done
	Header map[string][]string
	Body   []byte
}

// HeaderStatus carries the status of an answer as HTTP would have it. A problem has besides the headers of micro for
// errors, with the problem's code as their description.
const HeaderStatus = "Sundial-Status"

const (
	// stopPatience is how long Stop waits for commands under way before it ends them.
	stopPatience = 10 * time.Second

	prefix  = "command."
	version = "1.0.0" // of the contract
	unknown = "unknown"
)

// Service answers commands until Stop.
type Service struct {
	config Config
	svc    micro.Service
	names  map[string]*counts
	turns  *turns
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex // guards stopping, so that no request is begun once it is waited for
	stopping bool
	underWay sync.WaitGroup
}

// counts are what micro cannot know of an endpoint, since its handlers only hand over.
type counts struct {
	Problems   atomic.Int64
	Processing atomic.Int64 // ns
}

// Start begins to answer.
func Start(config Config) (*Service, error) {
	if config.Conn == nil || config.Do == nil || len(config.Commands) == 0 {
		return nil, errors.New("rpc: a connection, commands and what answers them are needed")
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{config: config, names: map[string]*counts{unknown: {}}, turns: newTurns()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	for _, name := range config.Commands {
		s.names[name] = &counts{}
	}
	var err error
	s.svc, err = micro.AddService(config.Conn, micro.Config{
		Name: "sundial", Version: version,
		Description:  "Commands on the apps of accounts; the bodies and answers are those of the HTTP API.",
		StatsHandler: s.stats,
		ErrorHandler: func(_ micro.Service, err *micro.NATSError) {
			config.Logger.Error("commands over NATS", "subject", err.Subject, "error", err.Description)
		},
	})
	if err == nil {
		err = s.listen()
	}
	if err != nil {
		s.cancel()
		return nil, fmt.Errorf("rpc: starting the service: %w", err)
	}
	return s, nil
}

func (s *Service) listen() error {
	for _, name := range s.config.Commands {
		if err := s.svc.AddEndpoint(name, micro.HandlerFunc(s.handle), micro.WithEndpointSubject(prefix+"*."+name)); err != nil {
			return errors.Join(err, s.svc.Stop())
		}
	}
	// Commands that do not exist are refused rather than left waiting. Those that do come here as well, and are left to
	// their own endpoints.
	other := micro.HandlerFunc(func(r micro.Request) {
		if _, name := split(r.Subject()); s.names[name] == nil || name == unknown {
			s.handle(r)
		}
	})
	// A queue of its own: of one queue only one subscription gets a message, whatever their subjects.
	if err := s.svc.AddEndpoint(unknown, other, micro.WithEndpointSubject(prefix+"*.*"), micro.WithEndpointQueueGroup(unknown)); err != nil {
		return errors.Join(err, s.svc.Stop())
	}
	return nil
}

// split takes account and name out of command.<account>.<name>.
func split(subject string) (account, name string) {
	account, name, _ = strings.Cut(strings.TrimPrefix(subject, prefix), ".")
	return account, name
}

// handle takes a request and hands it over: micro runs one handler at a time for each endpoint.
func (s *Service) handle(r micro.Request) {
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		s.answer(r, refuse("stopping", "The server is being stopped.", "Send it again with the same Idempotency-Key."))
		return
	}
	s.underWay.Add(1)
	s.mu.Unlock()
	account, _ := split(r.Subject())
	if !s.turns.enter(account, len(r.Data()), func() {
		defer s.underWay.Done()
		s.do(r)
	}) {
		s.underWay.Done()
		s.answer(r, refuse("overloaded", "The server has as many commands waiting as it takes, on this account or on all.",
			"Wait as long as Retry-After says, and send it again with the same Idempotency-Key."))
	}
}

func (s *Service) do(r micro.Request) {
	account, name := split(r.Subject())
	started := time.Now() //nolint:forbidigo // measures a duration
	reply := s.config.Do(s.ctx, Request{Account: account, Name: name, Header: r.Headers(), Body: r.Data()})
	c := s.names[name]
	if c == nil {
		c = s.names[unknown]
	}
	c.Processing.Add(int64(time.Since(started))) //nolint:forbidigo // measures a duration
	if reply.Code != "" {
		c.Problems.Add(1)
	}
	s.answer(r, reply)
}

// answer sends a reply. It does not use the request's own methods: micro reads what they note down right after the
// handler has handed over.
func (s *Service) answer(r micro.Request, reply Reply) {
	if r.Reply() == "" {
		return // nobody waits
	}
	msg := nats.NewMsg(r.Reply())
	for name, values := range reply.Header {
		msg.Header[name] = values
	}
	msg.Header.Set(HeaderStatus, strconv.Itoa(reply.Status))
	if reply.Code != "" {
		msg.Header.Set(micro.ErrorHeader, reply.Code)
		msg.Header.Set(micro.ErrorCodeHeader, strconv.Itoa(reply.Status))
	}
	msg.Data = reply.Body
	if err := s.config.Conn.PublishMsg(msg); err != nil {
		s.config.Logger.Error("a command over NATS could not be answered", "subject", clip(r.Subject()), "error", err)
	}
}

// clip keeps a subject, which is the client's, from filling the log.
func clip(subject string) string {
	const most = 200
	if len(subject) > most {
		return subject[:most] + "..."
	}
	return subject
}

// refuse is a problem of this edge: what it says before anybody is asked.
func refuse(code, detail, fix string) Reply {
	const status = 503
	body, err := json.Marshal(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		Fix    string `json:"fix"`
	}{"urn:sundial:problem:" + code, strings.ToUpper(code[:1]) + code[1:], status, detail, code, fix}, json.Deterministic(true))
	if err != nil {
		body = nil // it is ours and UTF-8
	}
	return Reply{Status: status, Code: code, Body: body, Header: map[string][]string{
		"Content-Type": {"application/problem+json"}, "Retry-After": {"1"},
	}}
}

// stats adds to micro's statistics of an endpoint what only this package knows.
func (s *Service) stats(e *micro.Endpoint) any {
	c := s.names[e.Name]
	if c == nil {
		return nil
	}
	waiting, underWay := s.turns.counts()
	return struct {
		Problems   int64 `json:"problems"`
		Processing int64 `json:"processing_ns"`
		Waiting    int   `json:"waiting"`
		UnderWay   int   `json:"under_way"`
	}{c.Problems.Load(), c.Processing.Load(), waiting, underWay}
}

// Stop takes no more commands and waits for those under way; after ten seconds it ends them, and waits for that.
func (s *Service) Stop() error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	err := s.svc.Stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.underWay.Wait()
	}()
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		s.cancel()
		<-done
	}
	s.cancel()
	// What was answered is with the server before its connection can be closed.
	if flushErr := s.config.Conn.FlushTimeout(stopPatience); err == nil && !errors.Is(flushErr, nats.ErrConnectionClosed) {
		err = flushErr
	}
	if err != nil {
		return fmt.Errorf("rpc: stopping the service: %w", err)
	}
	return nil
}
