package main

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/server"
	"sundial/internal/timetravel"
)

// taken takes the example feed in, under a grace, and gives the job with its program still running, and what ends that.
// looked is as a job's; it may be nil.
func taken(t *testing.T, grace time.Duration, looked func(*job, *instant)) (j *job, end func() error) {
	t.Helper()
	f, err := openFeed("")
	if err != nil {
		t.Fatal(err)
	}
	all := f.instants()
	config := testConfig(t.TempDir())
	config.SandboxStart, config.Policy.Grace = all[0].at.Time().Truncate(24*time.Hour), grace
	p := server.New(config)
	if err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	j = &job{console: &console{out: t.Output(), err: t.Output()}, server: p, feed: f, dir: config.Dir}
	if looked != nil {
		j.looked = func(i *instant) { looked(j, i) }
	}
	end = sync.OnceValue(func() error {
		j.hangUp()
		return p.Close()
	})
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	if err := j.run(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	return j, end
}

// left is what a program leaves that is ended.
func left(t *testing.T, j *job, end func() error) *server.Idle {
	t.Helper()
	if err := end(); err != nil {
		t.Fatal(err)
	}
	idle, err := server.OpenIdle(t.Context(), j.server.Config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(idle.Close)
	return idle
}

// stopped is a stop for money, as the log has it.
type stopped struct {
	App   domain.AppID
	Cause domain.Cause
	At    domain.Instant
}

// stops lists an engine's stops for money.
func stops(t *testing.T, log *eventstore.Log) (all []stopped) {
	t.Helper()
	codec, err := codec.New()
	if err != nil {
		t.Fatal(err)
	}
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	follower, err := log.Follow(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer follower.Close()
	for at := uint64(0); at < head; {
		messages, err := follower.Next(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			at = m.Sequence
			commit, err := eventstore.DecodeCommit(m.Payload)
			if err != nil {
				t.Fatal(err)
			}
			for _, stored := range commit.Events {
				e, err := codec.Decode(stored)
				if err != nil {
					t.Fatal(err)
				}
				if cause, effective, stops := domain.StopOf(e); stops && domain.Follows(e) {
					all = append(all, stopped{e.Subject(), cause, effective})
				}
			}
		}
	}
	return inOrder(all)
}

func inOrder(all []stopped) []stopped {
	slices.SortFunc(all, func(a, b stopped) int {
		return cmp.Or(cmp.Compare(a.App, b.App), cmp.Compare(a.At, b.At), cmp.Compare(a.Cause, b.Cause))
	})
	return all
}

const week, longer = 168 * time.Hour, 240 * time.Hour

// whatIfAnotherPolicyHadBeenInForce holds what a replay says of an engine that took the example feed in under a grace of a
// week against engines that took it in under another.
func whatIfAnotherPolicyHadBeenInForce(t *testing.T, was *server.Idle) {
	did := stops(t, was.Parts().Log)
	ask := func(o server.WhatIf) *timetravel.Report {
		t.Helper()
		before, err := was.Parts().Log.Head(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told := uint64(0)
		r, err := was.WhatIf(t.Context(), o, func(done, total uint64) {
			if done <= told || total != before {
				t.Errorf("%d of %d done after %d of %d", done, total, told, before)
			}
			told = done
		})
		if err != nil {
			t.Fatal(err)
		}
		if after, err := was.Parts().Log.Head(t.Context()); err != nil || after != before || told != before {
			t.Errorf("a replay of %d commits told of %d and left %d (%v)", before, told, after, err)
		}
		return r
	}

	same := ask(server.WhatIf{Grace: week.Milliseconds()})
	if len(same.Changes) > 0 || same.Total != (timetravel.Counts{Same: len(did)}) {
		t.Errorf("under the policy that was in force: %+v, %v; want %d stops unchanged", same.Total, same.Changes, len(did))
	}

	for _, grace := range []time.Duration{longer, 24 * time.Hour} {
		j, end := taken(t, grace, nil)
		want := stops(t, left(t, j, end).Parts().Log)
		r := ask(server.WhatIf{Grace: grace.Milliseconds()})
		var gone, would []stopped
		for _, c := range r.Changes {
			if c.Was != 0 && (!c.Ahead || c.Fate != timetravel.Earlier) {
				gone = append(gone, stopped{c.App, c.Cause, c.Was})
			}
			if c.Would != 0 && (!c.Ahead || c.Fate != timetravel.Later) {
				would = append(would, stopped{c.App, c.Cause, c.Would})
			}
		}
		if diff := gocmp.Diff(inOrder(slices.Clone(did)), inOrder(gone)); diff != "" {
			t.Errorf("stops under %s (-in the log +by the replay):\n%s", week, diff)
		}
		if diff := gocmp.Diff(want, inOrder(would)); diff != "" {
			t.Errorf("stops under %s (-in an engine with it +by the replay):\n%s", grace, diff)
		}
		sum := timetravel.Counts{}
		for _, a := range r.Accounts {
			one := ask(server.WhatIf{Grace: grace.Milliseconds(), Account: a.Account})
			if one.Total != a.Counts {
				t.Errorf("%s alone: %+v, among all %+v", a.Account, one.Total, a.Counts)
			}
			sum.Prevented, sum.Earlier, sum.Later, sum.Added = sum.Prevented+a.Prevented, sum.Earlier+a.Earlier, sum.Later+a.Later, sum.Added+a.Added
		}
		if sum.Same = r.Total.Same; sum != r.Total {
			t.Errorf("the accounts come to %+v, in total it is %+v", sum, r.Total)
		}
		t.Logf("%s instead of %s: %+v", grace, week, r.Total)
	}

	whole := ask(server.WhatIf{Grace: longer.Milliseconds()})
	from := domain.Instant(1_617_235_200_000) // 2021-04-01
	later := ask(server.WhatIf{Grace: longer.Milliseconds(), From: from})
	if n := len(later.Changes); n == 0 || n >= len(whole.Changes) {
		t.Errorf("from %s on %d stops change, of %d since ever", from, n, len(whole.Changes))
	}
	const latest = 30 * 24 * time.Hour // a fact of the feed is on its way
	for _, c := range later.Changes {
		if c.Since < from.Add(-latest) {
			t.Errorf("from %s on: %+v", from, c)
		}
	}
	if never := ask(server.WhatIf{Grace: longer.Milliseconds(), From: domain.MaxInstant}); never.Total != same.Total {
		t.Errorf("from the end of time on: %+v, want %+v", never.Total, same.Total)
	}
}
