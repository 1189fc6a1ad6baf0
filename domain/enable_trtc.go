package domain

// HasTRTC says whether real-time audio and video is open for the app: switched on here, or the side it came from.
func (a *App) HasTRTC() bool { return a.TRTC || a.Base == TRTCTrial }

// EnableTRTC opens a real-time audio and video app with the same SDKAppID; accounts and keys are shared. It cannot be
// closed from here.
type EnableTRTC struct {
	App AppID `json:"app"`
}

func (EnableTRTC) Name() string { return "enable_trtc" }

func (c EnableTRTC) Subject() AppID { return c.App }

func (c EnableTRTC) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	switch {
	case err != nil:
		return err
	case app.HasTRTC():
		return nil
	case app.stopped():
		return refuse(AppIsStopped)
	}
	d.emit(TRTCEnabled{About{c.App}})
	return nil
}

// TRTCEnabled says that real-time audio and video is open for the app.
type TRTCEnabled struct{ About }

func (TRTCEnabled) Type() string { return "app.trtc_enabled.v1" }

func (e TRTCEnabled) apply(acc *Account) { acc.change(e.App).TRTC = true }

func (TRTCEnabled) describe() string { return "real-time audio and video was opened" }
