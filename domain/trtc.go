package domain

// NoteTRTCStopped is what the TRTC side says: the app's other half is stopped there. A stop of such an app here needs
// it.
type NoteTRTCStopped struct {
	App AppID `json:"app"`
}

// Name is the command's name in the log.
func (NoteTRTCStopped) Name() string { return "note_trtc_stopped" }

// Subject is the app.
func (c NoteTRTCStopped) Subject() AppID { return c.App }

func (c NoteTRTCStopped) decide(d *draft) error {
	return d.noteTRTC(c.App, true, TRTCStopNoted{About{c.App}})
}

// NoteTRTCStarted is what the TRTC side says: the app's other half is in service there.
type NoteTRTCStarted struct {
	App AppID `json:"app"`
}

// Name is the command's name in the log.
func (NoteTRTCStarted) Name() string { return "note_trtc_started" }

// Subject is the app.
func (c NoteTRTCStarted) Subject() AppID { return c.App }

func (c NoteTRTCStarted) decide(d *draft) error {
	return d.noteTRTC(c.App, false, TRTCStartNoted{About{c.App}})
}

func (d *draft) noteTRTC(id AppID, stopped bool, noted Event) error {
	app, err := d.app(id)
	switch {
	case err != nil:
		return err
	case app.TRTCStopped == stopped && app.Base == TRTCTrial:
		return nil
	case app.DeletedAt != 0:
		return refuse(AppDeletedAlready)
	case app.Edition != TRTCTrial:
		return refuse(NotTRTCTrial)
	}
	d.emit(noted)
	return nil
}

// TRTCStopNoted says that the app is stopped on the TRTC side.
type TRTCStopNoted struct{ About }

// Type is the stored name.
func (TRTCStopNoted) Type() string { return "app.trtc_stop_noted.v1" }

func (e TRTCStopNoted) apply(acc *Account) { acc.change(e.App).TRTCStopped = true }

func (TRTCStopNoted) says() string { return "stopped on the TRTC side" }

// TRTCStartNoted says that the app is in service on the TRTC side.
type TRTCStartNoted struct{ About }

// Type is the stored name.
func (TRTCStartNoted) Type() string { return "app.trtc_start_noted.v1" }

func (e TRTCStartNoted) apply(acc *Account) { acc.change(e.App).TRTCStopped = false }

func (TRTCStartNoted) says() string { return "started on the TRTC side" }
