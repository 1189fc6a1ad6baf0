package api

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"sundial/domain"
	"sundial/projections"
)

// readApp answers GET /v1/apps/{app}. It is what clients ask for most, so it reads the app once and asks afterwards
// whether the token may see it.
func (a *API) readApp(x *call) reply {
	id, isApp := appID(x.r.PathValue("app"))
	if !isApp {
		return x.noApp()
	}
	app, found, err := a.config.Store.SharedApp(x.r.Context(), id)
	switch {
	case err != nil:
		return errorReply(err)
	case !found:
		return x.noApp()
	}
	if problem, fine := x.allowed(app.Account, appNotFound); !fine {
		return problem
	}
	if len(x.query) > 0 {
		return a.appThen(x, app)
	}
	rep := x.written(appendApp(x.buffer(), app))
	rep.etag = app.Version
	return rep
}

// readAccount answers GET /v1/accounts/{account}.
func (a *API) readAccount(x *call) reply {
	acc, problem, fine := a.accountOrThen(x)
	if !fine {
		return problem
	}
	return x.written(appendAccount(x.buffer(), acc, a.config.Engine.Policy()))
}

// accountOrThen gives the account in the path, as it is or by the clocks that are asked for.
func (a *API) accountOrThen(x *call) (acc *domain.Account, problem reply, fine bool) {
	acc, problem, fine = a.known(x)
	if !fine {
		return nil, problem, false
	}
	clocks, asked, wrong := a.clocks(x.query)
	switch {
	case wrong != nil:
		return nil, invalid.with(wrong...), false
	case asked:
		return a.accountThen(x, acc.ID, clocks)
	}
	return acc, reply{}, true
}

// known gives the account in the path. One in which nothing has happened yet is unknown, but to those whose own it is.
func (a *API) known(x *call) (acc *domain.Account, problem reply, fine bool) {
	id, problem, fine := x.account()
	if !fine {
		return nil, problem, false
	}
	acc, found, err := a.config.Store.Account(x.r.Context(), id)
	switch {
	case err != nil:
		return nil, errorReply(err), false
	case !found && x.who.Account != id:
		return nil, noAccount.reply(), false
	case !found:
		acc = domain.NewAccount(id)
	}
	return acc, reply{}, true
}

// listAccounts answers GET /v1/accounts.
func (a *API) listAccounts(x *call) reply {
	if problem, fine := x.allowed("", noAccount); !fine {
		return problem
	}
	filter, page, wrong := filterOf(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	accounts, next, err := a.config.Store.Accounts(x.r.Context(), filter, page)
	if err != nil {
		return listError(err)
	}
	policy := a.config.Engine.Policy()
	return x.written(appendList(x.buffer(), accounts, next, func(b []byte, acc *domain.Account) []byte {
		return appendAccount(b, acc, policy)
	}))
}

// listApps answers GET /v1/apps.
func (a *API) listApps(x *call) reply {
	if problem, fine := x.allowed("", noAccount); !fine {
		return problem
	}
	return a.appsOf(x, "")
}

// listAccountApps answers GET /v1/accounts/{account}/apps.
func (a *API) listAccountApps(x *call) reply {
	acc, problem, fine := a.known(x)
	if !fine {
		return problem
	}
	return a.appsOf(x, acc.ID)
}

// maxQueryRunes bounds what is looked for in names: as much as a name can have.
const maxQueryRunes = 64

func (a *API) appsOf(x *call, account string) reply {
	filter, page, wrong := filterOf(x.query)
	clocks, asked, wrongTime := a.clocks(x.query)
	if wrong = joined(wrong, wrongTime); wrong != nil {
		return invalid.with(wrong...)
	}
	filter.Account = account
	read := a.config.Store.Apps
	if asked {
		read = func(ctx context.Context, f projections.AppFilter, p projections.Page) ([]*domain.App, string, error) {
			return a.config.Past.Apps(ctx, f, p, clocks)
		}
	}
	apps, next, err := read(x.r.Context(), filter, page)
	if err != nil {
		return pastError(err)
	}
	return x.written(appendList(x.buffer(), apps, next, appendApp))
}

// filterOf reads which apps are asked for, and which page of them.
func filterOf(query url.Values) (filter projections.AppFilter, page projections.Page, wrong []domain.FieldError) {
	page, wrong = pageOf(query)
	filter = projections.AppFilter{
		Status: domain.Status(query.Get("status")), Edition: domain.Edition(query.Get("edition")), Query: query.Get("q"),
	}
	if query.Has("status") && !slices.Contains(domain.Statuses(), filter.Status) {
		wrong = append(wrong, field("status", "unknown_status", "must be active, expired, stopped or deleted"))
	}
	if query.Has("edition") && !slices.Contains(domain.Editions(), filter.Edition) {
		wrong = append(wrong, field("edition", "unknown_edition", "must be trial, trtc_trial, pro or flagship"))
	}
	if n := len([]rune(filter.Query)); query.Has("q") && (n < 1 || n > maxQueryRunes) {
		wrong = append(wrong, field("q", "out_of_range", "must be 1 to 64 characters: a part of a name, or an SDKAppID"))
	}
	if strings.ContainsFunc(filter.Query, unicode.IsControl) || !utf8.ValidString(filter.Query) { // SQLite ends a pattern at NUL
		wrong = append(wrong, field("q", "control_character", "must be text without control characters: no name has any"))
	}
	return filter, page, wrong
}

const (
	defaultLimit = 50
	maxLimit     = 500
	maxCursor    = 768 // the longest key of a list, an invoice's id of 128 characters, with room, in bytes
)

// pageOf reads cursor and limit.
func pageOf(query url.Values) (projections.Page, []domain.FieldError) {
	page := projections.Page{Cursor: query.Get("cursor"), Limit: defaultLimit}
	var wrong []domain.FieldError
	if query.Has("limit") {
		n, err := strconv.Atoi(query.Get("limit"))
		if err != nil || n < 1 || n > maxLimit {
			wrong = append(wrong, field("limit", "out_of_range", "must be from 1 to 500"))
		}
		page.Limit = n
	}
	if len(page.Cursor) > maxCursor {
		wrong = append(wrong, wrongCursor())
	}
	return page, wrong
}

func wrongCursor() domain.FieldError {
	return field("cursor", "invalid_cursor", "must be the next_cursor of the page before, of the same list")
}

// appendList appends a page: the last one has no next_cursor.
func appendList[T any](b []byte, items []T, next string, item func([]byte, T) []byte) []byte {
	b = append(b, `{"items":[`...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = item(b, it)
	}
	b = append(b, ']')
	if next != "" {
		b = appendString(append(b, `,"next_cursor":`...), next)
	}
	return append(b, '}')
}

// listError translates what a list can fail with.
func listError(err error) reply {
	if errors.Is(err, projections.ErrCursor) {
		return invalid.with(wrongCursor())
	}
	return errorReply(err)
}
