package datadir

import "strings"

// The codes of what can be wrong with a directory, stable.
const (
	RecordDamaged     = "record_damaged"     // the record is not what was written
	DirectoryNewer    = "directory_newer"    // a later version of the program wrote it
	LogForeign        = "log_foreign"        // the log is not the one that belongs to the directory
	RestoreUnfinished = "restore_unfinished" // sundial restored was begun, and not ended
	StreamOlder       = "stream_older"       // a stream ends before what it had reached
	StreamMissing     = "stream_missing"     // a stream is gone
	StreamForeign     = "stream_foreign"     // a stream is of another epoch, or holds other messages, than the directory knows
	MarksUnreadable   = "marks_unreadable"   // the file of marks cannot be read
	MarksDamaged      = "marks_damaged"      // it is not what was written
	MarksForeign      = "marks_foreign"      // it is of another log
)

// Finding is one thing that is wrong.
type Finding struct {
	Code    string
	Where   string // a file, or a stream behind the server that has it: nats/SUNDIAL_KEYS
	Problem string // in words, beginning with what it is about
}

// DamageError says what of a directory is not as it was left, and what to do. Nothing should be started on it before a
// person has looked.
type DamageError struct {
	Findings []Finding // at least one
	Fix      string
}

func (e *DamageError) Error() string {
	var b strings.Builder
	for i, f := range e.Findings {
		if i > 0 {
			b.WriteString("\n  ")
		}
		b.WriteString(f.Problem)
	}
	return b.String() + "\n  fix: " + e.Fix
}

// Damage is a DamageError with one finding.
func Damage(code, where, problem, fix string) error {
	return &DamageError{[]Finding{{code, where, problem}}, fix}
}
