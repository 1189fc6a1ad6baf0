package hindsight

// Bound lets an answer take so many commits and no more.
func (p *Past) Bound(commits int) { p.most = commits }

// Hold lets a replay hold so many apps at once.
func (q *Question) Hold(apps int) { q.held = apps }
