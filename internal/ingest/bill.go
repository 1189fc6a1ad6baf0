package ingest

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/accountid"
)

// bill is the data of an event: of all types together, since they share most members.
type bill struct {
	account     string
	app         domain.AppID
	order       string
	refund      string
	goodwill    bool
	invoice     string
	edition     string
	effectiveAt domain.Instant
	paidUntil   domain.Instant
	addons      []string
	version     int64
	amount      domain.Money
	given       map[string]bool // the members that were given and not null
}

// translation is what one type of event has, and what it means.
type translation struct {
	required, optional []string
	command            func(bill, *domain.Report) domain.Command
}

var translations = map[string]translation{
	typePaid: {
		[]string{"account", "app", "order", "effective_at", "amount"},
		[]string{"edition", "paid_until", "addons", "version"},
		func(b bill, r *domain.Report) domain.Command {
			return domain.RecordOrder{App: b.app, Report: r, Order: domain.OrderTerms{
				ID: b.order, Edition: domain.Edition(b.edition), EffectiveAt: b.effectiveAt, PaidUntil: b.paidUntil,
				Addons: b.addons, Version: b.version, Amount: b.amount,
			}}
		},
	},
	typeRefunded: {
		[]string{"account", "app", "order", "effective_at"},
		[]string{"amount", "refund", "ends"},
		func(b bill, r *domain.Report) domain.Command {
			return domain.Refund{
				App: b.app, Order: b.order, Refund: b.refund, EffectiveAt: b.effectiveAt, Amount: b.amount, Goodwill: b.goodwill, Report: r,
			}
		},
	},
	typeOverdue: {
		[]string{"account", "app", "invoice", "version", "effective_at", "amount"},
		nil,
		func(b bill, r *domain.Report) domain.Command {
			return domain.MarkArrears{
				App: b.app, Invoice: b.invoice, Version: b.version, EffectiveAt: b.effectiveAt, Amount: b.amount, Report: r,
			}
		},
	},
	typeSettled: {
		[]string{"account", "app", "invoice", "version", "effective_at"},
		nil,
		func(b bill, r *domain.Report) domain.Command {
			return domain.SettleArrears{App: b.app, Invoice: b.invoice, Version: b.version, EffectiveAt: b.effectiveAt, Report: r}
		},
	},
	typeVoided: {
		[]string{"account", "app", "invoice", "version", "effective_at"},
		nil,
		func(b bill, r *domain.Report) domain.Command {
			return domain.VoidInvoice{App: b.app, Invoice: b.invoice, Version: b.version, EffectiveAt: b.effectiveAt, Report: r}
		},
	},
	typeTRTCStopped: {
		[]string{"account", "app"},
		[]string{"effective_at"},
		func(b bill, r *domain.Report) domain.Command {
			return domain.NoteTRTCStopped{App: b.app, EffectiveAt: b.effectiveAt, Report: r}
		},
	},
	typeTRTCStarted: {
		[]string{"account", "app"},
		[]string{"effective_at"},
		func(b bill, r *domain.Report) domain.Command {
			return domain.NoteTRTCStarted{App: b.app, EffectiveAt: b.effectiveAt, Report: r}
		},
	},
}

// member takes one member of data, if the event's type knows it. Null means absent.
func (e *event) member(name string, v jsontext.Value) (taken bool, err error) {
	t := translations[e.fact.Type]
	if !contains(t.required, name) && !contains(t.optional, name) {
		known := misspelled(name, t.required)
		if known == "" {
			known = misspelled(name, t.optional)
		}
		if known != "" {
			return true, malformed("misspelled_name", "data."+known, "is spelled with other upper and lower case")
		}
		return false, nil
	}
	if v.Kind() == 'n' {
		return true, nil
	}
	at := "data." + name
	b := &e.bill
	switch name {
	case "account":
		b.account, err = unquote(v, at)
		if err == nil && !accountid.Valid(b.account) {
			err = malformed("invalid_account", at, "must be 1 to 63 of a-z, 0-9, _ and -, beginning with a letter or digit")
		}
		if err == nil {
			e.fact.Account = b.account
		}
	case "app":
		var n int64
		n, err = integer(v, at)
		if err == nil && n < 0 {
			err = malformed("out_of_range", at, "must be an SDKAppID")
		}
		if err == nil {
			b.app = domain.AppID(n) //nolint:gosec // not negative
			e.fact.App = b.app
		}
	case "order":
		b.order, err = unquote(v, at)
	case "refund":
		b.refund, err = unquote(v, at)
	case "ends":
		if v.Kind() != 't' && v.Kind() != 'f' {
			err = malformed("wrong_type", at, "must be true or false")
		}
		b.goodwill = v.Kind() == 'f'
	case "invoice":
		b.invoice, err = unquote(v, at)
	case "edition":
		b.edition, err = unquote(v, at)
	case "effective_at":
		b.effectiveAt, err = instant(v, at)
	case "paid_until":
		b.paidUntil, err = instant(v, at)
	case "version":
		b.version, err = integer(v, at)
	case "addons":
		b.addons, err = texts(v, at)
	case "amount":
		err = e.amount(v)
	}
	if b.given == nil {
		b.given = make(map[string]bool, 8)
	}
	b.given[name] = true
	return true, err
}

// amount reads money; unknown members of it are kept like those of data.
func (e *event) amount(v jsontext.Value) error {
	const at = "data.amount"
	if v.Kind() != '{' {
		return malformed("wrong_type", at, "must be an object with currency and minor")
	}
	currency, minor := false, false
	rest, err := canonicalMembers(v, at, 3, func(name string, v jsontext.Value) (_ bool, err error) {
		switch name {
		case "currency":
			currency = true
			e.bill.amount.Currency, err = unquote(v, at+".currency")
		case "minor":
			minor = true
			e.bill.amount.Minor, err = integer(v, at+".minor")
		default:
			if known := misspelled(name, []string{"currency", "minor"}); known != "" {
				return true, malformed("misspelled_name", at+"."+known, "is spelled with other upper and lower case")
			}
			return false, nil
		}
		return true, err
	})
	switch {
	case err != nil:
		return err
	case !currency:
		return malformed("missing_field", at+".currency", "is required")
	case !minor:
		return malformed("missing_field", at+".minor", "is required")
	}
	if len(rest) > 0 {
		kept, err := rest.append(nil)
		if err != nil {
			return syntax(err, at)
		}
		e.keptData = append(e.keptData, member{"amount", kept})
	}
	return nil
}

// translate makes the command once everything is read.
func (e *event) translate() error {
	t := translations[e.fact.Type]
	for _, name := range t.required {
		if !e.bill.given[name] {
			return malformed("missing_field", "data."+name, "is required")
		}
	}
	extra, err := e.extra()
	if err != nil {
		return err
	}
	e.fact.Command = t.command(e.bill, &domain.Report{Source: e.fact.Source, ID: e.fact.ID, Extra: extra})
	return nil
}

// extra is what is kept of the event without being understood, {"attributes":{…},"data":{…}}, nil if there is nothing.
func (e *event) extra() (jsontext.Value, error) {
	var parts members
	for _, part := range [...]struct {
		name string
		of   members
	}{{"attributes", e.kept}, {"data", e.keptData}} {
		if len(part.of) == 0 {
			continue
		}
		b, err := part.of.append(nil)
		if err != nil {
			return nil, syntax(err, part.name)
		}
		parts = append(parts, member{part.name, b})
	}
	if len(parts) == 0 {
		return nil, nil
	}
	b, err := parts.append(nil)
	if err != nil {
		return nil, syntax(err, "")
	}
	if len(b) > maxExtra {
		return nil, malformed("too_large", "", "holds more than 64 KiB beyond what is understood of it")
	}
	return b, nil
}

// integer reads a whole number, however it is spelled, that every reader of JSON holds exactly.
func integer(v jsontext.Value, at string) (int64, error) {
	if v.Kind() != '0' {
		return 0, malformed("wrong_type", at, "must be a number")
	}
	var buffer [32]byte
	canonical, err := appendNumber(buffer[:0], v, at)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(canonical), 10, 64)
	if err != nil || n > maxExact || n < -maxExact {
		return 0, malformed("out_of_range", at, "must be a whole number of at most 9007199254740991")
	}
	return n, nil
}

func instant(v jsontext.Value, at string) (domain.Instant, error) {
	s, err := unquote(v, at)
	if err != nil {
		return 0, err
	}
	i, err := domain.ParseInstant(s)
	if err != nil {
		if _, written := domain.ParseTime(s); written == nil {
			return 0, malformed("invalid_time", at, "must be between 1970-01-01T00:00:00.001Z and the year 9999")
		}
		return 0, malformed("invalid_time", at, "must be a time as RFC 3339 with a zone, such as 2021-01-01T00:00:00.000Z")
	}
	return i, nil
}

// Whole reads a JSON number that is a whole one, however it is spelled; false where it is another, or where not every
// reader of JSON would hold it exactly.
func Whole(v jsontext.Value) (int64, bool) {
	n, err := integer(v, "")
	return n, err == nil
}

// texts reads a list of strings. One that could not be an add-on is left to the domain to name.
func texts(v jsontext.Value, at string) ([]string, error) {
	if v.Kind() != '[' {
		return nil, malformed("wrong_type", at, "must be a list of strings")
	}
	var out []string
	err := elements(v, at, func(v jsontext.Value) error {
		s, err := unquote(v, at)
		out = append(out, s)
		return err
	})
	return out, err
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}
