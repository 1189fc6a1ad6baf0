package oracle

import (
	"slices"
	"strings"
)

// Foreseen is a transition that comes if no further fact does.
type Foreseen struct {
	Transition
	From string // a status, or "edition:" and an edition where To is one
}

// Ahead lists what time alone will do to an app after now, by these facts, in the order of [View.Next] at one instant; at
// most so many.
func Ahead(app App, facts []Fact, now int64, grace ByEdition, most int) []Foreseen {
	h := newHistory(app, facts, grace)
	var ahead []Foreseen
	for at := now; len(ahead) < most; {
		view, silent := h.view(at), h.nextBoundary(at)
		if len(view.Next) == 0 || view.Next[0].Due > silent {
			if silent == never {
				break
			}
			at = silent // nothing is seen of it, but a stop may follow
			continue
		}
		at = view.Next[0].Due
		status := view.Status
		for i, next := range view.Next {
			if slices.Contains(view.Next[:i], next) {
				continue // an order for no time begins as the app stops
			}
			from := status
			if strings.HasPrefix(next.To, "edition:") {
				from = "edition:" + view.Edition
			} else {
				status = next.To
			}
			ahead = append(ahead, Foreseen{next, from})
		}
	}
	return ahead[:min(most, len(ahead))]
}

// nextBoundary is when the next order begins or ends; never, if none does.
func (h history) nextBoundary(after int64) int64 {
	next := int64(never)
	for _, o := range h.orders {
		for _, at := range [2]int64{o.effective, o.end} {
			if at > after {
				next = min(next, at)
			}
		}
	}
	return next
}
