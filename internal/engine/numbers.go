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
)

// numbers gives each new app an SDKAppID that no app has, had, or is imported under.
//
// Nodes lease blocks of numbers from one subject, each with the expected sequence of the lease before, and count
// within their block in memory. An import claims its number on a subject of its own. A claim that was written before a
// block was leased over it is seen when the block is leased; one that comes later finds the lease, and is for the node
// that has the block to judge.
type numbers struct {
	config Config
	settle func(context.Context) error // waits until the projections have all that is in the log

	mu       sync.Mutex
	ready    bool
	block    block
	next     domain.AppID // the first number of the block not handed out
	claimed  map[domain.AppID]bool
	returned appHeap // handed out and given back
}

const (
	numbersStream = "SUNDIAL_NUMBERS"
	blockSubject  = "numbers.block"

	// blockSize is how many numbers a lease has: few enough that a restart among several nodes wastes little, and that
	// the claims in a block are one short answer. Blocks begin at FirstApp and lie end to end.
	blockSize = 500
)

// block is a lease of the numbers [From, To).
type block struct {
	Node string       `json:"node"`
	From domain.AppID `json:"from"`
	To   domain.AppID `json:"to"`
}

func (b block) holds(id domain.AppID) bool { return id >= b.From && id < b.To }

func newNumbers(config Config, settle func(context.Context) error) *numbers {
	return &numbers{config: config, settle: settle}
}

// take hands out the lowest number that this node may give.
func (n *numbers) take(ctx context.Context) (domain.AppID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(ctx); err != nil {
		return 0, err
	}
	if n.returned.Len() > 0 {
		return heap.Pop(&n.returned).(domain.AppID), nil //nolint:forcetypeassert // the heap holds nothing else
	}
	for {
		for n.next < n.block.To {
			id := n.next
			n.next++
			if !n.claimed[id] {
				return id, nil
			}
		}
		if err := n.lease(ctx); err != nil {
			return 0, err
		}
	}
}

// giveBack returns a number that was certainly not used.
func (n *numbers) giveBack(id domain.AppID) {
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
	if n.config.Alone && last.To != 0 {
		if err := n.settle(ctx); err != nil {
			return n.unavailable(err)
		}
		used, found, err := n.config.Store.HighestApp(ctx, last.From, last.To)
		if err != nil {
			return fmt.Errorf("engine: looking for the highest number of an app: %w", err)
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
		from := max(last.To, domain.FirstApp)
		if from+blockSize > domain.MaxApp {
			return errors.New("engine: all numbers for apps are used: no more can be created")
		}
		mine := block{Node: n.config.Node, From: from, To: from + blockSize}
		body, err := json.Marshal(mine)
		if err != nil {
			return fmt.Errorf("engine: %w", err)
		}
		_, err = n.config.JetStream.Publish(ctx, blockSubject, body, jetstream.WithExpectLastSequencePerSubject(sequence))
		if overtaken(err) {
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

// claim makes a number an import's, for this account and no other. A number that was used is a refusal.
func (n *numbers) claim(ctx context.Context, id domain.AppID, account string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.open(ctx); err != nil {
		return err
	}
	subject := claimBucket(id) + strconv.FormatUint(uint64(id), 10)
	_, err := n.config.JetStream.Publish(ctx, subject, []byte(account), jetstream.WithExpectLastSequencePerSubject(0))
	if overtaken(err) {
		return n.claimedBy(ctx, subject, account)
	}
	if err != nil {
		return n.unavailable(err)
	}
	last, _, err := n.last(ctx)
	if err != nil {
		return err
	}
	if id >= last.To || id < domain.FirstApp {
		return nil // no block was leased over it, and the next will find the claim
	}
	return n.claimLeased(ctx, id)
}

// claimLeased judges a claim on a number that lies in a leased block.
func (n *numbers) claimLeased(ctx context.Context, id domain.AppID) error {
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
		return refused(domain.AppNumberReserved)
	}
	if err := n.settle(ctx); err != nil {
		return n.unavailable(err)
	}
	if _, used, err := n.config.Store.AccountOf(ctx, id); err != nil {
		return fmt.Errorf("engine: looking for the account of an app: %w", err)
	} else if used || n.block.holds(id) { // handed out in this run: it may be under way
		return refused(domain.AppTaken)
	}
	return nil
}

// claimedBy allows the same account to send its import again.
func (n *numbers) claimedBy(ctx context.Context, subject, account string) error {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		return n.unavailable(err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, subject)
	if err != nil {
		return n.unavailable(err)
	}
	if string(m.Data) != account {
		return refused(domain.AppTaken)
	}
	return nil
}

// last gives the latest lease and its sequence; zero before the first.
func (n *numbers) last(ctx context.Context) (block, uint64, error) {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		return block{}, 0, n.unavailable(err)
	}
	m, err := stream.GetLastMsgForSubject(ctx, blockSubject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return block{}, 0, nil
	}
	if err != nil {
		return block{}, 0, n.unavailable(err)
	}
	var b block
	if err := json.Unmarshal(m.Data, &b); err != nil {
		return block{}, 0, fmt.Errorf("engine: the lease of numbers is unreadable: %w", err)
	}
	return b, m.Sequence, nil
}

// claims lists the numbers in a block that imports have claimed, as the leader of the stream knows them.
func (n *numbers) claims(ctx context.Context, b block) (map[domain.AppID]bool, error) {
	stream, err := n.config.JetStream.Stream(ctx, numbersStream)
	if err != nil {
		return nil, n.unavailable(err)
	}
	bucket := claimBucket(b.From)
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(bucket+"*"))
	if err != nil {
		return nil, n.unavailable(err)
	}
	claimed := map[domain.AppID]bool{}
	for subject := range info.State.Subjects {
		id, err := strconv.ParseUint(subject[len(bucket):], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("engine: a claim on no number: %w", err)
		}
		claimed[domain.AppID(id)] = true
	}
	return claimed, nil
}

// claimBucket begins the subjects of the claims in a number's block, so that they can be listed by themselves.
func claimBucket(id domain.AppID) string {
	if id < domain.FirstApp {
		return "numbers.claim.below."
	}
	return fmt.Sprintf("numbers.claim.%d.", (id-domain.FirstApp)/blockSize)
}

func (n *numbers) unavailable(err error) error { return fmt.Errorf("%w (%w)", ErrUnavailable, err) }

func refused(c domain.Code) error { return &domain.Refusal{Code: c} }

// overtaken says whether a publish failed because its expected sequence was not met.
func overtaken(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// appHeap gives the lowest number first.
type appHeap []domain.AppID

func (h appHeap) Len() int           { return len(h) }
func (h appHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h appHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push appends a number, for container/heap.
func (h *appHeap) Push(x any) { *h = append(*h, x.(domain.AppID)) } //nolint:forcetypeassert // only numbers are pushed

// Pop takes the last one off, for container/heap.
func (h *appHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
