package auth

import (
	"context"
	"errors"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with the tokens, stable.
const (
	tokenLost       = "token_lost"       // the bucket has a message that it cannot give
	tokenUnreadable = "token_unreadable" // a record is none
)

const fixTokens = "revoke nothing is lost with: make the tokens anew that are missing (sundial token list, sundial token create), " +
	"or restore the bucket of tokens from the latest backup and revoke again what was revoked since"

// Verify goes through all stored tokens. An error says that it could not be looked.
func Verify(ctx context.Context, js jetstream.JetStream) (found []damage.Finding, err error) {
	stream, err := js.Stream(ctx, "KV_"+bucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	add := func(code string, sequence uint64, problem string) {
		found = append(found, damage.Finding{Code: code, Where: "nats/KV_" + bucket, Position: sequence, Problem: problem, Fix: fixTokens})
	}
	for m, err := range streams.Walk(ctx, stream) {
		var lost *streams.LostError
		switch {
		case errors.As(err, &lost):
			add(tokenLost, lost.Sequence, "the message cannot be read")
		case err != nil:
			return nil, err
		case m.Header.Get("KV-Operation") != "": // a deletion
		default:
			id := strings.TrimPrefix(m.Subject, "$KV."+bucket+".")
			if _, err := decode(id, m.Sequence, m.Data); err != nil {
				add(tokenUnreadable, m.Sequence, err.Error())
			}
		}
	}
	return found, nil
}
