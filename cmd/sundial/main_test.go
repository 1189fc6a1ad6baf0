package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rogpeppe/go-internal/testscript"

	"sundial/domain"
	"sundial/internal/server"
)

// program is the name under which this test binary is sundial itself.
const program = "sundial-process"

// TestMain lets this test binary be sundial itself, for tests that need a process to look at or to kill.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){program: main, "nats-node": natsNode})
}

// start boots the whole program on free ports, in a sandbox that stands at 2021.
func start(t testing.TB, change func(*server.Config)) *server.Server {
	t.Helper()
	config := testConfig(t.TempDir())
	if change != nil {
		change(&config)
	}
	p := server.New(config)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func testConfig(dir string) server.Config {
	return server.Config{
		Dir: dir, Listen: "127.0.0.1:0", NATSListen: "127.0.0.1:0",
		Sandbox: true, SandboxStart: time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC),
		Policy: domain.DefaultPolicy(), Replicas: 1, Logger: slog.New(slog.DiscardHandler),
	}
}

// TestScripts runs the command line as a person would, against a whole engine. The verbs run in this process: some 300 of
// their own would take minutes, most of them waiting for the race detector to end.
func TestScripts(t *testing.T) {
	scripts, err := filepath.Abs("testdata/script")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range os.Environ() {
		if name, value, _ := strings.Cut(v, "="); strings.HasPrefix(name, "SUNDIAL_") {
			t.Setenv(name, value) // so that it is as it was in the end
			os.Unsetenv(name)
		}
	}
	verbs := &verbs{input: map[string]string{}}
	testscript.Run(t, testscript.Params{
		Dir: scripts,
		Setup: func(env *testscript.Env) error {
			env.Setenv("SUNDIAL_DATA", filepath.Join(env.WorkDir, "data"))
			env.Setenv("EXAMPLES", examples)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"engine":  engineCommand(),
			"sundial": verbs.sundial,
			"input":   verbs.setInput,
			"misused": verbs.exits(exitMisused),
			"failed":  verbs.exits(exitFailed),
			"partly":  verbs.exits(exitPartly),
			"damaged": verbs.exits(exitDamaged),
		},
	})
}

// TestTheGrammarOfOneVerbIsThatOfTheWhole: help and what is said of misuse are the same as though all verbs had been read.
func TestTheGrammarOfOneVerbIsThatOfTheWhole(t *testing.T) {
	var text strings.Builder
	made := func(grammar any) *kong.Kong {
		parser, err := (&console{out: &text, err: &text}).parser(t.Context(), grammar)
		if err != nil {
			t.Fatal(err)
		}
		return parser
	}
	said := func(parser *kong.Kong, args []string) (all string) {
		text.Reset()
		defer func() {
			if r := recover(); r != nil {
				all = fmt.Sprintln(text.String(), "ended with", r.(ended))
			}
		}()
		if _, err := parser.Parse(args); err != nil {
			fmt.Fprintln(&text, misusedVerb(err, args))
		}
		return text.String()
	}
	whole := made(&commandLine{}) // once: it takes long
	verbs := 0
	for _, verb := range whole.Model.Children {
		if _, all := asked([]string{verb.Name}).(*commandLine); all {
			t.Errorf("for %s all verbs are read", verb.Name)
		}
		one, lines := made(asked([]string{verb.Name})), [][]string{{verb.Name}}
		for _, below := range verb.Children {
			lines = append(lines, []string{verb.Name, below.Name})
		}
		for _, line := range lines {
			verbs++
			for _, last := range []string{"--help", "--no-such-flag"} {
				args := append(slices.Clone(line), last)
				want := said(whole, args)
				if got := said(one, args); got != want || want == "" {
					t.Errorf("%v: got %s, want %s", args, got, want)
				}
			}
		}
	}
	if verbs < len(whole.Model.Children)+20 {
		t.Errorf("only %d verbs were looked at", verbs)
	}
	for _, args := range [][]string{nil, {"--help"}, {"fly"}, {"-"}} {
		if _, all := asked(args).(*commandLine); !all {
			t.Errorf("for %q not all verbs are read", args)
		}
	}
}

// verbs are the verbs in scripts. Scripts run side by side, but there is one working directory and one environment in a
// process, so there is one verb at a time.
type verbs struct {
	mu    sync.Mutex
	input map[string]string // what the next verb of a script reads, by the script's name
}

// setInput makes the script command "input FILE": the next verb reads this on standard input.
func (v *verbs) setInput(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	v.mu.Lock()
	defer v.mu.Unlock()
	v.input[ts.Name()] = text
}

// run runs a verb where and in what environment its script stands, and gives its exit code and what it said on standard
// error.
func (v *verbs) run(ts *testscript.TestScript, args []string) (code int, said string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	before, err := os.Getwd()
	ts.Check(err)
	ts.Check(os.Chdir(ts.MkAbs(".")))
	defer func() { ts.Check(os.Chdir(before)) }()
	for _, name := range []string{"SUNDIAL_DATA", "SUNDIAL_SERVER", "SUNDIAL_TOKEN"} {
		if value := ts.Getenv(name); value != "" {
			ts.Check(os.Setenv(name, value))
			defer os.Unsetenv(name)
		}
	}
	in := v.input[ts.Name()]
	delete(v.input, ts.Name())
	var errs strings.Builder
	code = run(context.Background(), args, &console{in: strings.NewReader(in), out: ts.Stdout(), err: io.MultiWriter(&errs, ts.Stderr())})
	return code, errs.String()
}

// sundial makes the script command sundial, a verb that must succeed, or must not.
func (v *verbs) sundial(ts *testscript.TestScript, neg bool, args []string) {
	code, said := v.run(ts, args)
	if (code != exitDone) != neg {
		ts.Fatalf("ended with exit code %d: %s", code, said)
	}
}

// exits makes the script commands misused, failed, partly and damaged: PATTERN sundial ARG... must end with this exit code and say what the
// pattern matches on standard error.
func (v *verbs) exits(want int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		code, said := v.run(ts, args[2:])
		if code != want {
			ts.Fatalf("ended with exit code %d, want %d: %s", code, want, said)
		}
		if !regexp.MustCompile(args[0]).MatchString(said) {
			ts.Fatalf("said %q, which %q does not match", said, args[0])
		}
	}
}

// engineCommand makes the script command engine: "engine start [ROOTKEY...]" starts one in a sandbox on $SUNDIAL_DATA, with
// root keys in these files, and names its addresses in SUNDIAL_SERVER and NATS; "engine stop" ends it.
func engineCommand() func(*testscript.TestScript, bool, []string) {
	var mu sync.Mutex // scripts run side by side
	running := map[string]*server.Server{}
	stop := func(ts *testscript.TestScript, dir string) {
		mu.Lock()
		p := running[dir]
		delete(running, dir)
		mu.Unlock()
		if p != nil {
			ts.Check(p.Close())
		}
	}
	return func(ts *testscript.TestScript, _ bool, args []string) {
		dir := ts.Getenv("SUNDIAL_DATA")
		if len(args) == 1 && args[0] == "stop" {
			stop(ts, dir)
			return
		}
		config := testConfig(dir)
		for _, name := range args[1:] {
			config.RootKeys = append(config.RootKeys, ts.MkAbs(name))
		}
		p := server.New(config)
		ts.Check(p.Start(context.Background()))
		mu.Lock()
		running[dir] = p
		mu.Unlock()
		ts.Defer(func() { stop(ts, dir) })
		ts.Setenv("SUNDIAL_SERVER", p.HTTPURL())
		ts.Setenv("NATS", p.NATSURL())
	}
}

// process is sundial serve in a process of its own.
type process struct {
	cmd       *exec.Cmd
	http      string
	nats      string
	logs      *bytes.Buffer
	directory string
}

// spawn starts sundial serve on a directory and waits for its ready line.
func spawn(t testing.TB, dir string, flags ...string) *process {
	t.Helper()
	logs := &bytes.Buffer{}
	return spawnSaying(t, logs, logs, dir, flags...)
}

// spawnSaying is spawn with standard error somewhere; what it said is in logs for who looks, if it comes to be there.
func spawnSaying(t testing.TB, to io.Writer, logs *bytes.Buffer, dir string, flags ...string) *process {
	t.Helper()
	p := &process{logs: logs, directory: dir}
	p.cmd = sundial(t, append([]string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, flags...)...)
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = to
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.kill(t) })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		p.kill(t)
		t.Fatalf("no ready line: %v\n%s", err, p.logs)
	}
	if n, err := fmt.Sscanf(line, "ready %s %s", &p.http, &p.nats); n != 2 {
		t.Fatalf("ready line %q: %v", line, err)
	}
	if line != "ready "+p.http+" "+p.nats+"\n" {
		t.Errorf("ready line %q", line)
	}
	return p
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	_ = p.cmd.Process.Kill() // gone already is as well
	_ = p.cmd.Wait()
}

// client speaks to the process as its operator.
func (p *process) client(t testing.TB) *client {
	t.Helper()
	c, err := (&remote{Server: p.http, Data: p.directory}).client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// sundial is this test binary as the program, without flags or tokens of the environment.
func sundial(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	name, err := exec.LookPath(program) // testscript puts it there
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "SUNDIAL_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd
}

// create makes an app and gives its number.
func (c *client) create(t testing.TB, account, name string) uint64 {
	t.Helper()
	a, err := c.do(t.Context(), request{method: http.MethodPost, path: route("/v1/accounts/%s/apps", account), body: map[string]string{"name": name}})
	if err != nil {
		t.Fatal(err)
	}
	var app appView
	if err := a.into(&app); err != nil {
		t.Fatal(err)
	}
	return app.App
}

func TestKilledAndStartedAgainKeepsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	app := p.client(t).create(t, "acme", "shop chat")
	if err := p.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()

	p = spawn(t, dir)
	if _, err := p.client(t).do(t.Context(), request{method: http.MethodGet, path: fmt.Sprintf("/v1/apps/%d", app)}); err != nil {
		t.Errorf("after a kill: %v\n%s", err, p.logs)
	}
}

func TestAProcessEndsWithTheExitCode(t *testing.T) {
	if code, said := fails(t, "app", "fly"); code != exitMisused || !strings.Contains(said, "see sundial app --help") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

func TestOneProcessADirectory(t *testing.T) {
	dir := t.TempDir()
	p := spawn(t, dir)
	code, said := fails(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if code != exitFailed || !strings.Contains(said, "in use by another process") {
		t.Errorf("a second process: exit code %d, %s", code, said)
	}
	p.client(t).create(t, "acme", "shop chat") // the first is none the worse
}

func TestADirectoryWithoutItsLogIsRefused(t *testing.T) {
	for _, lost := range []string{server.NATSDir, server.NATSDir + "/jetstream"} {
		t.Run(lost, func(t *testing.T) {
			dir := t.TempDir()
			p := spawn(t, dir)
			p.client(t).create(t, "acme", "shop chat")
			p.kill(t)
			if err := os.RemoveAll(filepath.Join(dir, lost)); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the refusal must not make the directory look new
				code, said := fails(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
				if code != exitDamaged || !strings.Contains(said, "its log is gone") {
					t.Errorf("exit code %d, %s", code, said)
				}
			}
		})
	}
}

func TestADirectoryWithOtherThingsInItIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, said := fails(t, "serve", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0")
	if code != exitFailed || !strings.Contains(said, "letter.txt") {
		t.Errorf("exit code %d, %s", code, said)
	}
}

func TestIdleEngineIsReadySoonAndSmall(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector takes its own time and memory")
	}
	dir := t.TempDir()
	spawn(t, dir).kill(t) // the first start makes the log; from the second on it only opens it
	began := time.Now()
	p := spawn(t, dir)
	if took := time.Since(began); took > time.Second {
		t.Errorf("ready after %s, want 1s at most", took)
	}
	time.Sleep(2 * time.Second) // at rest, that is
	if mb := resident(t, p.cmd.Process.Pid); mb > 80 {
		t.Errorf("%d MB resident, want 80 at most", mb)
	}
}

// resident gives the memory of a process in MB, as Linux counts it.
func resident(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kb); n == 1 {
			return kb >> 10
		}
	}
	t.Fatal("no VmRSS")
	return 0
}

// fails runs sundial to its end, which should be a failure, and gives what it said on standard error.
func fails(t testing.TB, args ...string) (code int, said string) {
	t.Helper()
	cmd := sundial(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })()
	_ = cmd.Run() // the exit code tells
	if strings.Contains(out.String(), "ready") {
		t.Errorf("said that it was ready: %s", out.String())
	}
	return cmd.ProcessState.ExitCode(), errs.String()
}

// until waits for a state.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to be that %s", what)
		}
	}
}
