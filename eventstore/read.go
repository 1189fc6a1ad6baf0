package eventstore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// Message is a commit as it stands in the log.
type Message struct {
	Sequence uint64
	Account  string
	Payload  []byte // must not be changed
	Stored   time.Time
}

// Hash is that of the stored bytes.
func (m *Message) Hash() Hash { return HashOf(m.Payload) }

// Head is the sequence of the last commit, 0 while there is none.
func (l *Log) Head(ctx context.Context) (uint64, error) {
	info, err := l.info(ctx)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// Last gives the account's last commit, false if it has none. The answer is the leader's: it holds everything that
// was acknowledged before the call.
func (l *Log) Last(ctx context.Context, account string) (Message, bool, error) {
	if err := checkAccount(account); err != nil {
		return Message{}, false, err
	}
	m, err := l.read(ctx, query{LastFor: l.subject(account)})
	if errors.Is(err, ErrNotFound) {
		return Message{}, false, nil
	}
	return m, err == nil, err
}

// Get gives the commit at a sequence, ErrNotFound if the log does not reach it.
func (l *Log) Get(ctx context.Context, seq uint64) (Message, error) {
	if seq == 0 {
		return Message{}, ErrNotFound
	}
	return l.read(ctx, query{Sequence: seq})
}

// each gives the commits on a subject, on all where it is empty.
func (l *Log) each(ctx context.Context, subject string, after, upTo uint64, yield func(Message, error) bool) {
	for upTo == 0 || after < upTo {
		size := readBatch
		if upTo > 0 {
			size = int(min(readBatch, upTo-after)) // there are no more
		}
		batch, more, err := l.readBatch(ctx, query{NextFor: subject, Sequence: after + 1, Batch: size, MaxBytes: readBytes})
		if err != nil {
			yield(Message{}, err)
			return
		}
		for _, m := range batch {
			if upTo > 0 && m.Sequence > upTo || !yield(m, nil) {
				return
			}
			after = m.Sequence
		}
		if !more {
			break
		}
	}
	// A replica may lag: the rest comes from the leader.
	for l.replicas > 1 && (upTo == 0 || after < upTo) {
		m, err := l.read(ctx, query{NextFor: subject, Sequence: after + 1})
		if errors.Is(err, ErrNotFound) || err == nil && upTo > 0 && m.Sequence > upTo {
			return
		}
		if !yield(m, err) || err != nil {
			return
		}
		after = m.Sequence
	}
}

// Batches of commits: few accounts have more than some hundreds, and the server reads on behalf of one request with the
// stream locked against writers.
const (
	readBatch = 256
	readBytes = 1 << 20
)

// query is a request for stored messages (the server's JSApiMsgGetRequest).
type query struct {
	Sequence uint64 `json:"seq,omitzero"`
	LastFor  string `json:"last_by_subj,omitzero"`
	NextFor  string `json:"next_by_subj,omitzero"`
	Batch    int    `json:"batch,omitzero"`

	LastsFor []string `json:"multi_last,omitzero"` // the last ones, up to UpTo
	UpTo     uint64   `json:"up_to_seq,omitzero"`

	MaxBytes int `json:"max_bytes,omitzero"`
}

func (l *Log) subject(account string) string { return l.config.Subject + "." + account }

// read gives one message. With one replica directly from the stream; with several from the leader, since a direct
// read is answered by any of them.
func (l *Log) read(ctx context.Context, q query) (Message, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	request, err := json.Marshal(q, json.Deterministic(true))
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: %w", err)
	}
	if l.replicas > 1 {
		return l.readLeader(ctx, request)
	}
	reply, err := l.nc.RequestWithContext(ctx, "$JS.API.DIRECT.GET."+l.config.Stream, request)
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: %w", err)
	}
	switch status := reply.Header.Get("Status"); status {
	case "":
		return l.direct(reply)
	case "404":
		return Message{}, ErrNotFound
	default:
		return Message{}, fmt.Errorf("eventstore: reading: the server answers %s %s", status, reply.Header.Get("Description"))
	}
}

func (l *Log) readLeader(ctx context.Context, request []byte) (Message, error) {
	reply, err := l.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+l.config.Stream, request)
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: %w", err)
	}
	var answer struct {
		Message *struct {
			Subject  string    `json:"subject"`
			Sequence uint64    `json:"seq"`
			Data     string    `json:"data"`
			Time     time.Time `json:"time"`
		} `json:"message"`
		Error *apiError `json:"error"`
	}
	if err := json.Unmarshal(reply.Data, &answer); err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: %w", err)
	}
	switch {
	case answer.Error != nil && answer.Error.ErrCode == codeNoMessage:
		return Message{}, ErrNotFound
	case answer.Error != nil:
		return Message{}, fmt.Errorf("eventstore: reading: %w", answer.Error)
	case answer.Message == nil:
		return Message{}, errors.New("eventstore: reading: the server answers nothing")
	}
	payload, err := base64.StdEncoding.DecodeString(answer.Message.Data)
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: %w", err)
	}
	m := answer.Message
	return Message{Sequence: m.Sequence, Account: l.account(m.Subject), Payload: payload, Stored: m.Time}, nil
}

// readBatch gives what one batch request yields, and whether there is more.
func (l *Log) readBatch(ctx context.Context, q query) (batch []Message, more bool, err error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	request, err := json.Marshal(q, json.Deterministic(true))
	if err != nil {
		return nil, false, fmt.Errorf("eventstore: %w", err)
	}
	sub, err := l.nc.SubscribeSync(l.nc.NewInbox())
	if err != nil {
		return nil, false, fmt.Errorf("eventstore: reading: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := l.nc.PublishRequest("$JS.API.DIRECT.GET."+l.config.Stream, sub.Subject, request); err != nil {
		return nil, false, fmt.Errorf("eventstore: reading: %w", err)
	}
	for {
		reply, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return nil, false, fmt.Errorf("eventstore: reading: %w", err)
		}
		switch status := reply.Header.Get("Status"); status {
		case "":
			m, err := l.direct(reply)
			if err != nil {
				return nil, false, err
			}
			batch = append(batch, m)
		case "204": // the end of the batch
			return batch, len(batch) > 0 && reply.Header.Get("Nats-Num-Pending") != "0", nil
		case "404":
			return batch, false, nil
		default:
			return nil, false, fmt.Errorf("eventstore: reading: the server answers %s %s", status, reply.Header.Get("Description"))
		}
	}
}

// direct reads a message as direct reads deliver it: what stands around it is in headers.
func (l *Log) direct(m *nats.Msg) (Message, error) {
	seq, err := strconv.ParseUint(m.Header.Get("Nats-Sequence"), 10, 64)
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: a message without its sequence: %w", err)
	}
	stored, err := time.Parse(time.RFC3339Nano, m.Header.Get("Nats-Time-Stamp"))
	if err != nil {
		return Message{}, fmt.Errorf("eventstore: reading: a message without its time: %w", err)
	}
	return Message{Sequence: seq, Account: l.account(m.Header.Get("Nats-Subject")), Payload: m.Data, Stored: stored}, nil
}

func (l *Log) account(subject string) string {
	return strings.TrimPrefix(subject, l.config.Subject+".")
}
