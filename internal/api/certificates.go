package api

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"maps"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/pushcert"
	"sundial/internal/secrets"
	"sundial/projections"
)

type addCertificate struct {
	Platform string                    `json:"platform" doc:"Such as apns_p12" example:"huawei"`
	Fields   map[string]jsontext.Value `json:"fields" doc:"The platform's fields (docs/certificates.md); files in base64"`
	Reasoned
}

func (b addCertificate) command(app domain.AppID) domain.Command {
	return secrets.AddCertificate{
		AddCertificate: domain.AddCertificate{App: app, Content: domain.CertificateContent{Platform: b.Platform}}, Fields: b.Fields,
	}
}

// maxFields bounds the fields of a certificate that are looked at, unknown ones too: every platform has fewer than maxParts.
const maxFields = 100

func (b addCertificate) missing() []domain.FieldError { return crowded("fields", b.Fields) }

// crowded refuses more fields than are looked at.
func crowded(name string, fields map[string]jsontext.Value) []domain.FieldError {
	if len(fields) <= maxFields {
		return nil
	}
	return []domain.FieldError{field(name, "too_many", "must be at most 100, and no platform has so many")}
}

// ofCertificate is in the body of what is done to a certificate: its id, in the path over HTTP.
type ofCertificate struct {
	Certificate domain.CertificateID `json:"certificate,omitzero" doc:"Its id; over HTTP it stands in the path"`
	Reasoned
}

type editCertificate struct {
	Fields map[string]jsontext.Value `json:"fields" doc:"Those to change; null removes an optional one, and what is absent stays"`
	ofCertificate
}

func (b editCertificate) command(app domain.AppID) domain.Command {
	return secrets.EditCertificate{
		EditCertificate: domain.EditCertificate{App: app, Certificate: b.Certificate}, Fields: b.Fields,
	}
}

func (b editCertificate) missing() []domain.FieldError { return crowded("fields", b.Fields) }

func (b editCertificate) of(id string) body {
	b.Certificate = certificateID(id)
	return b
}

type deleteCertificate struct {
	Confirm string `json:"confirm,omitzero" doc:"The certificate's id"`
	ofCertificate
}

func (b deleteCertificate) command(app domain.AppID) domain.Command {
	return domain.DeleteCertificate{App: app, Certificate: b.Certificate, Confirm: b.Confirm}
}

func (b deleteCertificate) of(id string) body {
	b.Certificate = certificateID(id)
	return b
}

// certificateDeletion reads what a deletion has to say from its query.
func certificateDeletion(q url.Values) body {
	return deleteCertificate{Confirm: q.Get("confirm"), ofCertificate: ofCertificate{Reasoned: Reasoned{q.Get("reason")}}}
}

// certificateID reads an id as it is written; 0, which none has, for what is none.
func certificateID(s string) domain.CertificateID {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0
	}
	return domain.CertificateID(n)
}

// Certificate is a push certificate, without its secrets: those never come back.
type Certificate struct {
	ID        domain.CertificateID      `json:"id" doc:"What clients send as businessID" example:"1000001"`
	Platform  string                    `json:"platform" example:"huawei"`
	State     string                    `json:"state" enum:"active,inactive,expired" doc:"inactive: stored, while mobile push excludes it"`
	Fields    map[string]jsontext.Value `json:"fields" doc:"Those that are no secret, and what was read from files"`
	Secrets   []string                  `json:"secrets" doc:"The names of the secret fields that are set"`
	NotAfter  Absentable                `json:"not_after" doc:"When it expires; null if it does not"`
	CreatedAt domain.Instant            `json:"created_at"`
	CreatedBy string                    `json:"created_by"`
	UpdatedAt domain.Instant            `json:"updated_at"`
	UpdatedBy string                    `json:"updated_by"`
	Warnings  []domain.FieldError       `json:"warnings" doc:"What is worth knowing, such as that it expires soon"`
}

// AppWithCertificate is an app with the certificate that a command added or changed.
type AppWithCertificate struct {
	App
	Certificate *Certificate `json:"certificate,omitzero" nullable:"false"`
}

func (a *API) shownCertificate(app *domain.App, k *domain.Certificate) Certificate {
	shown := Certificate{
		ID: k.ID, Platform: k.Platform, State: string(app.CertificateState(k)), Fields: pushcert.JSON(k.Fields),
		Secrets: slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(k.Prints)))), NotAfter: present(k.NotAfter), CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy,
		UpdatedAt: k.UpdatedAt, UpdatedBy: k.UpdatedBy, Warnings: a.config.Secrets.Warnings(app, k),
	}
	if shown.Warnings == nil {
		shown.Warnings = []domain.FieldError{}
	}
	return shown
}

// withCertificate adds the certificate that a command made or changed to the app that answers it.
func withCertificate(a *API, b []byte, cmd domain.Command, answer engine.Answer) []byte {
	id := domain.CertificateID(0)
	if edit, is := cmd.(secrets.EditCertificate); is {
		id = edit.Certificate
	}
	for _, event := range answer.Events {
		if added, is := event.(domain.CertificateAdded); is {
			id = added.Certificate.ID
		}
	}
	k := answer.App.Certificate(id)
	if k == nil {
		return b
	}
	b = append(b[:len(b)-1], `,"certificate":`...)
	return append(append(b, marshal(a.shownCertificate(answer.App, k))...), '}')
}

// listCertificates answers GET /v1/apps/{app}/certificates; there are never more than fit on a page.
func (a *API) listCertificates(x *call) reply {
	app, problem, fine := x.projected()
	if !fine {
		return problem
	}
	return x.written(appendList(x.buffer(), app.Certificates, "", func(b []byte, k domain.Certificate) []byte {
		return append(b, marshal(a.shownCertificate(app, &k))...)
	}))
}

// readCertificate answers GET /v1/apps/{app}/certificates/{id}.
func (a *API) readCertificate(x *call) reply {
	app, problem, fine := x.projected()
	if !fine {
		return problem
	}
	k := app.Certificate(certificateID(x.r.PathValue("id")))
	if k == nil {
		return refusalReply(&domain.Refusal{Code: domain.CertificateNotFound})
	}
	return ok(marshal(a.shownCertificate(app, k)))
}

// ExpiringCertificate is a certificate with the app that has it.
type ExpiringCertificate struct {
	App     domain.AppID `json:"app" example:"1400000001"`
	Account string       `json:"account" example:"acme"`
	Certificate
}

// defaultExpiry is how far ahead certificates are looked for unless it is said otherwise.
const defaultExpiry = 30 * 24 * time.Hour

// listExpiring answers GET /v1/certificates. A token for one account sees that one's.
func (a *API) listExpiring(x *call) reply {
	account, problem, fine := x.narrowed()
	if !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	within := defaultExpiry
	if x.query.Has("expires_within") {
		var err error
		if within, err = days(x.query.Get("expires_within")); err != nil {
			wrong = append(wrong, field("expires_within", "invalid_duration", "must be days or hours ahead, such as 30d or 12h, at most 36500d"))
		}
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	found, next, err := a.config.Store.Certificates(x.r.Context(), account, a.config.Engine.Now().Add(within)+1, page)
	if err != nil {
		return listError(err)
	}
	return x.written(appendList(x.buffer(), found, next, func(b []byte, c projections.ExpiringCertificate) []byte {
		return append(b, marshal(ExpiringCertificate{c.App.ID, c.App.Account, a.shownCertificate(c.App, c.Certificate)})...)
	}))
}

// aheadPattern is how days or hours ahead are written.
const aheadPattern = `^[0-9]{1,6}[dh]$`

var ahead = regexp.MustCompile(aheadPattern)

// days reads days or hours ahead, such as 30d or 12h.
func days(s string) (time.Duration, error) {
	const most = 36_500 * 24 * time.Hour
	if !ahead.MatchString(s) {
		return 0, strconv.ErrSyntax
	}
	unit, last := time.Hour, len(s)-1
	if s[last] == 'd' {
		unit *= 24
	}
	count, err := strconv.ParseUint(s[:last], 10, 64)
	if err != nil || count > uint64(most/unit) {
		return 0, strconv.ErrRange
	}
	return time.Duration(count) * unit, nil //nolint:gosec // at most a century
}

// maxParts bounds the parts of a form: a platform has fewer fields.
const maxParts = 20

// form reads multipart/form-data as the JSON that it stands for: platform and reason as they are, every other part a
// field, files in base64. Whether a part is a file is said by its field: a text that was sent as one is its content.
func form(r *http.Request, text []byte) ([]byte, reply, bool) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return text, reply{}, true
	}
	out := map[string]any{}
	fields := map[string]any{}
	parts := multipart.NewReader(bytes.NewReader(text), params["boundary"])
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			if len(fields) > 0 {
				out["fields"] = fields
			}
			text, err := json.Marshal(out, json.Deterministic(true)) // not of names that are no UTF-8
			return text, malformedForm.reply(), err == nil
		}
		if err != nil {
			return nil, malformedForm.reply(), false
		}
		name := part.FormName()
		into, path := fields, "fields."
		if name == "platform" || name == "reason" {
			into, path = out, ""
		}
		content, err := contentOf(part)
		if _, twice := into[name]; err != nil || name == "" || twice {
			return nil, malformedForm.reply(), false
		}
		value, is := fieldOf(name, part.FileName() != "", content)
		if !is {
			return nil, invalid.with(field(path+fieldName(jsontext.Pointer("").AppendToken(name)), "wrong_type", "must be a text in UTF-8")), false
		}
		into[name] = value
	}
	return nil, malformedForm.reply(), false
}

// contentOf reads a part, which lies within the body and so is bounded.
func contentOf(part *multipart.Part) ([]byte, error) {
	switch strings.ToLower(part.Header.Get("Content-Transfer-Encoding")) {
	case "", "binary", "8bit", "7bit":
		return io.ReadAll(part)
	case "base64":
		return io.ReadAll(base64.NewDecoder(base64.StdEncoding, part))
	case "quoted-printable":
		return io.ReadAll(quotedprintable.NewReader(part))
	}
	return nil, errors.ErrUnsupported
}

// fieldOf gives the content of a part as it stands in JSON; not that of a text which is none.
func fieldOf(name string, sentAsFile bool, content []byte) (any, bool) {
	kind, _ := pushcert.KindOf(name)
	switch isText := utf8.Valid(content); {
	case (kind == pushcert.File || kind == pushcert.TextFile) && (sentAsFile || !isText):
		return base64.StdEncoding.EncodeToString(content), true
	case !isText:
		return nil, false
	}
	if sentAsFile { // an editor adds what is no part of the text
		content = bytes.TrimPrefix(content, []byte("\ufeff"))
		content = bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	}
	if value := jsontext.Value(content); kind == pushcert.Action && value.Kind() == '{' && value.IsValid() {
		return value, true
	}
	return string(content), true
}
