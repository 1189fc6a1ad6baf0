package oracle

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// maxExactInteger is the largest integer that every JSON implementation reads exactly (2^53 - 1).
const maxExactInteger = 1<<53 - 1

// The oracle shares no code with what it judges: rules that stand elsewhere too are written here again.
var (
	accountID    = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
)

// cloudEvent is a CloudEvents 1.0 event in structured mode; extension attributes are skipped.
type cloudEvent struct {
	SpecVersion string         `json:"specversion"`
	ID          string         `json:"id"`
	Source      string         `json:"source"`
	Type        string         `json:"type"`
	Data        jsontext.Value `json:"data"`
}

// eventData holds the members of all kinds of data; which ones are needed depends on the type of the event.
type eventData struct {
	Account   string         `json:"account"`
	App       uint64         `json:"app"`
	Effective string         `json:"effective_at"`
	Order     string         `json:"order"`
	Refund    string         `json:"refund"`
	Ends      *bool          `json:"ends"`
	Edition   string         `json:"edition"`
	PaidUntil string         `json:"paid_until"`
	AddOns    jsontext.Value `json:"addons"`
	Invoice   string         `json:"invoice"`
	Version   *int64         `json:"version"`
	Amount    *amount        `json:"amount"`
}

type amount struct {
	Currency string `json:"currency"`
	Minor    int64  `json:"minor"`
}

// DecodeEvent reads one CloudEvent in structured JSON mode as a fact. Unknown members are accepted, as upstreams
// grow; duplicate keys, names in another case, missing or contradictory members, times without a zone and
// integers beyond 2^53 are errors; the fact then holds no more than its identity and kind, where they can be read.
func DecodeEvent(event []byte) (Fact, error) {
	var envelope cloudEvent
	if err := json.Unmarshal(event, &envelope); err != nil {
		return Fact{}, fmt.Errorf("cloud event: %w", err)
	}
	if envelope.SpecVersion != "1.0" || envelope.ID == "" || envelope.Source == "" {
		return Fact{}, errors.New("cloud event: needs specversion 1.0, an id and a source")
	}
	known := Fact{Kind: envelope.Type, Source: envelope.Source, ID: envelope.ID}
	var data eventData
	if err := json.Unmarshal(envelope.Data, &data); err != nil {
		return known, fmt.Errorf("data: %w", err)
	}
	fact := known
	fact.Account, fact.App = data.Account, data.App
	if !accountID.MatchString(fact.Account) || fact.App == 0 || fact.App > maxExactInteger {
		return known, errors.New("data: needs a valid account and app")
	}
	var err error
	if fact.Effective, err = parseInstant(data.Effective); err != nil {
		return known, fmt.Errorf("effective_at: %w", err)
	}
	if err := data.into(&fact); err != nil {
		return known, fmt.Errorf("%s: %w", fact.Kind, err)
	}
	return fact, nil
}

// into copies what a fact of its kind has, and refuses data that lacks something of it.
func (d eventData) into(fact *Fact) error {
	switch fact.Kind {
	case OrderPaid:
		return errors.Join(d.order(fact), d.term(fact), d.amount(fact, true), d.version(fact, false))
	case OrderRefunded:
		fact.Refund, fact.Goodwill = d.Refund, d.Ends != nil && !*d.Ends
		return errors.Join(d.order(fact), d.amount(fact, false))
	case InvoiceOverdue:
		return errors.Join(d.invoice(fact), d.amount(fact, true), d.version(fact, true))
	case InvoiceSettled, InvoiceVoided:
		return errors.Join(d.invoice(fact), d.version(fact, true))
	}
	return errors.New("not a type of billing event")
}

func (d eventData) order(fact *Fact) error {
	fact.Order = d.Order
	if d.Order == "" {
		return errors.New("needs an order")
	}
	return nil
}

func (d eventData) term(fact *Fact) error {
	fact.Edition = d.Edition
	if d.Edition != "" && d.Edition != Pro && d.Edition != Flagship {
		return errors.New("edition must be pro or flagship")
	}
	if d.PaidUntil != "" {
		until, err := parseInstant(d.PaidUntil)
		if err != nil {
			return fmt.Errorf("paid_until: %w", err)
		}
		fact.PaidUntil = until
	}
	if len(d.AddOns) > 0 {
		canonical := d.AddOns.Clone()
		if err := canonical.Canonicalize(); err != nil {
			return fmt.Errorf("addons: %w", err)
		}
		fact.AddOns = string(canonical)
	}
	return nil
}

func (d eventData) invoice(fact *Fact) error {
	fact.Invoice = d.Invoice
	if d.Invoice == "" {
		return errors.New("needs an invoice")
	}
	return nil
}

func (d eventData) amount(fact *Fact, needed bool) error {
	if d.Amount == nil {
		if needed {
			return errors.New("needs an amount")
		}
		return nil
	}
	if !currencyCode.MatchString(d.Amount.Currency) || d.Amount.Minor < 0 || d.Amount.Minor > maxExactInteger {
		return errors.New("amount needs a currency and minor units from 0 to 2^53")
	}
	fact.Amount = Money(*d.Amount)
	return nil
}

func (d eventData) version(fact *Fact, needed bool) error {
	if d.Version == nil {
		if needed {
			return errors.New("needs a version")
		}
		return nil
	}
	if *d.Version < 0 || *d.Version > maxExactInteger {
		return errors.New("version must be from 0 to 2^53")
	}
	fact.Version = *d.Version
	return nil
}

// dateTime is date-time of RFC 3339, section 5.6. The calendar is left to time.Parse, and leap seconds to
// parseInstant.
var dateTime = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// leapSecond is a time in the second behind the last one of a minute.
var leapSecond = regexp.MustCompile(`(:\d{2}):60(\.\d+)?(Z|[+-])`)

// parseInstant reads RFC 3339 with a zone; what is finer than a millisecond is cut off. A leap second, which only the end
// of a month in UTC has, is the first instant of the next minute.
func parseInstant(text string) (int64, error) {
	upper := strings.ToUpper(text)
	before := leapSecond.ReplaceAllString(upper, "$1:59$3")
	at, err := time.Parse(time.RFC3339Nano, before)
	if err != nil || !dateTime.MatchString(text) {
		return 0, errors.New("needs a time in RFC 3339 with a zone")
	}
	if before != upper {
		at = at.Add(time.Second)
		if at.UTC().Format("02T15:04:05") != "01T00:00:00" {
			return 0, errors.New("has a leap second where none can be")
		}
	}
	if at.UnixMilli() <= 0 {
		return 0, errors.New("lies before 1970")
	}
	return at.UnixMilli(), nil
}

// formatInstant writes RFC 3339 in UTC with milliseconds.
func formatInstant(at int64) string {
	return time.UnixMilli(at).UTC().Format("2006-01-02T15:04:05.000Z")
}
