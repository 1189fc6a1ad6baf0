package api

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// linesOfOne is how many lines a second the log takes of one kind of refusal, and linesOfAll of all: enough to see who
	// does what, and at most some 30 kB a second.
	linesOfOne = 10
	linesOfAll = 100

	// maxKinds bounds the kinds that are told apart within a second; what comes on top is counted together.
	maxKinds = 1000
)

// sample leaves most lines out of the log where many say the same: each second the first ones of a kind stand in it, and then how
// many there were.
type sample struct {
	left prometheus.Counter

	mu     sync.Mutex
	second int64
	kinds  map[string]int // lines of this second
	all    int
	missed int // since it was told last
}

// takes tells whether a line of a kind is written, and how many were left out before it that nobody was told of.
func (s *sample) takes(kind string, now time.Time) (yes bool, missed int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if second := now.Unix(); second != s.second || s.kinds == nil {
		s.second, s.all, s.kinds = second, 0, map[string]int{}
		missed, s.missed = s.missed, 0
	}
	if _, known := s.kinds[kind]; !known && len(s.kinds) >= maxKinds {
		kind = ""
	}
	s.kinds[kind]++
	s.all++
	if s.kinds[kind] > linesOfOne || s.all > linesOfAll {
		s.missed++
		s.left.Inc()
		return false, missed
	}
	return true, missed
}

// taken tells whether the log takes the line of a refusal.
func (a *API) taken(e entry, rep *reply) bool {
	kind := rep.code + " " + e.token
	if e.token == "" {
		kind = rep.code + " " + hostOf(e.remote)
	}
	yes, missed := a.sample.takes(kind, time.Now()) //nolint:forbidigo // bounds the log by real time
	if missed > 0 {
		a.config.Logger.LogAttrs(context.Background(), slog.LevelWarn, "requests that were refused are left out of the log, metrics have them all",
			slog.Int("lines", missed))
	}
	return yes
}
