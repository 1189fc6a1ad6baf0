package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// errStanding: so many accounts are stuck that nothing more is fetched.
var errStanding = errors.New("so many accounts are stuck that no account's bills are taken in: replay or discard what is parked (sundial parked discard --all with what it has in common), or see the log for what else keeps them")

// Look says, for readiness, what waits that a person should look at; an error while no account's bills are taken in on this
// node. Where those of some accounts wait, all others go on, and so does the node.
func (i *Intake) Look(context.Context) (note string, err error) {
	var notes []string
	say := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if t := i.term.Load(); t != nil {
		s := t.window.size()
		if s.standing {
			err = errStanding
		}
		if s.stuck > 0 {
			say("the bills of %d accounts cannot be taken in now", s.stuck)
		}
		if s.unparked > 0 {
			say("those of %d accounts wait for room in the parking place", s.unparked)
		}
	}
	open, bytes, all := i.parking.index.size()
	if l := i.parking.limits; open >= l.open || bytes >= l.bytes || all >= l.all {
		say("the parking place is full: %d events of %d MB wait for a person", open, bytes>>20)
	}
	return strings.Join(notes, "; "), err
}
