package vault

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret looks like wherever it is printed.
const redacted = "[redacted]"

// Secret is a value that must not be seen. It prints as [redacted] with every verb, in logs, in JSON and as text, and
// so does what it is a part of: it holds its bytes behind a pointer, which printing does not follow even where it can
// call no method (an unexported field).
type Secret struct{ value *[]byte }

// NewSecret makes a secret of bytes, which it keeps without copying them.
func NewSecret(value []byte) Secret { return Secret{&value} }

// Reveal gives the bytes themselves. They must not be changed.
func (s Secret) Reveal() []byte {
	if s.value == nil {
		return nil
	}
	return *s.value
}

// Format prints [redacted], whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives [redacted]; JSON uses it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
