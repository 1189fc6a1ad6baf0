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
	// User names the connection in the server's statistics and for Disconnect; empty: the user shown.
	User string

	Publish   Subjects
	Subscribe Subjects

	// Reply lets a service answer requests that it received, on whatever reply subject they carry.
	Reply bool
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
type authentication struct {
	server  *Server
	clients *outside
}

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
	if s.config.Authenticate == nil {
		return false
	}
	address := ""
	if r := c.RemoteAddress(); r != nil {
		address = r.String()
	}
	permissions, ok := s.config.Authenticate(Credentials{
		User: shown.Username, Password: shown.Password, Token: shown.Token, Address: address,
	})
	if !ok {
		return false
	}
	account := a.clients.await()
	if account == nil {
		return false
	}
	name := permissions.User
	if name == "" {
		name = shown.Username
	}
	c.RegisterUser(&server.User{Username: name, Account: account, Permissions: s.permissions(permissions)})
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
	out := &server.Permissions{
		Publish:   rule(p.Publish, reserved, s.config.Reserved),
		Subscribe: rule(p.Subscribe, []string{"$SYS.>"}),
	}
	if p.Reply {
		out.Response = &server.ResponsePermission{
			MaxMsgs: server.DEFAULT_ALLOW_RESPONSE_MAX_MSGS, Expires: server.DEFAULT_ALLOW_RESPONSE_EXPIRATION,
		}
	}
	return out
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
