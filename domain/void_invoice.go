package domain

// VoidInvoice is the billing system's report that an invoice was withdrawn. It is always recorded.
type VoidInvoice struct {
	App         AppID   `json:"app"`
	Invoice     string  `json:"invoice"`
	Version     int64   `json:"version"`
	EffectiveAt Instant `json:"effective_at"`
	Report      *Report `json:"report,omitzero"`
}

func (VoidInvoice) Name() string { return "void_invoice" }

func (c VoidInvoice) Subject() AppID { return c.App }

func (c VoidInvoice) decide(d *draft) error {
	var p problems
	checkInvoice(c.Invoice, c.Version, c.EffectiveAt, &p)
	if err := p.err(); err != nil {
		return err
	}
	return d.recordUnlessKnown(c.fact())
}

func (c VoidInvoice) fact() fact {
	return InvoiceVoidedRecorded{About{c.App}, c.Invoice, c.Version, c.EffectiveAt, c.Report}
}
