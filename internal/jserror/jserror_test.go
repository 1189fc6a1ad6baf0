package jserror_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"sundial/internal/jserror"
)

func TestOvertaken(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want bool
	}{
		{"no error", nil, false},
		{"wrong last sequence", &jetstream.APIError{Code: 400, ErrorCode: 10071}, true},
		{"the same of a replicated stream", &jetstream.APIError{Code: 400, ErrorCode: 10164}, true},
		{"wrapped", fmt.Errorf("storing: %w", &jetstream.APIError{Code: 400, ErrorCode: 10164}), true},
		{"a key that exists", jetstream.ErrKeyExists, true},
		{
			"another revision of a key in a replicated bucket",
			fmt.Errorf("%w: %w", &jetstream.APIError{Code: 400, ErrorCode: 10164}, jetstream.ErrKeyRevisionMismatch), true,
		},
		{"another refusal", &jetstream.APIError{Code: 503, ErrorCode: 10077}, false},
		{"no refusal", errors.New("wrong last sequence"), false},
	} {
		if got := jserror.Overtaken(c.err); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
}
