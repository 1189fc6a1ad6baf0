package eventstore

import (
	"errors"
	"fmt"
)

var (
	// ErrExists: Create found a log already there. Open it.
	ErrExists = errors.New("eventstore: the log exists already: open it instead of creating it")

	// ErrMissing: Open found no log. Either it was never created, or it was lost.
	ErrMissing = errors.New("eventstore: there is no log: on a first start create it, else restore it from a backup before starting")

	// ErrUnavailable: the commit was certainly not written; sending it again later is safe.
	ErrUnavailable = errors.New("eventstore: the log cannot be written now, nothing was")

	// ErrUnknown: the commit may have been written or not. Look its command's id up before trying again.
	ErrUnknown = errors.New("eventstore: it is not known whether the commit was written: look the command's id up before trying again")

	// ErrTooLarge: the commit is above MaxPayload or MaxEvents and was not written; it never will be.
	ErrTooLarge = errors.New("eventstore: the commit is too large: split the command")

	// ErrNotFound: there is no commit at that sequence.
	ErrNotFound = errors.New("eventstore: no such commit")
)

// errClosed is what an append gets after Close; nothing was written.
var errClosed = fmt.Errorf("%w: the log was closed", ErrUnavailable)

// ConflictError says that the account's last commit is not the one that was expected. Nothing was written: catch
// up with the log, look the command's id up, decide again.
type ConflictError struct {
	Account  string
	Expected uint64 // the sequence that the account's last commit was expected to have
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("eventstore: account %s has moved on from sequence %d: catch up and decide again", e.Account, e.Expected)
}

// CorruptError says that the log is not what it was, or not what it may be. Nothing must be written until a person
// has looked.
type CorruptError struct {
	Sequence uint64 // where, 0 if it is the log as a whole
	Problem  string
	Advice   string // what the operator should do
}

func (e *CorruptError) Error() string {
	if e.Sequence == 0 {
		return fmt.Sprintf("eventstore: the log is corrupt: %s; %s", e.Problem, e.Advice)
	}
	return fmt.Sprintf("eventstore: the log is corrupt at sequence %d: %s; %s", e.Sequence, e.Problem, e.Advice)
}

// DamagedAt is where, 0 if it is the log as a whole.
func (e *CorruptError) DamagedAt() uint64 { return e.Sequence }

// GapError says that a follower met a sequence that does not follow the one before. No commit is ever deleted, so
// this is corruption.
type GapError struct {
	Want, Got uint64
}

func (e *GapError) Error() string {
	return fmt.Sprintf("eventstore: the log has a gap: sequence %d is missing, %d came: %s", e.Want, e.Got, adviceRestore)
}

// DamagedAt is the first sequence that is missing.
func (e *GapError) DamagedAt() uint64 { return e.Want }

const (
	adviceRestore = "stop, keep a copy of the data directory, restore the log from the latest backup, and send again what upstream has since then"
	adviceWrong   = "check that this is the right data directory or NATS cluster; if the log was restored from a backup, give sundial restored, which rebuilds the projections too, and send again what upstream has since then"
	adviceConfig  = "somebody changed the stream: set it back as it was, then find out who may do that"
)
