package eventstore

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// Codes of the server's errors (errors.json of nats-server).
const (
	codeNoMessage           = 10037
	codeMessageTooLarge     = 10054
	codeHeaderTooLarge      = 10097
	codeWrongSequence       = 10071
	codeWrongSequenceOnePer = 10164 // the same, while another append on the subject is in process
)

// apiError is an error that the server answers with.
type apiError struct {
	Code        int    `json:"code"`
	ErrCode     int    `json:"err_code"`
	Description string `json:"description"`
}

func (e *apiError) Error() string {
	return fmt.Sprintf("nats-server: %s (%d)", e.Description, e.ErrCode)
}

func (e *apiError) conflict() bool {
	return e.ErrCode == codeWrongSequence || e.ErrCode == codeWrongSequenceOnePer
}

// batchWide tells whether the refusal of a batch has nothing to do with one message of it: then halving is idle.
func (e *apiError) batchWide() bool {
	return !e.conflict() && e.ErrCode != codeMessageTooLarge && e.ErrCode != codeHeaderTooLarge
}

var errNoResponders = errors.New("no stream takes the commit")

// parseAck reads an acknowledgement, {"stream":"…","seq":12} with more members, or an error. The third result is for
// an answer that is neither.
func parseAck(m *nats.Msg) (seq uint64, refused *apiError, err error) {
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return 0, &apiError{Code: 503, ErrCode: 503, Description: errNoResponders.Error()}, nil
	}
	if seq := quickSeq(m.Data); seq > 0 {
		return seq, nil, nil
	}
	var a struct {
		Sequence uint64    `json:"seq"`
		Error    *apiError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return 0, nil, fmt.Errorf("an acknowledgement that cannot be read: %w", err)
	}
	if a.Error == nil && a.Sequence == 0 {
		return 0, nil, errors.New("an acknowledgement without a sequence")
	}
	return a.Sequence, a.Error, nil
}

// quickSeq reads the sequence of a positive acknowledgement, 0 if it is anything else.
func quickSeq(b []byte) uint64 {
	const before = `","seq":`
	if !bytes.HasPrefix(b, []byte(`{"stream":"`)) {
		return 0 // an error comes first
	}
	_, after, found := bytes.Cut(b, []byte(before))
	if !found {
		return 0
	}
	seq := uint64(0)
	for i, c := range after {
		switch {
		case c >= '0' && c <= '9' && i < 19:
			seq = seq*10 + uint64(c-'0')
		case (c == ',' || c == '}') && i > 0:
			return seq
		default:
			return 0
		}
	}
	return 0
}
