package api

import (
	"errors"
	"slices"
	"strings"

	"sundial/domain"
	"sundial/internal/accountid"
)

// CheckImport says what is wrong with the body of an import before it is sent: all that account and body alone tell, without
// what the engine holds already. Codes and texts are those with which the route would refuse it, and repeat no value.
// What is wrong with the body as a whole has no field. None: nothing is wrong with it.
func CheckImport(account string, body []byte, at domain.Moment) []domain.FieldError {
	if len(body) > MaxBody {
		return []domain.FieldError{field("", tooLarge.code, tooLarge.detail)}
	}
	var b importApp
	wrong, err := read(body, &b)
	if err != nil {
		return []domain.FieldError{field("", malformed.code, malformed.detail)}
	}
	unread := slices.Clone(wrong) // judged as if absent, it would be refused twice
	say := func(found ...domain.FieldError) {
		for _, f := range found {
			if !slices.ContainsFunc(unread, func(u domain.FieldError) bool { return f.Field != "" && topMember(f.Field) == topMember(u.Field) }) {
				wrong = append(wrong, f)
			}
		}
	}
	if !accountid.Valid(account) {
		say(wrongAccount())
	}
	say(joined(b.missing(), checkReason(b.Reason))...)
	var nonsense *domain.Invalid
	var no *domain.Refusal
	switch err := b.imports().Check(account, at); {
	case errors.As(err, &nonsense):
		say(nonsense.Fields...)
	case errors.As(err, &no):
		say(field("", no.Code.Code, no.Message+" "+no.Fix))
	}
	return wrong
}

// topMember is the name of the body's own member that a field is in.
func topMember(field string) string {
	name, _, _ := strings.Cut(field, ".")
	return name
}
