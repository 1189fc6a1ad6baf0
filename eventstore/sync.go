package eventstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
)

// ErrSystemConnection: the connection given to CheckSyncAlways is not one of the system account.
var ErrSystemConnection = errors.New("eventstore: no server answered: give credentials of the system account")

// syncQuiet is how long CheckSyncAlways waits for another server's answer after one came. Servers of a cluster
// answer within milliseconds of each other.
const syncQuiet = 500 * time.Millisecond

// CheckSyncAlways asks all servers with JetStream for their settings (a request that only the system account may
// make, $SYS.REQ.SERVER.PING.JSZ) and returns an error that names those which acknowledge before they have synced: a
// power cut loses what such a server acknowledged. Servers without JetStream hold nothing and are passed over.
func CheckSyncAlways(ctx context.Context, system *nats.Conn) error {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	inbox, err := system.SubscribeSync(system.NewInbox())
	if err != nil {
		return fmt.Errorf("eventstore: asking the servers for their settings: %w", err)
	}
	defer func() { _ = inbox.Unsubscribe() }()
	if err := system.PublishRequest("$SYS.REQ.SERVER.PING.JSZ", inbox.Subject, nil); err != nil {
		return fmt.Errorf("eventstore: asking the servers for their settings: %w", err)
	}
	checked := 0
	var failed []error
	for {
		m, err := nextAnswer(ctx, inbox, checked > 0)
		switch {
		case err != nil && checked > 0 && ctx.Err() == nil:
			return errors.Join(failed...)
		case err != nil:
			return fmt.Errorf("%w (%w)", ErrSystemConnection, err)
		}
		with, err := checkServer(m.Data)
		if err != nil {
			failed = append(failed, err)
		}
		if with {
			checked++
		}
	}
}

// nextAnswer waits for a server's answer, for syncQuiet if one has come.
func nextAnswer(ctx context.Context, inbox *nats.Subscription, some bool) (*nats.Msg, error) {
	if some {
		quiet, cancel := context.WithTimeout(ctx, syncQuiet)
		defer cancel()
		ctx = quiet
	}
	return inbox.NextMsgWithContext(ctx)
}

// checkServer judges one server's answer, and tells whether it runs JetStream.
func checkServer(answer []byte) (jetStream bool, err error) {
	var a struct {
		Server struct {
			Name string `json:"name"`
		} `json:"server"`
		Data *struct {
			Disabled bool `json:"disabled"`
			Config   struct {
				SyncAlways bool `json:"sync_always"`
			} `json:"config"`
		} `json:"data"`
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &a); err != nil {
		return true, fmt.Errorf("eventstore: a server's settings are not readable: %w", err)
	}
	switch {
	case a.Error != nil:
		return true, fmt.Errorf("eventstore: server %s does not tell its settings: %s", a.Server.Name, a.Error.Description)
	case a.Data == nil || a.Data.Disabled:
		return false, nil
	case !a.Data.Config.SyncAlways:
		return true, fmt.Errorf("eventstore: server %s acknowledges before it has synced: set sync_interval: always in its jetstream block", a.Server.Name)
	}
	return true, nil
}
