package eventstore

import (
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

func TestParseAck(t *testing.T) {
	for _, row := range []struct {
		name, data string
		seq        uint64
		code       int // of the server's refusal
		broken     bool
	}{
		{"single", `{"stream":"SUNDIAL_EVENTS","seq":12}`, 12, 0, false},
		{"single with a domain", `{"stream":"SUNDIAL_EVENTS","domain":"hub","seq":12}`, 12, 0, false},
		{"batch", `{"stream":"SUNDIAL_EVENTS","seq":1000,"batch":"X-1","count":256}`, 1000, 0, false},
		{"duplicate", `{"stream":"SUNDIAL_EVENTS","seq":7,"duplicate": true}`, 7, 0, false},
		{"largest", `{"stream":"S","seq":18446744073709551615}`, 1<<64 - 1, 0, false},
		{"conflict", `{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"S","seq":0}`, 0, 10071, false},
		{"conflict, stream first", `{"stream":"S","seq":0,"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"}}`, 0, 10071, false},
		{"a stream named like a member", `{"stream":"x\",\"seq\":5","seq":6}`, 6, 0, false},
		{"no sequence", `{"stream":"S"}`, 0, 0, true},
		{"nothing", ``, 0, 0, true},
		{"too large", `{"stream":"S","seq":18446744073709551616}`, 0, 0, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			seq, refused, err := parseAck(&nats.Msg{Data: []byte(row.data)})
			code := 0
			if refused != nil {
				code = refused.ErrCode
			}
			if seq != row.seq || code != row.code || (err != nil) != row.broken {
				t.Errorf("sequence %d, code %d, %v; want %d, %d, broken %t", seq, code, err, row.seq, row.code, row.broken)
			}
		})
	}
	_, refused, err := parseAck(&nats.Msg{Header: nats.Header{"Status": {"503"}}})
	if err != nil || refused == nil || refused.conflict() || !refused.batchWide() {
		t.Errorf("nobody there: %v, %v; want a refusal of everything", refused, err)
	}
}

func FuzzParseAck(f *testing.F) {
	f.Add([]byte(`{"stream":"SUNDIAL_EVENTS","seq":12}`))
	f.Add([]byte(`{"stream":"S","seq":1000,"batch":"X-1","count":256}`))
	f.Add([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 5"},"stream":"S","seq":0}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		seq, refused, err := parseAck(&nats.Msg{Data: data})
		if refused != nil && refused.ErrCode == 0 && refused.Code == 0 && refused.Description == "" {
			return // an empty error object
		}
		var a struct {
			Sequence uint64 `json:"seq"`
		}
		// Where both readers understand the whole of it, they agree.
		if err == nil && refused == nil && json.Unmarshal(data, &a) == nil && a.Sequence != seq {
			t.Errorf("%q: %d, want %d", data, seq, a.Sequence)
		}
	})
}

func TestParseReply(t *testing.T) {
	for _, row := range []struct {
		reply string
		seq   uint64
		ns    int64
		ok    bool
	}{
		{"$JS.ACK.SUNDIAL_EVENTS.abc.1.42.7.1609459200000000001.9", 42, 1609459200000000001, true},
		{"$JS.ACK._.hash.SUNDIAL_EVENTS.abc.1.42.7.1609459200000000001.9", 42, 1609459200000000001, true},
		{"$JS.ACK.hub.hash.SUNDIAL_EVENTS.abc.1.42.7.1609459200000000001.9.token", 42, 1609459200000000001, true},
		{"", 0, 0, false},
		{"$JS.ACK.SUNDIAL_EVENTS.abc.1.42", 0, 0, false},
		{"$JS.ACK.SUNDIAL_EVENTS.abc.1.x.7.1.9", 0, 0, false},
		{"_INBOX.abc", 0, 0, false},
	} {
		seq, stored, ok := parseReply(row.reply)
		if ok != row.ok || ok && (seq != row.seq || !stored.Equal(time.Unix(0, row.ns))) {
			t.Errorf("%q: %d, %s, %t", row.reply, seq, stored, ok)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add("$JS.ACK.SUNDIAL_EVENTS.abc.1.42.7.1609459200000000001.9")
	f.Add("$JS.ACK.hub.hash.SUNDIAL_EVENTS.abc.1.42.7.1609459200000000001.9.token")
	f.Fuzz(func(t *testing.T, reply string) {
		if _, _, ok := parseReply(reply); ok && !strings.HasPrefix(reply, "$JS.ACK.") {
			t.Errorf("%q was taken", reply)
		}
	})
}

func FuzzCheckServer(f *testing.F) {
	f.Add([]byte(`{"server":{"name":"n1"},"data":{"config":{"sync_always":true}}}`))
	f.Add([]byte(`{"server":{"name":"n1"},"data":{"disabled":true}}`))
	f.Add([]byte(`{"server":{"name":"n1"},"error":{"description":"no"}}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		with, err := checkServer(answer)
		if with && err == nil && !strings.Contains(string(answer), "sync_always") && !strings.Contains(string(answer), `\u`) {
			t.Errorf("%q was taken for a server that syncs", answer)
		}
	})
}

func TestAppendTimeWritesWhatTheLibraryDoes(t *testing.T) {
	for _, ms := range []int64{
		minRecordedAt, minRecordedAt + 1, -62135596800000 + 86_399_999, -1, 0, 1, 999, 951_782_400_000, 1_609_459_200_123,
		1_709_251_199_999, 253_370_764_800_010, maxRecordedAt,
	} {
		want := time.UnixMilli(ms).UTC().Format(timeLayout)
		if got := string(appendTime(nil, ms)); got != want {
			t.Errorf("%d ms is written as %s, want %s", ms, got, want)
		}
		if read, ok := parseTime([]byte(want)); !ok || read != ms {
			t.Errorf("%s is read as %d ms (%t), want %d", want, read, ok, ms)
		}
	}
}
