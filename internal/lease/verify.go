package lease

import (
	"bytes"
	"context"
	"errors"
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
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	add := func(code string, sequence uint64, problem string) {
		found = append(found, damage.Finding{
			Code: code, Where: "nats/KV_" + bucket, Position: sequence, Problem: problem,
			Fix: "verify again in a minute: a lease that nobody renews is gone by then; if it stays, delete the bucket " + bucket + ", which the nodes make anew",
		})
	}
	for m, err := range streams.Walk(ctx, stream) {
		var lost *streams.LostError
		switch {
		case errors.As(err, &lost):
			add(leaseLost, lost.Sequence, "the message cannot be read")
		case err != nil:
			return found, err
		case m.Header.Get("KV-Operation") != "" || m.Header.Get("Nats-Marker-Reason") != "": // it was given back, or ran out
		case !names(m.Data):
			add(leaseUnreadable, m.Sequence, "it does not name the node that has it")
		}
	}
	return found, nil
}

// names tells whether a record can be a node's name.
func names(value []byte) bool {
	return len(value) > 0 && utf8.Valid(value) && !bytes.ContainsFunc(value, func(r rune) bool { return !unicode.IsPrint(r) })
}
