package api

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/auth"
)

// call is a request on its way to an answer.
type call struct {
	api     *API
	rt      *route
	w       http.ResponseWriter
	r       *http.Request
	started time.Time
	request string // its id, for the log and as the correlation of what it leads to
	key     string // its Idempotency-Key, of a command
	who     auth.Principal
	caller  *caller
	query   url.Values
	scratch *[]byte // of the pool; the answer's body may be in it
	of      *caller // whose bytes are held; stays when caller is gone
	held    int64   // bytes, of the body and the answer
}

// minPositionPatience bounds how long a read waits for the position that it names (the contract).
const minPositionPatience = 5 * time.Second

// admit lets a request in: what it must have is there, whoever sends it is known, and neither sends too much. Whether
// it may do this to this account is asked where the account is known.
func (x *call) admit() (problem reply, admitted bool) {
	if x.overConnected() {
		return tooManyConnections.closing(), false
	}
	if x.rt.command() {
		var wrong []domain.FieldError
		if x.key, wrong = commandKey(x.r.Header[headerKey]); wrong != nil {
			return invalid.with(wrong...), false
		}
	}
	if !x.rt.open {
		who, err := x.api.config.Tokens.Authenticate(bearer(x.r.Header["Authorization"]))
		if err != nil {
			return errorReply(err), false
		}
		x.who = who
		caller := x.api.limits.caller(who.TokenID)
		if !caller.enter(x.started) {
			return tooFast.reply(), false
		}
		x.caller, x.of = caller, caller
		if !showsToken(x.r.Context(), who.TokenID) {
			x.leave()
			return tooManyConnections.closing(), false
		}
	}
	if rep, fine := x.readQuery(); !fine {
		x.leave()
		return rep, false
	}
	if rep, fine := x.await(); !fine {
		x.leave()
		return rep, false
	}
	return reply{}, true
}

func (x *call) leave() {
	if x.caller != nil {
		x.caller.leave()
		x.caller = nil
	}
}

// commandKey reads an Idempotency-Key and makes one up if there is none, so that a command whose outcome is unknown
// can be sent again. A key that may not be is not given back.
func commandKey(given []string) (key string, wrong []domain.FieldError) {
	switch {
	case len(given) == 0:
		return uuid.Must(uuid.NewV7()).String(), nil
	case len(given) > 1:
		return "", []domain.FieldError{field(headerKey, "repeated", "must be given once")}
	}
	key = given[0]
	fine := len(key) >= 1 && len(key) <= maxKey
	for _, c := range []byte(key) {
		fine = fine && c >= 0x20 && c <= 0x7e
	}
	for _, prefix := range reservedKeys {
		fine = fine && !strings.HasPrefix(key, prefix)
	}
	if !fine {
		return "", []domain.FieldError{field(headerKey, "invalid_key",
			"must be 1 to 255 printable ASCII characters and not begin with fact/ or auto/")}
	}
	return key, nil
}

// maxKey bounds an Idempotency-Key, which is kept with its commit forever, in bytes.
const maxKey = 255

// reservedKeys begin the ids that the engine gives to billing facts and to transitions.
var reservedKeys = []string{"fact/", "auto/"}

// bearer takes the token out of an Authorization header; "" if there is none of this kind.
func bearer(given []string) string {
	if len(given) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(given[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// readQuery refuses a query that is not one, and parameters that the route does not know or that are given twice.
func (x *call) readQuery() (problem reply, fine bool) {
	if x.r.URL.RawQuery == "" {
		return reply{}, true
	}
	query, err := url.ParseQuery(x.r.URL.RawQuery)
	if err != nil {
		return malformedQuery.reply(), false
	}
	var wrong []domain.FieldError
	for _, name := range slices.Sorted(maps.Keys(query)) {
		values := query[name]
		shown := name
		if !looksLikeName(name) {
			shown = "?"
		}
		switch {
		case !x.rt.knows(name):
			wrong = append(wrong, field(shown, "unknown_parameter", "is not known here; /openapi.json lists the parameters"))
		case len(values) > 1:
			wrong = append(wrong, field(shown, "repeated", "must be given once"))
		}
		if len(wrong) == maxWrongFields {
			break
		}
	}
	if len(wrong) > 0 {
		return invalid.with(wrong...), false
	}
	x.query = query
	return reply{}, true
}

// await waits until the projections have the position that the request names.
func (x *call) await() (problem reply, fine bool) {
	given := x.r.Header[headerMinPosition]
	if len(given) == 0 || x.rt.open {
		return reply{}, true
	}
	position, err := strconv.ParseUint(given[0], 10, 64)
	if err != nil || len(given) > 1 {
		return invalid.with(field(headerMinPosition, "invalid_position", "must be one position, as Sundial-Position gave it")), false
	}
	if x.api.config.Store.Position() >= position {
		return reply{}, true
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), minPositionPatience)
	defer cancel()
	if err := x.api.config.Store.Wait(ctx, position); err != nil {
		return behind.reply().because(err), false
	}
	return reply{}, true
}

// address is where a request came from, as the connection has it.
func (x *call) address() string {
	return hostOf(x.r.RemoteAddr)
}

// allowed asks the table of roles; account is the one that the request is about, "" for none in particular.
func (x *call) allowed(account string, absent fault) (problem reply, fine bool) {
	return permit(x.who, x.rt.action, account, absent)
}

// permit asks the table of roles. absent is how a thing of another tenant is told, which is how one is told that does
// not exist.
func permit(who auth.Principal, action auth.Action, account string, absent fault) (problem reply, fine bool) {
	switch auth.Allowed(who, action, account) {
	case auth.OK:
		return reply{}, true
	case auth.NotFound:
		return absent.reply(), false
	case auth.Forbidden:
	}
	return forbidden.reply(), false
}

// account gives the account in the path, if the token may do this to it.
func (x *call) account() (id string, problem reply, fine bool) {
	id = x.r.PathValue("account")
	if problem, fine = x.allowed(id, noAccount); !fine {
		return "", problem, false
	}
	if !accountid.Valid(id) {
		return "", invalid.with(wrongAccount()), false
	}
	return id, reply{}, true
}

// app gives the number of the app in the path and the account that it belongs to, if the token may do this to it.
func (x *call) app() (id domain.AppID, account string, problem reply, fine bool) {
	id, isApp := appID(x.r.PathValue("app"))
	if isApp {
		owner, found, err := x.api.config.Store.AccountOf(x.r.Context(), id)
		if err != nil {
			return 0, "", errorReply(err), false
		}
		if found {
			problem, fine = x.allowed(owner, appNotFound)
			return id, owner, problem, fine
		}
	}
	return 0, "", x.noApp(), false
}

// noApp answers about an app that does not exist: who could do nothing with any app learns that first, and a tenant
// gets the answer that it gets about another's.
func (x *call) noApp() reply {
	if !x.who.Role.OfOneAccount() {
		if problem, fine := x.allowed("", appNotFound); !fine {
			return problem
		}
	}
	return appNotFound.reply()
}

// appNotFound is the domain's refusal as a fault of this edge: it is answered before the domain is reached.
var appNotFound = fault{
	http.StatusNotFound, domain.AppNotFound.Code, domain.AppNotFound.Message, domain.AppNotFound.Fix,
}

// appID reads an SDKAppID as it is written: ten digits.
func appID(s string) (domain.AppID, bool) {
	if len(s) != 10 || s[0] == '0' {
		return 0, false
	}
	var id domain.AppID
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		id = id*10 + domain.AppID(c-'0')
	}
	return id, true
}

func wrongAccount() domain.FieldError {
	return field("account", "invalid_account", "must be 1 to 63 of a-z, 0-9, _ and -, the first a letter or a digit")
}

// buffer gives an empty buffer of the pool for the answer's body; it is given back once that is written.
func (x *call) buffer() []byte {
	if x.scratch == nil {
		x.scratch = x.api.buffers.Get().(*[]byte)
	}
	return (*x.scratch)[:0]
}

// maxPooled keeps a large list from staying in memory for good, in bytes.
const maxPooled = 64 << 10

func (a *API) release(x *call) {
	x.letGo()
	if x.scratch == nil {
		return
	}
	if cap(*x.scratch) <= maxPooled {
		a.buffers.Put(x.scratch)
	}
	x.scratch = nil
}

// written answers with what was built in the exchange's buffer.
func (x *call) written(b []byte) reply {
	if x.scratch != nil {
		*x.scratch = b
	}
	return ok(b)
}

// requestID takes a client's id of the request, or makes one up.
func (a *API) requestID(given string) string {
	if len(given) >= 1 && len(given) <= 64 && looksLikeID(given) && auth.Redacted(given) == given {
		return given
	}
	return a.process + "-" + strconv.FormatUint(a.requests.Add(1), 10)
}

func looksLikeID(s string) bool {
	for _, c := range []byte(s) {
		if c != '_' && c != '-' && c != '.' && c != ':' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

func stack() []byte { return debug.Stack() }
