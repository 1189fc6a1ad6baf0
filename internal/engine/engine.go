// Package engine is the one door: whatever wants a change hands it a command, and nothing else appends to the log.
//
// A command is decided on the latest state of its account, appended with the sequence that this state stands at, and
// remembered by its id forever. The state comes from the projections, through a bounded cache, and from the tail of the
// log where they lag; a stale state costs a conflict, never a wrong append.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/projections"
)

// Config is what an engine is made of. Log, Store, JetStream and Now are required.
type Config struct {
	Log       *eventstore.Log
	Store     *projections.Store
	JetStream jetstream.JetStream // for the numbers of apps
	Policy    domain.Policy
	Now       func() time.Time
	Node      string // names this node in the leases of numbers
	Replicas  int    // of the stream of numbers; 0 means 1
	// Alone says that no other process writes to this log. What the cache holds is then the latest state, and a refusal
	// need not ask the log whether it still stands.
	Alone bool
	// CachedApps bounds the cache of accounts by the apps in them; 0 means DefaultCachedApps.
	CachedApps int
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	// DefaultCachedApps keeps the cache below some 100 MB: an app with its orders and invoices takes 1 to 2 kB.
	DefaultCachedApps = 50_000

	// maxAttempts bounds how often a command is decided again because others committed to its account in between. With
	// two nodes at one account each attempt succeeds about every second time; beyond this the caller had better wait.
	maxAttempts = 40

	// projectionPatience is how long an answer waits for this node's own projections (the API's contract).
	projectionPatience = 5 * time.Second
)

// The errors of Execute beyond *domain.Refusal and *domain.Invalid. In all but ErrUnknown nothing was written.
var (
	ErrIDReused    = errors.New("this command id was used for another command: make up a new one")
	ErrStale       = errors.New("the app has changed since the version that the command names: read it again and decide anew")
	ErrBusy        = errors.New("the account is changing too fast: send the command again with the same id")
	ErrUnavailable = errors.New("the log cannot be written now: send the command again with the same id")
	ErrTooLarge    = errors.New("the command leads to more than one commit can hold: send it in parts")
	// ErrUnprinted is ErrIDReused of a command with a Print whose id an earlier program committed with no print: it may be
	// the same command, told as that program told it.
	ErrUnprinted = fmt.Errorf("%w, or for this one by an earlier program", ErrIDReused)
	ErrUnknown   = errors.New("it is not known whether the command was written: send it again with the same id")
)

// Engine decides commands and appends their events. It is safe for concurrent use.
type Engine struct {
	config  Config
	codec   *eventstore.Codec[domain.Event]
	cache   *cache
	facts   *factLocks
	metrics metrics

	apps, certificates *numbers

	watch    sync.RWMutex
	onAppear []func(account string, app domain.AppID)
}

// New makes an engine. It starts nothing of its own.
func New(config Config) (*Engine, error) {
	codec, err := codec.New()
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if config.CachedApps == 0 {
		config.CachedApps = DefaultCachedApps
	}
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		config:  config,
		codec:   codec,
		cache:   newCache(config.CachedApps),
		facts:   newFactLocks(),
		metrics: newMetrics(config.Registerer),
	}
	e.apps = newNumbers(config, apps(config.Store), e.Settle)
	e.certificates = newNumbers(config, certificates(config.Store), e.Settle)
	return e, nil
}

// Now is the engine's clock.
func (e *Engine) Now() domain.Instant { return domain.InstantOf(e.config.Now()) }

// Policy is the policy that commands are decided with.
func (e *Engine) Policy() domain.Policy { return e.config.Policy }

// TakeCertificate gives the next id for a push certificate. One that is not used after all is lost.
func (e *Engine) TakeCertificate(ctx context.Context) (domain.CertificateID, error) {
	id, err := e.certificates.handOut(ctx)
	return domain.CertificateID(id), err
}

// Settle waits until this node's projections have everything that was in the log when it was called.
func (e *Engine) Settle(ctx context.Context) error {
	head, err := e.config.Log.Head(ctx)
	if err != nil {
		return e.unreadable(err)
	}
	return e.config.Store.Wait(ctx, head)
}

// OnAppear has f called after each commit of this engine in which an app was created or imported. f must not block: it
// is called before the command is answered.
func (e *Engine) OnAppear(f func(account string, app domain.AppID)) {
	e.watch.Lock()
	defer e.watch.Unlock()
	e.onAppear = append(e.onAppear, f)
}

func (e *Engine) appeared(account string, events []domain.Event) {
	e.watch.RLock()
	defer e.watch.RUnlock()
	for _, event := range events {
		switch event.(type) {
		case domain.AppCreated, domain.AppImported:
			for _, f := range e.onAppear {
				f(account, event.Subject())
			}
		}
	}
}
