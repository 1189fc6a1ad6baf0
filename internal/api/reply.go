package api

import (
	"net/http"
	"strconv"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
)

// The headers of the contract.
const (
	headerKey         = "Idempotency-Key"
	headerPosition    = "Sundial-Position"
	headerMinPosition = "Sundial-Min-Position"
	headerRequest     = "Sundial-Request-Id"
)

// reply is an answer before it is written, over HTTP or NATS.
type reply struct {
	status      int
	contentType string
	body        []byte
	etag        uint64 // the version of the app in the body; 0: none
	position    uint64 // of the command's commit; 0: none
	key         string // the Idempotency-Key to give back
	retryAfter  string
	challenge   string // WWW-Authenticate
	allow       string

	code string // of the problem, for the log
	err  error  // what led to the problem, for the log alone
}

// because keeps the cause for the log.
func (r reply) because(err error) reply {
	r.err = err
	return r
}

func ok(body []byte) reply { return reply{status: http.StatusOK, contentType: jsonType, body: body} }

// headers gives the headers of the reply. The names are in Go's canonical form.
func (r *reply) headers(set func(name, value string)) {
	if r.contentType != "" {
		set("Content-Type", r.contentType)
	}
	if r.etag != 0 {
		set("Etag", `"`+strconv.FormatUint(r.etag, 10)+`"`)
	}
	if r.position != 0 {
		set(headerPosition, strconv.FormatUint(r.position, 10))
	}
	for _, h := range []struct{ name, value string }{
		{headerKey, r.key}, {"Retry-After", r.retryAfter}, {"Www-Authenticate", r.challenge}, {"Allow", r.allow},
	} {
		if h.value != "" {
			set(h.name, h.value)
		}
	}
}
