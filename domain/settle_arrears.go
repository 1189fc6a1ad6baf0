package domain

// SettleArrears is the billing system's report that an invoice was paid. It is always recorded.
type SettleArrears struct {
	App         AppID   `json:"app"`
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Report      *Report `json:"report,omitzero"`
}

func (SettleArrears) Name() string { return "settle_arrears" }

func (c SettleArrears) Subject() AppID { return c.App }

func (c SettleArrears) decide(d *draft) error {
	var p problems
	checkInvoice(c.Invoice, c.Version, c.EffectiveAt, &p)
	if err := p.err(); err != nil {
		return err
	}
	return d.recordUnlessKnown(c.fact())
}

func (c SettleArrears) fact() fact {
	return InvoiceSettledRecorded{About{c.App}, c.Invoice, c.Version, c.EffectiveAt, c.Report}
}
