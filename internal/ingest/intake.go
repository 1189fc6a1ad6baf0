// Package ingest takes in what upstream billing systems report: from NATS, from HTTP, by one translation. What cannot
// be taken in is parked with its reason, never dropped and never retried in a loop.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"sundial/internal/engine"
)

const (
	billingStream  = "BILLING"
	billingSubject = "billing." // and the account

	// maxBillingBytes bounds what may wait to be taken in: some 15 million bills. Beyond it publishers are refused, so
	// that they know.
	maxBillingBytes = 8 << 30

	// duplicateWindow is the shortest that the server allows. Within it the server drops a message that has the
	// Nats-Msg-Id of another one, whatever is in it; only source and id tell events apart.
	duplicateWindow = 100 * time.Millisecond

	// headerRoom is what a message may have beyond its event, when it comes and when it is parked.
	headerRoom = 16 << 10

	// maxPage bounds a page of parked events.
	maxPage = 500
)

// Config is what an intake is made of. JetStream and Engine are required.
type Config struct {
	JetStream jetstream.JetStream
	Engine    *engine.Engine
	Replicas  int // of the streams BILLING and PARKED where they are made; 0: 1
	// Alone says that no other node shares the streams, so that what waits for an app is known here at once.
	Alone bool
	// Lanes is how many accounts' bills are taken in at once; 0: DefaultLanes. More make larger group commits.
	Lanes int
	// Reached is told how far a stream has come of which messages wait: so that an older copy, or one that has lost its end, is
	// noticed. May be nil.
	Reached    func(ctx context.Context, stream string, sequence uint64) error
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	lookForLost time.Duration // for tests
}

// DefaultLanes fills the log's group commits: with 256 writers it reaches most of its rate.
const DefaultLanes = 512

// Intake is the door for billing events. It is safe for concurrent use.
type Intake struct {
	config  Config
	log     *slog.Logger
	stream  jetstream.Stream
	parking *parking
	replays *replays
	metrics *metrics
	parked  rate.Sometimes // what the log says of events that were parked: metrics count them, and the list has them

	term atomic.Pointer[session] // while this node takes in from NATS

	stop context.CancelFunc
	done sync.WaitGroup
}

// Open makes the streams where they are absent, and reads what is parked. Close ends what it starts.
func Open(ctx context.Context, config Config) (*Intake, error) {
	if config.Lanes == 0 {
		config.Lanes = DefaultLanes
	}
	config.Replicas = max(config.Replicas, 1)
	config.lookForLost = cmp.Or(config.lookForLost, lookForLost)
	log := config.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	opening, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	largest := int64(MaxEvent + headerRoom)
	if n := config.JetStream.Conn().MaxPayload(); n > 0 {
		largest = min(largest, n-headerRoom) // what comes in must find room in the parking place
	}
	stream, err := openStream(opening, config.JetStream, jetstream.StreamConfig{
		Name:               billingStream,
		Description:        "Billing events that wait to be taken in. What was taken in is purged.",
		Subjects:           []string{billingSubject + ">"},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		MaxBytes:           maxBillingBytes,
		MaxMsgSize:         int32(largest), //nolint:gosec // little more than MaxEvent
		Duplicates:         duplicateWindow,
		Replicas:           config.Replicas,
		AllowDirect:        true,
		AllowAtomicPublish: true,
	})
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	place, err := openParking(opening, config.JetStream, config.Replicas, log)
	if err != nil {
		return nil, fmt.Errorf("ingest: %w", err)
	}
	i := &Intake{config: config, log: log, stream: stream, parking: place, parked: rate.Sometimes{First: 100, Interval: time.Second}}
	i.metrics = newMetrics(i, config.Registerer)
	i.replays = newReplays(i)
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	i.stop = stop
	i.done.Go(func() { place.follow(running) })
	i.done.Go(func() { i.replays.run(running) })
	if err := place.awaitStart(opening); err != nil {
		i.Close()
		return nil, fmt.Errorf("ingest: reading what is parked: %w", err)
	}
	config.Engine.OnAppear(i.replays.appeared)
	return i, nil
}

// openTimeout bounds the making of the streams and the reading of what is parked, 100,000 events and more.
const openTimeout = 60 * time.Second

// Close ends what Open started. Run and Take must have returned.
func (i *Intake) Close() {
	i.stop()
	i.done.Wait()
}

// accountOf is the account that a subject names: all behind the first token, which is an account's id or nothing valid.
func accountOf(subject string) string { return strings.TrimPrefix(subject, billingSubject) }

// ErrCursor: a cursor that no listing gave.
var ErrCursor = errors.New("the cursor is not one that a listing gave")

func parseCursor(cursor string) (uint64, error) {
	if cursor == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(cursor, 10, 64)
	if err != nil {
		return 0, ErrCursor
	}
	return n, nil
}
