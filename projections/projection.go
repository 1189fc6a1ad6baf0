package projections

import (
	"database/sql/driver"

	"sundial/domain"
)

// version of the file: raise it whenever the tables, or what is made of a commit, change; so too when a projection
// comes or goes. A file of another version is not used.
const version = 6

// registered are all projections, in the order in which their tables are made, filled, written and compared. Another
// one is another file, and an entry here.
var registered = []projection{
	accountProjection, appProjection, dueProjection, certificateProjection, requestProjection, commitProjection,
}

// projection is a group of tables that change together, with all that is known of them: what they are, what is made
// of a batch, and how it is checked. What reads them has its queries beside it.
type projection struct {
	tables  []table  // which nobody else writes
	indexes []string // made last in a rebuild: sorting once is far cheaper than keeping order all along

	reads   []string    // queries prepared on every connection that reads: of the reads that happen all the time
	writes  []string    // statements prepared where batches are written
	inserts []insertion // likewise

	rows func(b *batch) rows // empty ones, of a batch as long as there is one
}

// table is made by a statement, and read for a check by a query: its rows in the order of the first columns, the key.
type table struct {
	create string
	kind   string                          // of a Difference
	query  string                          // gives all rows
	fields []string                        // the query's columns, as a Difference names them
	keys   int                             // so many of them are the key
	place  func(key []driver.Value) string // the key, for people; nil: each column as it is
}

// rows are what one batch changes in the tables of a projection, each row once. The folder's goroutine fills them and
// hands them to the writer's; once they are written they are reset and filled again. While commits are folded,
// before and commit are called, in this order; at the end of the batch account, and then app, for whatever it changed.
// What they are given goes on changing: they copy what they keep.
type rows interface {
	// commit takes a commit in before its account does. The app is the one that its first event about an app is
	// about, with its state, nil if it is new; 0 if there is none.
	commit(d *decoded, app domain.AppID, state *domain.App)
	// before notes what the rows of an app hold, before the first commit of the batch that changes it; nil if it is
	// new. The notes are numbered from 0, in the order of the calls.
	before(app *domain.App)
	// account makes rows of an account that the batch changed; in the order of their ids.
	account(row *Row) error
	// app makes rows of an app that the batch changed, and of which before made the nth note; in the order of their
	// numbers.
	app(nth int, app *domain.App) error
	// write writes the rows, within the transaction of the batch.
	write(w *writer) error
	// reset empties the rows and keeps their memory.
	reset()
}

// unconcerned makes no rows of anything: it is embedded for what a projection does not need to hear.
type unconcerned struct{}

func (unconcerned) commit(*decoded, domain.AppID, *domain.App) {}
func (unconcerned) before(*domain.App)                         {}
func (unconcerned) account(*Row) error                         { return nil }
func (unconcerned) app(int, *domain.App) error                 { return nil }
