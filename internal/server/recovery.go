package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"sundial/internal/auth"
	"sundial/internal/natsd"
)

// worthless are the streams of the embedded server that hold nothing of value: whatever became of them, they are made anew.
var worthless = []string{"SUNDIAL_EVENTS_PROBE", "KV_" + leases}

// remade is the stream that is made anew from the log where it was lost.
const remade = "SUNDIAL_NUMBERS"

// advice says of each stream what to do where it cannot be recovered; of another, adviceRestore does.
var advice = map[string]string{
	"SUNDIAL_EVENTS":    "keep a copy of the data directory, and restore the log from the latest backup",
	"SUNDIAL_KEYS":      "keep a copy of the data directory, and restore this folder from the latest backup; without it no secret of an app can be read again",
	"KV_SUNDIAL_TOKENS": "keep a copy of the folder and move it away: the start writes the tokens again as " + auth.LedgerFile + " has them",
	"BILLING":           "keep a copy of the folder and move it away, and have the billing systems send again what was not taken in yet: what was is a duplicate",
	"PARKED":            "keep a copy of the folder and move it away: what was parked is lost with it, so have the billing systems send again what GET /v1/parked listed",
	"LIFECYCLE":         "keep a copy of the folder and move it away: what happened is published anew from the log, under the ids that it had",
	"KV_SUNDIAL_CLOCK":  "move the folder away: the clock is looked at anew",
}

const adviceRestore = "keep a copy of the data directory, and restore it from the latest backup"

// rehearse has the streams recovered in a process of its own first, so that damage which would end this one is named. What is
// made anew from the log is, where it is at fault.
func (s *storage) rehearse(ctx context.Context) error {
	if len(s.config.Rehearsal) == 0 {
		return nil
	}
	rehearsal := natsd.Rehearsal{
		Dir: s.dir.file(NATSDir), Command: s.config.Rehearsal, Worthless: worthless, Hold: s.dir.lock, Logger: s.config.Logger,
	}
	err := rehearsal.Run(ctx)
	var fault *natsd.RecoveryError
	if errors.As(err, &fault) && len(fault.Streams) == 1 && fault.Streams[0] == remade {
		s.config.Logger.Warn("a stream is damaged and is made anew from the log", "stream", remade, "problem", fault.Problem)
		rehearsal.Worthless = append(rehearsal.Worthless, remade)
		err = rehearsal.Run(ctx)
	}
	return err
}

// advised adds to the error of a recovery what to do.
func (s *storage) advised(err error) error {
	var fault *natsd.RecoveryError
	if !errors.As(err, &fault) {
		return err
	}
	if len(fault.Streams) != 1 {
		return fmt.Errorf("%w\n  fix: %s", err, adviceRestore)
	}
	fix, known := advice[fault.Streams[0]]
	if !known {
		fix = adviceRestore
	}
	where := ""
	if found, globErr := filepath.Glob(filepath.Join(fault.Dir, "jetstream", "*", "streams", fault.Streams[0])); globErr == nil {
		where = strings.Join(found, string(os.PathListSeparator))
	}
	return fmt.Errorf("%w\n  fix: %s (%s)", err, fix, where)
}
