// Package secrets handles what an app keeps secret: it makes signing keys and uses them, seals what is secret in a
// command before the engine sees it, and destroys the keys of what was deleted.
//
// Commands that bring secrets are those of the domain with the secrets beside them ([RotateKey], [AddCertificate], …):
// hand them to [Keeper.Execute], as all other commands. What comes out of here in the clear is a UserSig, and a key whose
// reveal is on record.
package secrets

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/turns"
	"sundial/internal/vault"
	"sundial/projections"
)

// Config is what custody needs. All but Logger are required.
type Config struct {
	Engine *engine.Engine
	Store  *projections.Store
	Vault  *vault.Vault
	Random io.Reader // of which keys are made
	Logger *slog.Logger
}

// Keeper is safe for concurrent use.
type Keeper struct {
	config  Config
	reading *turns.Turns  // of who has certificates read
	wake    chan struct{} // something that was deleted still has keys
}

// maxReading is how many certificates are read at once: a p12 may take a second of a processor, which is meant to be slow.
var maxReading = max(runtime.GOMAXPROCS(0)/2, 1)

// New makes custody of its parts.
func New(config Config) *Keeper {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	return &Keeper{config, turns.New(maxReading, maxReading), make(chan struct{}, 1)}
}

// secretive is a command that custody makes the domain's of.
type secretive interface {
	domain.Command
	// sent is all that came with the command, secrets included, in one form; nil where none came, and the domain's command
	// tells it from others. It follows from what was sent alone, and is the same in every version (TestWhatIsPrintedStays).
	sent() ([]byte, error)
	// content is the domain's command as far as that is told from others by it: where secrets came, as earlier programs told
	// it, by prints with the app's keys.
	content(ctx context.Context, c *Keeper, account string) (domain.Command, error)
	// seal makes the domain's command. undo is called if that led to no commit; nil where there is nothing to undo.
	seal(ctx context.Context, c *Keeper, account string) (cmd domain.Command, undo func(context.Context), err error)
}

// Execute seals what a command brings, hands it to the engine, and destroys the keys of what it deleted before it
// answers. Its errors are the engine's, and the vault's where a secret is needed.
func (c *Keeper) Execute(ctx context.Context, req engine.Request) (engine.Answer, error) {
	undo := func(context.Context) {}
	if brings, ok := req.Command.(secretive); ok {
		var err error
		if req.Print, err = c.print(ctx, req, brings); err != nil {
			return engine.Answer{}, gone(err)
		}
		// What was committed is answered so, whatever has become of the app and the certificate since.
		if answer, found, err := c.committed(ctx, req, brings); found || err != nil {
			return answer, gone(err)
		}
		cmd, back, err := brings.seal(ctx, c, req.Account)
		if err != nil {
			return engine.Answer{}, gone(err)
		}
		if req.Command = cmd; back != nil {
			undo = back
		}
	}
	answer, err := c.config.Engine.Execute(ctx, req)
	switch {
	case errors.Is(err, engine.ErrUnknown) || ctx.Err() != nil: // it may be in the log
	case err != nil || answer.Outcome != engine.Appended:
		undo(context.WithoutCancel(ctx))
	}
	if err == nil {
		c.forget(context.WithoutCancel(ctx), answer.Events)
	}
	return answer, err
}

// print tells a command that brings secrets from others, forever: by a key that no deletion destroys. It is zero where
// none came, and where what came has no form: then the domain's command has none either, and the engine names why.
func (c *Keeper) print(ctx context.Context, req engine.Request, brings secretive) (sum [sha256.Size]byte, err error) {
	sent, err := brings.sent()
	if err != nil || sent == nil {
		return sum, nil //nolint:nilerr // see above
	}
	return c.config.Vault.PrintCommand(ctx, req.Account, brings.Name(), req.ID, vault.NewSecret(sent))
}

// committed gives the answer that a command got when it was committed, by this program or by one that printed no commands.
func (c *Keeper) committed(ctx context.Context, req engine.Request, brings secretive) (engine.Answer, bool, error) {
	if !req.Print.IsZero() {
		answer, found, err := c.config.Engine.Committed(ctx, req)
		if !errors.Is(err, engine.ErrUnprinted) {
			return answer, found, err
		}
		req.Print = [sha256.Size]byte{}
	}
	content, err := brings.content(ctx, c, req.Account)
	if err != nil {
		return engine.Answer{}, false, err
	}
	req.Command = content
	return c.config.Engine.Committed(ctx, req)
}

// oneForm is JSON with its members in one order and its texts and numbers in one spelling.
func oneForm(sent any) ([]byte, error) {
	text, err := json.Marshal(sent, json.Deterministic(true))
	if err == nil {
		err = (*jsontext.Value)(&text).Canonicalize()
	}
	return text, err
}

// gone makes the domain's refusal of keys that were destroyed: only a deletion destroys them.
func gone(err error) error {
	if errors.Is(err, vault.ErrForgotten) {
		return &domain.Refusal{Code: domain.AppDeletedAlready}
	}
	return err
}

// Holder is what has the keys of a certificate.
func Holder(app domain.AppID, certificate domain.CertificateID) vault.Holder {
	return vault.Holder{App: uint64(app), Item: certificateItem + strconv.FormatUint(uint64(certificate), 10)}
}

const certificateItem = "certificate-"

// forgetPatience bounds how long an answer waits for keys to be destroyed; the deletion itself is in the log by then.
const forgetPatience = 10 * time.Second

// forget destroys the keys of what events say was deleted, also when whoever asked for it is gone. What fails is left to the
// sweep.
func (c *Keeper) forget(ctx context.Context, events []domain.Event) {
	ctx, cancel := context.WithTimeout(ctx, forgetPatience)
	defer cancel()
	for _, event := range events {
		var of vault.Holder
		switch e := event.(type) {
		case domain.AppDeleted:
			of = vault.Holder{App: uint64(e.App)}
		case domain.CertificateDeleted:
			of = Holder(e.App, e.Certificate)
		default:
			continue
		}
		if err := c.config.Vault.Forget(ctx, of); err != nil {
			c.config.Logger.Error("the keys of what was deleted are not destroyed yet; trying again", "of", of.String(), "error", err)
			select {
			case c.wake <- struct{}{}:
			default: // the sweep is to come anyway
			}
		}
	}
}

// sweepEvery is how often it is looked for keys that a crash kept from being destroyed; again after sweepAgain where
// something is known to have failed.
const (
	sweepEvery = time.Hour
	sweepAgain = 10 * time.Second
)

// Run destroys, at its start and then every hour, the keys of what was deleted and still has some: a crash came between.
// It ends with the context.
func (c *Keeper) Run(ctx context.Context) error {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-next.C:
		case <-c.wake:
			next.Reset(sweepAgain)
			continue
		case <-ctx.Done():
			return nil
		}
		pause := sweepEvery
		if err := c.Sweep(ctx); err != nil && ctx.Err() == nil {
			c.config.Logger.Error("destroying the keys of what was deleted; trying again", "error", err)
			pause = sweepAgain
		}
		next.Reset(pause)
	}
}

// Sweep destroys the keys of what was deleted and still has some. It looks when the projections have what is in the log:
// after a crash the deletion may be the last that is there.
func (c *Keeper) Sweep(ctx context.Context) error {
	if err := c.config.Engine.Settle(ctx); err != nil {
		return err
	}
	var failed error // of the first ones; one that fails keeps no other from being destroyed
	err := c.config.Vault.Holders(ctx, func(h vault.Holder) error {
		deleted, err := c.deleted(ctx, h)
		if err == nil && deleted {
			c.config.Logger.Warn("destroying keys of what was deleted before", "of", h.String())
			err = c.config.Vault.Forget(ctx, h)
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("%s: %w", h, err)
		}
		return ctx.Err()
	})
	return errors.Join(failed, err)
}

// read lends a place to read a certificate in, by turns of the accounts.
func (c *Keeper) read(ctx context.Context, account string, read func() error) error {
	leave, err := c.reading.Enter(ctx, account, "")
	if err != nil {
		return fmt.Errorf("%w: too many certificates are being read: %w", engine.ErrUnavailable, err)
	}
	defer leave()
	return read()
}

// deleted says whether what has keys was deleted. What is not in the log yet was not.
func (c *Keeper) deleted(ctx context.Context, h vault.Holder) (bool, error) {
	app, found, err := c.config.Store.App(ctx, domain.AppID(h.App))
	if err != nil || !found || app.DeletedAt != 0 || h.Item == "" {
		return found && err == nil && app.DeletedAt != 0, err
	}
	id, err := strconv.ParseUint(h.Item[min(len(certificateItem), len(h.Item)):], 10, 64)
	if err != nil {
		return false, fmt.Errorf("secrets: keys of something unknown in app %d: %w", h.App, err)
	}
	// In this order: a certificate that was there when it was looked for is gone only if it was deleted.
	owner, was, err := c.config.Store.CertificateOwner(ctx, domain.CertificateID(id))
	if err != nil || !was || uint64(owner) != h.App {
		return false, err
	}
	app, found, err = c.config.Store.App(ctx, owner)
	return err == nil && found && app.Certificate(domain.CertificateID(id)) == nil, err
}
