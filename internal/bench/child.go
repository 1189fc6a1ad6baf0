package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"

	"sundial/internal/pause"
)

// child is the program as a process of its own.
type child struct {
	process *exec.Cmd
	errs    bytes.Buffer
	url     string
	token   string
	ready   time.Duration // from the start of the process until it was ready for traffic
}

// spawn starts the program on a data directory and waits until it is ready.
func spawn(ctx context.Context, program, dir string) (c *child, err error) {
	c = &child{process: exec.CommandContext(ctx, program,
		"serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0", "--log-level", "warn")}
	c.process.Stderr = &c.errs
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the program: %w", err)
	}
	elapsed := watch()
	if err := c.process.Start(); err != nil {
		return nil, fmt.Errorf("starting the program: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.end(syscall.SIGKILL))
		}
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the program ended before it was ready: %w", err)
	}
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "ready" {
		return nil, fmt.Errorf("the program printed %q: a line that begins with ready was expected", line)
	}
	c.url = words[1]
	for {
		status, _, err := c.ask(ctx, http.MethodGet, "/readyz", nil)
		if err != nil {
			return nil, err
		}
		if status == http.StatusOK {
			break
		}
		if !pause.For(ctx, 5*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
	c.ready = elapsed()
	token, err := os.ReadFile(filepath.Join(dir, "operator.token"))
	if err != nil {
		return nil, fmt.Errorf("reading the operator's token: %w", err)
	}
	c.token = strings.TrimSpace(string(token))
	return c, nil
}

// end sends a signal and waits until the process is gone.
func (c *child) end(signal syscall.Signal) error {
	if err := c.process.Process.Signal(signal); err != nil {
		return fmt.Errorf("ending the program: %w", err)
	}
	err := c.process.Wait()
	if signal == syscall.SIGKILL {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the program ended with %w: %s", err, strings.TrimSpace(c.errs.String()))
	}
	return nil
}

// ask sends a request, with a body as JSON unless that is nil, and gives the answer's status and body.
func (c *child) ask(ctx context.Context, method, path string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body, json.Deterministic(true))
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.url+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+c.token)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}

// memory is what the process has in memory, in bytes: VmRSS, which counts the program's own file, too.
func (c *child) memory() (int, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the memory of the program: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmRSS:"); found {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			return kb * 1024, err
		}
	}
	return 0, errors.New("the memory of the program: the system does not tell")
}

const (
	// restFor is for how long the program must have been at rest: its memory has not moved by a hundredth, and it has
	// used little of the processor, so that nothing is being caught up with.
	restFor  = 10 * time.Second
	restBusy = 0.1 // of one processor

	// restMost bounds the wait for that: a first start publishes a million commits.
	restMost = 10 * time.Minute
)

// rest waits until the program is at rest, and gives its memory in bytes.
func (c *child) rest(ctx context.Context) (int, error) {
	elapsed := watch()
	still, used, at := 0, time.Duration(0), time.Duration(0)
	for {
		memory, err := c.memory()
		if err != nil {
			return 0, err
		}
		busy, err := c.processorTime()
		if err != nil {
			return 0, err
		}
		now := elapsed()
		moved := memory-still > still/100 || still-memory > still/100
		if moved || float64(busy-used) > restBusy*float64(restFor) {
			still, used, at = memory, busy, now
		}
		if now-at > restFor {
			return memory, nil
		}
		if now > restMost {
			return 0, fmt.Errorf("the program was not at rest after %s", restMost)
		}
		if !pause.For(ctx, time.Second) {
			return 0, context.Cause(ctx)
		}
	}
}

// processorTime is what the process has used of the processors so far.
func (c *child) processorTime() (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", c.process.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("the processor time of the program: %w", err)
	}
	// Behind the name, which may hold spaces, the 12th and 13th words are ticks in user and system mode.
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	words := strings.Fields(string(rest))
	if len(words) < 13 {
		return 0, errors.New("the processor time of the program: the system does not tell")
	}
	ticks := 0
	for _, word := range words[11:13] {
		n, err := strconv.Atoi(word)
		if err != nil {
			return 0, fmt.Errorf("the processor time of the program: %w", err)
		}
		ticks += n
	}
	const second = 100 // ticks, on every Linux that Go runs on
	return time.Duration(ticks) * time.Second / second, nil
}
