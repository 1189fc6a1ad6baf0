package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/pause"
	"sundial/internal/testing/pastdata"
	"sundial/internal/testing/spoken"
)

// What became of a damage.
const (
	healed  = "healed"  // every answer is the right one
	named   = "named"   // the program, or an answer, says which file or position is damaged and what to do
	silent  = "silent"  // a wrong answer
	unnamed = "unnamed" // an error, or an end, that does not say so
	hang    = "hang"    // no end, no answer, or no bound on memory
	crash   = "crash"   // it ends, and a supervisor starts it again for ever
)

// Limits of a trial. A start waits at most half a minute for what makes no progress, and then says so.
const (
	damageStart  = 50 * time.Second
	damageAnswer = 15 * time.Second
	damageSettle = 20 * time.Second
	damageMemory = 1500 // MB
)

// fate is what became of a damage, and why that is thought.
type fate struct {
	class string
	why   string
}

func (o fate) String() string { return o.class + ": " + o.why }

// suspect is the program on a directory that may be damaged: a process of its own, with a limit on its memory.
type suspect struct {
	cmd   *exec.Cmd
	dir   string
	http  string
	nats  string
	logs  *spoken.Text
	line  chan string // the ready line
	ended chan struct{}
	fat   atomic.Bool
}

func suspectOn(t testing.TB, dir string, flags ...string) *suspect {
	t.Helper()
	p := &suspect{dir: dir, logs: &spoken.Text{}, line: make(chan string, 1), ended: make(chan struct{})}
	p.cmd = sundial(t, append([]string{"serve", "--sandbox", "--data", dir, "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"}, flags...)...)
	p.cmd.Stderr = p.logs
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		p.line <- line
		_ = p.cmd.Wait()
		close(p.ended)
	}()
	go p.watch()
	t.Cleanup(p.kill)
	return p
}

// watch ends a process that takes too much memory.
func (p *suspect) watch() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.ended:
			return
		case <-tick.C:
			text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
			if err != nil {
				continue
			}
			_, rest, _ := strings.Cut(string(text), "VmRSS:")
			var kb int
			if n, _ := fmt.Sscanf(rest, "%d", &kb); n == 1 && kb>>10 > damageMemory {
				p.fat.Store(true)
				_ = p.cmd.Process.Kill()
			}
		}
	}
}

// ready waits until it serves, or says with a class and why it never does.
func (p *suspect) ready() (class, why string) {
	select {
	case line := <-p.line:
		if n, _ := fmt.Sscanf(line, "ready %s %s", &p.http, &p.nats); n == 2 {
			return "", ""
		}
		<-p.ended
		return p.end()
	case <-time.After(damageStart):
		p.kill()
		return hang, fmt.Sprintf("not ready after %s\n%s", damageStart, p.logs)
	}
}

// end judges how a process ended that should serve.
func (p *suspect) end() (class, why string) {
	text := own(p.logs.String())
	switch code := p.cmd.ProcessState.ExitCode(); {
	case p.fat.Load():
		return hang, fmt.Sprintf("it took more than %d MB", damageMemory)
	case code == exitDamaged && names(text):
		return named, "ended with 4: " + lastLines(text)
	case code == exitDamaged:
		return unnamed, "ended with 4: " + lastLines(text)
	default:
		if _, after, panicked := strings.Cut(text, "panic:"); panicked {
			text = "panic:" + after
			return crash, cutText(text)
		}
		return crash, fmt.Sprintf("ended with %d: %s", code, lastLines(text))
	}
}

func (p *suspect) kill() {
	_ = p.cmd.Process.Kill() // gone already is as well
	<-p.ended
}

// stop ends it in order, and says what is wrong where it does not.
func (p *suspect) stop() (class, why string) {
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(damageStart):
		p.kill()
		return hang, fmt.Sprintf("it did not end within %s\n%s", damageStart, lastLines(p.logs.String()))
	}
	if p.cmd.ProcessState.ExitCode() != exitDone {
		return p.end()
	}
	return "", ""
}

func (p *suspect) mustStop(t testing.TB) {
	t.Helper()
	if class, why := p.stop(); class != "" {
		t.Fatal(class, why)
	}
}

// standStill stops the process where it is.
func (p *suspect) standStill(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	until(t, "the process stands still", func() bool {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		_, state, _ := strings.Cut(string(text), ") ")
		return strings.HasPrefix(state, "T")
	})
}

func (p *suspect) asked() *pastdata.Process {
	return &pastdata.Process{Dir: p.dir, HTTP: p.http, NATS: p.nats}
}

var (
	place  = regexp.MustCompile(`the log|sequence \d+|position \d+|[A-Z]{4,}(_[A-Z]+)*|/\S+|[a-z-]+\.(key|clock|identity|token|db|log|idx)`)
	advice = regexp.MustCompile(`fix[:=]|restore|rebuild|start with|write a|delete|made anew|send .* again`)
)

// names tells whether a text says what is damaged and what to do.
func names(text string) bool { return place.MatchString(text) && advice.MatchString(text) }

func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], "\n")
}

func cutText(text string) string {
	if len(text) > 1500 {
		return text[:1500] + "..."
	}
	return text
}

// damageCodes are the codes of answers that say what is damaged, or where that is said.
var damageCodes = []string{"corrupt", "secrets_damaged", "secrets_locked"}

// settle waits until what waits is taken in, or nothing moves any more. It gives what the readiness says is wrong.
func (p *suspect) settle(ctx context.Context, base *damageBase) (wrong string, err error) {
	last, since := uint64(0), time.Now()
	for deadline := time.Now().Add(damageSettle); ; time.Sleep(10 * time.Millisecond) {
		asking, cancel := context.WithTimeout(ctx, damageAnswer)
		a, err := p.asked().Ask(asking, nil, pastdata.Asked{Method: http.MethodGet, Path: "/readyz"})
		cancel()
		if err != nil {
			return "", err
		}
		var ready struct {
			Position, Head uint64
			Checks         []struct {
				Fine         bool
				Name, Detail string
			}
		}
		if err := json.Unmarshal([]byte(a.Said), &ready, json.MatchCaseInsensitiveNames(true)); err != nil {
			return "", err
		}
		if ready.Head != last {
			last, since = ready.Head, time.Now()
		}
		// A head that never comes: bills were lost, or may not be written.
		if ready.Position == ready.Head && (ready.Head >= base.head && base.head > 0 || time.Since(since) > 2*time.Second) || time.Now().After(deadline) {
			for _, c := range ready.Checks {
				if note := c.Name + ": " + c.Detail + "\n"; !c.Fine || c.Detail != "" && !strings.Contains(base.notes, note) {
					wrong += note
				}
			}
			return wrong, nil
		}
	}
}

// answer has the questions answered from an undamaged directory.
func (b *damageBase) answer(t *testing.T, dir string, questions []damageQuestion, tokens map[string]pastdata.Token) []pastdata.Asked {
	t.Helper()
	p := suspectOn(t, dir)
	if class, why := p.ready(); class != "" {
		t.Fatal(class, why)
	}
	until(t, "the bills that waited are taken in", func() bool {
		a, err := p.asked().Ask(t.Context(), tokens, pastdata.Asked{As: "operator", Method: http.MethodGet, Path: "/v1/accounts/" + damageLate + "/history?limit=1"})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(a.Said, lateBill(damageBills-1))
	})
	var err error
	if b.notes, err = p.settle(t.Context(), &damageBase{head: 1}); err != nil {
		t.Fatal(err)
	}
	a, err := p.asked().Ask(t.Context(), tokens, pastdata.Asked{Method: http.MethodGet, Path: "/readyz"})
	if err != nil {
		t.Fatal(err)
	}
	var ready struct{ Head uint64 }
	if err := json.Unmarshal([]byte(a.Said), &ready, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	b.head = ready.Head
	answers := make([]pastdata.Asked, len(questions))
	for i, q := range questions {
		if answers[i], err = p.asked().Ask(t.Context(), tokens, q.Asked); err != nil {
			t.Fatal(err)
		}
		if answers[i].Status >= 500 {
			t.Fatalf("%s: %d %s", q.Name(), answers[i].Status, answers[i].Said)
		}
	}
	if said := told(p.logs.String()); said != "" {
		t.Fatalf("an undamaged directory is complained of:\n%s", said)
	}
	p.mustStop(t)
	return answers
}

// own leaves out what the NATS server says of its files: that says nobody what to do.
func own(logs string) string {
	var out strings.Builder
	for line := range strings.Lines(logs) {
		if !strings.Contains(line, `msg="nats: `) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// told is what a process says is wrong.
func told(logs string) string {
	var out strings.Builder
	for line := range strings.Lines(own(logs)) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// differs tells how an answer is not the right one; empty: it is.
func (q *damageQuestion) differs(want, got *pastdata.Asked) string {
	if q.want == sameStatus || want.Status != got.Status {
		if want.Status == got.Status {
			return ""
		}
		return fmt.Sprintf("%s\n  status %d, was %d: %s", q.Name(), got.Status, want.Status, cutText(got.Said))
	}
	switch q.want {
	case newApp, newID:
		return "" // fresh looks at the number
	case sameStates:
		if w, g := states(want.Said), states(got.Said); w != g {
			return fmt.Sprintf("%s\n  - %s\n  + %s", q.Name(), w, g)
		}
		return ""
	}
	w, g := *want, *got
	for _, a := range []*pastdata.Asked{&w, &g} {
		a.Kept = maps.Clone(a.Kept)
		if a.Method == http.MethodGet || a.Status >= 300 || strings.HasSuffix(a.Path, "/verify") {
			delete(a.Kept, "Sundial-Position") // how far the log reaches: it says nothing of what was asked
		}
		if q.of == ofLog {
			a.Said = withoutLate(a.Said)
		}
		if strings.HasSuffix(a.Path, "/statement") {
			a.Said = withoutHead(a.Said)
		}
	}
	return pastdata.Difference(&w, &g)
}

// states gives what may be known of apps beforehand.
func states(page string) string {
	var apps struct{ Items []map[string]any }
	if err := json.Unmarshal([]byte(page), &apps, json.MatchCaseInsensitiveNames(true)); err != nil {
		return page
	}
	var out []string
	for _, a := range apps.Items {
		out = append(out, fmt.Sprint(a["name"], " ", a["status"], " ", a["edition"], " ", a["paid_until"], " ", a["stop"] != nil))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// withoutLate drops from a page the account whose bills wait: what is lost of those is asked for by itself.
func withoutLate(said string) string {
	if !strings.Contains(said, `"`+damageLate+`"`) {
		return said
	}
	return pastdata.EachMember(said, func(name string, value *jsontext.Value) bool {
		if name == "next_cursor" || name == "after" || name == "head" {
			return false
		}
		if name == "items" {
			var items, kept []jsontext.Value
			if json.Unmarshal(*value, &items) == nil {
				for _, item := range items {
					if !bytes.Contains(item, []byte(`"`+damageLate+`"`)) {
						kept = append(kept, item)
					}
				}
				if text, err := json.Marshal(kept); err == nil {
					*value = text
				}
			}
		}
		return true
	})
}

// withoutHead drops from a statement how far the log reached when it was made.
func withoutHead(said string) string {
	var members map[string]jsontext.Value
	if json.Unmarshal([]byte(said), &members) != nil {
		return said
	}
	delete(members, "position")
	text, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return said
	}
	return string(text)
}

// damageTrial is one trial.
type damageTrial struct {
	harm
	t         *testing.T
	base      *damageBase
	dir       string
	questions []damageQuestion
	tokens    map[string]pastdata.Token

	used map[string]bool // numbers of apps and ids of certificates that there are
}

// run starts the program on the damaged directory, asks, and starts it again.
func (d *damageTrial) run() fate {
	var worst fate
	for range 2 {
		p := suspectOn(d.t, d.dir)
		o := d.life(p)
		if worst = worse(worst, o); o.class != healed && o.class != named {
			return worst
		}
		if p.http == "" {
			return worst // it does not start
		}
	}
	return worst
}

// worse gives the one of two outcomes that is worse; the first where they are alike.
func worse(a, b fate) fate {
	rank := []string{"", healed, named, unnamed, crash, hang, silent}
	if slices.Index(rank, b.class) > slices.Index(rank, a.class) {
		return b
	}
	return a
}

// life is one run of the program, from its start to its end.
func (d *damageTrial) life(p *suspect) fate {
	defer p.kill()
	if class, why := p.ready(); class != "" {
		return fate{class, why}
	}
	ctx := d.t.Context()
	wrong, err := p.settle(ctx, d.base)
	if err != nil {
		return d.failed(p, err)
	}
	tokens := d.admitted(ctx, p)
	all := fate{class: healed}
	for i := range d.questions {
		q, want := &d.questions[i], &d.base.answers[i]
		got, err := p.insist(ctx, tokens, q.Asked)
		if err != nil {
			return worse(all, d.failed(p, fmt.Errorf("%s: %w", q.Name(), err)))
		}
		o := fate{class: healed}
		if difference := q.differs(want, &got); difference != "" {
			o = q.judge(&got, difference, wrong+told(p.logs.String()))
		} else if number := fresh(&got); number != "" && (q.want == newApp || q.want == newID) {
			if d.used[number] {
				o = fate{silent, fmt.Sprintf("%s: %s was given before", q.Name(), number)}
			}
			d.used[number] = true
		}
		if all = worse(all, o); all.class == silent {
			return all
		}
	}
	if tokens["operator"] != d.tokens["operator"] && all.class == healed {
		all = tokensLost(wrong + told(p.logs.String()))
	}
	check := sundial(d.t, "rebuild", "--check", "--data", d.dir)
	if out, err := check.CombinedOutput(); err != nil {
		o := fate{unnamed, "rebuild --check: " + lastLines(string(out))}
		if check.ProcessState.ExitCode() == exitDamaged && names(string(out)) {
			o.class = named
		}
		all = worse(all, o)
	}
	// The second life begins where the first one ended, so its answers are others.
	d.questions, d.base = d.secondLife()
	if class, why := p.stop(); class != "" {
		return worse(all, fate{class, why})
	}
	return all
}

// insist asks, and asks again as long as the answer is that nothing was done and to do so: a projection is made anew.
func (p *suspect) insist(ctx context.Context, tokens map[string]pastdata.Token, asked pastdata.Asked) (got pastdata.Asked, err error) {
	ctx, cancel := context.WithTimeout(ctx, damageAnswer)
	defer cancel()
	for {
		answer, err := p.asked().Ask(ctx, tokens, asked)
		if err != nil && got.Status != 0 {
			return got, nil // it went on to say so
		}
		if got = answer; err != nil || got.Status != http.StatusServiceUnavailable || !strings.Contains(got.Said, `"code":"unavailable"`) || !pause.For(ctx, 50*time.Millisecond) {
			return got, err
		}
	}
}

// secondLife are the questions of the second start, which has other answers to most: new apps and certificates, and whom it knows.
func (d *damageTrial) secondLife() ([]damageQuestion, *damageBase) {
	base := &damageBase{dir: d.base.dir, old: d.base.old, notes: d.base.notes}
	var questions []damageQuestion
	for i, q := range d.questions {
		again := q.want == newApp || q.want == newID
		if !again && q.of != ofTokens {
			continue
		}
		if q.Method == http.MethodGet && strings.HasPrefix(q.Path, "/v1/tokens") {
			continue
		}
		if again {
			q.Header = map[string]string{"Idempotency-Key": q.Header["Idempotency-Key"] + "-again"}
		}
		q.want = cmp.Or(q.want, sameStatus)
		questions, base.answers = append(questions, q), append(base.answers, d.base.answers[i])
	}
	return questions, base
}

// admitted are the tokens to ask with: an operator's is made anew where the one that was known is not accepted.
func (d *damageTrial) admitted(ctx context.Context, p *suspect) map[string]pastdata.Token {
	a, err := p.asked().Ask(ctx, d.tokens, pastdata.Asked{As: "operator", Method: http.MethodGet, Path: "/v1/tokens"})
	if err != nil || a.Status != http.StatusUnauthorized {
		return d.tokens
	}
	text, err := os.ReadFile(filepath.Join(d.dir, "operator.token"))
	if err != nil {
		return d.tokens
	}
	tokens := maps.Clone(d.tokens)
	tokens["operator"] = pastdata.Token{Secret: strings.TrimSpace(string(text))}
	return tokens
}

func tokensLost(said string) fate {
	if losses[ofTokens].MatchString(said) && names(said) {
		return fate{named, "the operator's token: " + lastLines(said)}
	}
	return fate{unnamed, "the operator's token is not accepted, and nothing says why"}
}

func (d *damageTrial) failed(p *suspect, err error) fate {
	select {
	case <-p.ended:
		class, why := p.end()
		return fate{class, err.Error() + "\n" + why}
	case <-time.After(time.Second):
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fate{hang, err.Error()}
	}
	return fate{unnamed, err.Error()}
}

// losses are what must be said of what cannot be had back from the log.
var losses = map[string]*regexp.Regexp{
	ofTokens: regexp.MustCompile(`(?i)token`),
	ofParked: regexp.MustCompile(`(?i)parked`),
	ofBills:  regexp.MustCompile(`BILLING|bill`),
	ofKeys:   regexp.MustCompile(`SUNDIAL_KEYS|secret|root key`),
}

// judge judges an answer that is not the right one by what it says, and by what else the program says.
func (q *damageQuestion) judge(got *pastdata.Asked, difference, said string) fate {
	var problem struct{ Code, Detail, Fix string }
	if got.Status >= 400 {
		_ = json.Unmarshal([]byte(got.Said), &problem, json.MatchCaseInsensitiveNames(true))
		if slices.Contains(damageCodes, problem.Code) {
			if problem.Code == "corrupt" && !names(got.Said+said) {
				return fate{unnamed, difference + "\n" + lastLines(said)}
			}
			return fate{named, difference}
		}
	}
	letIn := q.of == ofTokens && got.As != "operator" && got.Status < 300 // who is not to be
	if loss := losses[q.of]; !letIn && got.Status < 500 && loss != nil && loss.MatchString(said) && names(said) {
		return fate{named, difference + "\n" + lastLines(said)}
	}
	if got.Status >= 400 {
		return fate{unnamed, difference + "\n" + lastLines(said)}
	}
	return fate{silent, difference}
}

// fresh is the number of an app, or the id of a certificate, that a command made.
func fresh(a *pastdata.Asked) string {
	var made struct {
		App         uint64
		Certificate struct{ ID jsontext.Value }
	}
	if a.Status != http.StatusCreated || json.Unmarshal([]byte(a.Said), &made, json.MatchCaseInsensitiveNames(true)) != nil {
		return ""
	}
	if made.Certificate.ID != nil {
		return "certificate " + string(made.Certificate.ID)
	}
	return fmt.Sprint("app ", made.App)
}

// TestDamage damages directories and looks at what comes of it. SUNDIAL_DAMAGE says how many trials, SUNDIAL_DAMAGE_SEED repeats a
// run's draws, and SUNDIAL_DAMAGE_ONLY does one damage, as it was printed.
func TestDamage(t *testing.T) {
	bases, questions, tokens := makeDamageBases(t, os.Getenv("SUNDIAL_DAMAGE") != "")
	var damages []harm
	if only := os.Getenv("SUNDIAL_DAMAGE_ONLY"); only != "" {
		for text := range strings.SplitSeq(only, ";") {
			d, err := parseDamage(strings.TrimSpace(text))
			if err != nil {
				t.Fatal(err)
			}
			damages = append(damages, d)
		}
	} else {
		damages = drawDamages(t, bases)
	}
	t.Run("codes", func(t *testing.T) { verifyDamages(t, bases) })
	var mu sync.Mutex
	found := map[string]map[string]int{}
	t.Run("trials", func(t *testing.T) {
		for i, d := range damages {
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				t.Parallel()
				o := tryDamage(t, d, bases[d.end], questions, tokens, i%2 == 0)
				mu.Lock()
				defer mu.Unlock()
				kind := d.kind()
				if found[kind] == nil {
					found[kind] = map[string]int{}
				}
				found[kind][o.class]++
				if o.class == healed || o.class == named {
					t.Logf("%s: %s", d, o)
				} else {
					t.Errorf("%s: %s", d, o)
				}
			})
		}
	})
	for _, kind := range slices.Sorted(maps.Keys(found)) {
		t.Log(kind, found[kind])
	}
}

// soundKinds are the kinds of damage that every run of the tests tries.
var soundKinds = regexp.MustCompile(`^(clean|killed) (flip|cut|delete|old) (archive.*|operator\.token|root\.key|LIFECYCLE.*|SUNDIAL_EVENTS|.* index\.db|projections.*-(wal|shm))$`)

// damagesInPassing is how many damages every run of the tests tries.
const damagesInPassing = 3

func drawDamages(t *testing.T, bases map[string]*damageBase) (all []harm) {
	t.Helper()
	count, kinds := damagesInPassing, soundKinds
	if s := os.Getenv("SUNDIAL_DAMAGE"); s != "" {
		var err error
		if count, err = strconv.Atoi(s); err != nil {
			t.Fatalf("SUNDIAL_DAMAGE: %v", err)
		}
		kinds = regexp.MustCompile(os.Getenv("SUNDIAL_DAMAGE_KINDS")) // all, if none are named
	}
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("SUNDIAL_DAMAGE_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("SUNDIAL_DAMAGE_SEED: %v", err)
		}
	}
	t.Logf("seed %d, %d damages", seed, count)
	random := rand.New(rand.NewPCG(seed, 0))
	for len(all) < count {
		d, err := drawDamage(random, bases)
		if err != nil {
			t.Fatal(err)
		}
		if kinds.MatchString(d.kind()) {
			all = append(all, d)
		}
	}
	return all
}

// tryDamage does a damage to a copy, and looks at what comes of it. Half of what is named is then mended as it was said, in another
// copy, which must be whole by that.
func tryDamage(t *testing.T, d harm, base *damageBase, questions []damageQuestion, tokens map[string]pastdata.Token, mended bool) fate {
	t.Helper()
	trial := newDamageTrial(t, d, base, questions, tokens)
	o := trial.run()
	mends := map[string]bool{}
	for after := o; mended && after.class == named; {
		before := len(mends)
		for _, path := range mendsOf(after.why, base) {
			mends[path] = true
		}
		if len(mends) == before {
			return fate{unnamed, "what to do is not clear, or does not help: " + after.why}
		}
		trial = newDamageTrial(t, d, base, questions, tokens)
		for path := range mends {
			if err := replaceFrom(base.dir, trial.dir, path); err != nil {
				t.Fatal(err)
			}
		}
		if after = trial.run(); after.class != named && after.class != healed {
			return fate{after.class, "mended as it says: " + after.why + "\nit had said: " + o.why}
		}
	}
	return o
}

// mendsOf reads from what the program says which files and streams are to be restored from a backup. In trials that is the directory
// as it was.
func mendsOf(said string, base *damageBase) (paths []string) {
	for _, m := range regexp.MustCompile(`[A-Z]{4,}(?:_[A-Z]+)*`).FindAllString(said, -1) {
		paths = append(paths, base.paths[m]...)
	}
	for kind, of := range base.paths {
		if !strings.Contains(kind, " ") && strings.Contains(said, filepath.Base(of[0])) {
			paths = append(paths, of...)
		}
	}
	if strings.Contains(said, "the log") {
		paths = append(paths, base.paths["SUNDIAL_EVENTS"]...)
	}
	if strings.Contains(said, "root key") || strings.Contains(said, "--root-key") {
		paths = append(paths, base.paths["root.key"]...)
	}
	return paths
}

// newDamageTrial copies the directory and damages the copy.
func newDamageTrial(t *testing.T, d harm, base *damageBase, questions []damageQuestion, tokens map[string]pastdata.Token) *damageTrial {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	mustCopy(t, base.dir, dir)
	if err := d.do(dir, base.old); err != nil {
		t.Fatal(err)
	}
	trial := &damageTrial{harm: d, t: t, base: base, dir: dir, questions: questions, tokens: tokens, used: map[string]bool{}}
	for i := range base.answers { // what there was before
		if questions[i].want != sameAnswer {
			continue
		}
		for _, m := range regexp.MustCompile(`"app":(\d+)`).FindAllStringSubmatch(base.answers[i].Said, -1) {
			trial.used["app "+m[1]] = true
		}
		for _, m := range regexp.MustCompile(`"id":"?(\d{7})"?`).FindAllStringSubmatch(base.answers[i].Said, -1) {
			trial.used["certificate "+m[1]] = true
		}
	}
	return trial
}
