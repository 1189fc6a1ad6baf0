package query_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/query"
	"sundial/internal/testing/enginetest"
	"sundial/projections"
)

// TestADamagedCommitIsNamed flips a bit in one commit of an account after another, and asks for everything that its log is
// read for: no answer leaves the commit out. The account has the odd positions; what is asked of the other goes on.
func TestADamagedCommitIsNamed(t *testing.T) {
	const each = 5
	whole := t.TempDir()
	server := enginetest.StartIn(t, filepath.Join(whole, "nats"))
	node := server.Node(t, filepath.Join(whole, "rows"), true)
	for n := range each {
		for _, account := range []string{"acme", "bolt"} {
			node.Must(t, account, fmt.Sprint(account, "-key-", n), domain.Operator, domain.SetQuota{Apps: 200 + n})
		}
	}
	node.Stop()
	server.Stop()

	for n := range each {
		position := uint64(2*n + 1)
		t.Run(fmt.Sprint(position), func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
				t.Fatal(err)
			}
			enginetest.Flip(t, filepath.Join(dir, "nats"), fmt.Sprint("acme-key-", n))
			server := enginetest.StartIn(t, filepath.Join(dir, "nats"))
			log, err := eventstore.Open(t.Context(), server.Conn, eventstore.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close(t.Context())
			store, err := projections.Open(t.Context(), projections.Config{Dir: filepath.Join(dir, "rows"), Log: log})
			if err != nil {
				t.Fatal(err)
			}
			defer store.Close()
			reader, err := query.New(log, store)
			if err != nil {
				t.Fatal(err)
			}
			named := func(what string, err error) {
				t.Helper()
				var damaged interface{ DamagedAt() uint64 } // a gap, or a commit that is not what it was
				if !errors.As(err, &damaged) || damaged.DamagedAt() != position {
					t.Errorf("%s: %v; want position %d to be named", what, err, position)
				}
			}
			_, err = reader.Statement(t.Context(), "acme", 0, query.Window{})
			named("statement", err)
			_, err = reader.AccountHistory(t.Context(), "acme", query.History{Limit: 500})
			named("history", err)
			for after := range position {
				_, err = reader.Feed(t.Context(), query.Feed{Account: "acme", After: query.Behind(after), Limit: 500})
				named(fmt.Sprint("feed of the account after ", after), err)
				_, err = reader.Feed(t.Context(), query.Feed{After: query.Behind(after), Limit: 500})
				named(fmt.Sprint("feed of all after ", after), err)
			}
			named("feed in pages of one", walk(t, reader, query.Feed{Account: "acme", Limit: 1}, position))
			named("history in pages of one", walkBack(t, reader, query.History{Limit: 1}, position))

			// What rests on other commits is answered.
			if _, err := reader.Statement(t.Context(), "bolt", 0, query.Window{}); err != nil {
				t.Errorf("statement of the other account: %v", err)
			}
			page, err := reader.Feed(t.Context(), query.Feed{Account: "bolt", After: query.Behind(1), Limit: 500})
			if err != nil || len(page.Events) != each {
				t.Errorf("feed of the other account: %d events, %v", len(page.Events), err)
			}
			later, err := reader.Feed(t.Context(), query.Feed{After: query.Behind(position), Limit: 500})
			if err != nil || len(later.Events) != 2*each-int(position) {
				t.Errorf("feed of all behind the commit: %d events, %v", len(later.Events), err)
			}
		})
	}
}

// walk reads the feed on and on, until it fails or ends; no page may have come from behind the position.
func walk(t *testing.T, reader *query.Reader, f query.Feed, position uint64) error {
	t.Helper()
	for {
		page, err := reader.Feed(t.Context(), f)
		if err != nil || !page.More {
			return err
		}
		if page.After.Position > position {
			t.Errorf("a page came from behind %d: it ends at %s", position, page.After)
		}
		f.After, f.Before = page.After, page.Before
	}
}

func walkBack(t *testing.T, reader *query.Reader, h query.History, position uint64) error {
	t.Helper()
	for {
		page, err := reader.AccountHistory(t.Context(), "acme", h)
		if err != nil || page.Before == 0 {
			return err
		}
		if len(page.Commits) > 0 && page.Commits[0].Position < position {
			t.Errorf("a page came from before %d", position)
		}
		h.Before = page.Before
	}
}
