package api

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
)

// App is an app as every answer gives it. It is written by appendApp; this is its description, and what the test of
// appendApp reads it back into.
type App struct {
	App          domain.AppID    `json:"app" doc:"Its SDKAppID" example:"1400000001"`
	Account      string          `json:"account" example:"acme"`
	Name         string          `json:"name" example:"shop chat"`
	AppType      string          `json:"type" example:"e-commerce"`
	Introduction string          `json:"introduction"`
	Edition      domain.Edition  `json:"edition" enum:"trial,trtc_trial,pro,flagship"`
	Status       domain.Status   `json:"status" enum:"active,expired,stopped,deleted" doc:"As last committed"`
	CreatedAt    domain.Instant  `json:"created_at"`
	PaidUntil    Absentable      `json:"paid_until" doc:"The latest end among orders not refunded; null if one has no end or there is none"`
	Arrears      *AppArrears     `json:"arrears" doc:"null unless overdue invoices count"`
	Lapse        *AppLapse       `json:"lapse" doc:"null unless no order covers the app any more"`
	Stop         *AppStop        `json:"stop" doc:"The hold effective first; null unless stopped"`
	Next         *NextTransition `json:"next_transition" doc:"What time does next; null if nothing"`
	Key          *AppKey         `json:"key"`
	Admins       []string        `json:"admins"`
	Certificates int             `json:"certificates"`
	TRTC         Switch          `json:"trtc"`
	TPNS         Switch          `json:"tpns"`
	Deletion     *AppDeletion    `json:"deletion_request" doc:"The last wish that it be deleted; null if there was none"`
	Version      uint64          `json:"version" doc:"The ETag"`
	Position     uint64          `json:"position" doc:"Of the commit that changed it last"`
}

// AppArrears is what a billed app owes.
type AppArrears struct {
	Since    domain.Instant `json:"since"`
	StopDue  domain.Instant `json:"stop_due"`
	Invoices []Invoice      `json:"invoices" maxItems:"100" doc:"The first 100 of those that are open, earliest first; all are at /v1/apps/{app}/invoices"`
	Total    int            `json:"invoices_total" doc:"How many are open" example:"1"`
}

// Invoice is an invoice that is overdue.
type Invoice struct {
	ID      string         `json:"id" example:"inv-1"`
	Amount  Money          `json:"amount"`
	Since   domain.Instant `json:"since" doc:"From when it counts"`
	Version int64          `json:"version"`
}

// AppLapse is the time for which no order covers the app.
type AppLapse struct {
	Cause   lapseCause     `json:"cause"`
	Since   domain.Instant `json:"since"`
	StopDue domain.Instant `json:"stop_due"`
}

// AppStop is why and since when an app is stopped.
type AppStop struct {
	Cause       stopCause      `json:"cause"`
	EffectiveAt domain.Instant `json:"effective_at"`
	RecordedAt  domain.Instant `json:"recorded_at"`
}

// NextTransition is the earliest thing that time will do to an app.
type NextTransition struct {
	To    string         `json:"to" doc:"A status, or edition: and an edition" example:"stopped"`
	Due   domain.Instant `json:"due"`
	Cause dueCause       `json:"cause"`
}

// AppKey is what may be shown of a signing key.
type AppKey struct {
	Algorithm string         `json:"algorithm" example:"HMAC-SHA256"`
	CreatedAt domain.Instant `json:"created_at"`
}

// AppDeletion is the last wish that an app be deleted which only the vendor deletes.
type AppDeletion struct {
	ID          string         `json:"id" example:"1400000001-12"`
	State       string         `json:"state" enum:"open,approved,rejected,withdrawn"`
	RequestedAt domain.Instant `json:"requested_at"`
	By          string         `json:"by"`
	Reason      string         `json:"reason"`
}

// Switch is a service that is on or off.
type Switch struct {
	Enabled bool `json:"enabled"`
}

// Absentable is an instant, or null where there is none.
type Absentable = *domain.Instant

// appendApp appends an app as JSON. It is written by hand because reading an app is what the API does most.
func appendApp(b []byte, app *domain.App) []byte {
	b = append(b, `{"app":`...)
	b = strconv.AppendUint(b, uint64(app.ID), 10)
	b = appendString(append(b, `,"account":`...), app.Account)
	b = appendString(append(b, `,"name":`...), app.Name)
	b = appendString(append(b, `,"type":`...), app.AppType)
	b = appendString(append(b, `,"introduction":`...), app.Introduction)
	b = appendString(append(b, `,"edition":`...), string(app.Edition))
	b = appendString(append(b, `,"status":`...), string(app.Status()))
	b = appendInstant(append(b, `,"created_at":`...), app.CreatedAt)
	b = appendInstant(append(b, `,"paid_until":`...), app.PaidUntil())
	b = appendArrears(append(b, `,"arrears":`...), app)
	b = appendLapse(append(b, `,"lapse":`...), app.Lapse)
	b = appendStop(append(b, `,"stop":`...), app)
	b = appendNext(append(b, `,"next_transition":`...), app)
	b = appendKey(append(b, `,"key":`...), app)
	b = append(b, `,"admins":[`...)
	for i, name := range app.Administrators() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
	}
	b = strconv.AppendInt(append(b, `],"certificates":`...), int64(len(app.Certificates)), 10)
	b = strconv.AppendBool(append(b, `,"trtc":{"enabled":`...), app.HasTRTC())
	b = strconv.AppendBool(append(b, `},"tpns":{"enabled":`...), app.TPNS)
	b = appendDeletion(append(b, `},"deletion_request":`...), app.Deletion)
	b = append(b, `,"version":`...)
	b = strconv.AppendUint(b, app.Version, 10)
	b = append(b, `,"position":`...)
	b = strconv.AppendUint(b, app.Position, 10)
	return append(b, '}')
}

func appendKey(b []byte, app *domain.App) []byte {
	if app.DeletedAt != 0 {
		return appendNull(b)
	}
	b = appendString(append(b, `{"algorithm":`...), string(app.KeyAlgorithm()))
	return append(appendInstant(append(b, `,"created_at":`...), app.KeyCreatedAt()), '}')
}

func appendDeletion(b []byte, q domain.DeletionRequest) []byte {
	if q.ID == "" {
		return appendNull(b)
	}
	b = appendString(append(b, `{"id":`...), q.ID)
	b = appendString(append(b, `,"state":`...), string(q.State))
	b = appendInstant(append(b, `,"requested_at":`...), q.RequestedAt)
	b = appendString(append(b, `,"by":`...), q.By)
	return append(appendString(append(b, `,"reason":`...), q.Reason), '}')
}

func appendArrears(b []byte, app *domain.App) []byte {
	if app.Arrears.Since == 0 {
		return appendNull(b)
	}
	b = appendInstant(append(b, `{"since":`...), app.Arrears.Since)
	b = appendInstant(append(b, `,"stop_due":`...), app.Arrears.StopDue)
	b = append(b, `,"invoices":[`...)
	for i, invoice := range openInvoices(app, 0, "", maxShownInvoices) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendInvoice(b, invoice)
	}
	b = strconv.AppendInt(append(b, `],"invoices_total":`...), int64(app.OpenInvoiceCount()), 10)
	return append(b, '}')
}

func appendLapse(b []byte, lapse domain.Lapse) []byte {
	if lapse.Since == 0 {
		return appendNull(b)
	}
	b = appendString(append(b, `{"cause":`...), string(lapse.Cause))
	b = appendInstant(append(b, `,"since":`...), lapse.Since)
	b = appendInstant(append(b, `,"stop_due":`...), lapse.StopDue)
	return append(b, '}')
}

func appendStop(b []byte, app *domain.App) []byte {
	stop, stopped := app.Stop()
	if !stopped {
		return appendNull(b)
	}
	b = appendString(append(b, `{"cause":`...), string(stop.Cause))
	b = appendInstant(append(b, `,"effective_at":`...), stop.EffectiveAt)
	b = appendInstant(append(b, `,"recorded_at":`...), stop.RecordedAt)
	return append(b, '}')
}

func appendNext(b []byte, app *domain.App) []byte {
	due, found := app.NextTransition()
	if !found {
		return appendNull(b)
	}
	b = appendString(append(b, `{"to":`...), due.To)
	b = appendInstant(append(b, `,"due":`...), due.At)
	b = appendString(append(b, `,"cause":`...), string(due.Cause))
	return append(b, '}')
}

func appendMoney(b []byte, m domain.Money) []byte {
	b = appendString(append(b, `{"currency":`...), m.Currency)
	b = append(b, `,"minor":`...)
	return append(strconv.AppendInt(b, m.Minor, 10), '}')
}

// appendInstant appends an instant in quotes, or null where it is absent.
func appendInstant(b []byte, i domain.Instant) []byte {
	if i == 0 {
		return appendNull(b)
	}
	b, _ = i.AppendText(append(b, '"')) // of a valid instant it cannot fail
	return append(b, '"')
}

// appendString appends a JSON string; what is not UTF-8, which the domain lets nobody store, is replaced.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendNull(b []byte) []byte { return append(b, "null"...) }

// appendAccount appends an account as JSON.
func appendAccount(b []byte, acc *domain.Account, policy domain.Policy) []byte {
	b = appendString(append(b, `{"account":`...), acc.ID)
	b = append(b, `,"quota":`...)
	b = strconv.AppendInt(b, int64(acc.Cap(policy)), 10)
	b = append(b, `,"in_use":`...)
	b = strconv.AppendInt(b, int64(acc.InUse), 10)
	b = append(b, `,"version":`...)
	b = strconv.AppendUint(b, acc.Version, 10)
	b = append(b, `,"position":`...)
	b = strconv.AppendUint(b, acc.Position, 10)
	return append(b, '}')
}

// Account is a customer as every answer gives it.
type Account struct {
	Account  string `json:"account" example:"acme"`
	Quota    int    `json:"quota" doc:"How many apps that are not deleted it may have" example:"100"`
	InUse    int    `json:"in_use" doc:"Apps that are not deleted" example:"12"`
	Version  uint64 `json:"version" doc:"Events that changed it or its apps"`
	Position uint64 `json:"position" doc:"Of its latest commit"`
}
