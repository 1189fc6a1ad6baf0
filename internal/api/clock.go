package api

import (
	"context"
	"errors"
	"net/http"
	"time"

	"sundial/domain"
	"sundial/scheduler"
)

// Clock is the engine's clock.
type Clock struct {
	Now     domain.Instant `json:"now" doc:"The time that the engine goes by"`
	Sandbox bool           `json:"sandbox" doc:"Whether it moves only when told"`
	Hold    *ClockHold     `json:"hold" doc:"null unless a jump of the clock holds automatic transitions"`
}

// ClockHold says that the clock jumped, and that nothing fires until an operator confirms it or it returns.
type ClockHold struct {
	Since domain.Instant `json:"since" doc:"What the clock said when the jump was found"`
	Was   domain.Instant `json:"was" doc:"What it said a moment before"`
}

// readClock answers GET /v1/clock.
func (a *API) readClock(x *call) reply {
	if problem, fine := x.allowed("", noSandbox); !fine {
		return problem
	}
	return a.clock(x.r.Context())
}

func (a *API) clock(ctx context.Context) reply {
	shown := Clock{Now: a.config.Engine.Now(), Sandbox: a.config.Scheduler.Sandboxed()}
	hold, held, err := a.config.Scheduler.Held(ctx)
	if err != nil {
		return unavailable.reply().because(err)
	}
	if held {
		shown.Hold = &ClockHold{hold.Since, hold.Was}
	}
	return ok(marshal(shown))
}

// advanceClock is the body of POST /v1/clock/advance.
type advanceClock struct {
	By *string        `json:"by,omitzero" doc:"A duration such as 168h or 90m; this or to" example:"168h"`
	To domain.Instant `json:"to,omitzero" doc:"A time that is not before the clock's; its own only sweeps; this or by"`
	Reasoned
}

// target says where the body wants the clock.
func (b advanceClock) target(now domain.Instant) (domain.Instant, []domain.FieldError) {
	switch {
	case (b.By == nil) == (b.To == 0):
		return 0, []domain.FieldError{field("by", "one_of", "must be given, or to, and not both")}
	case b.By == nil:
		return b.To, nil
	}
	by, err := time.ParseDuration(*b.By)
	if err != nil || by != by.Truncate(time.Millisecond) {
		return 0, []domain.FieldError{field("by", "invalid_duration", "must be a duration in hours, minutes, seconds and milliseconds, such as 168h or 1h30m")}
	}
	return now.Add(by), nil
}

// advancePatience bounds how long moving a sandbox's clock may take: all that is due then fires before it answers.
const advancePatience = 10 * time.Minute

// moveClock answers POST /v1/clock/advance when everything then due has fired and can be read.
func (a *API) moveClock(x *call) reply {
	if problem, fine := x.allowed("", noSandbox); !fine {
		return problem
	}
	if !a.config.Scheduler.Sandboxed() {
		return noSandbox.reply()
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	var b advanceClock
	if problem, fine := decode(text, &b); !fine {
		return problem
	}
	to, wrong := b.target(a.config.Scheduler.Now())
	if wrong = joined(wrong, checkReason(b.Reason)); len(wrong) > 0 {
		return invalid.with(wrong...)
	}
	// Longer than other answers take; a server that does not know write deadlines has none to move.
	_ = http.NewResponseController(x.w).SetWriteDeadline(x.started.Add(advancePatience + time.Minute))
	ctx, cancel := context.WithTimeout(x.r.Context(), advancePatience)
	defer cancel()
	switch err := a.config.Scheduler.Advance(ctx, to); {
	case errors.Is(err, scheduler.ErrBackwards):
		return clockBackwards.reply()
	case errors.Is(err, scheduler.ErrNotSandbox):
		return noSandbox.reply()
	case err != nil:
		return unavailable.reply().because(err)
	}
	return a.clock(ctx)
}

// confirmClock answers POST /v1/clock/confirm, also where there is no hold to lift.
func (a *API) confirmClock(x *call) reply {
	if problem, fine := x.allowed("", noSandbox); !fine {
		return problem
	}
	reason, problem, fine := x.reason()
	if !fine {
		return problem
	}
	if err := a.config.Scheduler.Confirm(x.r.Context()); err != nil {
		return unavailable.reply().because(err)
	}
	a.config.Logger.Warn("an operator confirmed the clock", "by", x.who.TokenID, "reason", reason, "request", x.request)
	return a.clock(x.r.Context())
}
