package engine_test

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/testing/enginetest"
)

// BenchmarkExecute has writers, each on an account with one app and a year of invoices, edit, owe and settle, answered
// when committed.
func BenchmarkExecute(b *testing.B) {
	for _, writers := range []int{1, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			n := enginetest.Start(b).Node(b, b.TempDir(), true)
			apps := make([]domain.AppID, writers)
			each(writers, func(w int) {
				answer, err := n.Execute(b.Context(), engine.Request{
					Account: account(w), ID: "create", Role: domain.Owner, Command: domain.CreateApp{AppName: "shop"},
				})
				if err != nil {
					b.Error(err)
					return
				}
				apps[w] = answer.App.ID
			})
			var next atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			used := processTime()
			each(writers, func(w int) {
				for i := 0; next.Add(1) <= int64(b.N) && !b.Failed(); i++ {
					if err := step(b.Context(), n, w, i, apps[w]); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64((processTime()-used).Nanoseconds())/1000/float64(b.N), "cpu-us/op")
		})
	}
}

func account(w int) string { return "account-" + strconv.Itoa(w) }

func each(writers int, do func(w int)) {
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() { do(w) })
	}
	all.Wait()
}

// step is a writer's command number i: an edit, a bill that is overdue, and its settlement, in turn.
func step(ctx context.Context, n *enginetest.Node, w, i int, app domain.AppID) error {
	round := i / 3
	invoice, version := fmt.Sprintf("2021-%02d", round%12+1), int64(round/12)
	r := engine.Request{Account: account(w), ID: strconv.Itoa(i), Role: domain.Billing, Actor: "billing:tok_51d2b07c93ef", Durable: true}
	switch i % 3 {
	case 0:
		name := "shop " + strconv.Itoa(i)
		r.Role, r.Command = domain.Owner, domain.EditAppInfo{App: app, AppName: &name}
	case 1:
		r.Command = domain.MarkArrears{
			App: app, Invoice: invoice, Version: 2 * version, EffectiveAt: n.Now().Add(-time.Hour),
			Amount: domain.Money{Currency: "CNY", Minor: 99_900},
		}
	default:
		r.Command = domain.SettleArrears{App: app, Invoice: invoice, Version: 2*version + 1, EffectiveAt: n.Now()}
	}
	answer, err := n.Execute(ctx, r)
	if err == nil && answer.Outcome != engine.Appended {
		err = fmt.Errorf("%s was %s", r.Command.Name(), answer.Outcome)
	}
	return err
}

// processTime is the processor time that this process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
