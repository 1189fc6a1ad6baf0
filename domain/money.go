package domain

import (
	"cmp"
	"fmt"

	"golang.org/x/text/currency"
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

func (m Money) check(field string, p *problems) {
	if unit, err := currency.ParseISO(m.Currency); err != nil || unit.String() != m.Currency {
		p.add(field+".currency", "unknown_currency", "must be an ISO 4217 code in capitals, such as CNY")
	}
	if m.Minor < 0 || m.Minor > MaxMinor {
		p.add(field+".minor", "out_of_range", fmt.Sprintf("must be from 0 to %d minor units", MaxMinor))
	}
}
