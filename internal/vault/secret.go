package vault

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what a secret looks like wherever it is printed.
const redacted = "[redacted]"

// Secret is a value that must not be seen. It prints as [redacted] with every verb, in logs, in JSON and as text. It
// holds its bytes in a function: printing may look into what has no method it can call (an unexported field), and
// follows a pointer there, but never a function.
type Secret struct{ reveal func() []byte }

// NewSecret makes a secret of bytes, which it keeps without copying them.
func NewSecret(value []byte) Secret { return Secret{func() []byte { return value }} }

// Reveal gives the bytes themselves. They must not be changed.
func (s Secret) Reveal() []byte {
	if s.reveal == nil {
		return nil
	}
	return s.reveal()
}

// Format prints [redacted], whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue is [redacted].
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives [redacted]; JSON uses it too.
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
