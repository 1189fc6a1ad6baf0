package asking_test

import (
	"testing"

	"sundial/internal/asking"
	"sundial/internal/enginetest"
)

// world is a reader over real parts.
type world struct {
	*enginetest.Node
	t      testing.TB
	reader *asking.Reader
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{Node: enginetest.Start(t).Node(t, t.TempDir(), true), t: t}
	var err error
	if w.reader, err = asking.New(w.Log, w.Store); err != nil {
		t.Fatal(err)
	}
	return w
}

// began is when the world's clock began, in milliseconds.
func (w *world) began() int64 { return enginetest.Began.UnixMilli() }
