package domain

// StartApp lifts what people stopped: an owner the own hold, an operator both kinds. Holds for money stay.
type StartApp struct {
	App AppID `json:"app"`
}

func (StartApp) Name() string { return "start_app" }

func (c StartApp) Subject() AppID { return c.App }

func (c StartApp) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	why := trigger{byStart, d.at.Now}
	for _, c := range Causes() {
		if c.liftedBy(d.at.Role) {
			d.release(app, c.Cause, why)
		}
	}
	if len(d.events) == 0 && app.stopped() {
		return refuse(StartNotYours)
	}
	return nil
}
