package custody

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/pushcert"
	"sundial/internal/vault"
)

// AddCertificate is the domain's, with the fields as they stand in JSON.
type AddCertificate struct {
	domain.AddCertificate
	Fields map[string]jsontext.Value
}

func (a AddCertificate) seal(ctx context.Context, c *Custody, _ engine.Request) (domain.Command, func(context.Context), error) {
	parsed, err := pushcert.Parse(a.Content.Platform, a.Fields, c.now())
	if err != nil {
		return nil, nil, invalid(err, "")
	}
	if _, err := c.living(ctx, a.App); err != nil {
		return nil, nil, err
	}
	id, err := c.config.Engine.TakeCertificate(ctx)
	if err != nil {
		return nil, nil, err
	}
	// An id that no commit has is nobody's: what was made for it goes with it.
	undo := func(ctx context.Context) {
		if err := c.config.Vault.Forget(ctx, holder(a.App, id)); err == nil && len(parsed.Secrets) == 0 {
			c.config.Engine.GiveBackCertificate(id)
		}
	}
	a.AddCertificate.Certificate = id
	a.AddCertificate.Content, err = c.sealCertificate(ctx, a.App, id, domain.CertificateAdded{}.Type(), parsed, nil)
	if err != nil {
		undo(context.WithoutCancel(ctx))
	}
	return a.AddCertificate, undo, err
}

// EditCertificate is the domain's, with the fields to change as they stand in JSON.
type EditCertificate struct {
	domain.EditCertificate
	Fields map[string]jsontext.Value
}

func (e EditCertificate) seal(ctx context.Context, c *Custody, _ engine.Request) (domain.Command, func(context.Context), error) {
	app, err := c.living(ctx, e.App)
	if err != nil {
		return nil, nil, err
	}
	present := app.Certificate(e.Certificate)
	if present == nil {
		return nil, nil, &domain.Refusal{Code: domain.CertificateNotFound}
	}
	parsed, err := pushcert.Edit(pushcert.Parsed{
		Platform: present.Platform, Public: present.Fields, NotAfter: present.NotAfter.Time(),
	}, e.Fields, c.now())
	if err != nil {
		return nil, nil, invalid(err, "")
	}
	e.EditCertificate.Seen = present.UpdatedAt
	e.EditCertificate.Content, err = c.sealCertificate(ctx, e.App, e.Certificate, domain.CertificateEdited{}.Type(), parsed, present.Prints)
	return e.EditCertificate, nil, err
}

// sealCertificate makes what the log keeps of a certificate; prints are those of the secrets that it had.
func (c *Custody) sealCertificate(
	ctx context.Context, app domain.AppID, id domain.CertificateID, event string, p pushcert.Parsed, prints map[string][]byte,
) (domain.CertificateContent, error) {
	content := domain.CertificateContent{
		Platform: p.Platform, Fields: p.Public, Prints: map[string][]byte{}, Sealed: map[string][]byte{},
		NotAfter: domain.InstantOf(p.NotAfter),
	}
	for _, name := range p.Kept {
		if mark, had := prints[name]; had {
			content.Prints[name] = mark
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.Secrets)) {
		secret := vault.NewSecret(p.Secrets[name])
		mark, err := c.config.Vault.Fingerprint(ctx, signer(app), vault.Place{Event: "app.certificate", Field: name}, secret)
		if err != nil {
			return content, err
		}
		sealed, err := c.config.Vault.Seal(ctx, holder(app, id), vault.Place{Event: event, Field: name}, secret)
		if err != nil {
			return content, err
		}
		content.Prints[name], content.Sealed[name] = mark, sealed
	}
	return content, nil
}

// Warnings says what is worth knowing of a certificate that was accepted.
func (c *Custody) Warnings(app *domain.App, k *domain.Certificate) []domain.FieldError {
	var found []domain.FieldError
	warn := func(field, code, detail string) {
		found = append(found, domain.FieldError{Field: field, Code: code, Detail: detail})
	}
	const soon = 30 * 24 * time.Hour
	switch left := k.NotAfter - c.config.Engine.Now(); {
	case k.NotAfter == 0:
	case app.CertificateState(k) == domain.PushExpired:
		warn("not_after", "expired", "the certificate has expired: upload a new one")
	case left <= domain.Instant(soon.Milliseconds()):
		warn("not_after", "expires_soon", fmt.Sprintf("the certificate expires in %d days: renew it", left/domain.Instant((24*time.Hour).Milliseconds())))
	}
	if app.CertificateState(k) == domain.PushInactive {
		detail := "mobile push (TPNS) is on, and the vendors' own push cannot be used at the same time: the certificate is stored and inactive"
		if k.Platform == domain.TPNSPlatform {
			detail = "mobile push (TPNS) is off: the certificate is stored and inactive until it is on"
		}
		warn("state", "inactive", detail)
	}
	return found
}

func (c *Custody) now() time.Time { return c.config.Engine.Now().Time() }

// invalid makes the domain's error of what is wrong with a certificate's fields.
func invalid(err error, prefix string) error {
	var wrong *pushcert.Invalid
	if !errors.As(err, &wrong) {
		return err
	}
	out := &domain.Invalid{}
	for _, f := range wrong.Fields {
		name := f.Field
		if name != "platform" {
			name = "fields." + name
		}
		out.Fields = append(out.Fields, domain.FieldError{Field: prefix + name, Code: f.Code, Detail: f.Detail})
	}
	return out
}
