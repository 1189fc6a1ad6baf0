package api

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Server gives the HTTP server for a handler, with every timeout and limit set. Serving, closing and waiting for the
// requests under way (Shutdown) are the caller's.
func Server(handler http.Handler, tlsConfig *tls.Config, logger *slog.Logger) *http.Server {
	stopping, stop := context.WithCancel(context.Background())
	s := &http.Server{
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, stopping)
		},
		ConnContext: counting,
		Handler:     secured(handler),
		TLSConfig:   tlsConfig,
		// A client that sends its header in drops holds a connection, not more.
		ReadHeaderTimeout: 5 * time.Second,
		// A megabyte in 30 s is 35 kB/s.
		ReadTimeout: 30 * time.Second,
		// Reading a body, then commandPatience, then writing. Moving a sandbox's clock sets its own.
		WriteTimeout: 60 * time.Second,
		// Longer than the pools of usual clients keep connections, so that they and not we close them.
		IdleTimeout: 120 * time.Second,
		// A token, a key and a page's cursor take less than one kilobyte.
		MaxHeaderBytes: 16 << 10,
		// OPTIONS * gets a problem like other methods.
		DisableGeneralOptionsHandler: true,
		// Many requests on one connection hold no more of what arrives than some connections with one each.
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 256 << 10, MaxReceiveBufferPerStream: 64 << 10},
	}
	s.RegisterOnShutdown(stop)
	if logger != nil {
		s.ErrorLog = slog.NewLogLogger(logger.Handler(), slog.LevelDebug)
	}
	return s
}

// stoppingKey is where a request's context holds the one that ends when the server begins to stop. Requests under way
// finish then; streams, which never do by themselves, end by it.
type stoppingKey struct{}

// serverStops is closed when the server begins to stop; nil, which never is, on a server of another kind.
func serverStops(ctx context.Context) <-chan struct{} {
	if s, ok := ctx.Value(stoppingKey{}).(context.Context); ok {
		return s.Done()
	}
	return nil
}
