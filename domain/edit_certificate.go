package domain

import "fmt"

// EditCertificate changes what a certificate holds; it keeps its id.
type EditCertificate struct {
	App         AppID              `json:"app"`
	Certificate CertificateID      `json:"certificate"`
	Content     CertificateContent `json:"-"`              // as it is then; what is not sealed anew stays
	Seen        CertificateContent `json:"-"`              // what the certificate held that the change was made of
	Given       []byte             `json:"given,omitzero"` // how earlier programs told what was sent from other content
}

func (EditCertificate) Name() string { return "edit_certificate" }

func (c EditCertificate) Subject() AppID { return c.App }

func (c EditCertificate) decide(d *draft) error {
	var p problems
	c.Content.check(&p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	present := app.Certificate(c.Certificate)
	switch {
	case present == nil:
		return refuse(CertificateNotFound)
	case c.Content.same(present):
		return nil
	case !c.Seen.same(present):
		return refuse(CertificateChanged)
	case c.Content.NotAfter != present.NotAfter && c.Content.NotAfter != 0 && c.Content.NotAfter <= d.at.Now:
		return refuse(CertificateHasExpired)
	}
	d.emit(CertificateEdited{About{c.App}, d.kept(c.Certificate, c.Content)})
	return nil
}

// CertificateEdited says that a certificate holds something else now.
type CertificateEdited struct {
	About
	Certificate KeptCertificate `json:"certificate"`
}

func (CertificateEdited) Type() string { return "app.certificate_edited.v1" }

// Shown is the event for those outside.
func (e CertificateEdited) Shown() any {
	e.Certificate = e.Certificate.shown()
	return e
}

func (e CertificateEdited) apply(acc *Account) {
	if c := acc.change(e.App).Certificate(e.Certificate.ID); c != nil {
		e.Certificate.put(c, acc)
	}
}

func (e CertificateEdited) describe() string {
	return fmt.Sprintf("push certificate %d (%s) was changed", e.Certificate.ID, e.Certificate.Platform)
}
