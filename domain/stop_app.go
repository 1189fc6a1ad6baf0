package domain

// StopApp takes an app out of service: an owner's trial by the owner, any app by an operator, who gives a reason. One
// that came from the TRTC side is stopped there first.
type StopApp struct {
	App    AppID  `json:"app"`
	Reason string `json:"reason,omitzero"`
}

func (StopApp) Name() string { return "stop_app" }

func (c StopApp) Subject() AppID { return c.App }

func (c StopApp) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	if d.at.Role == Operator {
		return c.byOperator(d, app)
	}
	switch {
	case app.Manual.EffectiveAt != 0:
		return nil
	case app.Edition != Trial:
		return refuse(StopNeedsTrial)
	case app.stopped():
		return refuse(AlreadyStopped)
	}
	d.hold(app, CauseManual, d.at.Now)
	return nil
}

func (c StopApp) byOperator(d *draft, app *App) error {
	switch {
	case app.Operator.EffectiveAt != 0:
		return nil
	case !visible(c.Reason):
		return refuse(ReasonRequired)
	case app.Edition == TRTCTrial && !app.TRTCStopped:
		return refuse(TRTCRunning)
	}
	d.hold(app, CauseOperator, d.at.Now)
	return nil
}
