package projections

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/eventstore"
)

// load appends commits to many accounts at once: each account creates apps (every third with an order), edits them,
// and gets invoices and orders, commits each in all.
func (w *harness) load(accounts, commits int) {
	w.t.Helper()
	const writers = 1024
	var group sync.WaitGroup
	for n := range min(writers, accounts) {
		group.Go(func() {
			for a := n; a < accounts; a += writers {
				w.loadAccount(a, commits)
			}
		})
	}
	group.Wait()
	head, err := w.log.Head(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	w.head = head
}

func (w *harness) loadAccount(number, commits int) {
	acc := domain.NewAccount(fmt.Sprintf("account-%06d", number))
	var last uint64
	var previous eventstore.Hash
	next := domain.FirstApp + domain.AppID(number*100)
	apps := 0
	for i := range commits {
		now := w.now.Add(time.Duration(i) * time.Hour)
		app := next - domain.AppID(1)
		var cmd domain.Command
		switch i % 5 {
		case 0:
			create := domain.CreateApp{AppName: fmt.Sprintf("shop %d of %d", i, number)}
			if apps++; apps%3 != 0 {
				order := w.order("first", domain.Pro, now, now.Add(30*day))
				create.Order = &order
			}
			cmd = create
		case 2:
			cmd = domain.MarkArrears{App: app, Invoice: fmt.Sprint("inv-", i), Version: 1, EffectiveAt: now, Amount: domain.Money{Currency: "CNY", Minor: 500}}
		case 3:
			cmd = domain.RecordOrder{App: app, Order: w.order(fmt.Sprint("order-", i), domain.Flagship, now, now.Add(60*day))}
		default:
			name := fmt.Sprintf("renamed %d", i)
			cmd = domain.EditAppInfo{App: app, AppName: &name}
		}
		events, err := domain.Decide(acc, cmd, domain.Moment{Now: now, Policy: domain.DefaultPolicy(), NewApp: next, Role: domain.Operator})
		if err != nil || len(events) == 0 {
			w.t.Errorf("%T: %v, %d events", cmd, err, len(events))
			return
		}
		if i%5 == 0 {
			next++
		}
		c := eventstore.Commit{
			Account: acc.ID, ID: fmt.Sprintf("0190b5a4-7c00-7000-8000-%06d%06d", number, i), Command: cmd.Name(), Actor: "bench",
			RecordedAt: int64(now), Previous: previous,
		}
		for _, e := range events {
			stored, err := w.codec.Encode(e)
			if err != nil {
				w.t.Error(err)
				return
			}
			c.Events = append(c.Events, stored)
		}
		payload, err := c.Encode()
		if err == nil {
			last, err = w.log.Append(context.Background(), acc.ID, last, payload, nil)
		}
		if err != nil {
			w.t.Error(err)
			return
		}
		previous = eventstore.HashOf(payload)
		acc.Apply(domain.Recorded{At: now, Position: last}, events...)
	}
}

// readAll reads the log as an ordered consumer does.
func (w *harness) readAll() time.Duration {
	w.t.Helper()
	began := time.Now()
	f, err := w.log.Follow(w.t.Context(), 0)
	if err != nil {
		w.t.Fatal(err)
	}
	defer f.Close()
	for at := uint64(0); at < w.head; {
		batch, err := f.Next(w.t.Context(), 5000)
		if err != nil {
			w.t.Fatal(err)
		}
		at += uint64(len(batch))
	}
	return time.Since(began)
}

func BenchmarkRebuild(b *testing.B) {
	for _, shape := range []struct{ accounts, commits int }{{256, 400}, {20_000, 10}} {
		b.Run(fmt.Sprintf("%dx%d", shape.accounts, shape.commits), func(b *testing.B) {
			w := newWorld(b)
			w.load(shape.accounts, shape.commits)
			b.ResetTimer()
			var reading, building, used time.Duration
			for b.Loop() {
				reading += w.readAll()
				began, before := time.Now(), processTime()
				if err := Rebuild(b.Context(), w.config(), nil); err != nil {
					b.Fatal(err)
				}
				building += time.Since(began)
				used += processTime() - before
			}
			b.ReportMetric(float64(used.Nanoseconds())/1000/float64(w.head)/float64(b.N), "cpu-us/commit")
			b.ReportMetric(float64(w.head)*float64(b.N)/reading.Seconds(), "read/s")
			b.ReportMetric(float64(w.head)*float64(b.N)/building.Seconds(), "built/s")
			b.ReportMetric(reading.Seconds()/building.Seconds(), "ratio")
		})
	}
}

// BenchmarkLive follows a log that 256 writers append to.
func BenchmarkLive(b *testing.B) {
	for b.Loop() {
		w := newWorld(b)
		registry := prometheus.NewRegistry()
		config := w.config()
		config.Registerer = registry
		s, err := Open(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		w.follow(s)
		began, used := time.Now(), processTime()
		w.load(256, 100)
		appended := time.Since(began)
		w.wait(s)
		b.ReportMetric(float64(w.head)/appended.Seconds(), "appended/s")
		b.ReportMetric(float64(w.head)/time.Since(began).Seconds(), "projected/s")
		b.ReportMetric(float64((processTime()-used).Microseconds())/float64(w.head), "cpu-us/commit")
		b.ReportMetric(float64(w.head)/gathered(b, registry, "sundial_projection_batch_commits"), "commits/batch")
		s.Close()
	}
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkReads(b *testing.B) {
	w := newWorld(b)
	w.load(1000, 20) // four apps in each account
	s := w.serve()
	w.wait(s)
	app := func(i int) domain.AppID {
		return domain.FirstApp + domain.AppID(i%1000*100+i%4)
	}
	for name, read := range map[string]func(i int) (bool, error){
		"App": func(i int) (bool, error) { _, found, err := s.App(b.Context(), app(i)); return found, err },
		"AccountOf": func(i int) (bool, error) {
			_, found, err := s.AccountOf(b.Context(), app(i))
			return found, err
		},
		"LoadAccount": func(i int) (bool, error) {
			_, found, err := s.LoadAccount(b.Context(), fmt.Sprintf("account-%06d", i%1000))
			return found, err
		},
		"Seen": func(i int) (bool, error) {
			found, err := s.Seen(b.Context(), "acme", "0190b5a4-7c00-7000-8000-000000000000")
			return found == nil, err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if found, err := read(i); !found || err != nil {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// BenchmarkBatch folds and writes batches of one size, without anything around: the processor's time for a commit.
func BenchmarkBatch(b *testing.B) {
	w := newWorld(b)
	w.load(256, 20)
	commits := make([]decoded, 0, w.head)
	f, err := w.log.Follow(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	for uint64(len(commits)) < w.head {
		messages, err := f.Next(b.Context(), 5000)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range messages {
			d := decoded{message: m}
			if err := (&pipeline{codec: w.codec}).decodeOne(&d); err != nil {
				b.Fatal(err)
			}
			commits = append(commits, d)
		}
	}
	for _, size := range []int{1, 4, 16, 64, 256, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			n := 0
			used := time.Duration(0)
			for b.Loop() {
				path := filepath.Join(b.TempDir(), fileName)
				builder, err := newBuilder(w.config(), w.codec, path)
				if err == nil {
					err = builder.build(b.Context(), 0, nil)
				}
				if err == nil {
					err = builder.close()
				}
				if err != nil {
					b.Fatal(err)
				}
				db, err := openDatabase(path, registered)
				if err != nil {
					b.Fatal(err)
				}
				folder := newFolder(db.own, checkpoint{}, cachedApps, registered)
				began := processTime()
				for i := range commits {
					if err := folder.fold(&commits[i]); err != nil {
						b.Fatal(err)
					}
					if (i+1)%size == 0 {
						r, err := folder.drain()
						if err == nil {
							err = db.writer.write(r)
						}
						if err != nil {
							b.Fatal(err)
						}
						folder.done(r)
					}
				}
				used += processTime() - began
				n += len(commits)
				db.close()
			}
			b.ReportMetric(float64(used.Nanoseconds())/1000/float64(n), "cpu-us/commit")
		})
	}
}
