package domain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// MaxMinor is the largest amount in minor units: what a JSON number carries exactly everywhere.
const MaxMinor = int64(1)<<53 - 1

// Money is an amount in minor units (cents, fen) of an ISO 4217 currency. Amounts are never negative here: who owes is
// said by the fact, not by a sign.
type Money struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

// compare orders amounts of money: by the number, and for a stable answer between currencies by their codes.
func (m Money) compare(o Money) int {
	return cmp.Or(cmp.Compare(m.Minor, o.Minor), cmp.Compare(m.Currency, o.Currency))
}

// check names what is wrong with money that has moved or is owed, which may be in a currency that is withdrawn by now.
func (m Money) check(field string, p *problems) {
	if _, known := currencies[m.Currency]; !known {
		detail := "must be an ISO 4217 code in capitals, such as CNY"
		if slices.Contains(strings.Fields(notMoney), m.Currency) {
			detail = "must be a currency: no money is in what this code of ISO 4217 stands for"
		}
		p.add(field+".currency", "unknown_currency", detail)
	}
	if m.Minor < 0 || m.Minor > MaxMinor {
		p.add(field+".minor", "out_of_range", fmt.Sprintf("must be from 0 to %d minor units", MaxMinor))
	}
}

// checkCurrent names what is wrong with the currency of money with which somebody buys now, beside what check names.
func (m Money) checkCurrent(field string, p *problems) {
	if when := currencies[m.Currency].Withdrawn; when != "" {
		p.add(field+".currency", "withdrawn_currency",
			"must be a current currency, and this one was withdrawn in "+when+"; the billing system tells what was paid in it")
	}
}

// aside names a withdrawn currency as such, to be added after what was paid or is owed; empty for a current one.
func (m Money) aside() string {
	when := currencies[m.Currency].Withdrawn
	if when == "" {
		return ""
	}
	return fmt.Sprintf(" (in %s, a currency that was withdrawn in %s)", m.Currency, when)
}
