package domain

import (
	"reflect"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// partly is a command of which not everything counts when its id comes again.
type partly interface {
	Command
	content() Command
}

// Content is what counts of a command when its id comes again: another reason is the same command, and so is another
// delivery of one message, whatever tracing headers it has. Two deliveries are of one message if their type and data
// are the same.
func Content(c Command) Command {
	if p, is := c.(partly); is {
		return p.content()
	}
	return c
}

// reasoned is a command that carries the reason itself, as some rule asks for it.
type reasoned interface {
	Command
	withReason(string) Command
}

// WithReason is the command with another reason, and false for one that does not carry it. The content of such commands
// was once told with their reason.
func WithReason(c Command, reason string) (Command, bool) {
	r, is := c.(reasoned)
	if !is {
		return c, false
	}
	return r.withReason(reason), true
}

func (c StopApp) content() Command         { return c.withReason("") }
func (c RequestDeletion) content() Command { return c.withReason("") }
func (c RejectDeletion) content() Command  { return c.withReason("") }
func (c RevealKey) content() Command       { return c.withReason("") }

func (c StopApp) withReason(reason string) Command         { c.Reason = reason; return c }
func (c RequestDeletion) withReason(reason string) Command { c.Reason = reason; return c }
func (c RejectDeletion) withReason(reason string) Command  { c.Reason = reason; return c }
func (c RevealKey) withReason(reason string) Command       { c.Reason = reason; return c }

func (c RecordOrder) content() Command     { c.Report = c.Report.content(); return c }
func (c Refund) content() Command          { c.Report = c.Report.content(); return c }
func (c MarkArrears) content() Command     { c.Report = c.Report.content(); return c }
func (c SettleArrears) content() Command   { c.Report = c.Report.content(); return c }
func (c VoidInvoice) content() Command     { c.Report = c.Report.content(); return c }
func (c NoteTRTCStopped) content() Command { c.Report = c.Report.content(); return c }
func (c NoteTRTCStarted) content() Command { c.Report = c.Report.content(); return c }

// extra is what is kept of a message without being understood.
type extra struct {
	Data       map[string]jsontext.Value `json:"data,omitempty"`
	Attributes jsontext.Value            `json:"attributes,omitzero"`
}

// content is the report of the message without what may differ between its deliveries.
func (r *Report) content() *Report {
	if r == nil || len(r.Extra) == 0 {
		return r
	}
	var x extra
	if json.Unmarshal(r.Extra, &x) != nil {
		return r
	}
	return &Report{r.Source, r.ID, x.ofData()}
}

// ofData is what is kept of the data alone, in one form; nil if that is nothing.
func (x extra) ofData() jsontext.Value {
	if len(x.Data) == 0 {
		return nil
	}
	b, err := json.Marshal(extra{Data: x.Data}, json.Deterministic(true))
	if err != nil {
		return nil // it was read just now
	}
	return b
}

// factual is a command that records a fact.
type factual interface {
	Command
	fact() fact
}

// SameFact says whether an event of the log is the fact that a command would record, from another delivery of its
// message.
func SameFact(e Event, c Command) bool {
	switch c := Content(c).(type) {
	case factual:
		return reflect.DeepEqual(Event(c.fact()), delivered(e))
	case NoteTRTCStopped:
		return reflect.DeepEqual(Event(TRTCStopNoted{About{c.App}, c.EffectiveAt, c.Report}), delivered(e))
	case NoteTRTCStarted:
		return reflect.DeepEqual(Event(TRTCStartNoted{About{c.App}, c.EffectiveAt, c.Report}), delivered(e))
	}
	return false
}

// delivered is a fact of the log without what may differ between deliveries of its message.
func delivered(e Event) Event {
	switch e := e.(type) {
	case OrderRecorded:
		e.Report = e.Report.content()
		return e
	case RefundRecorded:
		e.Report = e.Report.content()
		return e
	case InvoiceOverdueRecorded:
		e.Report = e.Report.content()
		return e
	case InvoiceSettledRecorded:
		e.Report = e.Report.content()
		return e
	case InvoiceVoidedRecorded:
		e.Report = e.Report.content()
		return e
	case TRTCStopNoted:
		e.Report = e.Report.content()
		return e
	case TRTCStartNoted:
		e.Report = e.Report.content()
		return e
	}
	return e
}
