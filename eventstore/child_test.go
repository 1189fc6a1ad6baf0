package eventstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// childEnv makes the test's own binary play a part in a process of its own, so that it can be stopped or killed.
const childEnv = "SUNDIAL_TEST_CHILD"

// child is what such a process is to do.
type child struct {
	Dir    string
	NoSync bool
	Create bool

	// Writers append until the process is killed; each acknowledgement is a line on standard output: account,
	// number, sequence. Zero: only the server runs, and its address is the line.
	Writers int

	Cluster *natsd.Cluster
}

func TestMain(m *testing.M) {
	if job := os.Getenv(childEnv); job != "" {
		var c child
		if err := json.Unmarshal([]byte(job), &c); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		if err := c.run(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (c child) run() error {
	s, err := natsd.Start(natsd.Config{Dir: c.Dir, NoSync: c.NoSync, Listen: "127.0.0.1:0", Open: true, Cluster: c.Cluster})
	if err != nil {
		return err
	}
	defer s.Shutdown()
	if c.Writers == 0 {
		fmt.Println(s.ClientURL())
		_, err := os.Stdin.Read(make([]byte, 1)) // until the parent is gone
		_ = err
		return nil
	}
	nc, err := s.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx := context.Background()
	open := eventstore.Open
	if c.Create {
		open = eventstore.Create
	}
	l, err := open(ctx, nc, eventstore.Config{Failed: s.Failed})
	if err != nil {
		return err
	}
	acknowledged := make(chan string, 4096)
	var wg sync.WaitGroup
	for i := range c.Writers {
		wg.Go(func() {
			w := writer{log: l, account: fmt.Sprintf("acct-%d", i)}
			if m, found, err := l.Last(ctx, w.account); err != nil {
				fmt.Fprintln(os.Stderr, err)
				return
			} else if found {
				w.last, w.previous = m.Sequence, m.Hash()
			}
			for {
				err := w.append(ctx)
				if err != nil {
					if !errors.Is(err, eventstore.ErrUnavailable) && !errors.Is(err, eventstore.ErrUnknown) {
						fmt.Fprintln(os.Stderr, err)
					}
					return
				}
				acknowledged <- fmt.Sprintf("%d %s\n", w.last, w.previous)
			}
		})
	}
	go func() { wg.Wait(); close(acknowledged) }()
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	for line := range acknowledged {
		if _, err := out.WriteString(line); err != nil {
			return err
		}
		if len(acknowledged) == 0 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	return out.Flush()
}

// start starts the process; it is killed when the test ends.
func (c child) start(t testing.TB) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	job, err := json.Marshal(c)
	must(t, err)
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+string(job))
	cmd.Stderr = os.Stderr
	_, err = cmd.StdinPipe()
	must(t, err)
	stdout, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd, bufio.NewReaderSize(stdout, 1<<16)
}

// TestSilentServer stops a server's process without its connections noticing.
func TestSilentServer(t *testing.T) {
	cmd, out := child{Dir: t.TempDir()}.start(t)
	url, err := out.ReadString('\n')
	must(t, err)
	nc, err := nats.Connect(strings.TrimSpace(url))
	must(t, err)
	defer nc.Close()
	l, err := eventstore.Create(t.Context(), nc, eventstore.Config{AckTimeout: time.Second})
	must(t, err)
	closeLater(t, l)
	w := &writer{log: l, account: "acme"}
	must(t, w.append(t.Context()))

	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	before := w.last
	begin := time.Now()
	if err := w.append(t.Context()); !errors.Is(err, eventstore.ErrUnknown) {
		t.Fatalf("%v, want ErrUnknown", err)
	}
	if took := time.Since(begin); took > 4*time.Second {
		t.Errorf("silence of the server was noticed after %s", took)
	}
	// From now on nobody waits: nothing is sent, but for one now and then.
	refused := 0
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		_, err := l.Append(ctx, fmt.Sprintf("acct-%d", i), 0, encode(t, commit(fmt.Sprintf("acct-%d", i), "x", eventstore.Hash{})), nil)
		cancel()
		switch {
		case errors.Is(err, eventstore.ErrUnavailable):
			refused++
		case !errors.Is(err, eventstore.ErrUnknown):
			t.Errorf("%v, want ErrUnavailable or ErrUnknown", err)
		}
	}
	if refused < 15 {
		t.Errorf("%d of 20 were refused at once", refused)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	if err := l.Probe(short); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("probe: %v, want ErrUnavailable", err)
	}
	cancel()

	must(t, cmd.Process.Signal(syscall.SIGCONT))
	waitFor(t, func() error { return l.Probe(t.Context()) })
	must(t, l.Failure())
	// What was unknown was written, in this case.
	m, found, err := l.Last(t.Context(), "acme")
	if err != nil || !found || m.Sequence <= before {
		t.Fatalf("last %d, %t, %v; want one after %d", m.Sequence, found, err, before)
	}
	var conflict *eventstore.ConflictError
	if err := w.append(t.Context()); !errors.As(err, &conflict) {
		t.Errorf("sent again: %v, want a conflict", err)
	}
	must(t, w.catchUp(t.Context()))
	must(t, w.append(t.Context()))
}

// TestKilledServer: what was in flight is unknown at once, not after the timeout.
func TestKilledServer(t *testing.T) {
	cmd, out := child{Dir: t.TempDir()}.start(t)
	url, err := out.ReadString('\n')
	must(t, err)
	nc, err := nats.Connect(strings.TrimSpace(url), nats.ReconnectWait(20*time.Millisecond))
	must(t, err)
	defer nc.Close()
	l, err := eventstore.Create(t.Context(), nc, eventstore.Config{AckTimeout: time.Minute})
	must(t, err)
	closeLater(t, l)
	w := &writer{log: l, account: "acme"}
	must(t, w.append(t.Context()))
	must(t, cmd.Process.Signal(syscall.SIGSTOP))
	result := make(chan error, 1)
	go func() { result <- w.append(context.Background()) }()
	// Until it is in flight it could be refused instead; a second one that cannot be withdrawn any more shows it.
	waitFor(t, func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := l.Append(ctx, "other", 0, encode(t, commit("other", "x", eventstore.Hash{})), nil)
		if errors.Is(err, eventstore.ErrUnknown) {
			return nil
		}
		return fmt.Errorf("not in flight: %w", err)
	})
	must(t, cmd.Process.Kill())
	select {
	case err := <-result:
		if !errors.Is(err, eventstore.ErrUnknown) {
			t.Errorf("%v, want ErrUnknown", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the append was not answered")
	}
	if err := w.append(t.Context()); !errors.Is(err, eventstore.ErrUnavailable) {
		t.Errorf("without a server: %v, want ErrUnavailable", err)
	}
}
