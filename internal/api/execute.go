package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/auth"
	"sundial/internal/engine"
)

// commandPatience bounds a command, waiting for the log and the projections included.
const commandPatience = 20 * time.Second

// Call is a command that came otherwise than over HTTP.
type Call struct {
	Account string // as the subject names it
	Name    string // of the command
	Header  map[string][]string
	Body    []byte
}

// Reply is the answer to a Call: what HTTP would have answered.
type Reply struct {
	Status int
	Code   string // of the problem; "" if there is none
	Header map[string][]string
	Body   []byte
}

// Command answers a command that came over NATS as HTTP would. Its headers are those of HTTP, in any case; its body is
// HTTP's with the member app where HTTP has the app in the path.
func (a *API) Command(ctx context.Context, call Call) Reply {
	started := time.Now() //nolint:forbidigo // measures a duration
	header := canonical(call.Header)
	request := a.requestID(header.Get(headerRequest))
	key, wrong := commandKey(header[headerKey])
	var rep reply
	var who auth.Principal
	if wrong != nil {
		rep = invalid.with(wrong...)
	} else {
		rep, who = a.called(ctx, call, header, key, request, started)
		rep.key = key
	}
	a.metrics.called(call.Name, rep.status)
	a.log(entry{
		method: "NATS", path: "command." + call.Account + "." + call.Name, request: request, token: who.TokenID,
		took: time.Since(started), bytes: len(rep.body), changes: true, //nolint:forbidigo // measures a duration
	}, &rep)
	out := Reply{Status: rep.status, Code: rep.code, Header: map[string][]string{headerRequest: {request}}, Body: rep.body}
	rep.headers(out.Header)
	for inHTTP, name := range map[string]string{"Etag": "ETag", "Www-Authenticate": "WWW-Authenticate"} {
		if values, has := out.Header[inHTTP]; has { // names in NATS are told apart by case: these are as the contract writes them
			delete(out.Header, inHTTP)
			out.Header[name] = values
		}
	}
	return out
}

// canonical writes the names of headers as HTTP does.
func canonical(given map[string][]string) http.Header {
	h := make(http.Header, len(given))
	for name, values := range given {
		name = http.CanonicalHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	return h
}

func (a *API) called(
	ctx context.Context, call Call, header http.Header, key, request string, started time.Time,
) (rep reply, who auth.Principal) {
	defer func() {
		if p := recover(); p != nil {
			rep = internal.reply().because(panicked(p))
		}
	}()
	who, err := a.config.Tokens.Authenticate(bearer(header["Authorization"]))
	if err != nil {
		return errorReply(err), who
	}
	caller := a.limits.caller(who.TokenID)
	if !caller.enter(started) {
		return tooFast.reply(), who
	}
	defer caller.leave()
	row, known := commandsByName[call.Name]
	if !known {
		return noCommand.reply(), who
	}
	if problem, fine := permit(who, row.action, call.Account, noAccount); !fine {
		return problem, who
	}
	if !accountid.Valid(call.Account) {
		return invalid.with(wrongAccount()), who
	}
	if len(call.Body) > MaxBody {
		return tooLarge.reply(), who
	}
	body := call.Body
	if len(body) == 0 && row.lenient {
		body = emptyBody
	}
	given, problem, fine := row.message(body)
	if !fine {
		return problem, who
	}
	return a.execute(ctx, row, given, instruction{call.Account, who, key, request, header["If-Match"]}), who
}

var emptyBody = []byte("{}")

// command answers a command over HTTP.
func (row *command) serve(a *API, x *call) reply {
	var app domain.AppID
	var account string
	var problem reply
	var fine bool
	if row.find != nil {
		app, account, problem, fine = row.find(x)
	} else if row.onApp {
		app, account, problem, fine = x.app()
	} else {
		account, problem, fine = x.account()
	}
	if !fine {
		return problem
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	var given parsedCommand
	switch {
	case row.query != nil && len(text) > 0:
		return unexpectedBody.reply()
	case row.query != nil:
		if given, problem, fine = ordered(within(row.query(x.query), x.r.PathValue("id")), app); !fine {
			return problem
		}
	default:
		if text, problem, fine = form(x.r, text); !fine {
			return problem
		}
		if len(text) == 0 && row.lenient {
			text = emptyBody
		}
		if given, problem, fine = row.parse(text, app, x.r.PathValue("id")); !fine {
			return problem
		}
	}
	return a.execute(x.r.Context(), row, given, instruction{account, x.who, x.key, x.request, x.r.Header["If-Match"]})
}

// instruction is what comes with a command, whichever way it came.
type instruction struct {
	account string
	who     auth.Principal
	key     string
	request string
	ifMatch []string
}

// execute hands a command to the engine and answers with what came of it.
func (a *API) execute(ctx context.Context, row *command, given parsedCommand, with instruction) reply {
	version, wrong := ifMatch(with.ifMatch)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	answer, err := a.config.Secrets.Execute(ctx, engine.Request{
		Account: with.account, ID: with.key, Command: given.command,
		Role: domain.Role(with.who.Role), Actor: actor(with.who), Reason: given.reason, Correlation: with.request,
		IfMatch: version,
	})
	if err != nil {
		return errorReply(err)
	}
	rep := ok(nil)
	rep.position = answer.Position
	switch {
	case answer.App != nil:
		rep.body = appendApp(make([]byte, 0, 1024), answer.App)
		rep.etag = answer.App.Version
		if row.more != nil {
			rep.body = row.more(a, rep.body, given.command, answer)
		}
	case answer.Account != nil && !row.onApp && !row.creates:
		rep.body = appendAccount(nil, answer.Account, a.config.Engine.Policy())
	default:
		return internal.reply().because(errors.New("the engine's answer lacks the app"))
	}
	if row.creates {
		rep.status = http.StatusCreated
	}
	return rep
}

// actor names who gave a command, in its commit.
func actor(who auth.Principal) string { return string(who.Role) + ":" + who.TokenID }

// ifMatch reads If-Match: the version of the app in quotes, as its ETag has it. Any version is *; a weak one or one of
// another form is no version that an app can have.
func ifMatch(given []string) (*uint64, []domain.FieldError) {
	if len(given) == 0 {
		return nil, nil
	}
	text := strings.TrimSpace(given[0])
	if len(given) > 1 || strings.Contains(text, ",") {
		return nil, []domain.FieldError{field("If-Match", "repeated", "must name one version, as the ETag of the app has it")}
	}
	if text == "*" {
		return nil, nil
	}
	none := ^uint64(0)
	if len(text) < 3 || text[0] != '"' || text[len(text)-1] != '"' {
		if _, err := strconv.ParseUint(text, 10, 64); err != nil && !strings.HasPrefix(text, `W/"`) {
			return nil, []domain.FieldError{field("If-Match", "invalid_version", `must be the ETag of the app, such as "7"`)}
		}
	}
	version, err := strconv.ParseUint(strings.Trim(text, `"`), 10, 64)
	if err != nil {
		return &none, nil
	}
	return &version, nil
}

// body reads a request's body, at most MaxBody bytes of it.
func (x *call) body() (text []byte, problem reply, fine bool) {
	length := x.r.ContentLength
	switch {
	case length > MaxBody:
		return nil, tooLarge.reply(), false
	case length == 0 || x.r.Body == nil || x.r.Body == http.NoBody:
		return nil, reply{}, true
	}
	limited := http.MaxBytesReader(x.w, x.r.Body, MaxBody)
	var err error
	if length > 0 {
		text = make([]byte, length)
		_, err = io.ReadFull(limited, text)
	} else {
		text, err = io.ReadAll(limited)
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge.reply(), false
	case err != nil:
		return nil, malformed.reply().because(err), false
	}
	return text, reply{}, true
}
