package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// fillUp leaves no more than the given number of free bytes on the disk, until the result is called.
func (d *disk) fillUp(t *testing.T, leave uint64) (free func()) {
	t.Helper()
	name := filepath.Join(d.mount, "filler")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	size := int64(0)
	for {
		var fs unix.Statfs_t
		must(t, unix.Statfs(d.mount, &fs))
		left := fs.Bfree * uint64(fs.Bsize)
		if left <= leave {
			break
		}
		step := int64(min(left-leave, 1<<20))
		if err := unix.Fallocate(int(f.Fd()), 0, size, step); err != nil {
			if errors.Is(err, unix.ENOSPC) {
				break
			}
			t.Fatal(err)
		}
		size += step
	}
	return func() { must(t, os.Remove(name)) }
}

// TestFullDisk lets 1 and 100 writers meet a full disk, with and without a reserve that is kept free.
func TestFullDisk(t *testing.T) {
	for _, writers := range []int{1, 100} {
		for _, reserve := range []bool{false, true} {
			t.Run(fmt.Sprintf("writers=%d,reserve=%t", writers, reserve), func(t *testing.T) {
				d := newDisk(t, 128)
				s := server(t, natsd.Config{Dir: filepath.Join(d.mount, "data")})
				nc := connect(t, s)
				config := eventstore.Config{Failed: s.Failed}
				if reserve {
					config.Space = s.Space
				}
				l, err := eventstore.Create(t.Context(), nc, config)
				must(t, err)
				closeLater(t, l)

				ws := make([]*writer, writers)
				for i := range ws {
					ws[i] = &writer{log: l, account: fmt.Sprintf("acct-%d", i)}
				}
				// everybody appends until it fails, or count times.
				everybody := func(count int) (errs []error) {
					var mu sync.Mutex
					var wg sync.WaitGroup
					for _, w := range ws {
						wg.Go(func() {
							for range count {
								ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
								begin := time.Now()
								err := w.append(ctx)
								cancel()
								if err == nil {
									continue
								}
								// Far less than AckTimeout: the server's word was heard.
								if took := time.Since(begin); took > 3*time.Second {
									t.Errorf("the failure was noticed after %s", took)
								}
								mu.Lock()
								errs = append(errs, err)
								mu.Unlock()
								return
							}
						})
					}
					wg.Wait()
					return errs
				}
				for _, err := range everybody(10) {
					t.Fatal(err)
				}

				free := d.fillUp(t, 256<<10)
				errs := everybody(1 << 30)
				if len(errs) != writers {
					t.Fatalf("%d of %d writers met an error", len(errs), writers)
				}
				for _, err := range errs {
					unknown, unavailable := errors.Is(err, eventstore.ErrUnknown), errors.Is(err, eventstore.ErrUnavailable)
					if !unknown && !unavailable || reserve && unknown {
						t.Errorf("%v", err)
					}
				}
				if err := l.Probe(t.Context()); err == nil {
					t.Error("the probe found nothing wrong")
				}
				if reserve && s.Failure() != nil {
					t.Errorf("the server got stuck: %v", s.Failure())
				}

				free()
				begin := time.Now()
				if s.Failure() != nil {
					must(t, s.Restart())
				}
				waitFor(t, func() error { return l.Probe(t.Context()) })
				for _, w := range ws { // who does not know how it ended looks
					acknowledged := w.last
					must(t, w.catchUp(t.Context()))
					if w.last < acknowledged {
						t.Errorf("%s: %d was acknowledged, the last is %d", w.account, acknowledged, w.last)
					}
					w.n++
				}
				for _, err := range everybody(10) {
					t.Error(err)
				}
				t.Logf("appending again %s after there was space", time.Since(begin))
				must(t, l.Verify(t.Context(), nil))
			})
		}
	}
}
