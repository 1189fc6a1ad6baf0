package natsd

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

func TestMeter(t *testing.T) {
	for _, row := range []struct {
		said string
		want int
	}{
		{"", 0},
		{"PING\r\n", 1},
		{"PING\r\nPONG\r\n", 2},
		{"PUB a 5\r\nhello\r\n", 1},
		{"PUB a 5\r\n\n\n\n\n\n\r\nPING\r\n", 2},
		{"PUB a b 2\r\n\n\n\r\nPING\r\n", 2},
		{"pub\ta\t2\n\n\n\r\nPING\r\n", 2},
		{"HPUB a 12 14\r\nNATS/1.0\r\n\r\n\n\n\r\nPING\r\n", 2},
		{"hpub a b 12 14\r\nNATS/1.0\r\n\r\n\n\n\r\nSUB x 1\r\n", 2},
		{"SUB a 99\r\nUNSUB 99\r\n", 2},
		{"PUB a 0\r\n\r\nPING\r\n", 2},
		{"PUB a 1x\r\nPING\r\n", 2}, // malformed: the server ends it
		{"PING 77\r\nPING\r\n", 2},
	} {
		var m meter
		if got := m.count([]byte(row.said)); got != row.want {
			t.Errorf("%q: %d operations, want %d", row.said, got, row.want)
		}
	}
}

// FuzzMeter: however what a client says is cut into pieces, it counts the same, and no more than there are lines.
func FuzzMeter(f *testing.F) {
	f.Add([]byte("PUB a 5\r\nhello\r\nPING\r\n"), uint8(3))
	f.Add([]byte("HPUB a b 12 14\r\nNATS/1.0\r\n\r\n\n\n\r\nSUB x 1\r\n"), uint8(1))
	f.Add([]byte("PUB a 99999999999999999999\r\nPING\r\n"), uint8(2))
	f.Fuzz(func(t *testing.T, said []byte, piece uint8) {
		var whole, parts meter
		want := whole.count(said)
		got := 0
		for rest := said; len(rest) > 0; {
			n := min(len(rest), int(piece)+1)
			got += parts.count(rest[:n])
			rest = rest[n:]
		}
		if got != want || parts != whole {
			t.Errorf("%d operations in pieces of %d, %d at once", got, int(piece)+1, want)
		}
		if lines := bytes.Count(said, []byte("\n")); want > lines {
			t.Errorf("%d operations in %d lines", want, lines)
		}
	})
}

// FuzzIntroduction: what is passed on to the server is one line, whatever a client says.
func FuzzIntroduction(f *testing.F) {
	f.Add([]byte("CONNECT {\"auth_token\":\"x\",\"verbose\":false,\"name\":\"y\"}\r\n"))
	f.Add([]byte("connect {\"USER\":\"u\",\"pass\":\"\\n\",\"echo\":null}\n"))
	f.Add([]byte("CONNECT {\"protocol\":1e3}\r\n"))
	f.Fuzz(func(t *testing.T, line []byte) {
		who, err := introduction(line)
		if err != nil {
			return
		}
		out, err := json.Marshal(who, json.Deterministic(true))
		if err != nil || strings.ContainsAny(string(out), "\r\n") {
			t.Errorf("%q becomes %q, %v", line, out, err)
		}
	})
}
