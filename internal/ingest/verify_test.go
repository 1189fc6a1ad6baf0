package ingest

import (
	"testing"

	"github.com/nats-io/nats.go"

	"sundial/internal/streams"
)

func TestWhatIsParkedIsJudgedByItsKey(t *testing.T) {
	event := []byte(`{"id":"1"}`)
	whole := Parked{State: StateOpen, Code: "unreadable", Subject: "billing.acme", Size: len(event), Event: event}
	a := whole.arrival()
	key, err := a.key()
	if err != nil {
		t.Fatal(err)
	}
	changed := whole
	changed.Size++
	strange := whole
	strange.State = "opfn"
	closed := whole
	closed.State, closed.Size = StateReplayed, 0
	subject := parkedSubject + key.String()
	for _, row := range []struct {
		name, subject string
		parked        *Parked // nil: a header that is none
		event, want   string
	}{
		{"whole", subject, &whole, string(event), ""},
		{"closed", subject, &closed, "", ""},
		{"another event", subject, &whole, `{"id":"2"}`, parkedChanged},
		{"another length", subject, &changed, string(event), parkedChanged},
		{"a subject without a key", parkedSubject + "x", &whole, string(event), parkedUnreadable},
		{"a state that there is not", subject, &strange, string(event), parkedUnreadable},
		{"nothing is known of it", subject, nil, string(event), parkedUnreadable},
	} {
		header := "{"
		if row.parked != nil {
			if header, err = row.parked.encode(); err != nil {
				t.Fatal(err)
			}
		}
		code, problem := verifyParked(&streams.Message{Subject: row.subject, Header: nats.Header{parkedHeader: {header}}, Data: []byte(row.event)})
		if code != row.want || (problem == "") != (code == "") {
			t.Errorf("%s: %q, %q; want %q", row.name, code, problem, row.want)
		}
	}
}
