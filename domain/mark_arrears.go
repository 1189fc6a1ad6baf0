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

func (MarkArrears) Name() string { return "mark_arrears" }

func (c MarkArrears) Subject() AppID { return c.App }

func (c MarkArrears) decide(d *draft) error {
	var p problems
	checkInvoice(c.Invoice, c.Version, c.EffectiveAt, &p)
	c.Amount.check("amount", &p)
	if err := p.err(); err != nil {
		return err
	}
	return d.recordUnlessKnown(c.fact())
}

func (c MarkArrears) fact() fact {
	return InvoiceOverdueRecorded{About{c.App}, c.Invoice, c.Version, c.EffectiveAt, c.Amount, c.Report}
}

func checkInvoice(invoice string, version int64, effectiveAt Instant, p *problems) {
	checkID("invoice", invoice, p)
	checkVersion("version", version, p)
	checkTime("effective_at", effectiveAt, p)
}
