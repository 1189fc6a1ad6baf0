package domain

// RenewPlan orders the edition that a paid app has for another term.
type RenewPlan struct {
	App   AppID      `json:"app"`
	Order OrderTerms `json:"order"`
}

func (RenewPlan) Name() string { return "renew_plan" }

func (c RenewPlan) Subject() AppID { return c.App }

func (c RenewPlan) decide(d *draft) error { return d.orderFor(c.App, c.Order, Renewing) }
