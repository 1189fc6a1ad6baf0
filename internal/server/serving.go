package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/damage"
	"sundial/internal/timetravel"
	"sundial/internal/vault"
	"sundial/projections"
)

// maxAnswer bounds what is read of an answer that is not a stream: a status or a token, a kilobyte at most.
const maxAnswer = 1 << 20

// ErrNotServing means that no process serves from a directory.
var ErrNotServing = errors.New("no engine serves from this directory")

// Serving gives orders to the process that serves from a data directory, over the socket in it. Each order fails with
// ErrNotServing where there is none.
type Serving struct{ dir string }

// ServingFrom names the directory; nothing is touched before an order.
func ServingFrom(dir string) Serving { return Serving{dir} }

// Rebuild has the projections built anew from the log and put in the place of those that serve. Progress is reported in
// commits, at most ten times a second, and once in the end; so it is by the other orders.
func (s Serving) Rebuild(ctx context.Context, progress func(done, total uint64)) error {
	_, err := s.order(ctx, "rebuild", nil, progress)
	return err
}

// Check has what is served compared with the whole log.
func (s Serving) Check(ctx context.Context, progress func(done, total uint64)) ([]projections.Difference, error) {
	result, err := s.order(ctx, "check", nil, progress)
	return result.Differences, err
}

// Verify has everything that is kept gone through, beside what is served.
func (s Serving) Verify(ctx context.Context, progress func(done, total uint64)) ([]damage.Finding, error) {
	result, err := s.order(ctx, "verify", nil, progress)
	return result.Findings, err
}

// WhatIf asks what another policy would have led to.
type WhatIf struct {
	Grace int64 `json:"grace_ms"`

	Editions domain.EditionsPolicy `json:"editions,omitzero"` // graces of editions of their own

	From    domain.Instant `json:"from,omitzero"`
	Account string         `json:"account,omitzero"`
}

// WhatIf has the log replayed under another policy.
func (s Serving) WhatIf(ctx context.Context, asked WhatIf, progress func(done, total uint64)) (*timetravel.Report, error) {
	result, err := s.order(ctx, "whatif", asked, progress)
	return result.WhatIf, err
}

// RotateRoot has every app's keys wrapped with the root key in a file, or, if none is named, with a new one that takes the
// place of the one in the data directory. The file's name is absolute: the process has a working directory of its own.
func (s Serving) RotateRoot(ctx context.Context, to string, progress func(done, total uint64)) error {
	order := "vault/rotate"
	if to != "" {
		order += "?" + url.Values{"to": {to}}.Encode()
	}
	_, err := s.order(ctx, order, nil, progress)
	return err
}

// VaultStatus says how the keeper of secrets stands.
func (s Serving) VaultStatus(ctx context.Context) (status vault.Status, err error) {
	text, err := s.answer(ctx, "vault/status")
	if err != nil {
		return vault.Status{}, err
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return vault.Status{}, fmt.Errorf("the engine's answer cannot be read: %w", err)
	}
	return status, nil
}

// RecoverOperator has an operator's token made, and gives it.
func (s Serving) RecoverOperator(ctx context.Context) (token string, err error) {
	text, err := s.answer(ctx, "operator")
	return string(text), err
}

// answer gives an order that is answered at once.
func (s Serving) answer(ctx context.Context, order string) ([]byte, error) {
	resp, err := s.ask(ctx, order, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(text)))
	}
	return text, nil
}

// ask sends an order.
func (s Serving) ask(ctx context.Context, order string, with any) (*http.Response, error) {
	body, err := json.Marshal(with, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", filepath.Join(s.dir, socketFile))
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://sundial/"+order, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport}).Do(req)
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return nil, ErrNotServing
	}
	return resp, err
}

// order has work done, and tells of it as it goes.
func (s Serving) order(ctx context.Context, order string, with any, progress func(done, total uint64)) (outcome, error) {
	resp, err := s.ask(ctx, order, with)
	if err != nil {
		return outcome{}, err
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
			return outcome{}, fmt.Errorf("the serving process: %w", err)
		}
		last = line
		progress(last.Done, last.Total)
	}
	switch {
	case !last.Ended:
		return outcome{}, errors.New("the serving process ended before the work was done")
	case last.Error != "":
		return outcome{}, errors.New(last.Error)
	}
	return last.outcome, nil
}
