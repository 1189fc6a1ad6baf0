package main

import (
	"strconv"
	"strings"
)

// money is an amount as the API has it, in minor units.
type money struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

// amount is money on the command line: CURRENCY:MINOR, such as CNY:99900.
type amount money

// UnmarshalText reads CURRENCY:MINOR.
func (a *amount) UnmarshalText(text []byte) error {
	currency, minor, ok := strings.Cut(string(text), ":")
	n, err := strconv.ParseInt(minor, 10, 64)
	if !ok || err != nil || currency == "" {
		return misused("want CURRENCY:MINOR, the amount in minor units: CNY:99900 is 999 yuan")
	}
	*a = amount{Currency: currency, Minor: n}
	return nil
}

// orderFlags describe something bought. All of them, or none: a trial takes no order.
type orderFlags struct {
	Order       string   `help:"The order's id." placeholder:"ID"`
	Edition     string   `help:"What it buys: pro or flagship; absent for add-ons alone." placeholder:"EDITION"`
	PaidUntil   string   `help:"The end of its term, RFC 3339; absent if it is open-ended." placeholder:"TIME"`
	EffectiveAt string   `help:"Since when it counts, RFC 3339; absent: now." placeholder:"TIME"`
	Amount      *amount  `help:"What was paid, in minor units, such as CNY:99900." placeholder:"CURRENCY:MINOR"`
	Addons      []string `help:"Add-ons bought with it." placeholder:"NAME"`
	Version     int64    `help:"The version of what is said of the order, where it was said before: the highest counts. Not for owners." placeholder:"N"`
}

// order is an order as the API takes it.
type order struct {
	ID          string   `json:"id"`
	Edition     string   `json:"edition,omitzero"`
	PaidUntil   string   `json:"paid_until,omitzero"`
	EffectiveAt string   `json:"effective_at,omitzero"`
	Amount      *money   `json:"amount,omitzero"`
	Addons      []string `json:"addons,omitzero"`
	Version     int64    `json:"version,omitzero"`
}

// order gives nil without --order, which is a mistake if there is anything else about one.
func (f *orderFlags) order() (*order, error) {
	if f.Order == "" {
		if f.Edition != "" || f.PaidUntil != "" || f.EffectiveAt != "" || f.Amount != nil || len(f.Addons) > 0 || f.Version != 0 {
			return nil, misused("--edition, --paid-until, --effective-at, --amount, --addons and --version describe an order: give its id with --order")
		}
		return nil, nil
	}
	return &order{
		ID: f.Order, Edition: f.Edition, PaidUntil: f.PaidUntil, EffectiveAt: f.EffectiveAt, Amount: (*money)(f.Amount), Addons: f.Addons,
		Version: f.Version,
	}, nil
}

// required is order for a verb that is nothing without one.
func (f *orderFlags) required() (*order, error) {
	o, err := f.order()
	if err == nil && o == nil {
		err = misused("give the order's id with --order")
	}
	return o, err
}
