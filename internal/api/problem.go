package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/internal/query"
	"sundial/internal/vault"
	"sundial/projections"
)

// Problem is an RFC 9457 answer. It never repeats a value that was sent.
type Problem struct {
	Type   string              `json:"type" doc:"urn:sundial:problem: and the code" example:"urn:sundial:problem:app_not_found"`
	Title  string              `json:"title" doc:"The code in words" example:"App not found"`
	Status int                 `json:"status" doc:"The status of the answer" example:"404"`
	Detail string              `json:"detail" doc:"What is wrong" example:"The account has no app with this number."`
	Code   string              `json:"code" doc:"A stable name; codes are never renamed or reused" example:"app_not_found"`
	Fix    string              `json:"fix,omitzero" doc:"What would make it possible" example:"Check the SDKAppID and the account."`
	Errors []domain.FieldError `json:"errors,omitzero" doc:"What is wrong with which field, parameter or header"`
	Losses []string            `json:"losses,omitzero" doc:"What will be lost, where it takes a confirmation"`
	Head   *uint64             `json:"head,omitzero" doc:"The position of the log's last commit, where the place that was given is not in it" example:"1234"`
}

// fault is a problem of this edge: what the domain's refusals are for rules.
type fault struct {
	status int
	code   string
	detail string
	fix    string
}

// The faults, by status.
var (
	malformed = fault{
		http.StatusBadRequest, "malformed", "The body is not one JSON object without duplicate names.",
		"Send one JSON object in UTF-8, each name in it once.",
	}
	malformedEvents = fault{
		http.StatusBadRequest, "malformed_events", "The body is not one JSON object, or an array of them, without duplicate names; nothing of it was taken in.",
		"Send JSON in UTF-8, each name in an object once: an object as application/cloudevents+json, an array as application/cloudevents-batch+json.",
	}
	malformedQuery = fault{
		http.StatusBadRequest, "malformed_query", "The query is not properly encoded.",
		"Write the query as name=value pairs, joined by & and percent-encoded.",
	}
	malformedForm = fault{
		http.StatusBadRequest, "malformed_form", "The form is not properly encoded, has a part twice, or has more parts than any platform has fields.",
		"Send multipart/form-data with a named part for the platform and one for each field, or JSON.",
	}
	malformedEncoding = fault{
		http.StatusBadRequest, "malformed_content_encoding", "The body is not whole in the gzip that Content-Encoding says it is in.",
		"Send a body that gzip unpacks, or without Content-Encoding.",
	}
	unexpectedBody = fault{
		http.StatusBadRequest, "unexpected_body", "This request takes no body.",
		"Send what there is to say as query parameters.",
	}
	noToken = fault{
		http.StatusUnauthorized, "no_token", "There is no token.",
		"Send the header Authorization: Bearer and a token that an operator made.",
	}
	badToken = fault{
		http.StatusUnauthorized, "bad_token", "There is no such token.",
		"Check that the token was copied whole, or ask an operator for a new one.",
	}
	tokenExpired = fault{http.StatusUnauthorized, "token_expired", "The token has expired.", "Ask an operator for a new one."}
	tokenRevoked = fault{http.StatusUnauthorized, "token_revoked", "The token was revoked.", "Ask an operator for a new one."}
	forbidden    = fault{
		http.StatusForbidden, "forbidden", "The token's role may not do this.",
		"Use a token of a role that may: the documentation has a table of roles and routes.",
	}
	noRoute = fault{
		http.StatusNotFound, "route_not_found", "There is nothing at this path.",
		"/openapi.json lists every route.",
	}
	noCommand = fault{
		http.StatusNotFound, "command_not_found", "There is no command of this name.",
		"The names are those of the operations in /openapi.json, such as create_app.",
	}
	noAccount = fault{
		http.StatusNotFound, "account_not_found", "There is no account of this name.",
		"Check the account; it exists from its first app or quota on.",
	}
	tokenUnknown = fault{http.StatusNotFound, "token_not_found", "No token has this id.", "GET /v1/tokens lists them."}
	noParked     = fault{
		http.StatusNotFound, "parked_not_found", "Nothing that is parked has this id.",
		"GET /v1/parked lists what is; what was replayed, discarded or superseded is not among it any more.",
	}
	noSandbox = fault{
		http.StatusNotFound, "no_sandbox", "Only a sandbox's clock can be moved.",
		"Start the engine with --sandbox to play with time.",
	}
	wrongMethod = fault{
		http.StatusMethodNotAllowed, "method_not_allowed", "This path does not know this method.",
		"The header Allow lists those that it knows.",
	}
	parkedClosed = fault{
		http.StatusConflict, "parked_closed", "The parked event was replayed, discarded or superseded before.",
		"Nothing is left to do with it: what was discarded comes in again only with an id of its own.",
	}
	tooManyTokens = fault{
		http.StatusConflict, "too_many_tokens", "There are as many tokens as there may be.",
		"Revoke some that are not used; their places are free a day later.",
	}
	clockBackwards = fault{
		http.StatusConflict, "clock_backwards", "The sandbox's clock moves forward only.",
		"Give a time that is not before the one that GET /v1/clock shows.",
	}
	positionUnknown = fault{
		http.StatusConflict, "position_unknown",
		"The log has no such place: it never reached that position, or a restore from a backup lost the event. Head is where it ends.",
		"Step back through the ids that you have until one is taken, undo what came behind it, and go on from there; docs/events.md tells more.",
	}
	sumOverflow = fault{
		http.StatusConflict, "sum_overflow", "A sum is beyond 9007199254740991 minor units, which is more than can be told exactly.",
		"Ask for the statement of single apps; look for a fact whose amount is wrong.",
	}
	statementTooLong = fault{
		http.StatusConflict, "statement_too_long", "The statement has more than 10,000 lines.",
		"Ask for shorter windows: statements of windows that follow one another add up.",
	}
	stale = fault{
		http.StatusPreconditionFailed, "stale_version", "The app has changed since the version in If-Match.",
		"Read the app again, decide anew, and send its new ETag in If-Match.",
	}
	tooLarge = fault{http.StatusRequestEntityTooLarge, "too_large", "The body is larger than 1 MB.", "Send it in parts."}
	tooMuch  = fault{
		http.StatusRequestEntityTooLarge, tooLarge.code, "The command leads to more than one commit can hold: 1,200 events, or 1 MB. Nothing was changed.",
		"Send it in parts, such as an app to import with fewer orders, invoices or certificates.",
	}
	tooMany = fault{
		http.StatusRequestEntityTooLarge, "too_many_events", "The batch has more than 1,000 events.",
		"Send it in parts, in the same order.",
	}
	wrongType = fault{
		http.StatusUnsupportedMediaType, "unsupported_media_type", "The content type says neither one event nor a batch, or a character set other than UTF-8.",
		"Send Content-Type: application/cloudevents+json with one event, application/cloudevents-batch+json with an array of them.",
	}
	wrongEncoding = fault{
		http.StatusUnsupportedMediaType, "unsupported_content_encoding", "The body is packed in a way that is not read here.",
		"Send it as it is, or with Content-Encoding: gzip.",
	}
	invalid = fault{
		http.StatusUnprocessableEntity, "invalid", "Some fields, parameters or headers are not valid; each is named.",
		"Correct what is named in errors.",
	}
	keyReused = fault{
		http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was used for another command.",
		"Make up a new key for each command; repeat one only to send the same command again.",
	}
	tooFast = fault{
		http.StatusTooManyRequests, "too_many_requests", "This token sends more than its share.",
		"Wait as long as Retry-After says, and send less at once.",
	}
	tooManyConnections = fault{
		http.StatusTooManyRequests, "too_many_connections", "This address, or this token, has as many connections open as it may have.",
		"Use connections again and close those that are not used; behind a proxy have the operator raise --connections-per-address or --connections-per-token.",
	}
	tooManyStreams = fault{
		http.StatusTooManyRequests, "too_many_streams", "This token has as many streams open as it may have.",
		"Close one, or read pages; a stream that its client has left is noticed within a minute.",
	}
	parkingShareFull = fault{
		http.StatusTooManyRequests, "parking_share_full",
		"So much of this account, or from this token, is parked that no more of it is taken; others have room. What is named in errors was not taken in, all else was.",
		"Have an operator replay or discard what is parked of it, then send the same again; or leave away what is named.",
	}
	internal = fault{
		http.StatusInternalServerError, "internal", "Something went wrong here; it was logged under the request id.",
		"Report it with the header Sundial-Request-Id; a command may be sent again with the same Idempotency-Key.",
	}
	busy = fault{
		http.StatusServiceUnavailable, "busy", "The account changes too fast for this command to be decided.",
		"Send it again with the same Idempotency-Key.",
	}
	overloaded = fault{
		http.StatusServiceUnavailable, "overloaded", "The server has as many requests under way as it takes.",
		"Wait as long as Retry-After says.",
	}
	stopping = fault{
		http.StatusServiceUnavailable, "stopping", "The server is being stopped.",
		"Send it again with the same Idempotency-Key.",
	}
	unavailable = fault{
		http.StatusServiceUnavailable, "unavailable", "The log cannot be written or read now; nothing was written.",
		"Send it again with the same Idempotency-Key.",
	}
	corrupt = fault{
		http.StatusServiceUnavailable, "corrupt",
		"What is stored does not fit together, so nothing is written until an operator has looked; reads go on.",
		"Ask the operator: /readyz and the server's log say what is wrong and what to do.",
	}
	locked = fault{
		http.StatusServiceUnavailable, "secrets_locked", "The engine has not got the root key that opens secrets; nothing was written.",
		"Have an operator start it with the right --root-key; sundial vault status says which.",
	}
	secretsDamaged = fault{
		http.StatusServiceUnavailable, "secrets_damaged", "What is stored of the app's secrets is damaged or lost; nothing was written.",
		"Have an operator restore the stream of keys from a backup; sundial vault status and the server's log name what is damaged.",
	}
	notAllTaken = fault{
		http.StatusServiceUnavailable, "not_all_taken", "Not every event could be taken in or parked now.",
		"Send the same batch again: what was taken in is answered as a duplicate then.",
	}
	parkingFull = fault{
		http.StatusServiceUnavailable, "parking_full", "So much is parked that no more is taken. What is named in errors was not taken in, all else was.",
		"Have an operator replay or discard what is parked, then send the same again; or leave away what is named.",
	}
	unknown = fault{
		http.StatusServiceUnavailable, "outcome_unknown", "It is not known whether the command was written.",
		"Send it again with the same Idempotency-Key: it is done once.",
	}
	behind = fault{
		http.StatusServiceUnavailable, "not_yet_projected", "This server does not have the position in Sundial-Min-Position yet.",
		"Read again as Retry-After says, or without the header.",
	}
)

// faults lists every fault with a code of this edge, for the document.
func faults() []fault {
	return []fault{
		malformed, malformedEvents, malformedQuery, malformedForm, malformedEncoding, unexpectedBody, noToken, badToken, tokenExpired, tokenRevoked, forbidden,
		noRoute, noCommand, noAccount, tokenUnknown, noParked, noSandbox, wrongMethod, parkedClosed, tooManyTokens,
		clockBackwards, positionUnknown, sumOverflow, statementTooLong, stale, tooLarge, tooMany, wrongType, wrongEncoding, invalid, keyReused, historyTooLong, tooFast, tooManyConnections, tooManyStreams, parkingShareFull, internal, busy, overloaded, stopping,
		unavailable, corrupt, locked, secretsDamaged, notAllTaken, parkingFull, unknown, behind,
	}
}

// codes lists every problem that can be answered, for the document: those of this edge, and the domain's refusals.
func codes() []map[string]any {
	var all []map[string]any
	add := func(status int, code, detail, fix string) {
		all = append(all, map[string]any{"status": status, "code": code, "detail": detail, "fix": fix})
	}
	for _, f := range faults() {
		add(f.status, f.code, f.detail, f.fix)
	}
	for _, c := range domain.Codes() {
		add(statusOf(c.Kind), c.Code, c.Message, c.Fix)
	}
	slices.SortStableFunc(all, func(a, b map[string]any) int {
		return cmp.Compare(a["status"].(int), b["status"].(int))
	})
	return all
}

// retryAfter is how many seconds a client is asked to wait: commits take milliseconds, an outage is not made worse by
// one try a second.
const retryAfter = "1"

func (f fault) reply() reply { return f.with() }

// closing is the fault as the last answer of its connection.
func (f fault) closing() reply {
	rep := f.reply()
	rep.close = true
	return rep
}

// with gives the fault with what is wrong with single fields.
func (f fault) with(fields ...domain.FieldError) reply {
	return problemReply(Problem{Status: f.status, Code: f.code, Detail: f.detail, Fix: f.fix, Errors: fields})
}

// field is an invalid parameter, header or member.
func field(name, code, detail string) domain.FieldError {
	return domain.FieldError{Field: name, Code: code, Detail: detail}
}

func problemReply(p Problem) reply {
	p.Type = "urn:sundial:problem:" + p.Code
	p.Title = title(p.Code)
	body, err := json.Marshal(p, json.Deterministic(true))
	if err != nil { // its texts are ours and UTF-8
		body = []byte(`{"status":500,"code":"internal"}`)
	}
	r := reply{status: p.Status, code: p.Code, contentType: problemType, body: body}
	switch p.Status {
	case http.StatusUnauthorized:
		r.challenge = `Bearer realm="sundial", error="invalid_token"`
		if p.Code == noToken.code {
			r.challenge = `Bearer realm="sundial"`
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		r.retryAfter = retryAfter
	}
	return r
}

// title writes a code as words.
func title(code string) string {
	words := strings.ReplaceAll(code, "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

// statusOf gives the status of a refusal.
func statusOf(kind domain.Kind) int {
	switch kind {
	case domain.Absent:
		return http.StatusNotFound
	case domain.Limit:
		return http.StatusTooManyRequests
	}
	return http.StatusConflict
}

// limitRetry is how many seconds a client is asked to wait that did something too often: the limits are of an hour.
const limitRetry = "300"

// refusalReply translates the domain's no, once for every edge that answers with problems.
func refusalReply(r *domain.Refusal) reply {
	rep := problemReply(Problem{Status: statusOf(r.Kind), Code: r.Code.Code, Detail: r.Message, Fix: r.Fix, Losses: r.Losses})
	if r.Kind == domain.Limit {
		rep.retryAfter = limitRetry
	}
	return rep
}

// errorReply translates what a command or a read can fail with. Errors of no known kind are logged where the request
// is, and told as internal.
func errorReply(err error) reply {
	var refusal *domain.Refusal
	var wrong *domain.Invalid
	var wrongToken *auth.InvalidError
	var damaged damage
	var place *query.UnknownPlaceError
	var keys *vault.DamagedError
	switch {
	case errors.As(err, &keys):
		return secretsDamagedOf(keys.App()).because(err)
	case errors.As(err, &damaged):
		return corruptAt(damaged.DamagedAt()).because(err)
	case errors.As(err, &refusal):
		return refusalReply(refusal)
	case errors.As(err, &wrong):
		return invalid.with(wrong.Fields...)
	case errors.As(err, &wrongToken):
		var fields []domain.FieldError
		for _, f := range wrongToken.Fields {
			fields = append(fields, field(f.Field, "invalid_"+f.Field, f.Reason))
		}
		return invalid.with(fields...)
	case errors.As(err, &place):
		f := positionUnknown
		return problemReply(Problem{Status: f.status, Code: f.code, Detail: f.detail, Fix: f.fix, Head: &place.Head})
	}
	for _, known := range []struct {
		err   error
		fault fault
	}{
		{engine.ErrIDReused, keyReused},
		{engine.ErrStale, stale},
		{engine.ErrTooLarge, tooMuch},
		{engine.ErrBusy, busy},
		{engine.ErrUnknown, unknown},
		{engine.ErrUnavailable, unavailable},
		{vault.ErrLocked, locked},
		{vault.ErrUnavailable, unavailable},
		{auth.ErrNoToken, noToken},
		{auth.ErrBadToken, badToken},
		{auth.ErrExpired, tokenExpired},
		{auth.ErrRevoked, tokenRevoked},
		{ingest.ErrNotParked, noParked},
		{ingest.ErrParkedFull, parkingFull},
		{query.ErrUnavailable, unavailable},
		{projections.ErrDamaged, unavailable},
		{query.ErrOverflow, sumOverflow},
		{query.ErrTooLong, statementTooLong},
		{auth.ErrUnknownToken, tokenUnknown},
		{auth.ErrTooManyTokens, tooManyTokens},
		{context.DeadlineExceeded, unknown},
		{context.Canceled, unknown},
	} {
		if errors.Is(err, known.err) {
			return known.fault.reply().because(err)
		}
	}
	return internal.reply().because(err)
}

// damage is an error of a log that is not what it was.
type damage interface {
	error
	DamagedAt() uint64 // the position; 0: not known
}

// corruptAt names the commit that is not what it was, which a read met; 0: not known.
func corruptAt(position uint64) reply {
	f := corrupt
	f.detail = "The log is damaged, so that this cannot be answered whole."
	if position > 0 {
		f.detail = fmt.Sprintf("The log is damaged at position %d, so that this cannot be answered whole.", position)
	}
	f.fix = "Ask the operator: sundial rebuild --check and the server's log say what is wrong and what to do; what rests on other positions is answered."
	return f.reply()
}

// secretsDamagedOf names the app whose secrets are damaged; 0: what is damaged is no app's.
func secretsDamagedOf(app uint64) reply {
	f := secretsDamaged
	f.detail = "The key with which commands that bring secrets are told apart is damaged or lost; nothing was written."
	if app != 0 {
		f.detail = fmt.Sprintf("What is stored of the secrets of app %d is damaged or lost; nothing was written.", app)
	}
	return f.reply()
}

// joined gives the fields of several checks in the order in which they were found.
func joined(lists ...[]domain.FieldError) []domain.FieldError { return slices.Concat(lists...) }
