package codec

import (
	"slices"
	"testing"

	"sundial/domain"
	"sundial/eventstore"
)

// Upcasting lets every codec that is made until the test ends read older shapes too. Not for parallel tests.
func Upcasting(t *testing.T, more ...eventstore.Upcast[domain.Event]) {
	t.Helper()
	before := upcasts
	upcasts = slices.Concat(before, more)
	t.Cleanup(func() { upcasts = before })
}
