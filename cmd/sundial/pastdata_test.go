package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/testing/pastdata"
)

// pastFolder holds the directories that the program wrote in the past.
const pastFolder = "../../internal/testing/pastdata"

// deviation is an answer that is meant to be another one than the program of the time gave. The recorded answers are not
// edited for that: they are what the program of the time answered. It is declared here, as little as will do.
type deviation struct {
	why  string         // what was decided
	past *regexp.Regexp // of the names of past directories
	asks *regexp.Regexp // of the questions, as pastdata names them: GET /v1/apps/1400000001 as operator
	// undo makes of today's answer the one of the time. Nothing else of the answer may differ.
	undo func(*pastdata.Asked)
}

// deviations are all of them. One that no answer needs is refused, so that the table stays true. For example, a member that is
// new in every app:
//
//	{
//		why: "an app says which region it is in", past: regexp.MustCompile(`^v1$`), asks: regexp.MustCompile(`/v1/(accounts/.*/)?apps`),
//		undo: without("region"),
//	},
var deviations = []deviation{
	{
		why: "a UserSig that is verified says from when to when it is valid", past: regexp.MustCompile(`.`), asks: regexp.MustCompile(`/usersigs/verify`),
		undo: func(a *pastdata.Asked) { without("issued_at")(a); without("expires_at")(a) },
	},
}

// without undoes a member of JSON objects, at whatever depth, that was added since.
func without(name string) func(*pastdata.Asked) {
	return func(a *pastdata.Asked) {
		a.Said = pastdata.EachMember(a.Said, func(member string, _ *jsontext.Value) bool { return member != name })
	}
}

func TestWithoutAMemberTheRestOfAnAnswerStays(t *testing.T) {
	const text = `{"items":[{"a":1.50,"new":{"x":[1]},"b":"\u003c<"},{"new":null}],"new":"n","c":{}}`
	a := pastdata.Asked{Said: text}
	without("new")(&a)
	if want := `{"items":[{"a":1.50,"b":"\u003c<"},{}],"c":{}}`; a.Said != want {
		t.Errorf("got %s, want %s", a.Said, want)
	}
}

// TestPastDirectoriesAreAnsweredAsInTheirTime starts the program on each data directory that was kept from the past, and asks
// what the program of the time was asked. The answers are the same: what is, what was, as whoever may see it; commands and
// bills that were sent then and are sent again; and what becomes of it all as time passes on.
//
// What is legitimately of a process is not compared: the ids that it gives to requests made to it (pastdata.Process.Ask
// replaces them, in the text of refusals and in the commits that follow from them), and headers other than those that say what is
// stored, such as the date and how old the view of the projections is.
func TestPastDirectoriesAreAnsweredAsInTheirTime(t *testing.T) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatalf("there is no directory in %s", pastFolder)
	}
	needed := make([]bool, len(deviations))
	for i := range all {
		past := &all[i]
		t.Run(past.Name, func(t *testing.T) { compareWithPast(t, past, needed) })
	}
	for i, d := range deviations {
		if !needed[i] {
			t.Errorf("no answer deviates because %s: take it out", d.why)
		}
	}
}

func compareWithPast(t *testing.T, past *pastdata.Past, needed []bool) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := past.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	p, err := pastdata.Start(func(args ...string) *exec.Cmd { return sundial(t, args...) }, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	if err := past.Settled(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	const shown = 20
	differing := 0
	for i := range past.Answers {
		want := &past.Answers[i]
		got, err := p.Ask(t.Context(), past.Tokens, *want)
		if err != nil {
			t.Fatal(err)
		}
		difference := pastdata.Difference(want, &got)
		if difference != "" {
			undone := got
			for n, d := range deviations {
				if !d.past.MatchString(past.Name) || !d.asks.MatchString(want.Name()) {
					continue
				}
				before := undone.Said
				d.undo(&undone)
				needed[n] = needed[n] || undone.Said != before || undone.Status != got.Status
			}
			difference = pastdata.Difference(want, &undone)
		}
		if difference == "" {
			continue
		}
		if differing++; differing <= shown {
			t.Errorf("answer %d (%s): %s", i+1, want.Part, difference)
		}
	}
	if differing > 0 {
		t.Errorf("%d of %d answers of %s are not those of its time (%s). Were they meant to change, say so in the table of deviations; the directory stays as it is.",
			differing, len(past.Answers), past.Name, past.Program)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

// TestPastDirectoriesHoldWhatTheyAreFor looks into the recorded answers, so that a directory that lacks something is noticed
// when it is made, not when that something breaks.
func TestPastDirectoriesHoldWhatTheyAreFor(t *testing.T) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, past := range all {
		var said, again strings.Builder
		for _, a := range past.Answers {
			switch a.Part {
			case pastdata.PartReads:
				said.WriteString(a.Said)
			case pastdata.PartAgain:
				again.WriteString(a.Said)
			}
		}
		for _, want := range []string{
			`"status":"active"`, `"status":"expired"`, `"status":"stopped"`, `"status":"deleted"`,
			`"edition":"trial"`, `"edition":"trtc_trial"`, `"edition":"pro"`, `"edition":"flagship"`,
			`"cause":"arrears"`, `"cause":"refund"`, `"cause":"plan_expired"`, `"cause":"manual"`, `"cause":"operator"`,
			`"code":"app_not_found"`, `"code":"app_deleted"`, `"code":"effective_too_far_ahead"`, `"code":"fact_id_reused"`, `"code":"malformed_json"`,
			`"code":"missing_field"`, `"code":"wrong_type"`, `"code":"unknown_type"`, `"code":"wrong_account"`,
			`"state":"open"`, `"revoked_at":"`, `"expires_at":"9999`, `"valid":true`, `"platform":"apns_p12"`, `"traceparent"`,
			`app.certificate_expiry_noticed`, `app.deletion_withdrawn`, `app.hold_added`, `app.hold_ended`, `app.lapse_moved`, `app.lapse_renamed`, `"reason":"a complaint"`,
		} {
			if !strings.Contains(said.String(), want) {
				t.Errorf("%s: no answer has %s", past.Name, want)
			}
		}
		for _, want := range []string{`"code":"idempotency_key_reused"`, `"outcome":"duplicate"`, `"secret":"`} {
			if !strings.Contains(again.String(), want) {
				t.Errorf("%s: nothing that was sent again was answered with %s", past.Name, want)
			}
		}
		if past.Waiting == 0 {
			t.Errorf("%s: no bill waits", past.Name)
		}
	}
}

// TestMakePastDirectory makes another one, with the program that SUNDIAL_PAST_PROGRAM names, under the name SUNDIAL_PAST_NAME.
// It is what scripts/make-past-directory runs.
func TestMakePastDirectory(t *testing.T) {
	program, name := os.Getenv("SUNDIAL_PAST_PROGRAM"), os.Getenv("SUNDIAL_PAST_NAME")
	if program == "" || name == "" {
		t.Skip("only where scripts/make-past-directory asks for it")
	}
	command := func(args ...string) *exec.Cmd {
		cmd := sundial(t, args...) // for its environment
		cmd.Path = program
		return cmd
	}
	if err := pastdata.Make(t.Context(), command, filepath.Join(pastFolder, name), t.TempDir(), t.Output()); err != nil {
		t.Fatal(err)
	}
}
