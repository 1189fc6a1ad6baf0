package vault

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// A rotation replaces every record. Overwriting each of them on disk has the server write the file that it is in anew,
// up to 8 MiB: terabytes for a million apps. So a rotation lays a seam: filling messages, more than a file holds, so that
// no file with a record from before the seam gets one from after it. Then it moves every record across, whether
// its root key changes or not, and marks the old ones deleted. The server removes the files before the first message that
// is left, which is the seam's last, and the old bytes with them.

const (
	// seamMessages and seamMessage give a seam of 10 MiB; a file of the server holds at most 8 MiB, and a server takes
	// messages of 1 MiB if nothing else is said.
	seamMessages = 80
	seamMessage  = 128 << 10
)

// laySeam gives the sequence that the records are to be moved beyond in the rotation to a root key. It lays the seam
// unless an interrupted rotation to this key has done it.
func (v *Vault) laySeam(ctx context.Context, to Root) (uint64, error) {
	last, err := v.store.last(ctx, seamSubject)
	if err != nil {
		return 0, err
	}
	if string(last.data) == to.ID {
		return last.sequence, nil
	}
	filling := make([]byte, seamMessage)
	at := last.sequence
	for range seamMessages {
		if at, err = v.store.publish(ctx, seamSubject, filling, at); err != nil {
			return 0, err
		}
	}
	// The last one says that the seam is whole, and whose it is.
	return v.store.publish(ctx, seamSubject, []byte(to.ID), at)
}

// cutSeam takes the filling away, and makes sure that the stream begins with the seam.
func (v *Vault) cutSeam(ctx context.Context, seam uint64) error {
	err := v.store.stream.Purge(ctx, jetstream.WithPurgeSubject(seamSubject), jetstream.WithPurgeSequence(seam))
	if err != nil {
		return unavailable("removing the filling of a seam", err)
	}
	if err := v.store.eraseSuperseded(ctx); err != nil {
		return err
	}
	info, err := v.store.stream.Info(ctx)
	if err != nil {
		return unavailable("asking for the state of the keys", err)
	}
	if info.State.FirstSeq != seam {
		return unavailable("removing old keys", errors.New("some records were not moved"))
	}
	return nil
}
