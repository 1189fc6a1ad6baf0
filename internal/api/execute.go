package api

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/mediatype"
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
	body := mediatype.Unmarked(call.Body)
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
		if given, problem, fine = row.read(x, text, app); !fine {
			return problem
		}
	}
	return a.execute(x.r.Context(), row, given, instruction{account, x.who, x.key, x.request, x.r.Header["If-Match"]})
}

// read makes the command of a body; of a large one in its account's turn, as it keeps a processor busy for a while.
func (row *command) read(x *call, text []byte, app domain.AppID) (given parsedCommand, problem reply, fine bool) {
	if len(text) > smallAnswer {
		leave, problem, fine := x.turn(x.api.reads)
		if !fine {
			return given, problem, false
		}
		defer leave()
	}
	if text, problem, fine = form(x.r, text); !fine {
		return given, problem, false
	}
	if len(text) == 0 && row.lenient {
		text = emptyBody
	}
	return row.parse(text, app, x.r.PathValue("id"))
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
	versions, wrong := ifMatch(with.ifMatch)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	answer, err := a.config.Secrets.Execute(ctx, engine.Request{
		Account: with.account, ID: with.key, Command: given.command,
		Role: domain.Role(with.who.Role), Actor: actor(with.who), Reason: given.reason, Correlation: with.request,
		IfMatch: versions,
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
		if row.orders {
			rep.body = appendWarnings(rep.body, answer.App)
		}
		if row.more != nil {
			rep.body = row.more(a, rep.body, given.command, answer)
		}
	case answer.Account != nil && row.shows != nil:
		rep.body = row.shows(nil, answer.Account)
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

// ifMatch reads If-Match: the version of the app in quotes, as its ETag has it, or weak as a proxy makes it that compresses
// answers. Of a list the app may have any, * is every version; one of another form is no version that an app can have.
func ifMatch(given []string) (versions []uint64, wrong []domain.FieldError) {
	if len(given) == 0 {
		return nil, nil
	}
	tags := strings.Split(strings.Join(given, ","), ",")
	for _, tag := range tags {
		tag = strings.TrimSpace(tag)
		if tag == "*" && len(tags) == 1 {
			return nil, nil
		}
		version, ok := versionOf(strings.TrimPrefix(tag, "W/"))
		if !ok || len(tags) > maxTags {
			return nil, []domain.FieldError{field("If-Match", "invalid_version", `must be the ETag of the app, such as "7", or a list of up to 100 of them`)}
		}
		versions = append(versions, version)
	}
	return versions, nil
}

// maxTags bounds a list of tags: it is gone through while the account is held.
const maxTags = 100

// versionOf reads a tag, or a number that lacks its quotes. A tag that is not one of ours is no version that an app can
// have.
func versionOf(tag string) (version uint64, ok bool) {
	version, err := strconv.ParseUint(strings.Trim(tag, `"`), 10, 64)
	quoted := len(tag) >= 3 && tag[0] == '"' && tag[len(tag)-1] == '"'
	switch {
	case err == nil:
		return version, quoted || tag[0] != '"' && tag[len(tag)-1] != '"'
	case quoted:
		return math.MaxUint64, true
	}
	return 0, false
}

// body reads a request's body, at most MaxBody bytes of it and of what it unpacks to, and without a byte order mark.
func (x *call) body() (text []byte, problem reply, fine bool) {
	packed := false
	switch strings.ToLower(strings.TrimSpace(strings.Join(x.r.Header["Content-Encoding"], ","))) {
	case "", "identity":
	case "gzip", "x-gzip":
		packed = true
	default:
		return nil, wrongEncoding.reply(), false
	}
	length := x.r.ContentLength
	switch {
	case length > MaxBody:
		return nil, tooLarge.reply(), false
	case length == 0 || x.r.Body == nil || x.r.Body == http.NoBody:
		return nil, reply{}, true
	}
	var from io.Reader = http.MaxBytesReader(x.w, x.r.Body, MaxBody)
	var err error
	if packed {
		if from, err = gzip.NewReader(from); err != nil {
			from = strings.NewReader("") // what is wrong is told below
		}
	}
	if err == nil {
		if text, problem, fine, err = x.arriving(from, MaxBody); !fine {
			return nil, problem, false
		}
	}
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over) || len(text) > MaxBody:
		return nil, tooLarge.reply(), false
	case err != nil && packed:
		return nil, malformedEncoding.reply().because(err), false
	case err != nil:
		return nil, malformed.reply().because(err), false
	}
	return mediatype.Unmarked(text), reply{}, true
}
