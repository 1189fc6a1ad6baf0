package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/pushcert"
)

// ImportApp is the domain's, with the keys and the certificates that the app comes with in the clear.
type ImportApp struct {
	domain.ImportApp
	Keys         []GivenKey
	Certificates []GivenCertificate
}

// GivenCertificate is a push certificate of an imported app.
type GivenCertificate struct {
	ID       domain.CertificateID
	Platform string
	Fields   map[string]jsontext.Value
}

func (i ImportApp) sent() ([]byte, error) {
	if len(i.Keys)+len(i.Certificates) == 0 {
		return nil, nil
	}
	type key struct {
		Algorithm domain.Algorithm `json:"algorithm"`
		Secret    string           `json:"secret"`
		Public    string           `json:"public,omitzero"`
	}
	type certificate struct {
		ID       domain.CertificateID      `json:"id"`
		Platform string                    `json:"platform"`
		Fields   map[string]jsontext.Value `json:"fields"`
	}
	all := struct {
		App          domain.ImportApp `json:"app"`
		Keys         []key            `json:"keys"`
		Certificates []certificate    `json:"certificates"`
	}{App: i.plain()}
	for _, k := range i.Keys {
		all.Keys = append(all.Keys, key{k.Algorithm, string(k.Secret.Reveal()), k.Public})
	}
	for _, k := range i.Certificates {
		all.Certificates = append(all.Certificates, certificate{k.ID, k.Platform, k.Fields})
	}
	return oneForm(all)
}

// plain is the domain's import but for what is to be sealed, which the domain's has already where none is.
func (i ImportApp) plain() domain.ImportApp {
	cmd := i.ImportApp
	if len(i.Keys)+len(i.Certificates) > 0 {
		cmd.Keys, cmd.Certificates = nil, nil
	}
	return cmd
}

func (i ImportApp) content(ctx context.Context, c *Keeper, _ string) (domain.Command, error) {
	parsed, err := i.readable(ctx, c)
	if err != nil {
		return nil, err
	}
	return i.printed(ctx, c, parsed)
}

// operators have one turn for all that they import.
const operators = ""

// readable parses what is to be sealed, whether it has expired or not.
func (i ImportApp) readable(ctx context.Context, c *Keeper) (parsed []pushcert.Parsed, err error) {
	err = c.read(ctx, operators, func() (err error) {
		parsed, err = i.parse(ctx, c.config.Engine.Policy().Certificates, time.Time{})
		return err
	})
	return parsed, err
}

// printed is the domain's command but for what is sealed.
func (i ImportApp) printed(ctx context.Context, c *Keeper, parsed []pushcert.Parsed) (domain.ImportApp, error) {
	cmd := i.plain()
	for _, k := range i.Keys {
		key, err := c.printKey(ctx, cmd.App, k)
		if err != nil {
			return cmd, err
		}
		cmd.Keys = append(cmd.Keys, key)
	}
	for n, k := range i.Certificates {
		content, err := c.printCertificate(ctx, cmd.App, parsed[n], nil)
		if err != nil {
			return cmd, err
		}
		cmd.Certificates = append(cmd.Certificates, domain.ImportedCertificate{ID: k.ID, Content: content})
	}
	return cmd, nil
}

// seal makes keys for the app's number only when all that is to be sealed makes sense. Where the import is refused after
// that, the number has keys that seal nothing; if it is another account's app, they are its own, so they stay.
//
// For an app that is there nothing is sealed: its import is silence, or refused. The keys of one that was deleted are gone, and
// its number is taken all the same.
func (i ImportApp) seal(ctx context.Context, c *Keeper, _ string) (domain.Command, func(context.Context), error) {
	parsed, err := i.readable(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	app, found, err := c.config.Store.App(ctx, i.App)
	switch {
	case err != nil:
		return nil, nil, err
	case found && app.DeletedAt != 0:
		return i.plain(), nil, nil
	}
	cmd, err := i.printed(ctx, c, parsed)
	if err == nil && !found {
		err = i.sealNew(ctx, c, &cmd, parsed)
	}
	return cmd, nil, err
}

// sealNew seals what a new app comes with.
func (i ImportApp) sealNew(ctx context.Context, c *Keeper, cmd *domain.ImportApp, parsed []pushcert.Parsed) error {
	err := c.read(ctx, operators, func() error {
		_, err := i.parse(ctx, c.config.Engine.Policy().Certificates, c.now())
		return err
	})
	if err != nil {
		return err
	}
	for n, k := range i.Keys {
		if cmd.Keys[n].Sealed, err = c.config.Vault.Seal(ctx, signer(cmd.App), keyPlace, k.Secret); err != nil {
			return err
		}
	}
	for n, k := range i.Certificates {
		cmd.Certificates[n].Content.Sealed, err = c.sealSecrets(ctx, cmd.App, k.ID, domain.CertificateAdded{}.Type(), parsed[n])
		if err != nil {
			return err
		}
	}
	return nil
}

// Check says what is wrong with an import, as far as the import alone tells: as if the engine held nothing, and without
// sealing anything. Its error is a *domain.Invalid or a *domain.Refusal.
func (i ImportApp) Check(account string, at domain.Moment) error {
	parsed, err := i.parse(context.Background(), at.Policy.Certificates, at.Now.Time())
	cmd := i.ImportApp
	for _, k := range i.Keys {
		cmd.Keys = append(cmd.Keys, domain.NewKey{Algorithm: k.Algorithm})
	}
	for n, k := range i.Certificates {
		content := domain.CertificateContent{Platform: k.Platform}
		if err == nil {
			content.Fields, content.NotAfter = parsed[n].Public, domain.InstantOf(parsed[n].NotAfter)
		}
		cmd.Certificates = append(cmd.Certificates, domain.ImportedCertificate{ID: k.ID, Content: content})
	}
	_, ruled := domain.Decide(domain.NewAccount(account), cmd, at)
	var wrong, more *domain.Invalid
	switch {
	case err == nil:
		return ruled
	case !errors.As(err, &wrong):
		return err
	}
	if errors.As(ruled, &more) {
		for _, f := range more.Fields {
			if !slices.ContainsFunc(wrong.Fields, func(said domain.FieldError) bool { return said.Field == f.Field }) {
				wrong.Fields = append(wrong.Fields, f)
			}
		}
	}
	return wrong
}

// parse reads what is to be sealed, and names everything that is wrong with it. Reading a certificate takes up to a second of a
// processor: of more than there may be none is read, and who has left waits for no other.
func (i ImportApp) parse(ctx context.Context, most int, now time.Time) ([]pushcert.Parsed, error) {
	wrong := &domain.Invalid{}
	for _, list := range []struct {
		field       string
		given, most int
	}{{"keys", len(i.Keys), domain.MaxKeys}, {"certificates", len(i.Certificates), most}} {
		if list.given > list.most {
			wrong.Fields = append(wrong.Fields, domain.FieldError{Field: list.field, Code: "too_many", Detail: fmt.Sprintf("must be at most %d", list.most)})
		}
	}
	if len(wrong.Fields) > 0 {
		return nil, wrong
	}
	if i.App < domain.MinApp || i.App > domain.MaxApp {
		wrong.Fields = append(wrong.Fields, domain.FieldError{Field: "app", Code: "out_of_range", Detail: "must be a number of ten digits"})
	}
	for n, k := range i.Keys {
		if _, _, err := k.parse(); err != nil {
			wrong.Fields = append(wrong.Fields, domain.FieldError{Field: fmt.Sprintf("keys.%d", n), Code: "invalid_key", Detail: err.Error()})
		}
	}
	parsed := make([]pushcert.Parsed, len(i.Certificates))
	for n, k := range i.Certificates {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if parsed[n], err = pushcert.Parse(k.Platform, k.Fields, now); err != nil {
			var named *domain.Invalid
			if !errors.As(invalid(err, fmt.Sprintf("certificates.%d.", n)), &named) {
				return nil, err
			}
			wrong.Fields = append(wrong.Fields, named.Fields...)
		}
	}
	if len(wrong.Fields) > 0 {
		return nil, wrong
	}
	return parsed, nil
}
