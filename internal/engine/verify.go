package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go/jetstream"

	"sundial/domain"
	"sundial/internal/damage"
	"sundial/internal/streams"
)

// The codes of what can be wrong with the stream of numbers, stable.
const (
	numbersLost       = "numbers_lost"       // the stream has a message that it cannot give
	numbersUnreadable = "numbers_unreadable" // a lease is none
	numbersBehind     = "numbers_behind"     // the log has numbers that the stream knows nothing of
)

const fixNumbers = "nothing is lost: every number is held against the log before it is given out, and the stream goes on behind what the log has; " +
	"find out why it is damaged (a broken disk, a backup of one stream alone)"

// VerifyNumbers goes through the stream of numbers. highestApp and highestCertificate are the highest numbers that the log has of
// those that new apps and certificates get, 0 for none. An error says that it could not be looked.
func VerifyNumbers(ctx context.Context, js jetstream.JetStream, highestApp domain.AppID, highestCertificate domain.CertificateID) (found []damage.Finding, err error) {
	const where = "nats/" + numbersStream
	add := func(code string, sequence uint64, problem string) {
		found = append(found, damage.Finding{Code: code, Where: where, Position: sequence, Problem: problem, Fix: fixNumbers})
	}
	leased := map[string]uint64{} // up to which number, by the series' prefix
	_, err = streams.Visit(ctx, js, numbersStream, func(m *streams.Message) {
		prefix, is := strings.CutSuffix(m.Subject, blockSubject)
		if !is {
			return // a claim
		}
		var b block
		if err := json.Unmarshal(m.Data, &b); err != nil {
			add(numbersUnreadable, m.Sequence, "the lease cannot be read")
			return
		}
		leased[prefix] = max(leased[prefix], b.To)
	}, func(sequence uint64) { found = append(found, damage.Lost(numbersLost, where, sequence, fixNumbers)) })
	if err != nil {
		return nil, err
	}
	for _, s := range []struct {
		prefix, what string
		highest      uint64
	}{
		{apps(nil).prefix, "app", uint64(highestApp)},
		{certificates(nil).prefix, "push certificate", uint64(highestCertificate)},
	} {
		if s.highest >= leased[s.prefix] && s.highest > 0 {
			add(numbersBehind, 0, fmt.Sprintf("the log has the %s %d, and numbers are leased up to %d", s.what, s.highest, leased[s.prefix]))
		}
	}
	return found, nil
}
