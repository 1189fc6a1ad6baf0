// Package jserror tells apart the errors that JetStream answers with, where they have more than one shape.
package jserror

import (
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Overtaken says whether a write failed because its expected sequence or revision was not met: another was written
// first, and nothing is wrong with the server. A replicated stream says so with a code of its own, while the other
// write is still in process.
func Overtaken(err error) bool {
	var api *jetstream.APIError
	return errors.As(err, &api) && (api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence ||
		api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequenceConstant)
}
