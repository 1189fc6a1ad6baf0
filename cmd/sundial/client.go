package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"sundial/internal/auth"
)

const (
	// maxAnswer bounds what the client reads of one answer: a page of 500 apps with all their invoices, many times.
	maxAnswer = 64 << 20

	// answerTimeout bounds a request. Moving the clock over months of due transitions is the longest there is.
	answerTimeout = 10 * time.Minute

	// maxTries bounds how often a request is sent again while the engine is busy or cannot write.
	maxTries = 8
)

// remote are the flags of every verb that talks to a running engine.
type remote struct {
	Server string `help:"The engine's address." default:"http://127.0.0.1:8080" env:"SUNDIAL_SERVER" placeholder:"URL"`
	Data   string `help:"The engine's data directory, whose operator.token is used unless SUNDIAL_TOKEN is set." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	Token  string `help:"An access token." env:"SUNDIAL_TOKEN" placeholder:"TOKEN" hidden:""`
	CA     string `help:"Certificates (PEM) to trust beside the system's." name:"ca" env:"SUNDIAL_CA" placeholder:"FILE"`
	JSON   bool   `help:"Print what the engine answered, as it is." name:"json"`
}

// command are the flags of every verb that changes something.
type command struct {
	remote
	Reason string `help:"Why; kept with the change." placeholder:"TEXT"`
	Key    string `help:"The command's id: sent again with the same one, it is done once. Made up if absent." name:"idempotency-key" placeholder:"KEY"`
}

// conditional are the flags of a command on one app.
type conditional struct {
	command
	IfMatch string `help:"Only if the app still has this version (see: app show)." placeholder:"VERSION"`
}

// request is what is asked of the engine.
type request struct {
	method string
	path   string // parts escaped by route
	query  url.Values
	header http.Header
	body   any // encoded as JSON; []byte goes as it is
}

// answer is what the engine said.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into reads the answer; members that this version does not know are left aside.
func (a answer) into(v any) error {
	if err := json.Unmarshal(a.body, v); err != nil {
		return fmt.Errorf("the engine's answer cannot be read (is --server the engine's address?): %w", err)
	}
	return nil
}

// client talks to one engine.
type client struct {
	base  string
	shown string // base, less the name and password that may be in it
	token string
	http  *http.Client
}

// client finds the token and checks the address.
func (r *remote) client() (*client, error) {
	base, err := url.Parse(r.Server)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, misused("--server: want an address such as http://127.0.0.1:8080") // what was given may hold a password
	}
	token := strings.TrimSpace(r.Token) // a file's line end, as $(cat FILE) of some shells and env files leave it
	if token == "" {
		file := filepath.Join(r.Data, auth.TokenFile)
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("no token: %w\n  fix: give --data DIR, the data directory of the engine, or set SUNDIAL_TOKEN", err)
		}
		token = strings.TrimSpace(string(text))
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: importWriters}
	if r.CA != "" {
		pem, err := os.ReadFile(r.CA)
		if err != nil {
			return nil, misused("--ca: %w", err)
		}
		pool, err := x509.SystemCertPool()
		if err != nil {
			pool = x509.NewCertPool()
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, misused("--ca %s: holds no certificate in PEM", r.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return newClient(strings.TrimSuffix(r.Server, "/"), token, transport), nil
}

func newClient(base, token string, transport http.RoundTripper) *client {
	shown := base
	if u, err := url.Parse(base); err == nil {
		u.User = nil
		shown = u.String()
	}
	return &client{base: base, shown: shown, token: token, http: &http.Client{Transport: transport, Timeout: answerTimeout}}
}

// do asks. An answer that is not a success is a *problem, with the answer given as well.
func (c *client) do(ctx context.Context, r request) (answer, error) {
	resp, err := c.open(ctx, c.http, r)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	return c.read(resp)
}

// open sends the request; the body of what comes back is the caller's to read and close.
func (c *client) open(ctx context.Context, with *http.Client, r request) (*http.Response, error) {
	var body io.Reader
	contentType := "application/json"
	switch b := r.body.(type) {
	case nil:
	case []byte:
		body = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b, json.Deterministic(true))
		if err != nil {
			return nil, fmt.Errorf("writing the request: %w", err)
		}
		body = bytes.NewReader(text)
	}
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, fmt.Errorf("writing the request: %w", cause(err))
	}
	req.Header = http.Header{"Authorization": {"Bearer " + c.token}, "Accept": {"application/json, application/problem+json"}}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	resp, err := with.Do(req)
	if err != nil {
		return nil, unreachable(c.shown, err)
	}
	return resp, nil
}

// read reads a whole answer.
func (c *client) read(resp *http.Response) (answer, error) {
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return answer{}, unreachable(c.shown, err)
	}
	if len(text) > maxAnswer {
		return answer{}, fmt.Errorf("the engine answered more than %d MB; ask for less with --limit", maxAnswer>>20)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: text}
	if resp.StatusCode/100 != 2 {
		return a, newProblem(a)
	}
	return a, nil
}

// patiently asks again while the engine is busy or cannot write: for what may be sent twice.
func (c *client) patiently(ctx context.Context, q request) (answer, error) {
	for try := 1; ; try++ {
		a, err := c.do(ctx, q)
		if err == nil || try == maxTries || a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests {
			return a, err
		}
		seconds, _ := strconv.Atoi(a.header.Get("Retry-After"))
		select {
		case <-time.After(time.Duration(min(max(seconds, 1), 30)) * time.Second):
		case <-ctx.Done():
			return a, err
		}
	}
}

func unreachable(base string, err error) error {
	return fmt.Errorf("no answer from %s: %w\n  fix: start the engine (sundial serve), or give its address with --server or SUNDIAL_SERVER", base, cause(err))
}

// cause is an error without the address, which may hold a password.
func cause(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// route fills a path with parts that may hold anything.
func route(format string, parts ...any) string {
	for i, p := range parts {
		parts[i] = url.PathEscape(fmt.Sprint(p))
	}
	return fmt.Sprintf(format, parts...)
}

// call asks on behalf of a verb; with --json it prints what came back, also if that is a problem.
func (r *remote) call(ctx context.Context, c *console, q request) (answer, error) {
	cl, err := r.client()
	if err != nil {
		return answer{}, err
	}
	a, err := cl.do(ctx, q)
	if r.JSON && len(a.body) > 0 {
		fmt.Fprintln(c.out, strings.TrimSuffix(string(a.body), "\n"))
	}
	return a, err
}

// send is call for a command: with its id, which is printed if it is not known how it ended.
func (m *command) send(ctx context.Context, c *console, q request) (answer, error) {
	if m.Key == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return answer{}, fmt.Errorf("making the command's id: %w", err)
		}
		m.Key = id.String()
	}
	if q.header == nil {
		q.header = http.Header{}
	}
	q.header.Set("Idempotency-Key", m.Key)
	a, err := m.call(ctx, c, q)
	if err == nil {
		c.after = "the command was done; given again with --idempotency-key " + m.Key + " it is not done twice"
	}
	var p *problem
	if err != nil && (a.status >= http.StatusInternalServerError || !errors.As(err, &p) && a.status == 0) && ctx.Err() == nil {
		err = fmt.Errorf("%w\n  if it is not known whether the command was done, repeat it with --idempotency-key %s: it will be done once", err, m.Key)
	}
	return a, err
}

// send is command's, with the condition.
func (m *conditional) send(ctx context.Context, c *console, q request) (answer, error) {
	if m.IfMatch != "" {
		tag := m.IfMatch
		if _, err := strconv.ParseUint(tag, 10, 64); err == nil {
			tag = strconv.Quote(tag)
		}
		q.header = http.Header{"If-Match": {tag}}
	}
	return m.command.send(ctx, c, q)
}
