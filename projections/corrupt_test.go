package projections

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sundial/domain"
	"sundial/eventstore"
)

// TestStops shows that a log that is not what it may be stops the projections, right before the commit in question.
func TestStops(t *testing.T) {
	created := func(app domain.AppID) domain.Event {
		return domain.AppCreated{About: domain.About{App: app}, Name: "x", AppType: "other", CreatedAt: begin}
	}
	for _, row := range []struct {
		name string
		// spoil appends one commit that must stop the projections.
		spoil   func(w *harness)
		problem string
		alone   bool // it is found out only when its batch is written, so the good ones come in one before
	}{
		{"a chain that forks", func(w *harness) {
			c := w.commit("acme", "x", "create_app", w.now, []domain.Event{created(1500000000)})
			c.Previous[0] ^= 1
			w.append(c, w.account("acme").Sequence)
		}, "chain of account acme is broken", false},
		{"a first commit that is not first", func(w *harness) {
			c := w.commit("new", "x", "create_app", w.now, []domain.Event{created(1500000000)})
			c.Previous[0] = 1
			w.append(c, 0)
		}, "chain of account new is broken", false},
		{"a first commit again", func(w *harness) {
			c := w.commit("acme", "x", "create_app", w.now, []domain.Event{created(1500000000)})
			c.Previous = eventstore.Hash{}
			w.append(c, w.account("acme").Sequence)
		}, "chain of account acme is broken", false},
		{"another account's commit", func(w *harness) {
			c := w.commit("acme", "x", "create_app", w.now, []domain.Event{created(1500000000)})
			w.appendRaw("bolt", c)
		}, "a commit of account acme stands on the subject of bolt", false},
		{"a payload that is none", func(w *harness) { w.appendBytes("bolt", []byte(`{"format":1}`)) }, "not a commit", false},
		{"an event with unknown members", func(w *harness) {
			c := w.commit("acme", "x", "set_quota", w.now, []domain.Event{domain.QuotaSet{Apps: 7}})
			c.Events[0].Data = []byte(`{"apps":7,"more":1}`)
			w.append(c, w.account("acme").Sequence)
		}, "account.quota_set.v1", false},
		{"an event of a newer program", func(w *harness) {
			c := w.commit("acme", "x", "set_quota", w.now, []domain.Event{domain.QuotaSet{Apps: 7}})
			c.Events[0].Type = "account.quota_set.v9"
			w.append(c, w.account("acme").Sequence)
		}, "run the version of the program that wrote it", false},
		{"an event of an app that was never created", func(w *harness) {
			w.append(w.commit("acme", "x", "edit_app_info", w.now, []domain.Event{
				domain.AppInfoEdited{About: domain.About{App: 1500000000}, Name: "x", AppType: "other"},
			}), w.account("acme").Sequence)
		}, "what it makes of app 1500000000 is not whole", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.open()
			w.fill()
			good := w.head
			if row.alone {
				stop := w.follow(s)
				w.wait(s)
				stop()
			}
			row.spoil(w)
			stop := w.follow(s) // otherwise the good ones and the spoiled one come together
			err := s.Wait(t.Context(), good+1)
			if err == nil || !strings.Contains(err.Error(), row.problem) {
				t.Fatalf("waiting: %v; want an error with %q", err, row.problem)
			}
			if ran := stop(); !errors.Is(ran, err) || !errors.Is(s.Err(), err) {
				t.Errorf("Run: %v, Err: %v; want %v", ran, s.Err(), err)
			}
			if s.Position() != good {
				t.Errorf("position %d, want %d", s.Position(), good)
			}
			// Nor does it go on when it is opened again, or rebuilt.
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = w.open()
			w.follow(s)
			if err := s.Wait(t.Context(), good+1); err == nil || !strings.Contains(err.Error(), row.problem) {
				t.Errorf("opened again: %v; want an error with %q", err, row.problem)
			}
			// A rebuild while serving goes as far as before; one from scratch cannot leave the commit out.
			if err := s.Rebuild(t.Context(), nil); err != nil || s.Position() != good || s.Err() == nil {
				t.Errorf("rebuild: %v, position %d, Err: %v; want position %d, and the error to stay", err, s.Position(), s.Err(), good)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if err := Rebuild(t.Context(), w.config(), nil); err == nil || !strings.Contains(err.Error(), row.problem) {
				t.Errorf("rebuild: %v; want an error with %q", err, row.problem)
			}
			if _, err := Check(t.Context(), w.config(), nil); err == nil || !strings.Contains(err.Error(), row.problem) {
				t.Errorf("check: %v; want an error with %q", err, row.problem)
			}
		})
	}
}

// appendRaw appends a commit on another account's subject.
func (w *harness) appendRaw(account string, c eventstore.Commit) {
	w.t.Helper()
	payload, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.appendBytes(account, payload)
}

func (w *harness) appendBytes(account string, payload []byte) {
	w.t.Helper()
	if _, err := w.log.Append(w.t.Context(), account, w.account(account).Sequence, payload, nil); err != nil {
		w.t.Fatal(err)
	}
}

// TestGap folds what no log of ours holds: a sequence that is missing, and one that comes twice.
func TestGap(t *testing.T) {
	w := newWorld(t)
	w.fill()
	f := newFolder(nil, checkpoint{}, 1000, registered)
	p := &pipeline{codec: w.codec}
	commits := make([]decoded, w.head+1)
	for at := range w.head {
		m, err := w.log.Get(t.Context(), at+1)
		if err != nil {
			t.Fatal(err)
		}
		d := &commits[at+1]
		d.message = m
		if err := p.decodeOne(d); err != nil {
			t.Fatal(err)
		}
	}
	for _, at := range []int{1, 2, 1, 2, 3, 2} {
		if err := f.fold(&commits[at]); err != nil {
			t.Fatalf("commit %d: %v", at, err)
		}
	}
	if f.position != 3 || len(f.batch.keys) != 3 {
		t.Errorf("three commits, each twice: position %d, %d rows", f.position, len(f.batch.keys))
	}
	var gap *eventstore.GapError
	if err := f.fold(&commits[5]); !errors.As(err, &gap) || gap.Want != 4 || gap.Got != 5 || !final(err) {
		t.Errorf("commit 5 after 3: %v; want a gap", err)
	}
}

// restart stops the server and starts it on a directory.
func (w *harness) restart(dir string) {
	w.t.Helper()
	w.nc.Close()
	w.server.Shutdown()
	w.dir = dir
	w.start()
	log, err := eventstore.Open(w.t.Context(), w.nc, eventstore.Config{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = log
}

// TestShorterLog opens the projections over a log that was put back to an earlier state.
func TestShorterLog(t *testing.T) {
	w := newWorld(t)
	w.fill()
	w.nc.Flush()
	before := w.dir
	w.restart(before) // writes everything to disk
	earlier := t.TempDir()
	w.nc.Close()
	w.server.Shutdown()
	if err := os.CopyFS(filepath.Join(earlier, "nats"), os.DirFS(filepath.Join(before, "nats"))); err != nil {
		t.Fatal(err)
	}
	w.restart(before)
	w.do("acme", domain.SetQuota{Apps: 200})
	config := w.config()
	s := w.serve()
	w.wait(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	w.restart(earlier)
	config.Log = w.log
	var corrupt *eventstore.CorruptError
	if _, err := Open(t.Context(), config); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Problem, "before the checkpoint") || corrupt.Advice == "" {
		t.Errorf("a shorter log: %v", err)
	}
	// One that went on differently is as long.
	c := w.commit("cord", "other", "set_quota", w.now, []domain.Event{domain.QuotaSet{Apps: 300}})
	w.append(c, w.account("cord").Sequence)
	if _, err := Open(t.Context(), config); !errors.As(err, &corrupt) || !strings.Contains(corrupt.Problem, "not the one that was projected") {
		t.Errorf("a log that went on differently: %v", err)
	}
	// What the advice says works.
	if err := Rebuild(t.Context(), config, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if cord, _, err := s.Account(t.Context(), "cord"); err != nil || cord.Quota != 300 {
		t.Errorf("rebuilt: %+v, %v", cord, err)
	}
}

// TestOtherFile shows that what is not this version's and this log's is replaced.
func TestOtherFile(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, path string)
	}{
		{"another version", func(t *testing.T, path string) { execute(t, path, `UPDATE checkpoint SET version = 99`) }},
		{"another log", func(t *testing.T, path string) { execute(t, path, `UPDATE checkpoint SET log = 'other'`) }},
		{"no checkpoint", func(t *testing.T, path string) { execute(t, path, `DELETE FROM checkpoint`) }},
		{"no tables", func(t *testing.T, path string) {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}},
		{"no database", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("rubbish ", 2000)), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"a write-ahead log left over", func(t *testing.T, path string) {
			for _, step := range []error{
				os.Remove(path),
				os.WriteFile(path+walSuffix, []byte("rubbish"), 0o600), os.WriteFile(path+shmSuffix, []byte("rubbish"), 0o600),
			} {
				if step != nil {
					t.Fatal(step)
				}
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.fill()
			s := w.serve()
			w.wait(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			row.spoil(t, filepath.Join(w.config().Dir, fileName))
			s = w.open()
			if s.Position() != w.head {
				t.Errorf("position %d after opening, want %d", s.Position(), w.head)
			}
			w.same(s)
			w.clean()
		})
	}
}

// execute runs a statement on a file that nobody has open.
func execute(t testing.TB, path, query string) {
	t.Helper()
	c, err := connect(path, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.exec(query), c.close()); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
