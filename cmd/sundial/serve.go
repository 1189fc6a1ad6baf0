package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"sundial/internal/server"
)

// serveCmd are the flags of a node. The defaults serve a newcomer and one machine.
type serveCmd struct {
	Data         string    `help:"The data directory; made if there is none. One process a directory." default:"data" env:"SUNDIAL_DATA" placeholder:"DIR"`
	Listen       string    `help:"Where HTTP is served; port 0 means any free one." default:"127.0.0.1:8080" env:"SUNDIAL_LISTEN" placeholder:"HOST:PORT"`
	NATSListen   string    `help:"Where NATS clients connect; empty for nowhere." name:"nats-listen" default:"127.0.0.1:4222" env:"SUNDIAL_NATS_LISTEN" placeholder:"HOST:PORT"`
	Sandbox      bool      `help:"Play with time: the clock moves only when told (see: clock advance)." env:"SUNDIAL_SANDBOX"`
	SandboxStart time.Time `help:"Where a new sandbox's clock stands." default:"2020-01-01T00:00:00Z" placeholder:"TIME"`

	policyFlags
	outsideFlags

	RootKey []string `help:"The root key that opens secrets, file:PATH; absent: root.key in the data directory, made at the first start. Given twice, both are known, as a rotation on several nodes needs it." name:"root-key" env:"SUNDIAL_ROOT_KEY" placeholder:"file:PATH"`

	TLSCert  string `help:"Certificate (PEM) of both listeners." name:"tls-cert" env:"SUNDIAL_TLS_CERT" placeholder:"FILE"`
	TLSKey   string `help:"Its key (PEM)." name:"tls-key" env:"SUNDIAL_TLS_KEY" placeholder:"FILE"`
	Insecure bool   `help:"Listen beyond this machine without TLS." env:"SUNDIAL_INSECURE"`

	ConnectionsPerAddress int `help:"How many connections one address may have, of HTTP and of NATS each; 0 for any number, as where all clients come through one proxy." name:"connections-per-address" default:"256" env:"SUNDIAL_CONNECTIONS_PER_ADDRESS" placeholder:"N"`
	ConnectionsPerToken   int `help:"How many connections may show one token, of HTTP and of NATS each; 0 for any number." name:"connections-per-token" default:"64" env:"SUNDIAL_CONNECTIONS_PER_TOKEN" placeholder:"N"`

	LogLevel  slog.Level `help:"debug, info, warn or error." default:"info" env:"SUNDIAL_LOG_LEVEL" placeholder:"LEVEL"`
	LogFormat string     `help:"text or json." enum:"text,json" default:"text" env:"SUNDIAL_LOG_FORMAT" placeholder:"FORMAT"`
}

// outsideFlags say where the log is, if not in the data directory.
type outsideFlags struct {
	NATS            string `help:"A NATS cluster to use instead of the embedded server." name:"nats" env:"SUNDIAL_NATS" placeholder:"URL"`
	NATSCreds       string `help:"Credentials for it." name:"nats-creds" env:"SUNDIAL_NATS_CREDS" placeholder:"FILE"`
	NATSSystemCreds string `help:"Credentials of its system account, to see that its servers sync every write." name:"nats-system-creds" env:"SUNDIAL_NATS_SYSTEM_CREDS" placeholder:"FILE"`
	NATSSyncsAlways bool   `help:"Vouch for that instead." name:"nats-syncs-always" env:"SUNDIAL_NATS_SYNCS_ALWAYS"`
	Replicas        int    `help:"Copies of every stream: 1, 3 or 5; by default 3 with --nats, else 1." env:"SUNDIAL_REPLICAS" placeholder:"N"`
}

func (f outsideFlags) outside() (*server.OutsideNATS, int, error) {
	replicas := f.Replicas
	if f.NATS == "" {
		if f.NATSCreds != "" || f.NATSSystemCreds != "" || f.NATSSyncsAlways {
			return nil, 0, misused("--nats-creds, --nats-system-creds and --nats-syncs-always belong to a cluster: give its address with --nats")
		}
		return nil, max(replicas, 1), nil
	}
	if replicas == 0 {
		replicas = 3
	}
	return &server.OutsideNATS{URL: f.NATS, Creds: f.NATSCreds, SystemCreds: f.NATSSystemCreds, SyncsAlways: f.NATSSyncsAlways}, replicas, nil
}

// Help shows how.
func (*serveCmd) Help() string {
	return `When it serves it prints one line on standard output, with the ports that it has: ready http://127.0.0.1:8080 nats://127.0.0.1:4222. Logs go to standard error. SIGINT or SIGTERM ends it in order, SIGHUP does nothing.

On its first start it makes the log, and writes an operator's token to DIR/operator.token, which the other verbs find by --data.

Examples:

    sundial serve
    sundial serve --sandbox --sandbox-start 2021-01-01T00:00:00Z --data play
    sundial serve --listen 0.0.0.0:8080 --tls-cert cert.pem --tls-key key.pem
    sundial serve --nats nats://n1:4222,nats://n2:4222,nats://n3:4222 --nats-creds sundial.creds --nats-system-creds sys.creds`
}

// config gathers the flags and judges them.
func (v *serveCmd) config(errs io.Writer) (server.Config, error) {
	tls, err := loadTLS(v.TLSCert, v.TLSKey)
	if err != nil {
		return server.Config{}, err
	}
	outside, replicas, err := v.outside()
	if err != nil {
		return server.Config{}, err
	}
	var rootKeys []string
	for _, given := range v.RootKey {
		name, err := keyFile("--root-key", given)
		if err != nil {
			return server.Config{}, err
		}
		rootKeys = append(rootKeys, name)
	}
	policy, err := v.policy()
	if err != nil {
		return server.Config{}, err
	}
	config := server.Config{
		Dir: v.Data, Listen: v.Listen, NATSListen: v.NATSListen,
		Sandbox: v.Sandbox, SandboxStart: v.SandboxStart,
		Outside: outside, Replicas: replicas,
		ConnectionsPerAddress: v.ConnectionsPerAddress, ConnectionsPerToken: v.ConnectionsPerToken,
		TLS: tls, Insecure: v.Insecure, RootKeys: rootKeys,
		Policy: policy, Version: version,
		Logger: newLogger(errs, v.LogLevel, v.LogFormat),
	}
	return config, check(&config)
}

// keyFile reads where a root key is: file:PATH. The scheme leaves room for keys that are in no file.
func keyFile(flag, given string) (string, error) {
	path, is := strings.CutPrefix(given, "file:")
	if !is || path == "" {
		return "", misused("%s: want file:PATH", flag)
	}
	return path, nil
}

// Run serves until the context ends.
func (v *serveCmd) Run(ctx context.Context, c *console) error {
	written := newUnheld(c.err)
	c.err, c.last = written, written.Close
	config, err := v.config(c.err)
	if err != nil {
		return err
	}
	config.Rehearsal = c.rehearsal()
	config.LogLost = written.Lost
	written.whenBack(func(lost uint64) {
		config.Logger.Warn("lines of this log were lost, as nobody read standard error", "lines", lost)
	})
	defer goOn(config.Logger)()
	defer runtime.KeepAlive(tuneMemory(config.Logger))
	s := server.New(config)
	if err := s.Start(ctx); err != nil {
		return err
	}
	fmt.Fprintln(c.out, strings.TrimSpace("ready "+s.HTTPURL()+" "+s.NATSURL()))
	select {
	case <-ctx.Done():
		config.Logger.Info("ending")
	case err = <-s.Ended():
	}
	if closeErr := s.Close(); err == nil {
		err = closeErr
	}
	return err
}

func newLogger(w io.Writer, level slog.Level, format string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
