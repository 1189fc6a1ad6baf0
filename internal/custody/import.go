package custody

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
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

// seal makes keys for the app's number only when all that is to be sealed makes sense. Where the import is refused after
// that, the number has keys that seal nothing; if it is another account's app, they are its own, so they stay.
func (i ImportApp) seal(ctx context.Context, c *Custody, _ engine.Request) (domain.Command, func(context.Context), error) {
	cmd := i.ImportApp
	parsed, err := i.check(c)
	if err != nil || len(i.Keys)+len(i.Certificates) == 0 {
		return cmd, nil, err
	}
	cmd.Keys, cmd.Certificates = nil, nil
	for _, k := range i.Keys {
		key, err := c.sealKey(ctx, cmd.App, k)
		if err != nil {
			return nil, nil, err
		}
		cmd.Keys = append(cmd.Keys, key)
	}
	for n, k := range i.Certificates {
		content, err := c.sealCertificate(ctx, cmd.App, k.ID, domain.CertificateAdded{}.Type(), parsed[n], nil)
		if err != nil {
			return nil, nil, err
		}
		cmd.Certificates = append(cmd.Certificates, domain.ImportedCertificate{ID: k.ID, Content: content})
	}
	return cmd, nil, nil
}

// check names everything that is wrong with what is to be sealed.
func (i ImportApp) check(c *Custody) ([]pushcert.Parsed, error) {
	wrong := &domain.Invalid{}
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
		var err error
		if parsed[n], err = pushcert.Parse(k.Platform, k.Fields, c.now()); err != nil {
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
