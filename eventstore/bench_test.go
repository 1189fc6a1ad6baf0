package eventstore_test

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"sundial/eventstore"
)

// payload700 is of the size of a typical commit.
func payload700(b testing.TB) []byte {
	c := typical()
	p, err := c.Encode()
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func typical() eventstore.Commit {
	c := commit("acme", "billing/8f14e45f-ceea-467f-a8a1-1d1f0d1f3a10", eventstore.HashOf([]byte("x")))
	c.Command = "report_order_paid"
	c.Actor = "billing:upstream"
	c.Correlation = "4bf92f3577b34da6a3ce929d0e0e4736"
	c.Events = []eventstore.Event{
		{Type: "app.order_paid.v1", Data: []byte(`{"app":1400000001,"order":"ord-2021-000017","edition":"pro","effective_at":"2021-01-01T00:00:00.000Z","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":99900}}`)},
		{Type: "app.edition_changed.v1", Data: []byte(`{"app":1400000001,"from":"trial","to":"pro"}`)},
	}
	return c
}

// BenchmarkAppend appends with several writers, each on accounts of its own.
func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 16, 30, 64, 256, 1024} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			l, _, _ := newLog(b)
			p := payload700(b)
			b.SetBytes(int64(len(p)))
			b.ReportAllocs()
			b.ResetTimer()
			var next atomic.Int64
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					account, last := fmt.Sprintf("a%d", w), uint64(0)
					for next.Add(1) <= int64(b.N) {
						seq, err := l.Append(context.Background(), account, last, p, nil)
						if err != nil {
							b.Error(err)
							return
						}
						last = seq
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// BenchmarkRawPublish is what BenchmarkAppend with one writer is held against.
func BenchmarkRawPublish(b *testing.B) {
	_, _, nc := newLog(b)
	js, err := jetstream.New(nc)
	if err != nil {
		b.Fatal(err)
	}
	p := payload700(b)
	last := uint64(0)
	b.ResetTimer()
	for range b.N {
		ack, err := js.PublishMsg(context.Background(), &nats.Msg{Subject: "events.a0", Data: p}, jetstream.WithExpectLastSequencePerSubject(last))
		if err != nil {
			b.Fatal(err)
		}
		last = ack.Sequence
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkRawBatch is what BenchmarkAppend with many writers is held against: batches of that size, one after
// another, without anybody to wait for or answer.
func BenchmarkRawBatch(b *testing.B) {
	for _, size := range []int{64, 256, 1000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			_, _, nc := newLog(b)
			js, err := jetstream.New(nc)
			must(b, err)
			p := payload700(b)
			last := make([]uint64, size)
			b.ResetTimer()
			done := 0
			for done < b.N {
				batch := make([]*nats.Msg, size)
				for i := range batch {
					batch[i] = nats.NewMsg(fmt.Sprintf("events.a%d", i))
					batch[i].Data = p
					batch[i].Header.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(last[i], 10))
				}
				ack, err := jetstreamext.PublishMsgBatch(b.Context(), js, batch, jetstreamext.BatchFlowControl{})
				must(b, err)
				for i := range last {
					last[i] = ack.Sequence - uint64(size-1-i)
				}
				done += size
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "commits/s")
		})
	}
}

// fill appends n commits quickly.
func fill(b testing.TB, l *eventstore.Log, n int) {
	b.Helper()
	p := payload700(b)
	var next atomic.Int64
	var wg sync.WaitGroup
	for w := range 1000 {
		wg.Go(func() {
			account, last := fmt.Sprintf("a%d", w), uint64(0)
			for next.Add(1) <= int64(n) {
				seq, err := l.Append(context.Background(), account, last, p, nil)
				if err != nil {
					b.Error(err)
					return
				}
				last = seq
			}
		})
	}
	wg.Wait()
}

func BenchmarkFollow(b *testing.B) {
	l, _, nc := newLog(b)
	const n = 200_000
	fill(b, l, n)
	b.Run("follower", func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			f, err := l.Follow(b.Context(), 0)
			if err != nil {
				b.Fatal(err)
			}
			for done := 0; done < n; {
				batch, err := f.Next(b.Context(), 5000)
				if err != nil {
					b.Fatal(err)
				}
				done += len(batch)
			}
			f.Close()
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
	b.Run("ordered-consumer", func(b *testing.B) {
		js, err := jetstream.New(nc)
		if err != nil {
			b.Fatal(err)
		}
		for range b.N {
			c, err := js.OrderedConsumer(b.Context(), "SUNDIAL_EVENTS", jetstream.OrderedConsumerConfig{})
			if err != nil {
				b.Fatal(err)
			}
			it, err := c.Messages(jetstream.PullMaxMessages(5000))
			if err != nil {
				b.Fatal(err)
			}
			for range n {
				if _, err := it.Next(); err != nil {
					b.Fatal(err)
				}
			}
			it.Stop()
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "messages/s")
	})
}

func BenchmarkEncode(b *testing.B) {
	c := typical()
	b.ReportAllocs()
	for range b.N {
		if _, err := c.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCommit(b *testing.B) {
	p := payload700(b)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for range b.N {
		if _, err := eventstore.DecodeCommit(p); err != nil {
			b.Fatal(err)
		}
	}
}

// stored is a commit as the library reads and writes it, which what is written by hand is held against. Hashes and the
// time stay text, so that it does less.
type stored struct {
	Format      int    `json:"format"`
	Account     string `json:"account"`
	ID          string `json:"id"`
	Command     string `json:"command"`
	Content     string `json:"content"`
	Actor       string `json:"actor,omitzero"`
	Reason      string `json:"reason,omitzero"`
	Correlation string `json:"correlation,omitzero"`
	RecordedAt  string `json:"recorded_at"`
	Previous    string `json:"previous,omitzero"`
	Events      []struct {
		Type string         `json:"type"`
		Data jsontext.Value `json:"data"`
	} `json:"events"`
}

func BenchmarkEncodeByLibrary(b *testing.B) {
	p := payload700(b)
	var s stored
	must(b, json.Unmarshal(p, &s))
	if same, err := json.Marshal(s); err != nil || !bytes.Equal(same, p) {
		b.Fatalf("%s (%v)\nis not %s", same, err, p)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := json.Marshal(s); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeCommitByLibrary(b *testing.B) {
	p := payload700(b)
	b.SetBytes(int64(len(p)))
	b.ReportAllocs()
	for b.Loop() {
		var s stored
		if err := json.Unmarshal(p, &s); err != nil {
			b.Fatal(err)
		}
	}
}
