package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"sundial/internal/auth"
	"sundial/internal/query"
)

const (
	// streamLook is how often a stream that has sent everything looks whether there is more: soon for a person, and
	// next to nothing for the processor, however many streams there are.
	streamLook = 50 * time.Millisecond

	// streamAdmit is how often it is asked whether the token still works while there is nothing to send.
	streamAdmit = time.Second

	// streamHeartbeat keeps what stands between from closing a silent connection (a minute, as a rule), and finds a
	// client that is gone.
	streamHeartbeat = 15 * time.Second

	// streamPatience is how long a client may take for streamChunk bytes, 6 kB/s, before it is dropped. It comes
	// again and goes on where it was.
	streamPatience = 10 * time.Second
	streamChunk    = 64 << 10

	// streamPage is how many events are read at a time; it bounds what a stream keeps.
	streamPage = maxLimit
)

// streamBegin tells the client how long to wait, in milliseconds, before it comes again after the stream ended.
const streamBegin = "retry: 1000\n\n"

// streamEvents answers with the feed as server-sent events, and goes on until the client leaves or is too slow, the
// token ends, or the server stops.
func (a *API) streamEvents(x *call, feed query.Feed) reply {
	if err := a.config.Query.Reached(x.r.Context(), feed.After); err != nil {
		return errorReply(err)
	}
	rep := reply{status: http.StatusOK, contentType: streamType}
	if x.r.Method == http.MethodHead {
		return rep
	}
	leave, problem, fine := a.limits.stream(x.caller)
	if !fine {
		return problem
	}
	feed.Limit = streamPage
	s := stream{
		api: a, feed: feed, who: x.who, secret: bearer(x.r.Header["Authorization"]), request: x.request,
		w: x.w, control: http.NewResponseController(x.w), stopping: serverStops(x.r.Context()),
	}
	ctx := x.r.Context()
	rep.stream = func() {
		defer leave()
		a.metrics.streams.Inc()
		defer a.metrics.streams.Dec()
		s.run(ctx)
	}
	return rep
}

// stream is one client's.
type stream struct {
	api      *API
	feed     query.Feed // After is behind what was sent
	who      auth.Principal
	secret   string
	request  string
	w        http.ResponseWriter
	control  *http.ResponseController
	stopping <-chan struct{}
	beats    *time.Ticker
	buffer   []byte
	come     string // how far the stream has come, as a client is told
	told     string // the place that the client knows
}

func (s *stream) run(ctx context.Context) {
	// The server's timeouts are those of requests. Reading goes on only to notice that the client left.
	_ = s.control.SetReadDeadline(time.Time{}) // a writer without deadlines has none to lift
	s.buffer = append(s.buffer, streamBegin...)
	s.come = s.feed.After.String()
	s.told = s.come
	s.beats = time.NewTicker(s.api.streamHeartbeat)
	defer s.beats.Stop()
	if !s.flush() {
		return
	}
	for s.admitted() {
		page, err := s.page(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.api.config.Logger.Warn("a stream of events ends: it will be begun again where it was", "request", s.request, "error", err)
			}
			s.buffer = append(s.buffer, ": "+errorReply(err).code+"\n\n"...)
			s.flush()
			return
		}
		if !s.send(page) || !page.More && !s.wait(ctx) {
			return
		}
		select {
		case <-s.beats.C: // also while nothing is found in much that is looked through
			if !s.beat() {
				return
			}
		case <-s.stopping:
			return
		case <-ctx.Done():
			return
		default:
		}
	}
}

// page reads a page in the turn of the stream's account, as other reads do.
func (s *stream) page(ctx context.Context) (query.FeedPage, error) {
	leave, err := s.api.reads.Enter(ctx, cmp.Or(s.who.Account, s.who.TokenID), s.who.TokenID)
	if err != nil {
		return query.FeedPage{}, err
	}
	defer leave()
	return s.api.config.Query.Feed(ctx, s.feed)
}

// admitted tells whether the token still works, and the client if it does not.
func (s *stream) admitted() bool {
	_, err := s.api.config.Tokens.Authenticate(s.secret)
	if err == nil {
		return true
	}
	s.buffer = append(s.buffer, ": "+errorReply(err).code+"\n\n"...)
	s.flush()
	return false
}

// send writes a page; false once the client is gone or too slow.
func (s *stream) send(page query.FeedPage) bool {
	for i := range page.Events {
		e := &page.Events[i]
		s.buffer = append(s.buffer, "id: "...)
		s.buffer = append(s.buffer, e.ID...)
		s.buffer = append(s.buffer, "\nevent: "...)
		s.buffer = append(s.buffer, e.Type...)
		s.buffer = append(s.buffer, "\ndata: "...)
		s.buffer = append(s.buffer, e.Body...)
		s.buffer = append(s.buffer, "\n\n"...)
		if len(s.buffer) >= streamChunk && !s.flush() {
			return false
		}
	}
	s.feed.After, s.feed.Before, s.come = page.After, page.Before, page.Told
	if len(page.Events) == 0 {
		return true
	}
	s.told = page.Events[len(page.Events)-1].ID
	return s.flush()
}

// wait waits until there may be more to send.
func (s *stream) wait(ctx context.Context) bool {
	look := time.NewTicker(streamLook)
	defer look.Stop()
	admit := time.NewTicker(streamAdmit)
	defer admit.Stop()
	for {
		select {
		case <-look.C:
			if s.api.config.Query.Head() > s.feed.After.Position {
				return true
			}
		case <-admit.C:
			if !s.admitted() {
				return false
			}
		case <-s.beats.C:
			if !s.beat() {
				return false
			}
		case <-s.stopping:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// beat writes a comment, and how far the stream has come where nothing was found: an id without data is no event,
// and is what the client comes again with.
func (s *stream) beat() bool {
	s.buffer = append(s.buffer, ":\n"...)
	if s.told != s.come {
		s.told = s.come
		s.buffer = append(s.buffer, "id: "+s.come+"\n"...)
	}
	s.buffer = append(s.buffer, '\n')
	return s.flush()
}

// flush sends what is in the buffer, unless the client is gone or takes too long.
func (s *stream) flush() bool {
	_ = s.control.SetWriteDeadline(time.Now().Add(s.api.streamPatience)) //nolint:forbidigo // a timeout of the connection
	_, err := s.w.Write(s.buffer)
	if err == nil {
		err = s.control.Flush()
	}
	s.buffer = s.buffer[:0]
	if cap(s.buffer) > 2*streamChunk { // one very large event
		s.buffer = nil
	}
	return err == nil
}
