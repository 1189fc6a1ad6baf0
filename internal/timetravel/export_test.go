package timetravel

import "context"

// Bound lets an answer take so many commits and no more.
func (p *Past) Bound(commits int) { p.most = commits }

// BoundRejudged lets so many apps be looked at for a page.
func (p *Past) BoundRejudged(apps int) { p.rejudged = apps }

// Hold lets a replay hold so many apps at once.
func (q *Question) Hold(apps int) { q.held = apps }

// Occupy takes all places of questions until the function that it gives is called.
func (p *Past) Occupy(ctx context.Context) (release func(), err error) {
	return func() { p.places.Release(maxQuestions) }, p.places.Acquire(ctx, maxQuestions)
}

// List lets a report list so many changes.
func (q *Question) List(changes int) { q.changes = changes }
