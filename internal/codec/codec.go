// Package codec turns the domain's events into stored ones and back, for all who write or read the log. The shapes that
// events had before stay here, as unexported types that become today's events while they are decoded: nobody else
// sees them, and no fold knows of versions.
//
// To give an event another shape: let its type in domain have the new one, with the next version in its stored name; put
// the shape that it had here, with an upcast from its old name; and add golden files, of the new version by hand, of
// what the old ones become by go test -update. A golden file, once committed, is never edited.
package codec

import (
	"sundial/domain"
	"sundial/eventstore"
)

// New makes the codec: every event of the domain under its stored name, and every name that one had before. It fails
// only where two claim one name, which a test rules out.
func New() (*eventstore.Codec[domain.Event], error) {
	return eventstore.NewCodec(domain.Prototypes(), upcasts...)
}
