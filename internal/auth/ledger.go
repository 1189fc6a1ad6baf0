package auth

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/wholefile"
)

// LedgerFile is the name of the file, in the data directory, that the tokens in the bucket are held against.
const LedgerFile = "tokens.ledger"

// maxLedger bounds the tokens that a ledger knows: ten times as many as there may be. Beyond it those are left out that
// stopped to work first, and only once the bucket has forgotten them.
const maxLedger = 10 * MaxTokens

// ledger is what this directory knows of the tokens beside the bucket: every token that was made or revoked, as the bucket
// had it, a line each. A line begins with the SHA-256 of the sum before it and of itself, so that a damaged one is known, and
// takes none with it but, where its sum is damaged, the next. So a token works only if both say so: an older copy of the bucket,
// or a flipped bit in it, brings none back that was revoked.
//
// The two cannot be written at once. The bucket is first, as other nodes go by it; a token that the ledger does not know yet is
// taken as the bucket has it.
type ledger struct {
	path string

	mu    sync.Mutex // guards what follows
	known map[string]*entry
	last  string // the sum of the last line
	lines int
	found bool // there was a file
}

// ledgerLine is what a line says.
type ledgerLine struct {
	ID     string         `json:"id"`
	Record jsontext.Value `json:"record"` // as the bucket has it
}

// openLedger reads a ledger; damaged are the lines that cannot be believed, counted from 1.
func openLedger(path string) (l *ledger, damaged []int, err error) {
	l = &ledger{path: path, known: map[string]*entry{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("auth: reading the ledger of tokens: %w", err)
	}
	l.found = true
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 4*maxRecord)
	for lines.Scan() {
		l.lines++
		e, sum := parseLine(l.last, lines.Bytes())
		if l.last = sum; e == nil {
			damaged = append(damaged, l.lines)
			continue
		}
		l.known[e.ID] = e
	}
	if lines.Err() != nil { // a line that is longer than any: the rest is not read
		damaged = append(damaged, l.lines+1)
	}
	return l, damaged, nil
}

// parseLine gives what a line says, nil if it cannot be believed, and its sum as it stands there.
func parseLine(before string, line []byte) (*entry, string) {
	sum, body, whole := bytes.Cut(line, []byte(" "))
	if !whole || sumOf(before, body) != string(sum) {
		return nil, string(sum)
	}
	var said ledgerLine
	if json.Unmarshal(body, &said) != nil {
		return nil, string(sum)
	}
	e, err := decode(said.ID, 0, said.Record)
	if err != nil {
		return nil, string(sum)
	}
	return e, string(sum)
}

func sumOf(before string, body []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write(body)
	return hex.EncodeToString(h.Sum(nil))
}

// line is what is appended for a token.
func (l *ledger) line(e *entry) ([]byte, string, error) {
	record, err := e.encode()
	if err != nil {
		return nil, "", err
	}
	body, err := json.Marshal(ledgerLine{e.ID, record}, json.Deterministic(true))
	if err != nil {
		return nil, "", err
	}
	sum := sumOf(l.last, body)
	return append(append([]byte(sum+" "), body...), '\n'), sum, nil
}

// of gives what is known of a token, nil if nothing is.
func (l *ledger) of(id string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.known[id]
}

// note puts down how a token stands, durably, unless that is known.
func (l *ledger) note(e *entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if known := l.known[e.ID]; known != nil && known.says(e) {
		return nil
	}
	line, sum, err := l.line(e)
	if err == nil {
		err = l.append(line)
	}
	if err != nil {
		return fmt.Errorf("auth: writing the ledger of tokens: %w", err)
	}
	copied := *e
	l.known[e.ID], l.last, l.found = &copied, sum, true
	l.lines++
	return nil
}

func (l *ledger) append(line []byte) (err error) {
	f, err := os.OpenFile(l.path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return wholefile.Replace(l.path, line)
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil {
		if _, err = f.Write(line); err == nil {
			err = f.Sync()
		}
		if err != nil { // half a line would spoil the next
			err = errors.Join(err, f.Truncate(info.Size()))
		}
	}
	return errors.Join(err, f.Close())
}

// rewrite puts a file in the place of one that is damaged, or has many lines that later ones have replaced. Those whose tokens
// the bucket does not hold are left out, the oldest first, where there are more than maxLedger.
func (l *ledger) rewrite(held func(id string) bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*entry, 0, len(l.known))
	for _, e := range l.known {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Or(a.deadAt().Compare(b.deadAt()), cmp.Compare(a.ID, b.ID)) })
	spare := len(all) - maxLedger
	var text []byte
	before := l.last
	l.last, l.lines = "", 0
	for _, e := range all {
		if spare > 0 && !e.deadAt().IsZero() && !held(e.ID) {
			spare--
			delete(l.known, e.ID)
			continue
		}
		line, sum, err := l.line(e)
		if err != nil {
			return fmt.Errorf("auth: writing the ledger of tokens: %w", err)
		}
		text, l.last = append(text, line...), sum
		l.lines++
	}
	if err := wholefile.Replace(l.path, text); err != nil {
		l.last = before
		return fmt.Errorf("auth: writing the ledger of tokens: %w", err)
	}
	return nil
}

// says tells whether two entries say the same of a token.
func (e *entry) says(other *entry) bool {
	return e.hash == other.hash && e.Role == other.Role && e.Account == other.Account && e.Name == other.Name &&
		e.CreatedAt.Equal(other.CreatedAt) && e.ExpiresAt.Equal(other.ExpiresAt) && e.RevokedAt.Equal(other.RevokedAt)
}
