package lease

import (
	"bytes"
	"context"
	"unicode"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with leases, stable.
const (
	leaseLost       = "lease_lost"       // a record cannot be read
	leaseUnreadable = "lease_unreadable" // a record names no node
)

// Verify goes through the leases in a bucket, which is there only where several nodes are. An error says that it could not be looked.
func Verify(ctx context.Context, js jetstream.JetStream, bucket string) (found []damage.Finding, err error) {
	where := "nats/KV_" + bucket
	fix := "verify again in a minute: a lease that nobody renews is gone by then; if it stays, delete the bucket " + bucket + ", which the nodes make anew"
	_, err = streams.Visit(ctx, js, "KV_"+bucket, func(m *streams.Message) {
		if m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "" {
			return // it was given back, or ran out
		}
		if !names(m.Data) {
			found = append(found, damage.Finding{
				Code: leaseUnreadable, Where: where, Position: m.Sequence, Problem: "it does not name the node that has it", Fix: fix,
			})
		}
	}, func(sequence uint64) { found = append(found, damage.Lost(leaseLost, where, sequence, fix)) })
	return found, err
}

// names tells whether a record can be a node's name.
func names(value []byte) bool {
	return len(value) > 0 && utf8.Valid(value) && !bytes.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
}
