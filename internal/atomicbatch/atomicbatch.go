// Package atomicbatch is how messages are marked that a JetStream stream writes wholly or not at all, and with one sync
// (ADR 5). Its users send the messages, one after another over one connection: the server answers the last one alone, for
// all of them, and drops a batch whose last message does not come.
package atomicbatch

import (
	"crypto/rand"
	"strconv"

	"github.com/nats-io/nats.go"
)

// MaxMessages is the server's limit on a batch (streamDefaultMaxAtomicBatchSize of nats-server).
const MaxMessages = 1000

// The headers of a batch's messages, as nats-server spells them.
const (
	headerID     = "Nats-Batch-Id"
	headerNumber = "Nats-Batch-Sequence"
	headerCommit = "Nats-Batch-Commit"
)

// IDs gives batches their ids. It is not safe for concurrent use.
type IDs struct {
	prefix string
	given  uint64
}

// NewIDs gives ids that no other IDs gives, on whatever node.
func NewIDs() *IDs { return &IDs{prefix: rand.Text()[:12] + "-"} }

// Next gives the id of another batch: 14 to 26 characters, since it is stored with every message.
func (i *IDs) Next() string {
	i.given++
	var b [26]byte
	return string(strconv.AppendUint(append(b[:0], i.prefix...), i.given, 36))
}

// Mark makes a message, by its header, one of a batch: which one, counted from 1, and whether it is the last.
func Mark(h nats.Header, id string, number int, last bool) {
	h[headerID] = []string{id}
	h[headerNumber] = []string{strconv.Itoa(number)}
	if last {
		h[headerCommit] = []string{"1"}
	}
}
