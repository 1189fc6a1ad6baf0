package domain

// NoteTRTCStopped is what the TRTC side says: the app's other half is stopped there. A stop and a deletion of such an app
// here need it.
type NoteTRTCStopped struct {
	App         AppID   `json:"app"`
	EffectiveAt Instant `json:"effective_at,omitzero"` // since when; absent: now
	Report      *Report `json:"report,omitzero"`
}

func (NoteTRTCStopped) Name() string { return "note_trtc_stopped" }

func (c NoteTRTCStopped) Subject() AppID { return c.App }

func (c NoteTRTCStopped) decide(d *draft) error {
	return d.noteTRTC(TRTCStopNoted{About{c.App}, c.EffectiveAt, c.Report}, c.EffectiveAt, c.Report)
}

// NoteTRTCStarted is what the TRTC side says: the app's other half is in service there.
type NoteTRTCStarted struct {
	App         AppID   `json:"app"`
	EffectiveAt Instant `json:"effective_at,omitzero"` // since when; absent: now
	Report      *Report `json:"report,omitzero"`
}

func (NoteTRTCStarted) Name() string { return "note_trtc_started" }

func (c NoteTRTCStarted) Subject() AppID { return c.App }

func (c NoteTRTCStarted) decide(d *draft) error {
	return d.noteTRTC(TRTCStartNoted{About{c.App}, c.EffectiveAt, c.Report}, c.EffectiveAt, c.Report)
}

// noteTRTC takes in what the TRTC side says. As with bills, a message is evidence: it is kept even if it says nothing
// new, also while an order makes the app another edition, since the trial may come back. A command is for
// an app that is of the TRTC trial edition now. Saying the same again is a later word, and counts by its time: a word of
// an earlier start that comes after it must not win.
func (d *draft) noteTRTC(noted Event, effectiveAt Instant, report *Report) error {
	if effectiveAt != 0 {
		var p problems
		checkTime("effective_at", effectiveAt, &p)
		if err := p.err(); err != nil {
			return err
		}
	}
	app, err := d.liveApp(noted.Subject())
	switch {
	case err != nil:
		return err
	case app.Base != TRTCTrial, report == nil && app.Edition != TRTCTrial:
		return refuse(NotTRTCTrial)
	case effectiveAt > d.at.Now.Add(d.at.Policy.MaxAhead):
		return refuse(EffectiveTooFar)
	}
	d.emit(noted)
	if !app.TRTCStopped {
		d.withdraw(app, byTRTC)
	}
	return nil
}

// noteTRTC lets a word of the TRTC side count if it is the latest in effect, whatever order words arrive in. At one
// instant "started" wins, so that nothing is deleted that may be in use. A word without a time is about now, and counts
// after all that was said before.
func (a *App) noteTRTC(stopped bool, effectiveAt, recordedAt Instant) {
	switch {
	case effectiveAt == 0:
		a.TRTCStopped, a.TRTCNotedAt = stopped, max(recordedAt, a.TRTCNotedAt)
	case effectiveAt > a.TRTCNotedAt, effectiveAt == a.TRTCNotedAt && !stopped:
		a.TRTCStopped, a.TRTCNotedAt = stopped, effectiveAt
	}
}

// TRTCStopNoted says that the app is stopped on the TRTC side.
type TRTCStopNoted struct {
	About
	EffectiveAt Instant `json:"effective_at,omitzero"` // since when; absent: since it was recorded
	Report      *Report `json:"report,omitzero"`
}

func (TRTCStopNoted) Type() string { return "app.trtc_stop_noted.v1" }

func (e TRTCStopNoted) apply(acc *Account) {
	acc.change(e.App).noteTRTC(true, e.EffectiveAt, acc.RecordedAt)
}

func (TRTCStopNoted) describe() string { return "stopped on the TRTC side" }

// TRTCStartNoted says that the app is in service on the TRTC side.
type TRTCStartNoted struct {
	About
	EffectiveAt Instant `json:"effective_at,omitzero"` // since when; absent: since it was recorded
	Report      *Report `json:"report,omitzero"`
}

func (TRTCStartNoted) Type() string { return "app.trtc_start_noted.v1" }

func (e TRTCStartNoted) apply(acc *Account) {
	acc.change(e.App).noteTRTC(false, e.EffectiveAt, acc.RecordedAt)
}

func (TRTCStartNoted) describe() string { return "started on the TRTC side" }
