package natsd

import (
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// outsideAccount is the NATS account of everybody who is not the program. An account is a space of subjects of its own:
// what is not listed as a Door leads nowhere.
//
// Permissions alone would not do. They judge the subject that a client publishes on, not the one that it asks to be
// answered on, and the server and the program answer with all rights: a billing system that publishes a bill and wants
// the acknowledgement on events.acme would so write into the log.
const outsideAccount = "outside"

// Doors are the subjects that lead from the outside to the program and back.
type Doors struct {
	// Answered are subjects on which clients ask or tell the program something: each message gets at most one answer,
	// an acknowledgement of JetStream included.
	Answered []string

	// Discovered are subjects that many may answer, as services answer $SRV.PING.
	Discovered []string

	// Heard are subjects on which the program tells, and clients only listen.
	Heard []string
}

// outside is the account, once there is one: the server takes connections a moment before it can be made.
type outside struct {
	made    chan struct{}
	account *server.Account // set before made is closed
}

func newOutside() *outside { return &outside{made: make(chan struct{})} }

// await gives the account, or nil if it is not made in the time that a connection has to say who it is.
func (o *outside) await() *server.Account {
	select {
	case <-o.made:
		return o.account
	case <-time.After(authTimeout):
		return nil
	}
}

// make makes the account, with its doors to the program's.
func (o *outside) make(srv *server.Server, doors Doors) error {
	inside := srv.GlobalAccount()
	account, err := srv.RegisterAccount(outsideAccount)
	if err != nil {
		return fmt.Errorf("natsd: making the account of clients: %w", err)
	}
	to := []*server.Account{account}
	answered := func(subject string, answers server.ServiceRespType) error {
		if err := inside.AddServiceExportWithResponse(subject, answers, to); err != nil {
			return fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
		if err := account.AddServiceImport(inside, subject, subject); err != nil {
			return fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
		return nil
	}
	for _, subject := range doors.Answered {
		if err := answered(subject, server.Singleton); err != nil {
			return err
		}
	}
	for _, subject := range doors.Discovered {
		if err := answered(subject, server.Streamed); err != nil {
			return err
		}
	}
	for _, subject := range doors.Heard {
		if err := inside.AddStreamExport(subject, to); err != nil {
			return fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
		if err := account.AddStreamImport(inside, subject, ""); err != nil {
			return fmt.Errorf("natsd: opening %s: %w", subject, err)
		}
	}
	o.account = account
	close(o.made)
	return nil
}
