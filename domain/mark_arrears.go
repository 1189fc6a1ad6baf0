package domain

// MarkArrears is the billing system's report that an invoice is owed and late. It is always recorded, also for an app
// that is not billed (yet).
type MarkArrears struct {
	App         AppID   `json:"app"`
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Amount      Money   `json:"amount"`
	Report      *Report `json:"report,omitzero"`
}

// Name is the command's name in the log.
func (MarkArrears) Name() string { return "mark_arrears" }

// Subject is the app.
func (c MarkArrears) Subject() AppID { return c.App }

func (c MarkArrears) decide(d *draft) error {
	var p problems
	checkInvoice(c.Invoice, c.Version, c.EffectiveAt, &p)
	c.Amount.check("amount", &p)
	if err := p.err(); err != nil {
		return err
	}
	fact := InvoiceOverdueRecorded{About{c.App}, c.Invoice, c.Version, c.EffectiveAt, c.Amount, c.Report}
	return d.recordInvoice(c.Invoice, c.EffectiveAt, byOverdue, fact, c.Report)
}

func checkInvoice(invoice string, version int64, effectiveAt Instant, p *problems) {
	checkID("invoice", invoice, p)
	if version < 0 || version > MaxVersion {
		p.add("version", "out_of_range", "must be from 0 to 9007199254740991")
	}
	checkEffective("effective_at", effectiveAt, p)
}

// recordInvoice records a fact about an invoice. A message of the billing system is evidence and is kept even if it
// says nothing new; a command that says nothing new is silence.
func (d *draft) recordInvoice(id string, effectiveAt Instant, by By, fact Event, report *Report) error {
	app, err := d.app(fact.Subject())
	if err != nil {
		return err
	}
	if report == nil {
		said := *d.from
		said.Apps = map[AppID]*App{app.ID: app.Clone()}
		fact.apply(&said)
		if said.Apps[app.ID].invoice(id).same(app.invoice(id)) {
			return nil
		}
	}
	if app.DeletedAt != 0 {
		return refuse(AppDeletedAlready)
	}
	return d.record(app, effectiveAt, by, fact)
}
