package auth

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with the tokens, stable.
const (
	tokenLost       = "token_lost"       // the bucket has a message that it cannot give
	tokenUnreadable = "token_unreadable" // a record is none
	tokenMissing    = "token_missing"    // the ledger has one that works, the bucket does not
	tokenDiffers    = "token_differs"    // the bucket has it otherwise than the ledger

	ledgerUnreadable = "ledger_unreadable" // the file cannot be read
	ledgerDamaged    = "ledger_damaged"    // a line is not what was written, or does not follow the one before

	operatorTokenDamaged = "operator_token_damaged" // the file with an operator's token holds none
)

// whereTokens is the bucket in findings.
const whereTokens = "nats/KV_" + bucket

const fixTokens = "make the tokens anew that are missing (sundial token list, sundial token create), " +
	"or restore the bucket of tokens from the latest backup and revoke again what was revoked since"

const (
	fixDiffers = "start the engine, or leave it serving: nobody is let in but as the ledger says, and the bucket is written as the ledger has it; " +
		"if the bucket was restored, nothing else is to do"
	fixLedger = "start the engine: it takes what the line said from the bucket, and writes the file anew. If the bucket is damaged too, or was restored, " +
		"look through sundial token list and revoke what should be revoked"
	fixLedgerFile = "let the engine's user read the file, or put it back from the latest backup; without it the bucket alone is believed"
	fixOperator   = "have another one written by sundial token recover beside the serving engine, and revoke the former"
)

// Verify goes through all stored tokens, and holds them against the ledger in a file; "" for none. What the bucket alone knows is no
// damage: it is written first, by other nodes too. An error says that it could not be looked.
func Verify(ctx context.Context, js jetstream.JetStream, file string, now time.Time) (found []damage.Finding, err error) {
	l, found := verifyLedger(file) // before the bucket, which then is no older
	add := func(code string, sequence uint64, problem, fix string) {
		found = append(found, damage.Finding{Code: code, Where: whereTokens, Position: sequence, Problem: problem, Fix: fix})
	}
	prefix := "$KV." + bucket + "."
	deleted := map[string]bool{}
	there, err := streams.Visit(ctx, js, "KV_"+bucket, func(m *streams.Message) {
		id := strings.TrimPrefix(m.Subject, prefix)
		if m.Header.Get("KV-Operation") != "" {
			deleted[id] = true
		} else if e, err := decode(id, m.Sequence, m.Data); err != nil {
			add(tokenUnreadable, m.Sequence, err.Error(), fixTokens)
		} else if known := l.known[id]; known != nil && !known.says(e) && e.RevokedAt.IsZero() {
			add(tokenDiffers, m.Sequence, differs(known), fixDiffers)
		}
	}, func(sequence uint64) { found = append(found, damage.Lost(tokenLost, whereTokens, sequence, fixTokens)) })
	if err != nil {
		return found, err
	}
	if !there {
		return append(found, l.missing(now, nil)...), nil
	}
	// What the server counts and cannot give is told above.
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if err != nil {
		return found, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
	if err != nil {
		return found, err
	}
	held := func(id string) bool { return info.State.Subjects[prefix+id] > 0 && !deleted[id] }
	return append(found, l.missing(now, held)...), nil
}

func differs(known *entry) string {
	if !known.RevokedAt.IsZero() {
		return "the token " + known.ID + " was revoked, and stands here as if it was not"
	}
	return "the token " + known.ID + " is not the one that was made"
}

// verifyLedger reads the ledger, and tells of its lines that cannot be believed.
func verifyLedger(file string) (*ledger, []damage.Finding) {
	none := &ledger{}
	if file == "" {
		return none, nil
	}
	l, damaged, err := openLedger(file)
	if err == nil && len(damaged) > 0 {
		l, damaged, err = openLedger(file) // once more: the last line may just have been written
	}
	if err != nil {
		return none, []damage.Finding{{Code: ledgerUnreadable, Where: LedgerFile, Problem: err.Error(), Fix: fixLedgerFile}}
	}
	var found []damage.Finding
	for _, line := range damaged {
		found = append(found, damage.Finding{
			Code: ledgerDamaged, Where: LedgerFile, Position: uint64(line), Problem: "the line is not what was written behind the one before it", Fix: fixLedger,
		})
	}
	return l, found
}

// missing tells of the tokens that work and are not held.
func (l *ledger) missing(now time.Time, held func(id string) bool) (found []damage.Finding) {
	for _, id := range slices.Sorted(maps.Keys(l.known)) {
		if l.known[id].works(now) && (held == nil || !held(id)) {
			found = append(found, damage.Finding{
				Code: tokenMissing, Where: whereTokens, Problem: "the token " + id + " is gone, and was neither revoked nor forgotten", Fix: fixDiffers,
			})
		}
	}
	return found
}

// VerifyOperator looks whether a file holds an operator's token, by the characters that check the others. None is no damage: it may be
// kept elsewhere.
func VerifyOperator(file string) []damage.Finding {
	text, err := os.ReadFile(file)
	problem := ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		problem = err.Error()
	case !wellFormed(strings.TrimSpace(string(text))):
		problem = "what it holds is no token: some of it is not what was written"
	}
	if problem == "" {
		return nil
	}
	return []damage.Finding{{Code: operatorTokenDamaged, Where: TokenFile, Problem: problem, Fix: fixOperator}}
}
