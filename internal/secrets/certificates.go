package secrets

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/pushcert"
	"sundial/internal/vault"
)

// AddCertificate is the domain's, with the fields as they stand in JSON.
type AddCertificate struct {
	domain.AddCertificate
	Fields map[string]jsontext.Value
}

func (a AddCertificate) sent() ([]byte, error) {
	return oneForm(struct {
		App      domain.AppID              `json:"app"`
		Platform string                    `json:"platform"`
		Fields   map[string]jsontext.Value `json:"fields"`
	}{a.App, a.Content.Platform, a.Fields})
}

func (a AddCertificate) content(ctx context.Context, c *Keeper, account string) (domain.Command, error) {
	cmd := a.AddCertificate
	if _, err := c.living(ctx, account, a.App); err != nil {
		return nil, err
	}
	var err error
	cmd.Given, err = c.given(ctx, a.App, a.Content.Platform, a.Fields)
	return cmd, err
}

func (a AddCertificate) seal(ctx context.Context, c *Keeper, account string) (domain.Command, func(context.Context), error) {
	app, err := c.living(ctx, account, a.App)
	if err != nil {
		return nil, nil, err
	}
	return c.sealNew(ctx, app, a.AddCertificate, a.Fields)
}

// sealNew gives a new certificate its id, and seals it.
func (c *Keeper) sealNew(
	ctx context.Context, app *domain.App, cmd domain.AddCertificate, fields map[string]jsontext.Value,
) (domain.Command, func(context.Context), error) {
	var parsed pushcert.Parsed
	err := c.read(ctx, app.Account, func() (err error) {
		parsed, err = pushcert.Parse(cmd.Content.Platform, fields, c.now())
		return err
	})
	switch {
	case err != nil:
		return nil, nil, invalid(err, "")
	case len(app.Certificates) >= c.config.Engine.Policy().Certificates: // before an id is used up for it
		return nil, nil, &domain.Refusal{Code: domain.CertificateLimit}
	}
	if cmd.Certificate, err = c.config.Engine.TakeCertificate(ctx); err != nil {
		return nil, nil, err
	}
	// An id that no commit has is nobody's: what was made for it goes, and it is never given out again.
	undo := func(ctx context.Context) {
		if err := c.config.Vault.Forget(ctx, Holder(app.ID, cmd.Certificate)); err != nil {
			c.config.Logger.Warn("keys that seal nothing are left", "of", Holder(app.ID, cmd.Certificate).String(), "error", err)
		}
	}
	cmd.Content, err = c.sealCertificate(ctx, app.ID, cmd.Certificate, domain.CertificateAdded{}.Type(), parsed, nil)
	if err != nil {
		undo(context.WithoutCancel(ctx))
	}
	return cmd, undo, err
}

// EditCertificate is the domain's, with the fields to change as they stand in JSON.
type EditCertificate struct {
	domain.EditCertificate
	Fields map[string]jsontext.Value
}

func (e EditCertificate) sent() ([]byte, error) {
	return oneForm(struct {
		App         domain.AppID              `json:"app"`
		Certificate domain.CertificateID      `json:"certificate"`
		Fields      map[string]jsontext.Value `json:"fields"`
	}{e.App, e.Certificate, e.Fields})
}

func (e EditCertificate) content(ctx context.Context, c *Keeper, account string) (domain.Command, error) {
	cmd := e.EditCertificate
	if _, err := c.living(ctx, account, e.App); err != nil {
		return nil, err
	}
	var err error
	cmd.Given, err = c.given(ctx, e.App, "", e.Fields)
	return cmd, err
}

func (e EditCertificate) seal(ctx context.Context, c *Keeper, account string) (domain.Command, func(context.Context), error) {
	app, err := c.living(ctx, account, e.App)
	if err != nil {
		return nil, nil, err
	}
	sealed, err := c.sealChange(ctx, app, e.EditCertificate, e.Fields)
	return sealed, nil, err
}

// sealChange makes what a certificate is to hold of what it holds, and seals it.
func (c *Keeper) sealChange(
	ctx context.Context, app *domain.App, cmd domain.EditCertificate, fields map[string]jsontext.Value,
) (domain.Command, error) {
	present := app.Certificate(cmd.Certificate)
	if present == nil {
		return nil, &domain.Refusal{Code: domain.CertificateNotFound}
	}
	cmd.Seen = present.Content()
	var parsed pushcert.Parsed
	err := c.read(ctx, app.Account, func() (err error) {
		parsed, err = pushcert.Edit(pushcert.Parsed{Platform: present.Platform, Public: present.Fields}, fields, c.now())
		return err
	})
	if err != nil {
		return nil, invalid(err, "")
	}
	cmd.Content, err = c.sealCertificate(ctx, app.ID, cmd.Certificate, domain.CertificateEdited{}.Type(), parsed, present.Prints)
	return cmd, err
}

// given tells what was sent of a certificate from everything else, as earlier programs did it.
func (c *Keeper) given(ctx context.Context, app domain.AppID, platform string, fields map[string]jsontext.Value) ([]byte, error) {
	text, err := oneForm(fields)
	if err != nil { // what comes in was read as JSON
		return nil, errors.New("secrets: fields that are no JSON")
	}
	sum := sha256.Sum256(text) // a field may be longer than a secret
	return c.config.Vault.Fingerprint(ctx, signer(app), givenPlace, vault.NewSecret([]byte(platform)), vault.NewSecret(sum[:]))
}

// givenPlace is what the prints of all that is sent at once are bound to.
var givenPlace = vault.Place{Event: "app.certificate", Field: "given"}

// sealCertificate makes what the log keeps of a certificate; prints are those of the secrets that it had.
func (c *Keeper) sealCertificate(
	ctx context.Context, app domain.AppID, id domain.CertificateID, event string, p pushcert.Parsed, prints map[string][]byte,
) (domain.CertificateContent, error) {
	content, err := c.printCertificate(ctx, app, p, prints)
	if err != nil {
		return content, err
	}
	content.Sealed, err = c.sealSecrets(ctx, app, id, event, p)
	return content, err
}

// printCertificate is sealCertificate, but for what is sealed.
func (c *Keeper) printCertificate(
	ctx context.Context, app domain.AppID, p pushcert.Parsed, prints map[string][]byte,
) (domain.CertificateContent, error) {
	content := domain.CertificateContent{
		Platform: p.Platform, Fields: p.Public, Prints: map[string][]byte{}, NotAfter: domain.InstantOf(p.NotAfter),
	}
	for _, name := range p.Kept {
		if mark, had := prints[name]; had {
			content.Prints[name] = mark
		}
	}
	for name, value := range p.Secrets {
		mark, err := c.config.Vault.Fingerprint(ctx, signer(app), vault.Place{Event: "app.certificate", Field: name}, vault.NewSecret(value))
		if err != nil {
			return content, err
		}
		content.Prints[name] = mark
	}
	return content, nil
}

// sealSecrets seals the secret fields of a certificate.
func (c *Keeper) sealSecrets(
	ctx context.Context, app domain.AppID, id domain.CertificateID, event string, p pushcert.Parsed,
) (map[string][]byte, error) {
	all := make(map[string][]byte, len(p.Secrets))
	for name, value := range p.Secrets {
		sealed, err := c.config.Vault.Seal(ctx, Holder(app, id), vault.Place{Event: event, Field: name}, vault.NewSecret(value))
		if err != nil {
			return nil, err
		}
		all[name] = sealed
	}
	return all, nil
}

// Warnings says what is worth knowing of a certificate that was accepted.
func (c *Keeper) Warnings(app *domain.App, k *domain.Certificate) []domain.FieldError {
	var found []domain.FieldError
	for _, w := range pushcert.Warnings(k.Platform, k.Fields, app.CertificateState(k) == domain.PushInactive, c.now()) {
		found = append(found, domain.FieldError{Field: w.Field, Code: w.Code, Detail: w.Detail})
	}
	return found
}

func (c *Keeper) now() time.Time { return c.config.Engine.Now().Time() }

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
