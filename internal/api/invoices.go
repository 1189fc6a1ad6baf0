package api

import (
	"encoding/base64"
	"strconv"
	"strings"

	"sundial/domain"
)

// maxShownInvoices bounds the invoices in an app: an answer stays small however many it owes.
const maxShownInvoices = 100

// openInvoices gives as many of the invoices that keep an app in arrears as are asked for, behind a place in their list.
func openInvoices(app *domain.App, since domain.Instant, id string, most int) []domain.OpenInvoice {
	open := make([]domain.OpenInvoice, 0, min(most, app.OpenInvoiceCount()))
	for i := range app.OpenInvoices(since, id) {
		if len(open) == most {
			break
		}
		open = append(open, i)
	}
	return open
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
	open, next := openInvoices(app, since, last, page.Limit+1), ""
	if len(open) > page.Limit {
		open = open[:page.Limit]
		next = invoiceCursor(open[page.Limit-1])
	}
	return x.written(appendList(x.buffer(), open, next, appendInvoice))
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
