package eventstore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
)

// FirstEpoch is the name of the epoch that every log begins with.
const FirstEpoch = "1"

// Epoch is what was appended to a log from one restore to the next: after a restore the positions behind the log's end
// are given a second time, and only the epoch tells the two commits of one position apart.
type Epoch struct {
	Name string `json:"name"` // such as 2-k7qfxz4m: its number, and letters that no other restore draws
	From uint64 `json:"from"` // the first position in it
}

// Epochs are a log's, from the second on, in order; nil while there is the first alone.
type Epochs []Epoch

const (
	// EpochsKey is the metadata of a stream that holds the epochs of the directory or cluster that it belongs to, as
	// Epochs.String writes them; a log without it is in its first epoch.
	EpochsKey = "sundial.epochs"

	// maxEpochs bounds the restores of one log, so that what names them all stays below the limit on a stream's metadata.
	maxEpochs = 1000

	epochDigits  = 6 // of the number
	epochLetters = 8 // 40 bits: two restores of one backup are told apart
)

// At is the epoch of the commit at a position.
func (e Epochs) At(position uint64) string {
	for i := len(e) - 1; i >= 0; i-- {
		if position >= e[i].From {
			return e[i].Name
		}
	}
	return FirstEpoch
}

// Latest is the epoch in which commits are appended.
func (e Epochs) Latest() string { return e.At(math.MaxUint64) }

// Number counts the epochs, the first among them.
func (e Epochs) Number() int {
	if len(e) == 0 {
		return 1
	}
	number, _, _ := strings.Cut(e[len(e)-1].Name, "-")
	n, err := strconv.Atoi(number)
	if err != nil { // none that was read here
		return len(e) + 1
	}
	return n
}

// Shared is the last position up to which two histories of one log are the same, math.MaxUint64 if they are one.
func (e Epochs) Shared(other Epochs) uint64 {
	for i := range max(len(e), len(other)) {
		mine, theirs := e.from(i), other.from(i)
		if mine != theirs || i < len(e) && i < len(other) && e[i].Name != other[i].Name {
			return min(mine, theirs) - 1
		}
	}
	return math.MaxUint64
}

func (e Epochs) from(i int) uint64 {
	if i < len(e) {
		return e[i].From
	}
	return math.MaxUint64
}

// Next is the epochs with one more, which begins behind a position; number is at least that of the epoch. Epochs that no
// commit was ever appended in are left out.
func (e Epochs) Next(behind uint64, number int) (Epochs, error) {
	var next Epochs
	for _, epoch := range e {
		if epoch.From <= behind {
			next = append(next, epoch)
		}
	}
	number = max(number, e.Number()+1)
	if len(next) >= maxEpochs || number >= 1_000_000 {
		return nil, fmt.Errorf("eventstore: the log was restored more than %d times", maxEpochs)
	}
	letters := strings.ToLower(rand.Text()[:epochLetters])
	return append(next, Epoch{strconv.Itoa(number) + "-" + letters, behind + 1}), nil
}

// String writes the epochs with the position at which each begins: 1,2-k7qfxz4m:4.
func (e Epochs) String() string {
	var b strings.Builder
	b.WriteString(FirstEpoch)
	for _, epoch := range e {
		fmt.Fprintf(&b, ",%s:%d", epoch.Name, epoch.From)
	}
	return b.String()
}

var errEpochs = errors.New("eventstore: want epochs, such as 1,2-k7qfxz4m:4")

// ParseEpochs reads what String writes.
func ParseEpochs(text string) (Epochs, error) {
	first, rest, more := strings.Cut(text, ",")
	if first != FirstEpoch {
		return nil, errEpochs
	}
	var epochs Epochs
	for more {
		var one string
		one, rest, more = strings.Cut(rest, ",")
		name, from, _ := strings.Cut(one, ":")
		position, err := strconv.ParseUint(from, 10, 63)
		if err != nil || len(epochs) == maxEpochs {
			return nil, errEpochs
		}
		epochs = append(epochs, Epoch{name, position})
	}
	if err := epochs.Check(); err != nil || epochs.String() != text {
		return nil, errEpochs
	}
	return epochs, nil
}

// Check tells whether these can be a log's.
func (e Epochs) Check() error {
	from, number := uint64(0), FirstEpoch
	for _, epoch := range e {
		n, _, _ := strings.Cut(epoch.Name, "-")
		later := len(n) > len(number) || len(n) == len(number) && n > number
		if !ValidEpoch(epoch.Name) || epoch.Name == FirstEpoch || !later || epoch.From <= from || len(e) > maxEpochs {
			return errEpochs
		}
		from, number = epoch.From, n
	}
	return nil
}

// ValidEpoch tells whether a text can be the name of an epoch.
func ValidEpoch(name string) bool {
	number, letters, later := strings.Cut(name, "-")
	if !later {
		return name == FirstEpoch
	}
	if len(letters) != epochLetters || number == "" || len(number) > epochDigits || number[0] == '0' || number == FirstEpoch {
		return false
	}
	for _, c := range []byte(number) {
		if c < '0' || c > '9' {
			return false
		}
	}
	for _, c := range []byte(letters) {
		if (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// epochsOf reads those that a stream's metadata holds.
func epochsOf(metadata map[string]string) (Epochs, error) {
	text, has := metadata[EpochsKey]
	if !has {
		return nil, nil
	}
	epochs, err := ParseEpochs(text)
	if err != nil {
		return nil, &CorruptError{Problem: "its epochs cannot be read", Advice: adviceConfig}
	}
	return epochs, nil
}

// Epochs are the log's as they were when it was opened, or begun by BeginEpoch.
func (l *Log) Epochs() Epochs { return *l.epochs.Load() }

// BeginEpoch begins a new epoch behind the log's end, after a restore; nobody else may have the log open. number is one that
// the epoch's shall not be below.
func (l *Log) BeginEpoch(ctx context.Context, number int) (Epochs, error) {
	info, err := l.info(ctx)
	if err != nil {
		return nil, err
	}
	next, err := l.Epochs().Next(info.State.LastSeq, number)
	if err != nil {
		return nil, err
	}
	config := info.Config
	config.Metadata = maps.Clone(config.Metadata)
	config.Metadata[EpochsKey] = next.String()
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := l.js.UpdateStream(ctx, config); err != nil {
		return nil, fmt.Errorf("eventstore: beginning an epoch: %w", err)
	}
	l.epochs.Store(&next)
	return next, nil
}

// Stream is the name of the log's stream.
func (l *Log) Stream() string { return l.config.Stream }
