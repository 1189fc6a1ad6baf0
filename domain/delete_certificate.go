package domain

import (
	"fmt"
	"slices"
	"strconv"
)

// DeleteCertificate deletes a certificate for good: its secrets are destroyed and pushes over it stop. Confirm repeats
// its id.
type DeleteCertificate struct {
	App         AppID         `json:"app"`
	Certificate CertificateID `json:"certificate"`
	Confirm     string        `json:"confirm,omitzero"`
}

func (DeleteCertificate) Name() string { return "delete_certificate" }

func (c DeleteCertificate) Subject() AppID { return c.App }

func (c DeleteCertificate) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	if err != nil {
		return err
	}
	present := app.Certificate(c.Certificate)
	switch {
	case present == nil && slices.Contains(app.Gone, c.Certificate):
		return nil
	case present == nil:
		return refuse(CertificateNotFound)
	case c.Confirm != strconv.FormatUint(uint64(c.Certificate), 10):
		return &Refusal{Code: CertificateConfirmation, Losses: []string{
			"the certificate itself: its id is never used again",
			"its secrets, which are destroyed and cannot be recovered",
			"pushes over it: clients that send its id as businessID get none",
		}}
	}
	d.emit(CertificateDeleted{About{c.App}, c.Certificate})
	return nil
}

// CertificateDeleted says that a certificate is gone for good.
type CertificateDeleted struct {
	About
	Certificate CertificateID `json:"certificate"`
}

// keptGone is how many deleted certificates an app remembers, so that deleting one again is silence: a retry comes soon.
const keptGone = 100

func (CertificateDeleted) Type() string { return "app.certificate_deleted.v1" }

func (e CertificateDeleted) apply(acc *Account) {
	app := acc.change(e.App)
	if i := app.findCertificate(e.Certificate); i >= 0 {
		app.Certificates = slices.Delete(slices.Clone(app.Certificates), i, i+1)
	}
	app.Gone = append(slices.Clip(app.Gone), e.Certificate)
	if over := len(app.Gone) - keptGone; over > 0 {
		app.Gone = slices.Clone(app.Gone[over:])
	}
}

func (e CertificateDeleted) describe() string {
	return fmt.Sprintf("push certificate %d was deleted", e.Certificate)
}
