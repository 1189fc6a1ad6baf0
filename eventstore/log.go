package eventstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Config names a log and bounds its writing. Its zero value is what the program uses beside an embedded server.
type Config struct {
	// Stream is the name of the stream, SUNDIAL_EVENTS if empty. Its probe stream is called the same with _PROBE.
	Stream string

	// Subject precedes the account in a commit's subject: events, if empty, makes events.<account>.
	Subject string

	// Replicas is the number of servers that hold the log, 1 if zero, 3 in a cluster. Open does not change it.
	Replicas int

	// AckTimeout is how long an append waits for the server once it was sent, 5 s if zero. After it the outcome is
	// unknown, and the log takes no more than one append at a time until one succeeds.
	AckTimeout time.Duration

	// Space, if given, is asked before each round of appends, for an error when the disk is nearly full; natsd
	// provides it for an embedded server.
	Space func() error

	// Failed, if given, returns a channel that is closed once the server cannot write any more, a fresh one after
	// it was restarted; natsd provides it for an embedded server. Without it a full disk shows only by AckTimeout.
	Failed func() <-chan struct{}
}

const (
	defaultStream     = "SUNDIAL_EVENTS"
	defaultSubject    = "events"
	defaultAckTimeout = 5 * time.Second

	// requestTimeout bounds every request of the log that is not an append and whose context has no deadline.
	requestTimeout = 10 * time.Second

	// identityKey is the stream's metadata that holds the log's identity.
	identityKey = "sundial.log"
)

func (c Config) withDefaults() Config {
	if c.Stream == "" {
		c.Stream = defaultStream
	}
	if c.Subject == "" {
		c.Subject = defaultSubject
	}
	if c.Replicas == 0 {
		c.Replicas = 1
	}
	if c.AckTimeout == 0 {
		c.AckTimeout = defaultAckTimeout
	}
	return c
}

func (c Config) probe() string { return c.Stream + "_PROBE" }

// stream is the configuration of the log's stream. DenyDelete and DenyPurge cannot be taken back by an update.
// Compression is off: one flipped bit lost a whole compressed stream. The duplicate window is not used, since a
// command's id lasts forever; expected sequences and command ids do its work.
func (c Config) stream(identity string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:               c.Stream,
		Description:        "Sundial's log of events. The truth: never delete or edit it.",
		Subjects:           []string{c.Subject + ".*"},
		Storage:            jetstream.FileStorage,
		Retention:          jetstream.LimitsPolicy,
		Discard:            jetstream.DiscardNew,
		Replicas:           c.Replicas,
		Compression:        jetstream.NoCompression,
		MaxMsgs:            -1,
		MaxBytes:           -1,
		MaxMsgsPerSubject:  -1,
		MaxMsgSize:         maxMessage,
		DenyDelete:         true,
		DenyPurge:          true,
		AllowDirect:        true,
		AllowAtomicPublish: true,
		Metadata:           map[string]string{identityKey: identity},
	}
}

// Log is the log of one set of accounts. Its methods are safe for concurrent use.
type Log struct {
	config   Config
	nc       *nats.Conn
	js       jetstream.JetStream
	identity string
	replicas int
	epochs   atomic.Pointer[Epochs]

	appender *appender

	closeOnce sync.Once
}

// Create makes the log: the explicit first start. ErrExists if there is one already.
func Create(ctx context.Context, nc *nats.Conn, config Config) (*Log, error) {
	config = config.withDefaults()
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := js.Stream(ctx, config.Stream); err == nil {
		return nil, ErrExists
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("eventstore: looking for stream %s: %w", config.Stream, err)
	}
	// Two nodes that create at once bring different identities, so that the later one is refused.
	if _, err := js.CreateStream(ctx, config.stream(rand.Text())); err != nil {
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return nil, ErrExists
		}
		return nil, fmt.Errorf("eventstore: creating stream %s: %w", config.Stream, err)
	}
	return Open(ctx, nc, config)
}

// Open opens the log that Create made: ErrMissing if there is none, *CorruptError if it is not whole or its
// settings are not those of a log. It does not read the commits: see CheckAt and Verify.
func Open(ctx context.Context, nc *nats.Conn, config Config) (*Log, error) {
	config = config.withDefaults()
	if limit := nc.MaxPayload(); limit < maxMessage {
		return nil, fmt.Errorf("eventstore: the NATS server takes messages of %d bytes, commits may have %d: raise its max_payload", limit, maxMessage)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("eventstore: %w", err)
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	l := &Log{config: config, nc: nc, js: js}
	info, err := l.info(ctx)
	if err != nil {
		return nil, err
	}
	if err := l.check(info); err != nil {
		return nil, err
	}
	l.identity = info.Config.Metadata[identityKey]
	l.replicas = info.Config.Replicas
	epochs, err := epochsOf(info.Config.Metadata)
	if err != nil {
		return nil, err
	}
	l.epochs.Store(&epochs)
	if err := l.ensureProbe(ctx); err != nil {
		return nil, err
	}
	l.appender, err = newAppender(nc, config, l.Recheck)
	if err != nil {
		return nil, err
	}
	go l.appender.run()
	return l, nil
}

func (l *Log) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	stream, err := l.js.Stream(ctx, l.config.Stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, ErrMissing
	}
	if err != nil {
		return nil, fmt.Errorf("eventstore: asking for stream %s: %w", l.config.Stream, err)
	}
	info := stream.CachedInfo()
	if info.State.NumDeleted > 0 { // then it is to be said which are missing
		if info, err = stream.Info(ctx, jetstream.WithDeletedDetails(true)); err != nil {
			return nil, fmt.Errorf("eventstore: asking for stream %s: %w", l.config.Stream, err)
		}
	}
	return info, nil
}

// check judges what the server says of the stream.
func (l *Log) check(info *jetstream.StreamInfo) error {
	c, s := info.Config, info.State
	corrupt := func(advice, problem string, args ...any) error {
		return &CorruptError{Problem: fmt.Sprintf(problem, args...), Advice: advice}
	}
	switch {
	case c.Metadata[identityKey] == "":
		return corrupt(adviceConfig, "stream %s has no identity, it was not created by this program", c.Name)
	case len(c.Subjects) != 1 || c.Subjects[0] != l.config.Subject+".*":
		return corrupt(adviceConfig, "its subjects are %s, not %s.*", strings.Join(c.Subjects, ", "), l.config.Subject)
	case !c.DenyDelete || !c.DenyPurge:
		return corrupt(adviceConfig, "it lets commits be deleted")
	case c.Compression != jetstream.NoCompression:
		return corrupt(adviceConfig, "it is compressed")
	case c.Storage != jetstream.FileStorage:
		return corrupt(adviceConfig, "it is not kept in files")
	case c.Retention != jetstream.LimitsPolicy || c.MaxMsgs > 0 || c.MaxBytes > 0 || c.MaxAge > 0 || c.MaxMsgsPerSubject > 0:
		return corrupt(adviceConfig, "it has limits after which commits are dropped")
	case !c.AllowAtomicPublish || !c.AllowDirect || c.NoAck || c.Sealed:
		return corrupt(adviceConfig, "it does not allow atomic batches, direct reads, acknowledgements or writing")
	case c.PersistMode == jetstream.AsyncPersistMode:
		return corrupt(adviceConfig, "it acknowledges before it has written")
	case c.SubjectTransform != nil || c.Mirror != nil || len(c.Sources) > 0:
		return corrupt(adviceConfig, "it takes messages from elsewhere or changes their subjects")
	case s.LastSeq > 0 && s.FirstSeq != 1:
		return corrupt(adviceRestore, "it begins at sequence %d, not 1", s.FirstSeq)
	case len(s.Deleted) > 0:
		return &CorruptError{
			Sequence: s.Deleted[0], Problem: fmt.Sprintf("the commit is missing; it holds %d commits, %d are expected", s.Msgs, s.LastSeq), Advice: adviceRestore,
		}
	case s.NumDeleted > 0 || s.Msgs != s.LastSeq:
		return corrupt(adviceRestore, "it holds %d commits, %d are expected", s.Msgs, s.LastSeq)
	}
	return nil
}

// Identity names this log and no other, however alike: keep it beside every checkpoint, and compare on opening.
func (l *Log) Identity() string { return l.identity }

// Recheck asks again what Open asked, after the server was restarted or came back: that it still is the same log, in
// one piece, and not shorter than what it acknowledged to this process.
func (l *Log) Recheck(ctx context.Context) error {
	info, err := l.info(ctx)
	if err != nil {
		return err
	}
	if err := l.check(info); err != nil {
		return err
	}
	if got := info.Config.Metadata[identityKey]; got != l.identity {
		return &CorruptError{Problem: "it is another log than the one that was opened", Advice: adviceWrong}
	}
	if head := l.appender.acknowledged.Load(); info.State.LastSeq < head {
		return &CorruptError{
			Problem: fmt.Sprintf("it ends at sequence %d, but %d was acknowledged", info.State.LastSeq, head), Advice: adviceRestore,
		}
	}
	return nil
}

// Acknowledged is the highest sequence that this Log has acknowledged, 0 if none: whoever opens the log again in the same
// process can see that it ends no earlier.
func (l *Log) Acknowledged() uint64 { return l.appender.acknowledged.Load() }

// Append writes a commit's payload on its account's subject, if the account's last commit stands at the expected
// sequence (0: it has none). When it returns, the commit is on disk, at sequence seq. Appends that wait at the same
// time share one write; one account's appends come one after another. Header may be nil.
//
// Errors: *ConflictError, nothing written; ErrTooLarge, nothing written; ErrUnavailable, nothing written, try later;
// ErrUnknown, it may have been written: look the command's id up before trying again. A context that ends leads to
// one of the latter two, with the context's error wrapped too.
func (l *Log) Append(ctx context.Context, account string, expected uint64, payload []byte, header nats.Header) (seq uint64, err error) {
	return l.appender.append(ctx, account, expected, payload, header)
}

// Failure tells why appends are being refused, nil if they are not. It heals by itself: once the server answers an
// append or a probe again after it was silent; once there is a connection again and the log was found to be what it
// was. A server that met a full disk must be restarted for that. Only a corrupt log (*CorruptError) stays refused.
func (l *Log) Failure() error { return l.appender.failure() }

// Close stops appending: what was sent is waited for, what waits is refused with ErrUnavailable. The connection is
// the caller's.
func (l *Log) Close(ctx context.Context) error {
	l.closeOnce.Do(func() { close(l.appender.stopping) })
	select {
	case <-l.appender.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("eventstore: closing: %w", ctx.Err())
	}
}

func withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, requestTimeout)
}
