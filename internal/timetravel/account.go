package timetravel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/search"
	"sundial/projections"
)

// Account gives an account by the given clocks, resolved, without its apps; false if nothing had happened in it.
func (p *Past) Account(ctx context.Context, id string, c Clocks) (*domain.Account, bool, error) {
	if err := p.enter(ctx); err != nil {
		return nil, false, err
	}
	defer p.leave()
	log, err := p.accountLog(ctx, id)
	if err != nil {
		return nil, false, err
	}
	known := slices.IndexFunc(log, func(past domain.Past) bool { return past.At > c.KnownAt })
	if known >= 0 {
		log = log[:known]
	}
	if c.AsOf < c.KnownAt {
		acc := domain.HindsightAccount(id, log, c.AsOf)
		return acc, acc != nil, nil
	}
	acc := domain.NewAccount(id)
	for _, past := range log {
		acc.Apply(past.Recorded, past.Event)
	}
	acc.Apps = nil
	return acc, len(log) > 0, nil
}

// accountLog is an account's part of the log, oldest first: put together from those of its apps, where these are all of it,
// as they mostly are. The log itself is asked only for what happened to the account and to no app, such as a new quota: the
// server looks for that in all of its blocks.
func (p *Past) accountLog(ctx context.Context, id string) ([]domain.Past, error) {
	present, found, err := p.config.Store.LoadAccount(ctx, id)
	if err != nil || !found {
		return nil, err
	}
	events := present.Account.Version
	for _, app := range present.Account.Apps {
		events -= app.Version
	}
	if events > 0 {
		return p.scan(ctx, id, eventstore.Tip{Sequence: present.Sequence, Hash: present.Hash})
	}
	var log []domain.Past
	b := &budget{p.most}
	for _, app := range present.Account.Apps {
		entries, err := p.entries(ctx, app.ID, domain.MaxInstant, b)
		if err != nil {
			return nil, err
		}
		part, err := p.read(ctx, app, entries)
		if err != nil {
			return nil, err
		}
		log = append(log, part...)
	}
	slices.SortStableFunc(log, func(a, b domain.Past) int { return cmp.Compare(a.Position, b.Position) })
	return log, nil
}

// scan reads an account's part of the log from there. It has what the projections have, at least.
func (p *Past) scan(ctx context.Context, id string, tip eventstore.Tip) ([]domain.Past, error) {
	var log []domain.Past
	b := &budget{p.most}
	for m, err := range p.config.Log.Account(ctx, id, eventstore.Span{Tip: tip}) {
		if err != nil {
			return nil, fmt.Errorf("time travel: reading account %s: %w", id, err)
		}
		if err := b.spend(1); err != nil {
			return nil, err
		}
		events, err := p.events(m.Sequence, &m.Commit)
		if err != nil {
			return nil, err
		}
		at := domain.Recorded{At: domain.Instant(m.Commit.RecordedAt), Position: m.Sequence}
		for _, e := range events {
			log = append(log, domain.Past{Recorded: at, Event: e})
		}
	}
	return log, nil
}

// Apps lists an account's apps as projections.Store.Apps does, by the given clocks, resolved. Where few match, or their
// histories are long, a page may be shorter than was asked for and yet not the last.
func (p *Past) Apps(ctx context.Context, filter projections.AppFilter, page projections.Page, c Clocks) ([]*domain.App, string, error) {
	if err := p.enter(ctx); err != nil {
		return nil, "", err
	}
	defer p.leave()
	limit := min(max(page.Limit, 1), projections.MaxLimit)
	b := &budget{p.most}
	var found []*domain.App
	for next := page; ; {
		next.Limit = limit - len(found)
		present, cursor, err := p.config.Store.Apps(ctx, projections.AppFilter{Account: filter.Account}, next)
		if err != nil {
			return nil, "", err
		}
		then, err := p.matching(ctx, present, filter, c, b)
		switch {
		case errors.Is(err, ErrTooLong) && next.Cursor != page.Cursor: // what there is so far is an answer, too
			return found, next.Cursor, nil
		case err != nil:
			return nil, "", err
		}
		found = append(found, then...)
		if cursor == "" || len(found) == limit {
			return found, cursor, nil
		}
		next.Cursor = cursor
	}
}

// matching gives those of some apps that existed then and match.
func (p *Past) matching(ctx context.Context, present []*domain.App, filter projections.AppFilter, c Clocks, b *budget) ([]*domain.App, error) {
	var found []*domain.App
	for _, app := range present {
		then, err := p.appThen(ctx, app, c, b)
		if err != nil {
			return nil, err
		}
		if then != nil && matches(filter, then) {
			found = append(found, then)
		}
	}
	return found, nil
}

// matches says whether a list with this filter has the app.
func matches(f projections.AppFilter, app *domain.App) bool {
	switch {
	case f.Status != "" && app.Status() != f.Status, f.Edition != "" && app.Edition != f.Edition:
		return false
	case f.Query == "":
		return true
	}
	return strings.Contains(search.Fold(app.Name), search.Fold(f.Query)) || strings.HasPrefix(strconv.FormatUint(uint64(app.ID), 10), f.Query)
}
