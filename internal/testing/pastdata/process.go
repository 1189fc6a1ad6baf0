package pastdata

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// Command makes a command of the program: its binary, in an environment without flags and tokens of its own.
type Command func(args ...string) *exec.Cmd

// Process is sundial serve on a directory, in a sandbox.
type Process struct {
	Dir  string
	HTTP string
	NATS string

	command Command
	cmd     *exec.Cmd
	logs    *bytes.Buffer
	boot    string // begins the ids of the requests to this process
}

// Start starts the program on a directory and waits for its ready line. It depends on nothing but that line and the flags.
func Start(command Command, dir string, flags ...string) (*Process, error) {
	p := &Process{Dir: dir, command: command, logs: &bytes.Buffer{}}
	p.cmd = command(append([]string{"serve", "--sandbox", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, flags...)...)
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		_, err = fmt.Sscanf(line, "ready %s %s", &p.HTTP, &p.NATS)
	}
	if err != nil {
		p.Kill()
		return nil, fmt.Errorf("it does not get ready: %w: %s\n%s", err, line, p.logs)
	}
	return p, nil
}

// Stop ends the process in order. Killed already is as well.
func (p *Process) Stop() error {
	if p.cmd.ProcessState != nil {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("it ended with %w\n%s", err, p.logs)
	}
	return nil
}

// Kill ends the process as a power cut would.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // gone already is as well
	_ = p.cmd.Wait()
}

// Asked is a question to the program, a request or a run of the command line, with the answer that it got.
type Asked struct {
	Part   string            `json:"part,omitzero"` // see Parts
	As     string            `json:"as,omitzero"`   // whose token it carries
	Method string            `json:"method,omitzero"`
	Path   string            `json:"path,omitzero"`
	Header map[string]string `json:"header,omitzero"`
	Body   string            `json:"body,omitzero"`
	Run    []string          `json:"run,omitzero"` // in place of a request; --data is added

	Status int               `json:"status"` // of the command line: its exit code
	Kept   map[string]string `json:"kept,omitzero"`
	Said   string            `json:"said"`
}

// Name tells a question from others, for people.
func (a *Asked) Name() string {
	if a.Run != nil {
		return "sundial " + strings.Join(a.Run, " ")
	}
	name := a.Method + " " + a.Path
	if key := a.Header[headerKey]; key != "" {
		name += " (key " + key + ")"
	}
	return name + " as " + a.As
}

// kept are the headers of an answer that say something of what is stored. The others are of the process, the request or the
// machine (Date, Sundial-Request-Id, the age of what the projections have seen), or the same always.
var kept = []string{"Content-Type", "Etag", "Sundial-Position", headerKey}

const (
	headerKey     = "Idempotency-Key"
	headerRequest = "Sundial-Request-Id"
)

// Ask puts a question, and gives it back with its answer. Ids of requests to this very process, which begin with what it drew
// at its start, are replaced; those that the log holds from before stay.
func (p *Process) Ask(ctx context.Context, tokens map[string]Token, a Asked) (Asked, error) {
	a.Status, a.Kept, a.Said = 0, nil, ""
	if a.Run != nil {
		return p.run(a)
	}
	req, err := http.NewRequestWithContext(ctx, a.Method, p.HTTP+a.Path, strings.NewReader(a.Body))
	if err != nil {
		return a, err
	}
	if a.As != "" {
		req.Header.Set("Authorization", "Bearer "+tokens[a.As].Secret)
	}
	if a.Body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range a.Header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, fmt.Errorf("%s: %w\n%s", a.Name(), err, p.logs)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	a.Status, a.Kept = res.StatusCode, map[string]string{}
	for _, name := range kept {
		if name == headerKey && a.Header[headerKey] == "" {
			continue // the process made one up
		}
		if value := res.Header.Get(name); value != "" {
			a.Kept[name] = value
		}
	}
	if boot, _, has := strings.Cut(res.Header.Get(headerRequest), "-"); has {
		p.boot = boot
	}
	a.Said = string(body)
	if p.boot != "" {
		a.Said = regexp.MustCompile(regexp.QuoteMeta(p.boot)+`-\d+`).ReplaceAllString(a.Said, "a-request-of-this-process")
	}
	return a, nil
}

func (p *Process) run(a Asked) (Asked, error) {
	cmd := p.command(append(append([]string{}, a.Run...), "--data", p.Dir)...)
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return a, err
	}
	a.Status, a.Said = cmd.ProcessState.ExitCode(), strings.ReplaceAll(out.String(), p.Dir, "DIR")
	return a, nil
}

// patience bounds the waiting for what is taken in in the background.
const patience = 30 * time.Second

// until asks again and again until the answer is as it should be.
func until(ctx context.Context, what string, is func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := is(ctx)
		if done || err != nil {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("it never came to be that %s: %w", what, ctx.Err())
		}
	}
}
