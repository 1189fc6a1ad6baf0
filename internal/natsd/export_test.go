package natsd

import "time"

// Limit bounds what a rehearsal may take, in place of what it may otherwise.
func (r *Rehearsal) Limit(patience time.Duration, memory uint64) {
	r.patience, r.memory = patience, memory
}
