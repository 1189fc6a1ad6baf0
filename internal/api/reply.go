package api

import (
	"net/http"
	"strconv"
)

const (
	jsonType    = "application/json"
	problemType = "application/problem+json"
	streamType  = "text/event-stream"
	csvType     = "text/csv; charset=utf-8"
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
	close       bool   // the connection ends with it
	stream      func() // goes on writing once the answer is written and counted; nil: nothing follows

	code string // of the problem, for the log
	err  error  // what led to the problem, for the log alone
}

// because keeps the cause for the log.
func (r reply) because(err error) reply {
	r.err = err
	return r
}

func ok(body []byte) reply { return reply{status: http.StatusOK, contentType: jsonType, body: body} }

// typeHeaders spares a read the making of its one constant header.
var typeHeaders = map[string][]string{jsonType: {jsonType}, problemType: {problemType}, streamType: {streamType}, csvType: {csvType}}

// unbuffered asks a proxy to hand a stream on as it comes.
var unbuffered = []string{"no"}

// headers adds the headers of the reply to h. The names are in Go's canonical form, as a http.Header wants them.
func (r *reply) headers(h map[string][]string) {
	h["Content-Type"] = typeHeaders[r.contentType]
	if r.etag != 0 {
		text := make([]byte, 0, 22)
		text = append(strconv.AppendUint(append(text, '"'), r.etag, 10), '"')
		h["Etag"] = []string{string(text)}
	}
	if r.position != 0 {
		h[headerPosition] = []string{strconv.FormatUint(r.position, 10)}
	}
	if r.key != "" {
		h[headerKey] = []string{r.key}
	}
	if r.retryAfter != "" {
		h["Retry-After"] = []string{r.retryAfter}
	}
	if r.challenge != "" {
		h["Www-Authenticate"] = []string{r.challenge}
	}
	if r.stream != nil {
		h["X-Accel-Buffering"] = unbuffered
	}
	if r.allow != "" {
		h["Allow"] = []string{r.allow}
	}
}
