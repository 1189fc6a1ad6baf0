// Package damage says what is damaged of that which is stored: the words in which every owner of a file or a stream tells it,
// and in which sundial verify gives it on.
package damage

import "fmt"

// Finding is one damage.
type Finding struct {
	// Code is a stable name of the kind of damage, such as log_corrupt. Codes are never renamed or reused.
	Code string `json:"code"`
	// Where is what is damaged: a file by its path in the data directory, or a stream behind the server that has it, as
	// nats/SUNDIAL_KEYS.
	Where string `json:"where"`
	// Position is the sequence of the damaged message in its stream, that of a commit in the log, and the line
	// in tokens.ledger; 0 where it is the whole, or another file.
	Position uint64 `json:"position,omitzero"`
	// Problem says what is wrong with it, without secrets and without what somebody sent.
	Problem string `json:"problem"`
	// Fix says what to do.
	Fix string `json:"fix"`
}

// Lost is the finding of a message that its stream counts among those it has and cannot give.
func Lost(code, where string, sequence uint64, fix string) Finding {
	return Finding{Code: code, Where: where, Position: sequence, Problem: "the message cannot be read", Fix: fix}
}

// String is the finding on two lines.
func (f Finding) String() string {
	where := f.Where
	if f.Position > 0 {
		where = fmt.Sprintf("%s at sequence %d", where, f.Position)
	}
	return fmt.Sprintf("%s (%s): %s\n  fix: %s", where, f.Code, f.Problem, f.Fix)
}
