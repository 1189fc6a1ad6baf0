package domain

// UpgradeEdition orders a higher edition for an app, or add-ons for a paid one. The billing system's word on the same
// order, when it comes, stands above an owner's.
type UpgradeEdition struct {
	App   AppID      `json:"app"`
	Order OrderTerms `json:"order"`
}

func (UpgradeEdition) Name() string { return "upgrade_edition" }

func (c UpgradeEdition) Subject() AppID { return c.App }

func (c UpgradeEdition) decide(d *draft) error { return d.orderFor(c.App, c.Order, Rising) }

// Direction says which editions an order may lead to.
type Direction int

// An order by a person either raises the edition or renews it.
const (
	Rising Direction = iota
	Renewing
)

// orderFor takes in an order by a person or, as a command, by the billing system.
func (d *draft) orderFor(id AppID, terms OrderTerms, to Direction) error {
	var p problems
	terms.checkOrdered(d.begins(id, terms.ID), d.at.Role, &p)
	if to == Renewing && terms.Edition == "" {
		p.add("order.edition", "required", "must be the edition to renew")
	}
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.liveApp(id)
	if err != nil {
		return err
	}
	if known := app.order(terms.ID); known != nil && known.Terms.EffectiveAt != 0 {
		if known.Terms.agreesWith(terms) {
			return nil
		}
		restated := terms
		if restated.EffectiveAt == 0 {
			restated.EffectiveAt = d.at.Now
		}
		if d.at.Role == Owner || known.wins(restated, d.at.Role) {
			return refuse(OrderConflict)
		}
	}
	return d.order(app, terms, to)
}

// begins is when an order begins of which a person does not say: now, unless it is known already.
func (d *draft) begins(id AppID, order string) Instant {
	if app := d.from.Apps[id]; app != nil {
		if known := app.order(order); known != nil && known.Terms.EffectiveAt != 0 {
			return known.Terms.EffectiveAt
		}
	}
	return d.at.Now
}

// checkOrdered names what is wrong with terms that a person orders, for an order that begins now where nothing is said.
func (t OrderTerms) checkOrdered(now Instant, by Role, p *problems) {
	checkID("order.id", t.ID, p)
	t.check("order.", p)
	if by == Owner && t.Version > 0 {
		p.add("order.version", "not_wanted", "must be absent: only the billing system and operators restate an order")
	}
	t.Amount.checkCurrent("order.amount", p)
	begins := t.EffectiveAt
	if begins == 0 {
		begins = now
	} else {
		checkTime("order.effective_at", begins, p)
	}
	if t.PaidUntil != 0 && t.PaidUntil <= begins {
		p.add("order.paid_until", "out_of_range", "must be later than the order's beginning")
	}
}

// order records an order that the rules for people allow.
func (d *draft) order(app *App, terms OrderTerms, to Direction) error {
	if refusal := allows(app, terms, to); refusal != nil {
		return refusal
	}
	if terms.EffectiveAt == 0 {
		terms.EffectiveAt = d.at.Now
	}
	return d.record(app, OrderRecorded{About{app.ID}, terms, d.at.Role, nil})
}

func allows(app *App, terms OrderTerms, to Direction) *Refusal {
	has, wants := app.Edition, terms.Edition
	switch {
	case wants != "" && !wants.Paid():
		return refuse(NoReturnToTrial)
	case to == Renewing && !has.Paid():
		return refuse(RenewNeedsPaid)
	case to == Renewing && wants != has:
		return refuse(RenewOtherEdition)
	case to == Renewing, wants.Rank() > has.Rank():
		return nil
	case !has.Paid():
		return refuse(AddonsNeedPaid)
	case len(terms.Addons) > 0 && (wants == "" || wants == has):
		return nil
	}
	return refuse(EditionNotHigher)
}
