package server

import (
	"context"
	"fmt"
)

// maxSharedLogged bounds the lines that a start logs about numbers that two apps have: one is a reason to look.
const maxSharedLogged = 100

// reportShared logs which numbers were given out twice: until they have others, the later ones are reached in their account's
// lists only.
func (l *instance) reportShared(ctx context.Context) {
	shared, err := l.store.SharedNumbers(ctx, maxSharedLogged)
	if err != nil && ctx.Err() == nil {
		l.config.Logger.Error("looking for numbers that were given out twice failed", "error", err)
	}
	for _, n := range shared {
		l.config.Logger.Warn("two accounts have an app of one number: it means the app that had it first, and the other needs another",
			"app", uint64(n.App), "means", n.First, "other", n.Later, "renumber", fmt.Sprintf("sundial account renumber %s %d", n.Later, n.App))
	}
}
