package natsd

import (
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"
)

// Credentials are what a client showed when it connected.
type Credentials struct {
	User     string
	Password string
	Token    string
	Address  string // host:port it comes from
}

// Permissions are what a user may do. A list that allows nothing allows nothing; subjects may hold wildcards.
type Permissions struct {
	// User is who it is: it names the connection for Disconnect, and connections of the same user share a room and
	// limits. Empty: the user shown.
	User string

	Publish   Subjects
	Subscribe Subjects

	// Rate is how many operations a second all connections of the user may send together; 0 is DefaultRate.
	Rate int
}

// Subjects are lists of subjects; what is denied is denied though it be allowed.
type Subjects struct {
	Allow []string
	Deny  []string
}

// reserved are the requests that change or destroy streams, and the server's own subjects. Creation is among them: a
// stream made over the log's subjects, or a mirror of it, would be as bad as a deletion.
var reserved = []string{
	"$JS.API.STREAM.CREATE.>", "$JS.API.STREAM.UPDATE.>", "$JS.API.STREAM.DELETE.>", "$JS.API.STREAM.PURGE.>",
	"$JS.API.STREAM.MSG.DELETE.>", "$JS.API.STREAM.RESTORE.>", "$JS.API.STREAM.SNAPSHOT.>",
	"$JS.API.STREAM.PEER.>", "$JS.API.STREAM.LEADER.>", "$JS.API.CONSUMER.LEADER.>", "$JS.API.SERVER.>",
	"$JS.API.META.>", "$JS.API.ACCOUNT.PURGE.>", "$JS.API.ACCOUNT.STREAM.MOVE.>", "$JS.API.ACCOUNT.STREAM.CANCEL_MOVE.>",
	"$SYS.>",
}

// authentication is asked by the server for every connection, also for those inside the process.
type authentication struct{ server *Server }

func (a *authentication) Check(c server.ClientAuthentication) bool {
	s := a.server
	shown := c.GetOpts()
	if same(shown.Username, s.user) {
		if !same(shown.Password, s.password) {
			return false
		}
		c.RegisterUser(&server.User{Username: s.user})
		return true
	}
	if same(shown.Username, s.system) {
		// The server answers in-process connections only once it is set; before that nobody has the name.
		srv := s.running()
		if srv == nil || !same(shown.Password, s.password) {
			return false
		}
		c.RegisterUser(&server.User{Username: s.system, Account: srv.SystemAccount()})
		return true
	}
	if s.config.Open {
		return true
	}
	if s.front == nil {
		return false
	}
	v := s.front.announced(shown.Username)
	if v == nil {
		return false
	}
	c.RegisterUser(&server.User{Username: v.permissions.User, Account: v.room.account, Permissions: s.permissions(v.permissions)})
	return true
}

// permissions translates; nats-server takes an empty list to allow everything.
func (s *Server) permissions(p Permissions) *server.Permissions {
	rule := func(subjects Subjects, denied ...[]string) *server.SubjectPermission {
		r := &server.SubjectPermission{Allow: subjects.Allow, Deny: append([]string(nil), subjects.Deny...)}
		if len(subjects.Allow) == 0 {
			r.Deny = append(r.Deny, ">")
		}
		for _, d := range denied {
			r.Deny = append(r.Deny, d...)
		}
		return r
	}
	return &server.Permissions{
		Publish:   rule(p.Publish, reserved, s.config.Reserved),
		Subscribe: rule(p.Subscribe, []string{"$SYS.>"}),
	}
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
