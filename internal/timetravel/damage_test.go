package timetravel_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/testing/enginetest"
	"sundial/internal/timetravel"
)

// TestADamagedCommitIsNamed flips a bit in one commit of an account after another. What has to be made of that commit names
// it, and the engine does not answer a repeated command as if it had not been.
func TestADamagedCommitIsNamed(t *testing.T) {
	whole := t.TempDir()
	server := enginetest.StartIn(t, filepath.Join(whole, "nats"))
	node := server.Node(t, filepath.Join(whole, "rows"), true)
	app := node.Must(t, "acme", "key-1", domain.Owner, domain.CreateApp{AppName: "shop"}).App.ID
	node.Must(t, "acme", "key-2", domain.Operator, domain.SetQuota{Apps: 200})
	name := "other"
	node.Must(t, "acme", "key-3", domain.Owner, domain.EditAppInfo{App: app, AppName: &name})
	node.Must(t, "bolt", "last", domain.Operator, domain.SetQuota{Apps: 200}) // that of all is looked at on opening
	node.Stop()
	server.Stop()

	for position := uint64(1); position <= 3; position++ {
		t.Run(fmt.Sprint(position), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			enginetest.Flip(t, filepath.Join(dir, "nats"), fmt.Sprint("key-", position))
			node := enginetest.StartIn(t, filepath.Join(dir, "nats")).Node(t, filepath.Join(dir, "rows"), true)
			past := node.Past(t, node.Time)
			named := func(what string, err error) {
				t.Helper()
				var corrupt *eventstore.CorruptError
				if !errors.As(err, &corrupt) || corrupt.Sequence != position {
					t.Errorf("%s: %v; want position %d to be named", what, err, position)
				}
			}
			then := timetravel.Clocks{AsOf: node.Now() - 1, KnownAt: node.Now()}
			_, _, err := past.Account(t.Context(), "acme", then)
			named("the account", err)
			if position != 2 { // which is of the account alone
				_, _, err = past.App(t.Context(), app, then)
				named("the app", err)
			}
			_, err = node.Do(t, "acme", "key-3", domain.Owner, domain.EditAppInfo{App: app, AppName: &name})
			named("the same command again", err)
		})
	}
}
