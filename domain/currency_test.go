package domain

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestCurrencies holds the tables against themselves and against what ISO 4217 is known to say.
func TestCurrencies(t *testing.T) {
	if _, err := time.Parse(time.DateOnly, CurrenciesAsOf); err != nil {
		t.Error(err)
	}
	counts := map[string]int{}
	for _, c := range Currencies() {
		if len(c.Code) != 3 || c.Code != strings.ToUpper(c.Code) || slices.Contains(strings.Fields(notMoney), c.Code) {
			t.Errorf("%q is no code of a currency", c.Code)
		}
		if c.Withdrawn == "" {
			counts["current"]++
			if c.Digits < 0 || c.Digits > 4 {
				t.Errorf("%s has %d digits", c.Code, c.Digits)
			}
			continue
		}
		counts["withdrawn"]++
		_, month := time.Parse("2006-01", c.Withdrawn)
		_, year := time.Parse("2006", c.Withdrawn)
		if month != nil && year != nil || c.Withdrawn > CurrenciesAsOf {
			t.Errorf("%s was withdrawn %q, as of %s", c.Code, c.Withdrawn, CurrenciesAsOf)
		}
	}
	entries := len(strings.Fields(withdrawn))
	for _, codes := range currentByDigits {
		entries += len(strings.Fields(codes))
	}
	if len(currencies) != entries {
		t.Errorf("%d codes in %d entries: one stands twice", len(currencies), entries)
	}
	// List one of 2026-01-01 has 178 codes: 164 currencies and funds, and 14 codes that no money is in.
	if counts["current"] != 164 {
		t.Errorf("%d current codes, want 164", counts["current"])
	}
	for code, want := range map[string]Currency{
		"CNY": {Digits: 2}, "EUR": {Digits: 2}, "JPY": {Digits: 0}, "KWD": {Digits: 3}, "CLF": {Digits: 4}, "UGX": {Digits: 0},
		"MRU": {Digits: 2}, "SLE": {Digits: 2}, "UYW": {Digits: 4}, "VED": {Digits: 2}, "VES": {Digits: 2}, "XCG": {Digits: 2}, "ZWG": {Digits: 2},
		"DEM": {Digits: -1, Withdrawn: "2002-03"}, "BGN": {Digits: -1, Withdrawn: "2026-01"}, "HRK": {Digits: -1, Withdrawn: "2023-01"},
		"ANG": {Digits: -1, Withdrawn: "2025-03"}, "SLL": {Digits: -1, Withdrawn: "2023-12"}, "ZWL": {Digits: -1, Withdrawn: "2024-09"},
	} {
		want.Code = code
		if got := currencies[code]; got != want {
			t.Errorf("%s is %+v, want %+v", code, got, want)
		}
	}
}

// TestWhatBuysIsCurrent gives money of each sort to each command that takes money: facts have moved in what is withdrawn
// by now, and only what is current buys.
func TestWhatBuysIsCurrent(t *testing.T) {
	day := InstantOf(time.Date(2021, 1, 5, 0, 0, 0, 0, time.UTC))
	order := func(m Money) OrderTerms { return OrderTerms{ID: "o", Edition: Pro, Amount: m} }
	from := func(o OrderTerms) OrderTerms { o.EffectiveAt = day; return o }
	buys := map[string]func(Money) Command{
		"create":  func(m Money) Command { o := order(m); return CreateApp{AppName: "shop", Order: &o} },
		"upgrade": func(m Money) Command { return UpgradeEdition{App: 1400000001, Order: order(m)} },
		"renew":   func(m Money) Command { return RenewPlan{App: 1400000001, Order: order(m)} },
		"tpns":    func(m Money) Command { return EnableTPNS{App: 1400000001, Order: OrderTerms{ID: "o", Amount: m}} },
	}
	facts := map[string]func(Money) Command{
		"order":   func(m Money) Command { return RecordOrder{App: 1400000001, Order: from(order(m))} },
		"refund":  func(m Money) Command { return Refund{App: 1400000001, Order: "o", EffectiveAt: day, Amount: m} },
		"overdue": func(m Money) Command { return MarkArrears{App: 1400000001, Invoice: "i", EffectiveAt: day, Amount: m} },
		"import": func(m Money) Command {
			return ImportApp{
				App: 1300000001, AppName: "old", CreatedAt: day, Orders: []OrderTerms{from(order(m))},
				Invoices: []ImportedInvoice{{ID: "i", EffectiveAt: day, Amount: m}},
			}
		},
	}
	judge := func(cmd Command) string {
		acc := NewAccount("acme")
		acc.Apps[1400000001] = &App{ID: 1400000001, Account: "acme", Name: "shop", Base: Trial, Edition: Pro}
		_, err := Decide(acc, cmd, Moment{Now: day + 1, Policy: DefaultPolicy(), NewApp: 1400000002, Role: Operator})
		var invalid *Invalid
		if !errors.As(err, &invalid) {
			return ""
		}
		codes := ""
		for _, f := range invalid.Fields {
			if strings.HasSuffix(f.Field, "amount.currency") && !strings.Contains(codes, f.Code) {
				codes += f.Code
			}
		}
		return codes
	}
	for code, want := range map[string]struct{ buys, facts string }{
		"CNY": {}, "MRU": {}, "SLE": {}, "UYW": {}, "VED": {}, "VES": {}, "XCG": {}, "ZWG": {}, "XOF": {}, "XAF": {}, "XPF": {}, "XCD": {},
		"DEM": {buys: "withdrawn_currency"}, "BGN": {buys: "withdrawn_currency"}, "ANG": {buys: "withdrawn_currency"}, "ZWL": {buys: "withdrawn_currency"},
	} {
		for name, command := range buys {
			if got := judge(command(Money{code, 1})); got != want.buys {
				t.Errorf("%s with %s: %q, want %q", name, code, got, want.buys)
			}
		}
		for name, command := range facts {
			if got := judge(command(Money{code, 1})); got != want.facts {
				t.Errorf("%s in %s: %q, want %q", name, code, got, want.facts)
			}
		}
	}
	for _, code := range append(strings.Fields(notMoney), "CNH", "cny", "RMB", "") {
		for _, all := range []map[string]func(Money) Command{buys, facts} {
			for name, command := range all {
				if got := judge(command(Money{code, 1})); got != "unknown_currency" {
					t.Errorf("%s with %s: %q", name, code, got)
				}
			}
		}
	}
}

// TestWithdrawnIsNamed: the description of a fact says that its currency is withdrawn.
func TestWithdrawnIsNamed(t *testing.T) {
	for _, e := range []interface{ describe() string }{
		OrderRecorded{Order: OrderTerms{ID: "o", Edition: Pro, Amount: Money{"DEM", 1}}},
		InvoiceOverdueRecorded{Invoice: "i", Amount: Money{"DEM", 1}},
		RefundRecorded{Order: "o", Amount: Money{"DEM", 1}}, RefundRecorded{Order: "o", Amount: Money{"DEM", 1}, Goodwill: true},
	} {
		if told := e.describe(); !strings.HasSuffix(told, " (in DEM, a currency that was withdrawn in 2002-03)") {
			t.Errorf("%T: %s", e, told)
		}
	}
	if told := (OrderRecorded{Order: OrderTerms{ID: "o", Amount: Money{"CNY", 1}}}).describe(); strings.Contains(told, "CNY") {
		t.Error(told)
	}
}

const currencyDocument = "../docs/currencies.md"

// TestCurrencyDocumentIsCurrent holds docs/currencies.md against the tables.
func TestCurrencyDocumentIsCurrent(t *testing.T) {
	want := currenciesForPeople()
	if *update {
		if err := os.WriteFile(currencyDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if text, err := os.ReadFile(currencyDocument); err != nil || string(text) != want {
		t.Errorf("%s does not say what the code says: run make generate (%v)", currencyDocument, err)
	}
}

func currenciesForPeople() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<!-- Written by go generate ./domain from its tables: change those. -->

# Currencies

Amounts are in minor units of a currency of ISO 4217, as of %s: "CNY" and 99900 are 999 yuan, "JPY" and 999 are 999 yen.

- **What buys** (to create, upgrade and renew, and mobile push) takes current currencies. A withdrawn one is 422 %[2]swithdrawn_currency%[2]s.
- **What has happened** (billing events; the commands that tell of arrears and refunds; imports) takes withdrawn ones too, and they are named as such
  where it is shown: in histories and by %[2]ssundial why%[2]s.
- **What no money is in** is 422 %[2]sunknown_currency%[2]s everywhere, and an event with it is parked: codes that ISO 4217 does not have, such as CNH, and%[3]s.

| digits of the minor unit | current |
|---|---|
`, CurrenciesAsOf, "`", " "+strings.Join(strings.Fields(notMoney), ", "))
	for _, digits := range []int{0, 2, 3, 4} {
		fmt.Fprintf(&b, "| %d | %s |\n", digits, strings.Join(codes(func(c Currency) bool { return c.Withdrawn == "" && c.Digits == digits }), " "))
	}
	b.WriteString("\n| withdrawn | |\n|---|---|\n")
	for _, c := range Currencies() {
		if c.Withdrawn != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", c.Code, c.Withdrawn)
		}
	}
	return b.String()
}

func codes(which func(Currency) bool) []string {
	var found []string
	for _, c := range Currencies() {
		if which(c) {
			found = append(found, c.Code)
		}
	}
	return found
}
