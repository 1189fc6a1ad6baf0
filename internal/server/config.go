package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"sundial/domain"
)

// Config is what a server runs with. Whoever makes one checks it; here it is taken as it is.
type Config struct {
	Dir string // the data directory, one process a directory

	Listen     string // HTTP, host:port; port 0 means any free one
	NATSListen string // NATS clients, likewise, of the embedded server; "" for none

	Sandbox      bool      // the clock moves only when told
	SandboxStart time.Time // where it stands on its first start

	Outside *OutsideNATS // nil: the NATS server is embedded

	// ConnectionsPerAddress and ConnectionsPerToken bound the connections of clients, each of HTTP's and of NATS's by
	// itself; 0 is no limit.
	ConnectionsPerAddress int
	ConnectionsPerToken   int

	TLS      *tls.Config // of both listeners; nil: none
	Insecure bool        // listening beyond loopback without TLS is wanted

	RootKeys []string // files of the root keys that are known; none: the one in the data directory, made at the first start

	Policy   domain.Policy
	Replicas int // of every stream

	// Rehearsal is a command that recovers the streams of the embedded server, in the directory that it gets as its last argument,
	// in a process of its own (see natsd.Rehearsal). None: damage that keeps them from being recovered ends this process unnamed.
	Rehearsal []string

	// Manual leaves it to whoever started the server to run what works by itself (the intake of bills, the scheduler,
	// publishing, the archive, the destruction of keys): who measures one of them runs that one, when it is its turn.
	Manual bool

	Version string // of the program, for what it writes to say

	Logger  *slog.Logger  // nil discards
	LogLost func() uint64 // how many lines of it nobody got; nil where that cannot be known
}

// OutsideNATS is a NATS cluster that others run.
type OutsideNATS struct {
	URL         string // nats://host:port, several with commas
	Creds       string // file of credentials; "" if the URL has what it takes
	SystemCreds string // file of credentials of the system account, to see that the servers sync; "" if not given
	SyncsAlways bool   // somebody vouches for that
}

// httpURL is where a listener is reached.
func (c *Config) httpURL(l net.Listener) string {
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s", scheme, l.Addr())
}
