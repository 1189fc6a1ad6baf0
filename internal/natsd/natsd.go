// Package natsd runs the NATS server that is embedded in a node which stands alone: JetStream that syncs every
// write before it is acknowledged, an in-process connection for the program itself, and credentials for everybody
// else that are judged live by a function of the program.
//
// It does not lock its directory: two servers start on one directory without a word and ruin it, so the caller
// holds a lock for as long as the server runs.
package natsd

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// startTimeout bounds the recovery of the streams: a million subjects take 2.7 s, a machine that reads a cold
	// disk at the same time some ten times that.
	startTimeout = 60 * time.Second

	// maxStore is the limit that JetStream itself puts on disk use. The disk is the real limit and is watched by
	// Space; a limit below it would only be one more way to refuse an append.
	maxStore = int64(1) << 50

	// maxMemory bounds streams and consumers kept in memory. Sundial keeps consumer states there, kilobytes each.
	maxMemory = int64(256) << 20

	// maxConnections, maxSubscriptions: far above what a node's billing systems and consoles need, far below
	// what would exhaust its memory.
	maxConnections   = 4096
	maxSubscriptions = 4096

	// maxPayload equals the limit of the HTTP API on a body, with room for headers.
	maxPayload = 1<<20 + 64<<10

	// maxPending bounds what the server holds for one slow reader. The fastest reader, a rebuild, asks for
	// windows of this size.
	maxPending = 64 << 20

	// authTimeout is the time that a connection has to say who it is.
	authTimeout = 5 * time.Second
)

// Config says how the embedded server runs.
type Config struct {
	// Dir is the directory of JetStream's files; it is made if absent.
	Dir string

	// Listen is the address for clients, host:port; port 0 means any free one. Empty: no listener at all, only
	// connections inside the process.
	Listen string

	// TLS, if given, is required of clients on Listen. Connections inside the process do without.
	TLS *tls.Config

	// NoSync turns off syncing before acknowledging. Only controls of tests want that: a power cut then loses
	// acknowledged commits, up to whole streams.
	NoSync bool

	// Authenticate judges the credentials of a connection, once, when it connects. Without it nobody but the
	// program itself is let in, unless Open is set.
	Authenticate func(Credentials) (Permissions, bool)

	// Doors are the subjects by which those whom Authenticate lets in reach the program; there is no other way.
	Doors Doors

	// Open lets everybody in with all rights. For tests.
	Open bool

	// Reserved lists subjects on which nobody but the program itself may publish, whatever Authenticate allows:
	// the log's own subjects, for instance. The parts of the JetStream API that change or destroy streams, and
	// the server's own subjects, are reserved in any case.
	Reserved []string

	// Cluster joins several servers, in tests.
	Cluster *Cluster

	// Logger receives the server's own log; nil discards it.
	Logger *slog.Logger
}

// Cluster is what a server needs to be one of several.
type Cluster struct {
	Name       string   // of the cluster
	ServerName string   // of this server, unique in the cluster
	Listen     string   // address for the routes, host:port
	Routes     []string // nats://host:port of the others
}

// Server is a running embedded server.
type Server struct {
	config   Config
	user     string // the program's own, made up for each process
	password string
	system   string // user of the system account; the password is the same

	failed *failures

	mu     sync.RWMutex // guards srv and listen, which Restart replaces
	srv    *server.Server
	listen string // the address that the first start really got
}

// Start starts a server and waits until it serves.
func Start(config Config) (*Server, error) {
	if config.Dir == "" {
		return nil, errors.New("natsd: a directory for JetStream's files is needed")
	}
	s := &Server{
		config:   config,
		user:     "sundial-" + rand.Text(),
		password: rand.Text(),
		system:   "system-" + rand.Text(),
		failed:   newFailures(),
		listen:   config.Listen,
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("natsd: data directory: %w", err)
	}
	if err := s.start(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) start() error {
	clients := newOutside()
	options, err := s.options()
	if err != nil {
		return err
	}
	options.CustomClientAuthentication = &authentication{server: s, clients: clients}
	srv, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("natsd: %w", err)
	}
	log := &logger{log: s.config.Logger, failed: s.failed}
	srv.SetLoggerV2(log, false, false, false)
	srv.Start()
	if err := log.fatal(); err != nil {
		stop(srv)
		return fmt.Errorf("natsd: the server did not start: %w", err)
	}
	if !srv.ReadyForConnections(startTimeout) {
		err := log.fatal()
		stop(srv)
		return fmt.Errorf("natsd: the server was not ready within %s: %w", startTimeout, err)
	}
	if err := clients.make(srv, s.config.Doors); err != nil {
		stop(srv)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.srv = srv
	if addr, ok := srv.Addr().(*net.TCPAddr); ok {
		// Kept so that a restart listens where clients know it to be.
		host, _, _ := net.SplitHostPort(s.config.Listen)
		s.listen = net.JoinHostPort(host, strconv.Itoa(addr.Port))
	}
	return nil
}

func (s *Server) options() (*server.Options, error) {
	o := &server.Options{
		ServerName:             "sundial",
		NoLog:                  true,
		NoSigs:                 true,
		DontListen:             s.listen == "",
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               s.config.Dir,
		SyncAlways:             !s.config.NoSync,
		JetStreamMaxStore:      maxStore,
		JetStreamMaxMemory:     maxMemory,
		MaxConn:                maxConnections,
		MaxSubs:                maxSubscriptions,
		MaxPayload:             maxPayload,
		MaxPending:             maxPending,
		TLSConfig:              s.config.TLS,
		TLSTimeout:             5,
		AuthTimeout:            authTimeout.Seconds(),
		// A producer that is faster than the disk is held back by acknowledgements, not by stalling its reads.
		NoFastProducerStall: true,
	}
	if s.listen != "" {
		host, port, err := hostPort(s.listen)
		if err != nil {
			return nil, fmt.Errorf("natsd: address to listen on: %w", err)
		}
		o.Host, o.Port = host, port
	}
	if c := s.config.Cluster; c != nil {
		host, port, err := hostPort(c.Listen)
		if err != nil {
			return nil, fmt.Errorf("natsd: address of the routes: %w", err)
		}
		o.ServerName = c.ServerName
		o.Cluster = server.ClusterOpts{Name: c.Name, Host: host, Port: port}
		for _, r := range c.Routes {
			u, err := url.Parse(r)
			if err != nil {
				return nil, fmt.Errorf("natsd: route: %w", err)
			}
			o.Routes = append(o.Routes, u)
		}
	}
	return o, nil
}

// hostPort splits an address. nats-server takes port 0 to mean 4222 and -1 to mean any free one.
func hostPort(address string) (string, int, error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("port %q: give a number up to 65535, 0 for any free one", p)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		return host, server.RANDOM_PORT, nil
	}
	return host, int(port), nil
}

func (s *Server) running() *server.Server {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.srv
}

// ClientURL is where clients connect, nats://host:port with the port it really has, or "" without a listener.
func (s *Server) ClientURL() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.listen == "" {
		return ""
	}
	scheme := "nats://"
	if s.config.TLS != nil {
		scheme = "tls://"
	}
	return scheme + s.listen
}

// InProcessConn makes Server a nats.InProcessConnProvider that survives Restart.
func (s *Server) InProcessConn() (net.Conn, error) {
	srv := s.running()
	if srv == nil {
		return nil, errors.New("natsd: the server is being restarted")
	}
	return srv.InProcessConn()
}

// Connect gives a connection inside the process with all rights. It reconnects by itself across Restart.
func (s *Server) Connect(options ...nats.Option) (*nats.Conn, error) {
	return s.connect(s.user, options)
}

// ConnectSystem gives a connection inside the process to the system account, where servers tell of themselves.
func (s *Server) ConnectSystem(options ...nats.Option) (*nats.Conn, error) {
	return s.connect(s.system, options)
}

func (s *Server) connect(user string, options []nats.Option) (*nats.Conn, error) {
	base := []nats.Option{
		nats.InProcessServer(s),
		nats.UserInfo(user, s.password),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(50 * time.Millisecond),
		nats.ReconnectJitter(10*time.Millisecond, 10*time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if s.config.Logger != nil {
				s.config.Logger.Warn("nats: connection inside the process", "error", err)
			}
		}),
		// An outcome that is not known must not be made worse by publishing again behind the caller's back.
		nats.ReconnectBufSize(-1),
	}
	nc, err := nats.Connect("", append(base, options...)...)
	if err != nil {
		return nil, fmt.Errorf("natsd: connecting inside the process: %w", err)
	}
	return nc, nil
}

// Disconnect closes the connections of a user, after its credentials were revoked; it connects again only if
// Authenticate lets it. It returns how many there were.
func (s *Server) Disconnect(user string) (int, error) {
	srv := s.running()
	if srv == nil {
		return 0, nil
	}
	list, err := srv.Connz(&server.ConnzOptions{Username: true, User: user, Limit: maxConnections})
	if err != nil {
		return 0, fmt.Errorf("natsd: listing connections: %w", err)
	}
	n := 0
	for _, c := range list.Conns {
		if srv.DisconnectClientByID(c.Cid) == nil {
			n++
		}
	}
	return n, nil
}

// Restart stops the server and starts it again on the same directory and address. After a write error (a full
// disk) the server's publishing stays stuck until then, though it says that it is enabled.
func (s *Server) Restart() error {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
	s.failed.reset()
	return s.start()
}

// Shutdown stops the server and waits until its files are closed.
func (s *Server) Shutdown() {
	s.mu.Lock()
	srv := s.srv
	s.srv = nil
	s.mu.Unlock()
	if srv != nil {
		stop(srv)
	}
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}
