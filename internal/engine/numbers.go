package engine

import (
	"container/heap"
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/internal/jserror"
	"sundial/projections"
)

// numbers gives each new app an SDKAppID, and each new push certificate an id, that none has, had, or is imported under.
//
// Nodes lease blocks of numbers from one subject, each with the expected sequence of the lease before, and count
// within their block in memory. An import claims its number on a subject of its own. A claim that was written before a
// block was leased over it is seen when the block is leased; one that comes later finds the lease, and is for the node
// that has the block to judge.
//
// The stream only spares nodes each other's numbers; what was given out stands in the log. So each number is looked up in
// the projections before it is used, and a stream that was lost, or is older than the log, is gone on with behind what the
// log has.
type numbers struct {
	config Config
	series series
	settle func(context.Context) error // waits until the projections have all that is in the log

	mu       sync.Mutex
	ready    bool
	warned   bool // that the stream is not what the log says
	block    block
	next     uint64 // the first number of the block not handed out
	claimed  map[uint64]bool
	returned lowest // handed out and given back
}

const (
	numbersStream = "SUNDIAL_NUMBERS"

	// blockSize is how many numbers a lease has: few enough that a restart among several nodes wastes little, and that
	// the claims in a block are one short answer. Blocks begin at the first of a series and lie end to end.
	blockSize = 500

	// spareBlocks is how many unused blocks there must be behind what is used where a stream is made anew and other nodes
	// may still give out of blocks that they leased in the old one: more than a deployment has nodes.
	spareBlocks = 16

	// blockSubject is, behind a series' prefix, where its blocks are leased.
	blockSubject = "block"
)

// series is one kind of numbers: where it is kept, which numbers new ones get, and how to find those in use.
type series struct {
	prefix      string // of its subjects
	first, last uint64
	taken       domain.Code // refuses a number that was used
	reserved    domain.Code // refuses one that another node may be giving out
	highest     func(ctx context.Context, from, to uint64) (uint64, bool, error)
	owner       func(ctx context.Context, id uint64) (string, error) // who has or had a number, as a claim names it; "" for nobody
}

func apps(store *projections.Store) series {
	return series{
		prefix: "numbers.", first: uint64(domain.FirstApp), last: uint64(domain.MaxApp),
		taken: domain.AppTaken, reserved: domain.AppNumberReserved,
		highest: func(ctx context.Context, from, to uint64) (uint64, bool, error) {
			id, found, err := store.HighestApp(ctx, domain.AppID(from), domain.AppID(to))
			return uint64(id), found, err
		},
		owner: func(ctx context.Context, id uint64) (string, error) {
			account, _, err := store.AccountOf(ctx, domain.AppID(id))
			return account, err
		},
	}
}

func certificates(store *projections.Store) series {
	return series{
		prefix: "numbers.certificates.", first: uint64(domain.FirstCertificate), last: uint64(domain.MaxCertificate),
		taken: domain.CertificateIDTaken, reserved: domain.CertificateIDTaken,
		highest: func(ctx context.Context, from, to uint64) (uint64, bool, error) {
			id, found, err := store.HighestCertificate(ctx, domain.CertificateID(from), domain.CertificateID(to))
			return uint64(id), found, err
		},
		owner: func(ctx context.Context, id uint64) (string, error) {
			app, used, err := store.CertificateOwner(ctx, domain.CertificateID(id))
			if err != nil || !used {
				return "", err
			}
			account, _, err := store.AccountOf(ctx, app)
			return certificateOwner(account, app), err
		},
	}
}

// certificateOwner is who claims the numbers of an app's certificates.
func certificateOwner(account string, app domain.AppID) string {
	return fmt.Sprintf("%s.%d", account, app)
}

// block is a lease of the numbers [From, To).
type block struct {
	Node string `json:"node"`
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
}

func (b block) holds(id uint64) bool { return id >= b.From && id < b.To }

func newNumbers(config Config, of series, settle func(context.Context) error) *numbers {
	return &numbers{config: config, series: of, settle: settle}
}

// handOut hands out the lowest number that this node may give.
func (n *numbers) handOut(ctx context.Context) (uint64, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(ctx); err != nil {
		return 0, err
	}
	if n.returned.Len() > 0 {
		return heap.Pop(&n.returned).(uint64), nil //nolint:forcetypeassert // the heap holds nothing else
	}
	for {
		for n.next < n.block.To {
			id := n.next
			n.next++
			if n.claimed[id] {
				continue
			}
			used, err := n.used(ctx, id)
			if err != nil {
				return 0, err
			}
			if used == "" {
				return id, nil
			}
			n.warn()
		}
		if err := n.lease(ctx); err != nil {
			return 0, err
		}
	}
}

// used gives who has or had a number, "" for nobody.
func (n *numbers) used(ctx context.Context, id uint64) (string, error) {
	owner, err := n.series.owner(ctx, id)
	if err != nil {
		return "", fmt.Errorf("engine: looking for a number in use: %w", err)
	}
	return owner, nil
}

// warn says once that the stream does not know what the log does.
func (n *numbers) warn() {
	if !n.warned {
		n.warned = true
		n.config.Logger.Warn("the stream of numbers was lost, or is older than the log: what the log has is not given out again",
			"stream", numbersStream, "subject", n.series.prefix+blockSubject)
	}
}

// giveBack returns a number that was certainly not used.
func (n *numbers) giveBack(id uint64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.block.holds(id) {
		heap.Push(&n.returned, id)
	}
}

// open makes the stream, and goes on with the block that this node had if no other process can have used it.
func (n *numbers) open(ctx context.Context) error {
	if n.ready {
		return nil
	}
	_, err := n.config.JetStream.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: numbersStream, Subjects: []string{"numbers.>"}, Storage: jetstream.FileStorage,
		Replicas: max(n.config.Replicas, 1), DenyDelete: true, DenyPurge: true,
		AllowDirect: false, // a direct read may come from a replica that lags
	})
	if err != nil {
		return n.unavailable(err)
	}
	last, _, err := n.last(ctx)
	if err != nil {
		return err
	}
	// From here on numbers are protected by the stream; what was given out before stands in the log.
	if err := n.settle(ctx); err != nil {
		return n.unavailable(err)
	}
	if n.config.Alone && last.To != 0 && n.block.To == 0 {
		used, found, err := n.series.highest(ctx, last.From, last.To)
		if err != nil {
			return fmt.Errorf("engine: looking for the highest number in use: %w", err)
		}
		if n.claimed, err = n.claims(ctx, last); err != nil {
			return err
		}
		n.block, n.next = last, last.From
		if found {
			n.next = used + 1
		}
	}
	n.ready = true
	return nil
}

// lease takes the next block.
func (n *numbers) lease(ctx context.Context) error {
	for range maxAttempts {
		last, sequence, err := n.last(ctx)
		if err != nil {
			return err
		}
		from, err := n.beyond(ctx, max(last.To, n.block.To, n.series.first))
		if err != nil {
			return err
		}
		if from+blockSize > n.series.last {
			return errors.New("engine: all numbers are used: no more can be created")
		}
		mine := block{Node: n.config.Node, From: from, To: from + blockSize}
		body, err := json.Marshal(mine, json.Deterministic(true))
		if err != nil {
			return fmt.Errorf("engine: %w", err)
		}
		_, err = n.config.JetStream.Publish(ctx, n.series.prefix+blockSubject, body, jetstream.WithExpectLastSequencePerSubject(sequence))
		if jserror.Overtaken(err) {
			if n.config.Alone && sequence == 0 { // nobody else leases: there is a lease that cannot be read
				return n.discard(ctx)
			}
			continue
		}
		if err != nil {
			return n.unavailable(err)
		}
		claimed, err := n.claims(ctx, mine)
		if err != nil {
			return err
		}
		n.block, n.next, n.claimed, n.returned = mine, mine.From, claimed, nil
		return nil
	}
	return ErrBusy
}

// beyond gives where a block can be leased: there, unless the log has numbers behind that which the stream knows nothing of.
func (n *numbers) beyond(ctx context.Context, from uint64) (uint64, error) {
	highest, found, err := n.series.highest(ctx, from, from+blockSize)
	if err != nil || !found {
		return from, n.looking(err)
	}
	claimed, err := n.claims(ctx, block{From: from, To: from + blockSize})
	if err != nil {
		return 0, err
	}
	if claimed[highest] { // an import's, and so may the others be
		return from, nil
	}
	n.warn()
	unused := uint64(blockSize)
	if !n.config.Alone {
		unused *= spareBlocks
	}
	for found {
		from = highest - (highest-n.series.first)%blockSize + blockSize
		if highest, found, err = n.series.highest(ctx, from, from+unused); err != nil {
			return 0, n.looking(err)
		}
	}
	return from, nil
}

func (n *numbers) looking(err error) error {
	if err != nil {
		return fmt.Errorf("engine: looking for the highest number in use: %w", err)
	}
	return nil
}

// discard takes a stream away that cannot be read, so that it is made anew from what the log has.
func (n *numbers) discard(ctx context.Context) error {
	n.config.Logger.Warn("the stream of numbers is damaged and is made anew from the log", "stream", numbersStream)
	if err := n.config.JetStream.DeleteStream(ctx, numbersStream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return n.unavailable(err)
	}
	n.ready = false
	if err := n.open(ctx); err != nil {
		return err
	}
	return n.lease(ctx)
}

// claim makes a number an import's, for this owner and no other. A number that was used is a refusal.
func (n *numbers) claim(ctx context.Context, id uint64, owner string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(ctx); err != nil {
		return err
	}
	if used, err := n.used(ctx, id); err != nil {
		return err
	} else if used != "" && used != owner { // also where the stream has lost the claim
		return refused(n.series.taken)
	}
	subject := n.series.bucket(id) + strconv.FormatUint(id, 10)
	_, err := n.config.JetStream.Publish(ctx, subject, []byte(owner), jetstream.WithExpectLastSequencePerSubject(0))
	if jserror.Overtaken(err) {
		return n.claimedBy(ctx, subject, owner)
	}
	if err != nil {
		return n.unavailable(err)
	}
	last, _, err := n.last(ctx)
	if err != nil {
		return err
	}
	if id >= last.To || id < n.series.first {
		return nil // no block was leased over it, and the next will find the claim
	}
	return n.claimLeased(ctx, id)
}

// claimLeased judges a claim on a number that lies in a leased block.
func (n *numbers) claimLeased(ctx context.Context, id uint64) error {
	if n.block.holds(id) && id >= n.next {
		n.claimed[id] = true
		return nil
	}
	for i, free := range n.returned {
		if free == id {
			heap.Remove(&n.returned, i)
			return nil
		}
	}
	if !n.config.Alone {
		return refused(n.series.reserved)
	}
	if err := n.settle(ctx); err != nil {
		return n.unavailable(err)
	}
	if used, err := n.used(ctx, id); err != nil {
		return err
	} else if used != "" || n.block.holds(id) { // handed out in this run: it may be under way
		return refused(n.series.taken)
	}
	return nil
}

// claimedBy allows the same owner to send its import again.
func (n *numbers) claimedBy(ctx context.Context, subject, owner string) error {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		return n.unavailable(err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil // a claim that cannot be read, and nobody has the number
	}
	if err != nil {
		return n.unavailable(err)
	}
	if string(m.Data) != owner {
		return refused(n.series.taken)
	}
	return nil
}

// last gives the latest lease and its sequence; zero before the first.
func (n *numbers) last(ctx context.Context) (block, uint64, error) {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			n.ready = false // the next one makes it
		}
		return block{}, 0, n.unavailable(err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, n.series.prefix+blockSubject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return block{}, 0, nil
	}
	if err != nil {
		return block{}, 0, n.unavailable(err)
	}
	var b block
	if err := json.Unmarshal(m.Data, &b); err != nil || b.To <= b.From || b.To > n.series.last+1 {
		n.config.Logger.Warn("a lease of numbers cannot be read: the log says which are free", "stream", numbersStream)
		return block{}, m.Sequence, nil
	}
	return b, m.Sequence, nil
}

// claims lists the numbers in a block that imports have claimed, as the leader of the stream knows them.
func (n *numbers) claims(ctx context.Context, b block) (map[uint64]bool, error) {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		return nil, n.unavailable(err)
	}
	bucket := n.series.bucket(b.From)
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(bucket+"*"))
	if err != nil {
		return nil, n.unavailable(err)
	}
	claimed := map[uint64]bool{}
	for subject := range info.State.Subjects {
		id, err := strconv.ParseUint(subject[len(bucket):], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("engine: a claim on no number: %w", err)
		}
		claimed[id] = true
	}
	return claimed, nil
}

// bucket begins the subjects of the claims in a number's block, so that they can be listed by themselves.
func (s series) bucket(id uint64) string {
	if id < s.first {
		return s.prefix + "claim.below."
	}
	return fmt.Sprintf("%sclaim.%d.", s.prefix, (id-s.first)/blockSize)
}

func (n *numbers) unavailable(err error) error { return fmt.Errorf("%w (%w)", ErrUnavailable, err) }

func refused(c domain.Code) error { return &domain.Refusal{Code: c} }

// lowest gives the lowest number first.
type lowest []uint64

func (h lowest) Len() int           { return len(h) }
func (h lowest) Less(i, j int) bool { return h[i] < h[j] }
func (h lowest) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends a number, for container/heap.
func (h *lowest) Push(x any) { *h = append(*h, x.(uint64)) } //nolint:forcetypeassert // only numbers are pushed

// Pop takes the last one off, for container/heap.
func (h *lowest) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
