// Package natsd runs the NATS server that is embedded in a node which stands alone: JetStream that syncs every
// write before it is acknowledged, an in-process connection for the program itself, and credentials for everybody
// else that are judged live by a function of the program.
//
// It does not lock its directory: two servers start on one directory without a word and ruin it, so the caller
// holds a lock for as long as the server runs.
package natsd

import (
	"context"
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

	// maxOwnConnections and maxOwnSubscriptions are the program's own: one connection for each part, at most, and far
	// more subscriptions than they have together.
	maxOwnConnections   = 64
	maxOwnSubscriptions = 4096

	// maxPayload equals the limit of the HTTP API on a body, with room for headers.
	maxPayload = 1<<20 + 64<<10

	// maxPending bounds what the server holds for one slow reader within the program. The fastest reader, a rebuild,
	// asks for windows of this size. What waits for clients waits in front of the server, and is bounded there.
	maxPending = 64 << 20
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

	// Limits keep clients from taking connections from others.
	Limits Limits

	// Open lets everybody in with all rights, past all limits. For tests.
	Open bool

	// Reserved lists subjects on which nobody but the program itself may publish, whatever Authenticate allows:
	// the log's own subjects, for instance. The parts of the JetStream API that change or destroy streams, and
	// the server's own subjects, are reserved in any case.
	Reserved []string

	// Cluster joins several servers, in tests.
	Cluster *Cluster

	// Worthless are streams that hold nothing of value. Their files are removed before the server starts, so that no damage to
	// them keeps it from starting; their owners make them anew.
	Worthless []string

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
	front  *front // nil without a listener

	mu     sync.RWMutex // guards what follows, which Restart replaces
	run    *run
	up     chan struct{} // closed when there is a run
	listen string        // the address that the first start really got
}

// run is a server between two restarts.
type run struct {
	srv      *server.Server
	rooms    *rooms
	greeting []byte
}

// Start starts a server and waits until it serves. *RecoveryError if it does not come back on its files: then it may still be
// at them, and this process had better end.
func Start(config Config) (*Server, error) { return start(config, nil) }

func start(config Config, told func(line string)) (*Server, error) {
	if config.Dir == "" {
		return nil, errors.New("natsd: a directory for JetStream's files is needed")
	}
	s := &Server{
		config:   config,
		user:     "sundial-" + rand.Text(),
		password: rand.Text(),
		system:   "system-" + rand.Text(),
		failed:   newFailures(),
		up:       make(chan struct{}),
		listen:   config.Listen,
	}
	if err := os.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("natsd: data directory: %w", err)
	}
	if err := discard(config.Dir, config.Worthless); err != nil {
		return nil, err
	}
	if config.Listen != "" && !config.Open {
		var err error
		if s.front, err = listen(s, config.Listen); err != nil {
			return nil, err
		}
		s.listen = s.front.address()
	}
	if err := s.start(&recovery{told: told}); err != nil {
		if s.front != nil {
			s.front.close()
		}
		return nil, err
	}
	if s.front != nil {
		s.front.work.Go(s.front.accept)
	}
	return s, nil
}

func (s *Server) start(heard *recovery) error {
	options, err := s.options()
	if err != nil {
		return err
	}
	options.CustomClientAuthentication = &authentication{s}
	srv, err := server.NewServer(options)
	if err != nil {
		return fmt.Errorf("natsd: %w", err)
	}
	log := &logger{log: s.config.Logger, failed: s.failed, heard: heard}
	srv.SetLoggerV2(log, false, false, false)
	started := make(chan struct{})
	go func() {
		defer close(started)
		srv.Start()
	}()
	if heard.told != nil { // whoever rehearses it watches
		<-started
	} else if err := watch(heard, s.config.Dir, os.Getpid(), s.config.Logger).until(context.Background(), started); err != nil {
		return err
	}
	if err := log.fatal(); err != nil {
		stop(srv)
		return fmt.Errorf("natsd: the server did not start: %w", err)
	}
	if !srv.ReadyForConnections(startTimeout) {
		err := log.fatal()
		stop(srv)
		return fmt.Errorf("natsd: the server was not ready within %s: %w", startTimeout, err)
	}
	r := &run{srv: srv}
	if r.rooms, err = openRooms(srv, s.config.Doors); err == nil {
		r.greeting, err = greeting(srv, s.config.TLS != nil)
	}
	if err != nil {
		stop(srv)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.run = r
	close(s.up)
	if addr, ok := srv.Addr().(*net.TCPAddr); ok && s.config.Open {
		// Kept so that a restart listens where clients know it to be.
		s.listen = withPort(s.config.Listen, addr)
	}
	return nil
}

func withPort(address string, got *net.TCPAddr) string {
	host, _, _ := net.SplitHostPort(address)
	return net.JoinHostPort(host, strconv.Itoa(got.Port))
}

func (s *Server) options() (*server.Options, error) {
	o := &server.Options{
		ServerName:             "sundial",
		NoLog:                  true,
		NoSigs:                 true,
		DontListen:             !s.config.Open || s.listen == "",
		JetStream:              true,
		DisableJetStreamBanner: true,
		StoreDir:               s.config.Dir,
		SyncAlways:             !s.config.NoSync,
		JetStreamMaxStore:      maxStore,
		JetStreamMaxMemory:     maxMemory,
		MaxConn:                maxConnections + maxOwnConnections,
		MaxSubs:                maxOwnSubscriptions,
		MaxPayload:             maxPayload,
		MaxPending:             maxPending,
		AuthTimeout:            authTimeout.Seconds(),
		// A producer that is faster than the disk is held back by acknowledgements, not by stalling its reads.
		NoFastProducerStall: true,
	}
	if s.config.Open && s.listen != "" {
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

// running gives the server, nil while it is restarted.
func (s *Server) running() *server.Server {
	if r := s.present(); r != nil {
		return r.srv
	}
	return nil
}

func (s *Server) present() *run {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.run
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
func (s *Server) Disconnect(user string) int {
	if s.front == nil {
		return 0
	}
	return s.front.disconnect(user)
}

// Restart stops the server and starts it again on the same directory and address. After a write error (a full
// disk) the server's publishing stays stuck until then, though it says that it is enabled.
func (s *Server) Restart() error {
	s.halt()
	s.failed.reset()
	if err := discard(s.config.Dir, s.config.Worthless); err != nil {
		return err
	}
	return s.start(&recovery{})
}

func (s *Server) halt() {
	s.mu.Lock()
	r := s.run
	if r != nil {
		s.run, s.up = nil, make(chan struct{})
	}
	s.mu.Unlock()
	if r != nil {
		stop(r.srv)
	}
}

// Shutdown stops the server and waits until its files are closed.
func (s *Server) Shutdown() {
	s.halt()
	if s.front != nil {
		s.front.close()
	}
}

func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}
