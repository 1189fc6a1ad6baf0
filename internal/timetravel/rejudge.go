package timetravel

import (
	"context"
	"fmt"

	"sundial/domain"
	"sundial/projections"
)

// MaxRejudged bounds the apps that are looked at for one page: 10,000 take some tenths of a second.
const MaxRejudged = 10_000

// Rejudgement is an app that today's rules judge otherwise than it was judged.
type Rejudgement struct {
	Is, WouldBe *domain.App // of what would be, version and position are those of what is
	Differs     []domain.Field
}

// Rejudgements lists the apps that today's rules judge otherwise, by their number, of an account or of all (""). A page
// in which little was found may be short, or empty, and still have a cursor.
func (p *Past) Rejudgements(ctx context.Context, account string, page projections.Page) ([]Rejudgement, string, error) {
	limit := page.Limit
	if limit <= 0 {
		limit = projections.DefaultLimit
	}
	limit = min(limit, projections.MaxLimit)
	r := rejudging{past: p, accounts: map[string]*domain.Account{}}
	cursor := page.Cursor
	for looked := 0; looked < p.rejudged; {
		apps, next, err := p.config.Store.Apps(ctx, projections.AppFilter{Account: account}, projections.Page{Cursor: cursor, Limit: limit - len(r.found)})
		if err != nil {
			return nil, "", err
		}
		for _, app := range apps {
			if err := r.look(ctx, app); err != nil {
				return nil, "", err
			}
		}
		cursor = next
		if looked += len(apps); cursor == "" || len(r.found) == limit {
			break
		}
	}
	return r.found, cursor, nil
}

// rejudging is a page in the making, with the accounts whose apps were looked at last.
type rejudging struct {
	past     *Past
	accounts map[string]*domain.Account
	found    []Rejudgement
}

func (r *rejudging) look(ctx context.Context, app *domain.App) error {
	acc := r.accounts[app.Account]
	if acc == nil {
		var found bool
		var err error
		if acc, found, err = r.past.config.Store.Account(ctx, app.Account); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("time travel: app %d without its account %s: run rebuild", app.ID, app.Account)
		}
		r.accounts[app.Account] = acc
	}
	now := max(domain.InstantOf(r.past.config.Now()), acc.RecordedAt)
	will, differs := domain.Rejudged(acc, app, domain.Moment{Now: now, Policy: r.past.config.Policy, Role: domain.Operator})
	if len(differs) == 0 {
		return nil
	}
	will.Version, will.Position = app.Version, app.Position
	r.found = append(r.found, Rejudgement{app, will, differs})
	return nil
}
