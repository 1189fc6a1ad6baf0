package main

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"sundial/internal/server"
	"sundial/internal/testing/pastdata"
	"sundial/internal/testing/spoken"
)

// pastServer starts the program on a directory, and keeps what it logs.
func pastServer(t *testing.T, dir string) (*server.Server, *spoken.Text) {
	t.Helper()
	log := &spoken.Text{}
	config := testConfig(dir)
	config.Logger = slog.New(slog.NewTextHandler(log, nil))
	s := server.New(config)
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, log
}

// verb runs a verb against a server, and gives its exit code and what it printed.
func verb(t *testing.T, s *server.Server, args ...string) (code int, out string) {
	t.Helper()
	var said, errs bytes.Buffer
	args = append(args, "--data", s.Config.Dir)
	if args[0] != "rebuild" {
		args = append(args, "--server", s.HTTPURL())
	}
	code = run(t.Context(), args, &console{out: &said, err: &errs})
	if code != exitDone {
		t.Logf("sundial %s: exit code %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return code, said.String()
}

func listed(t *testing.T, s *server.Server) (found []rejudgement) {
	t.Helper()
	code, out := verb(t, s, "rejudge", "--list", "--json")
	var page struct{ Items []rejudgement }
	if err := json.Unmarshal([]byte(out), &page, json.MatchCaseInsensitiveNames(true)); code != exitDone || err != nil {
		t.Fatalf("%d %s %v", code, out, err)
	}
	return page.Items
}

// TestWhatAnEarlierVersionJudgedIsReportedAndRejudged starts the program on a directory of before an invoice over nothing was
// no debt, and before an order could begin later: what is judged otherwise is listed, and decided anew on record.
func TestWhatAnEarlierVersionJudgedIsReportedAndRejudged(t *testing.T) {
	all, err := pastdata.List(pastFolder)
	if err != nil {
		t.Fatal(err)
	}
	past := &all[slices.IndexFunc(all, func(p pastdata.Past) bool { return p.Name == "v1" })]
	dir := filepath.Join(t.TempDir(), "data")
	if err := past.Unpack(dir); err != nil {
		t.Fatal(err)
	}
	s, log := pastServer(t, dir)
	if err := past.Settled(t.Context(), &pastdata.Process{HTTP: s.HTTPURL()}); err != nil {
		t.Fatal(err)
	}
	until(t, "the start tells of what was parked", func() bool {
		return strings.Contains(log.String(), "sundial parked replay --all --code effective_too_far_ahead")
	})
	for _, told := range []string{"sundial rejudge --all", "today's rules judge an app otherwise"} {
		if !strings.Contains(log.String(), told) {
			t.Errorf("the log does not say %q", told)
		}
	}
	before := listed(t, s)
	if len(before) != 1 || !slices.Equal(before[0].Differs, []string{"status", "arrears", "stop"}) ||
		before[0].Is.Status != "stopped" || before[0].WouldBe.Status != "active" || before[0].WouldBe.Arrears != nil {
		t.Fatalf("judged otherwise: %+v; want the app that is stopped for an invoice over nothing", before)
	}
	app := strconv.FormatUint(before[0].Is.App, 10)

	// Of the two events the order is taken in; an invoice is still too far ahead, and stays.
	if code, out := verb(t, s, "parked", "replay", "--all", "--code", "effective_too_far_ahead", "--json"); code != exitFailed ||
		!strings.Contains(out, `{"done":1,"refused":[{"id":"`) || !strings.Contains(out, `"code":"effective_too_far_ahead"`) {
		t.Errorf("replaying what was too far ahead: %d %s", code, out)
	}
	if code, out := verb(t, s, "rejudge", "--all", "--reason", "the rules of this version", "--json"); code != exitDone || out != `{"done":1,"refused":[],"left":0}`+"\n" {
		t.Errorf("rejudging all: %d %s", code, out)
	}
	if left := listed(t, s); len(left) > 0 {
		t.Errorf("still judged otherwise: %+v", left)
	}
	code, history := verb(t, s, "app", "history", app, "--limit", "1", "--json")
	for _, want := range []string{`app.rejudged`, `app.reinstated`, `"by":"rejudgement"`, `"reason":"the rules of this version"`, `"actor":"operator:`} {
		if code != exitDone || !strings.Contains(history, want) {
			t.Errorf("the history has no %s: %d %s", want, code, history)
		}
	}
	if code, why := verb(t, s, "why", app); code != exitDone || !strings.Contains(why, "decided anew") {
		t.Errorf("why the app is what it is: %d %s", code, why)
	}
	if code, again := verb(t, s, "rejudge", app, "--json"); code != exitDone || !strings.Contains(again, `"status":"active"`) {
		t.Errorf("rejudged once more: %d %s", code, again)
	}
	if _, same := verb(t, s, "app", "history", app, "--limit", "1", "--json"); same != history {
		t.Errorf("rejudging once more is on record: %s", same)
	}
	if code, out := verb(t, s, "rebuild", "--check"); code != exitDone {
		t.Errorf("what is served is not what the log says: %d %s", code, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s, log = pastServer(t, dir)
	defer s.Close()
	if strings.Contains(log.String(), "judge an app otherwise") || strings.Contains(log.String(), "there are no projections") {
		t.Error("the second start reports again")
	}
}
