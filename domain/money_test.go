package domain

import (
	"testing"

	"github.com/go-json-experiment/json"
)

func TestMoney(t *testing.T) {
	for _, c := range []struct {
		money Money
		wrong []string
	}{
		{Money{"CNY", 0}, nil},
		{Money{"USD", MaxMinor}, nil},
		{Money{"JPY", 1}, nil}, // no minor unit: the amount is in yen
		{Money{"CNY", -1}, []string{"amount.minor"}},
		{Money{"CNY", MaxMinor + 1}, []string{"amount.minor"}},
		{Money{"cny", 1}, []string{"amount.currency"}},
		{Money{"ABC", 1}, []string{"amount.currency"}},
		{Money{"RMB", 1}, []string{"amount.currency"}},
		{Money{"CNH", 1}, []string{"amount.currency"}}, // what dealers call yuan outside of China; not a code of ISO 4217
		{Money{"XXX", 1}, []string{"amount.currency"}},
		{Money{"MRU", 1}, nil},
		{Money{"DEM", 1}, nil}, // withdrawn; money has moved in it
		{Money{"BGN", 1}, nil},
		{Money{"\u5143", 1}, []string{"amount.currency"}},
		{Money{}, []string{"amount.currency"}},
	} {
		var p problems
		c.money.check("amount", &p)
		got := []string{}
		for _, f := range p {
			got = append(got, f.Field)
		}
		if len(got) != len(c.wrong) || len(got) == 1 && got[0] != c.wrong[0] {
			t.Errorf("%+v: %v is wrong, want %v", c.money, got, c.wrong)
		}
	}
}

// FuzzMoney: whatever is read as money and found in order is written and read again as the same, within what a JSON
// number carries everywhere.
func FuzzMoney(f *testing.F) {
	for _, text := range []string{
		`{"currency":"CNY","minor":99900}`, `{"currency":"CNY","minor":9007199254740991}`, `{"currency":"CNY","minor":9007199254740992}`,
		`{"currency":"CNY","minor":-1}`, `{"currency":"CNY","minor":1e3}`, `{"currency":"CNY","minor":1.0}`, `{"minor":1,"minor":2}`,
		`{"currency":"cny","minor":1}`, `{"Currency":"CNY","minor":1}`, `null`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var m, again Money
		var p problems
		if json.Unmarshal(text, &m, json.RejectUnknownMembers(true)) != nil {
			return
		}
		if m.check("amount", &p); p.err() != nil {
			return
		}
		if m.Minor < 0 || m.Minor > MaxMinor || int64(float64(m.Minor)) != m.Minor || len(m.Currency) != 3 {
			t.Fatalf("%s was found in order: %+v", text, m)
		}
		written, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil || again != m || m.compare(again) != 0 {
			t.Fatalf("%s is %+v, written %s, read %+v (%v)", text, m, written, again, err)
		}
	})
}
