package secrets

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/usersig"
	"sundial/internal/vault"
)

// keyPlace is what the secret of a signing key is bound to, whichever event brings the key.
var keyPlace = vault.Place{Event: "app.key", Field: "secret"}

// signer is an app as the holder of its signing keys.
func signer(app domain.AppID) vault.Holder { return vault.Holder{App: uint64(app)} }

// GivenKey is a signing key in the clear: an HMAC secret, or the PEM of a private key.
type GivenKey struct {
	Algorithm domain.Algorithm
	Secret    vault.Secret
	Public    string // the PEM of a pair's public half; may be absent, and must else be the private key's
}

// The refusals of keys that come by import, beside those of package usersig.
var (
	errAlgorithm = errors.New("the algorithm must be HMAC-SHA256 or ECDSA-SHA256")
	errOtherPair = errors.New("the public key is not the private key's")
)

// parse reads the key; public is the PEM of a pair's public half.
func (k GivenKey) parse() (key usersig.SigningKey, public string, err error) {
	text := string(k.Secret.Reveal())
	switch k.Algorithm {
	case domain.HMAC:
		key, err = usersig.ParseSecret(text)
		return key, "", err
	case domain.ECDSA:
		if key, err = usersig.ParsePrivateKey(text); err == nil {
			public, err = key.PublicPEM()
		}
	default:
		return key, "", errAlgorithm
	}
	if err == nil && k.Public != "" {
		given, wrong := usersig.ParsePublicKey(k.Public)
		if err = wrong; err == nil && !given.Equal(key.VerifyingKey()) {
			err = errOtherPair
		}
	}
	return key, public, err
}

// make draws a key of an algorithm.
func (c *Keeper) make(algorithm domain.Algorithm) (GivenKey, error) {
	var text string
	var err error
	if algorithm == domain.HMAC {
		text, err = usersig.NewHMACSecret(c.config.Random)
	} else {
		text, _, err = usersig.NewECDSAKey(c.config.Random)
	}
	return GivenKey{Algorithm: algorithm, Secret: vault.NewSecret([]byte(text))}, err
}

// printKey makes what the log keeps of a key, but for what is sealed.
func (c *Keeper) printKey(ctx context.Context, app domain.AppID, k GivenKey) (domain.NewKey, error) {
	_, public, err := k.parse()
	if err != nil {
		return domain.NewKey{}, err
	}
	key := domain.NewKey{Algorithm: k.Algorithm, Public: public}
	key.Print, err = c.config.Vault.Fingerprint(ctx, signer(app), keyPlace, k.Secret)
	return key, err
}

// newKey makes a key for an app that exists and is not deleted, so that no keys are made for numbers that are no apps.
func (c *Keeper) newKey(ctx context.Context, account string, app domain.AppID, algorithm domain.Algorithm) (domain.NewKey, error) {
	if _, err := c.living(ctx, account, app); err != nil {
		return domain.NewKey{}, err
	}
	made, err := c.make(algorithm)
	if err != nil {
		return domain.NewKey{}, err
	}
	key, err := c.printKey(ctx, app, made)
	if err != nil {
		return domain.NewKey{}, err
	}
	key.Sealed, err = c.config.Vault.Seal(ctx, signer(app), keyPlace, made.Secret)
	return key, err
}

// living gives an app of an account as it is projected, and refuses one that is not there, another account's, or deleted.
func (c *Keeper) living(ctx context.Context, account string, id domain.AppID) (*domain.App, error) {
	app, found, err := c.config.Store.App(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !found, app.Account != account:
		return nil, &domain.Refusal{Code: domain.AppNotFound}
	case app.DeletedAt != 0:
		return nil, &domain.Refusal{Code: domain.AppDeletedAlready}
	}
	return app, nil
}

// RotateKey is the domain's, with a secret that custody makes.
type RotateKey struct{ domain.RotateKey }

func (RotateKey) sent() ([]byte, error) { return nil, nil }

func (k RotateKey) content(context.Context, *Keeper, string) (domain.Command, error) {
	return k.RotateKey, nil
}

func (k RotateKey) seal(ctx context.Context, c *Keeper, account string) (_ domain.Command, _ func(context.Context), err error) {
	cmd := k.RotateKey
	cmd.Key, err = c.newKey(ctx, account, cmd.App, domain.HMAC)
	return cmd, nil, err
}

// UpgradeKeyAlgorithm is the domain's, with a secret that custody makes.
type UpgradeKeyAlgorithm struct{ domain.UpgradeKeyAlgorithm }

func (UpgradeKeyAlgorithm) sent() ([]byte, error) { return nil, nil }

func (k UpgradeKeyAlgorithm) content(context.Context, *Keeper, string) (domain.Command, error) {
	return k.UpgradeKeyAlgorithm, nil
}

func (k UpgradeKeyAlgorithm) seal(ctx context.Context, c *Keeper, account string) (_ domain.Command, _ func(context.Context), err error) {
	cmd := k.UpgradeKeyAlgorithm
	cmd.Key, err = c.newKey(ctx, account, cmd.App, domain.HMAC)
	return cmd, nil, err
}

// Revealed is an app's present key in the clear.
type Revealed struct {
	Algorithm domain.Algorithm
	Secret    vault.Secret // an HMAC secret, or the PEM of a private key
	Public    string       // the PEM of a pair's public half
}

// Reveal puts on record that somebody sees the app's present key, and then gives it. It is a command: sent again by the
// same actor with its id it gives the same key.
func (c *Keeper) Reveal(ctx context.Context, req engine.Request) (Revealed, engine.Answer, error) {
	app, err := c.living(ctx, req.Account, req.Command.Subject())
	if err != nil {
		return Revealed{}, engine.Answer{}, err
	}
	if key := app.CurrentKey(); key != nil {
		if _, err := c.open(ctx, app, key); err != nil { // what cannot be shown is not said to have been
			return Revealed{}, engine.Answer{}, gone(err)
		}
	}
	answer, err := c.config.Engine.Execute(ctx, req)
	var refused *domain.Refusal
	if errors.As(err, &refused) && refused.Code == domain.NoKeyYet { // nothing but the key is missing
		if _, err = c.withKey(ctx, req); err == nil {
			answer, err = c.config.Engine.Execute(ctx, req)
		}
	}
	switch {
	case err != nil:
		return Revealed{}, answer, err
	case !shownTo(req.Actor, answer.Events): // another's record says nothing of this one
		return Revealed{}, engine.Answer{}, engine.ErrIDReused
	}
	key := answer.App.CurrentKey()
	secret, err := c.open(ctx, answer.App, key)
	if err != nil {
		return Revealed{}, answer, gone(err)
	}
	return Revealed{key.Algorithm, secret, key.Public}, answer, nil
}

func shownTo(actor string, events []domain.Event) bool {
	return slices.ContainsFunc(events, func(e domain.Event) bool {
		shown, is := e.(domain.KeyRevealed)
		return is && shown.Actor == actor
	})
}

// open unseals the secret of one of an app's keys.
func (c *Keeper) open(ctx context.Context, app *domain.App, key *domain.Key) (vault.Secret, error) {
	return c.config.Vault.Unseal(ctx, signer(app.ID), keyPlace, key.Sealed)
}

// withKey gives the app of a request with its key, which is made now if it was not needed before.
func (c *Keeper) withKey(ctx context.Context, req engine.Request) (*domain.App, error) {
	app, err := c.living(ctx, req.Account, req.Command.Subject())
	if err != nil || app.CurrentKey() != nil {
		return app, err
	}
	issue := domain.IssueKey{App: app.ID}
	if issue.Key, err = c.newKey(ctx, app.Account, app.ID, app.KeyAlgorithm()); err != nil {
		return nil, gone(err)
	}
	answer, err := c.config.Engine.Execute(ctx, engine.Request{
		Account: app.Account, ID: fmt.Sprintf("auto/%d/first-key", app.ID), Command: issue,
		Role: req.Role, Actor: req.Actor, Correlation: req.Correlation,
	})
	if err != nil {
		return nil, err
	}
	return answer.App, nil
}

// Sign makes a UserSig with the app's present key. The request says for which app and on whose behalf; nothing of the
// signature is recorded.
func (c *Keeper) Sign(ctx context.Context, req engine.Request, claims usersig.Claims) (string, domain.Algorithm, error) {
	app, err := c.withKey(ctx, req)
	if err != nil {
		return "", "", err
	}
	key := app.CurrentKey()
	secret, err := c.open(ctx, app, key)
	if err != nil {
		return "", "", gone(err)
	}
	signing, _, err := GivenKey{Algorithm: key.Algorithm, Secret: secret}.parse()
	if err != nil {
		return "", "", fmt.Errorf("secrets: the key of app %d: %w", app.ID, err)
	}
	claims.App = uint64(app.ID)
	sig, err := usersig.Sign(claims, signing)
	return sig, key.Algorithm, err
}

// AppStopped is what Verify finds last: the signature is valid, and the app out of service.
const AppStopped usersig.Result = "app_stopped"

// Verify judges a UserSig for a user of an app, now.
func (c *Keeper) Verify(ctx context.Context, account string, id domain.AppID, user, sig string) (usersig.Result, error) {
	app, err := c.living(ctx, account, id)
	if err != nil {
		return "", err
	}
	now := c.config.Engine.Now()
	keys := make([]usersig.VerifyingKey, 0, len(app.Keys))
	for i := range app.Keys {
		key := &app.Keys[i]
		if key.Until != 0 && key.Until <= now { // the tick that retires it may be late
			continue
		}
		verifying, err := c.verifying(ctx, app, key)
		if err != nil {
			return "", err
		}
		keys = append(keys, verifying)
	}
	found := usersig.Verify(sig, uint64(id), user, now.Time(), keys)
	if found == usersig.Valid && app.Status() == domain.Stopped {
		found = AppStopped
	}
	return found, nil
}

func (c *Keeper) verifying(ctx context.Context, app *domain.App, key *domain.Key) (usersig.VerifyingKey, error) {
	if key.Algorithm == domain.ECDSA {
		return usersig.ParsePublicKey(key.Public)
	}
	secret, err := c.open(ctx, app, key)
	if err != nil {
		return usersig.VerifyingKey{}, gone(err)
	}
	signing, err := usersig.ParseSecret(string(secret.Reveal()))
	return signing.VerifyingKey(), err
}
