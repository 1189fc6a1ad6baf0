package domain

import (
	"fmt"
	"slices"
)

// AddCertificate gives an app an offline push certificate. While mobile push is on, one of another platform is stored
// and inactive.
type AddCertificate struct {
	App         AppID              `json:"app"`
	Certificate CertificateID      `json:"-"` // the engine's next; a retry is given another one
	Content     CertificateContent `json:"-"`
	Given       []byte             `json:"given,omitzero"` // how earlier programs told what was sent from other content
}

func (AddCertificate) Name() string { return "add_certificate" }

func (c AddCertificate) Subject() AppID { return c.App }

func (c AddCertificate) decide(d *draft) error {
	var p problems
	c.Content.check(&p)
	if err := p.err(); err != nil {
		return err
	}
	app, err := d.liveApp(c.App)
	switch {
	case err != nil:
		return err
	case len(app.Certificates) >= d.at.Policy.Certificates:
		return refuse(CertificateLimit)
	case c.Content.NotAfter != 0 && c.Content.NotAfter <= d.at.Now:
		return refuse(CertificateHasExpired)
	}
	d.emit(CertificateAdded{About{c.App}, d.kept(c.Certificate, c.Content)})
	return nil
}

// CertificateAdded says that the app has a new certificate.
type CertificateAdded struct {
	About
	Certificate KeptCertificate `json:"certificate"`
}

func (CertificateAdded) Type() string { return "app.certificate_added.v1" }

// Shown is the event for those outside.
func (e CertificateAdded) Shown() any {
	e.Certificate = e.Certificate.shown()
	return e
}

func (e CertificateAdded) apply(acc *Account) {
	app := acc.change(e.App)
	c := Certificate{CreatedAt: acc.RecordedAt, CreatedBy: e.Certificate.By}
	e.Certificate.put(&c, acc)
	app.Certificates = append(slices.Clip(app.Certificates), c)
}

func (e CertificateAdded) describe() string {
	return fmt.Sprintf("push certificate %d (%s) was added", e.Certificate.ID, e.Certificate.Platform)
}
