package api

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"sundial/domain"
)

// maxShownInvoices bounds the invoices in an app: an answer stays small however many it owes.
const maxShownInvoices = 100

// openInvoices lists what keeps an app in arrears, the earliest first, then by id.
func openInvoices(app *domain.App) []domain.OpenInvoice {
	open := app.OpenInvoices()
	slices.SortFunc(open, func(a, b domain.OpenInvoice) int { return after(a, b.Since, b.ID) })
	return open
}

// after compares an invoice with a place in the list.
func after(i domain.OpenInvoice, since domain.Instant, id string) int {
	return cmp.Or(cmp.Compare(i.Since, since), cmp.Compare(i.ID, id))
}

func appendInvoice(b []byte, i domain.OpenInvoice) []byte {
	b = appendString(append(b, `{"id":`...), i.ID)
	b = appendMoney(append(b, `,"amount":`...), i.Amount)
	b = appendInstant(append(b, `,"since":`...), i.Since)
	b = append(b, `,"version":`...)
	return append(strconv.AppendInt(b, i.Version, 10), '}')
}

// listInvoices answers GET /v1/apps/{app}/invoices. A cursor is the place of an invoice, which need not be there any more.
func (a *API) listInvoices(x *call) reply {
	id, _, problem, fine := x.app()
	if !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	since, last, known := invoicePlace(page.Cursor)
	if !known && wrong == nil {
		wrong = append(wrong, wrongCursor())
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	app, found, err := a.config.Store.SharedApp(x.r.Context(), id)
	switch {
	case err != nil:
		return errorReply(err)
	case !found:
		return appNotFound.reply()
	}
	open := openInvoices(app)
	if page.Cursor != "" {
		open = open[afterPlace(open, since, last):]
	}
	next := ""
	if len(open) > page.Limit {
		open = open[:page.Limit]
		next = invoiceCursor(open[page.Limit-1])
	}
	return x.written(appendList(x.buffer(), open, next, appendInvoice))
}

// afterPlace is where the list goes on behind a place.
func afterPlace(open []domain.OpenInvoice, since domain.Instant, id string) int {
	at, there := slices.BinarySearchFunc(open, id, func(i domain.OpenInvoice, id string) int { return after(i, since, id) })
	if there {
		at++
	}
	return at
}

const invoicesList = "invoices:"

func invoiceCursor(i domain.OpenInvoice) string {
	return base64.RawURLEncoding.EncodeToString([]byte(invoicesList + strconv.FormatInt(int64(i.Since), 10) + ":" + i.ID))
}

// invoicePlace reads a cursor; an absent one is the beginning.
func invoicePlace(cursor string) (since domain.Instant, id string, known bool) {
	if cursor == "" {
		return 0, "", true
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil {
		return 0, "", false
	}
	place, of := strings.CutPrefix(string(text), invoicesList)
	number, id, two := strings.Cut(place, ":")
	at, err := strconv.ParseInt(number, 10, 64)
	return domain.Instant(at), id, of && two && err == nil
}
