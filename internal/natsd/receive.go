package natsd

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/nats-io/nats-server/v2/server"
)

// errRestarting says that the server was not there for as long as a client waits for it.
var errRestarting = errors.New("natsd: the server is being restarted")

// await gives the server, once it is there.
func (s *Server) await(ctx context.Context) (*run, error) {
	patience := time.NewTimer(authTimeout)
	defer patience.Stop()
	for {
		s.mu.RLock()
		r, up := s.run, s.up
		s.mu.RUnlock()
		if r != nil {
			return r, nil
		}
		select {
		case <-up:
		case <-ctx.Done():
			return nil, net.ErrClosed
		case <-patience.C:
			return nil, errRestarting
		}
	}
}

// greeting is the line with which clients are received: what the server says of itself to a connection of ours, but for
// what is of that connection.
func greeting(srv *server.Server, secure bool) ([]byte, error) {
	conn, err := srv.InProcessConn()
	if err != nil {
		return nil, fmt.Errorf("natsd: %w", err)
	}
	defer conn.Close()
	line, err := hear(conn)
	if err != nil {
		return nil, err
	}
	var info map[string]jsontext.Value
	if err := json.Unmarshal([]byte(line), &info); err != nil {
		return nil, fmt.Errorf("natsd: what the server says of itself: %w", err)
	}
	delete(info, "client_id")
	delete(info, "client_ip")
	if secure {
		info["tls_required"] = jsontext.Value("true")
	}
	text, err := json.Marshal(info, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("natsd: %w", err)
	}
	return append(append([]byte("INFO "), text...), "\r\n"...), nil
}

// hear reads the line with which the server begins; it sends nothing more before it is answered.
func hear(conn net.Conn) (info string, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(authTimeout)); err != nil {
		return "", fmt.Errorf("natsd: connecting to the server: %w", err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("natsd: connecting to the server: %w", err)
	}
	verb, info, _ := strings.Cut(line, " ")
	if verb != "INFO" {
		return "", fmt.Errorf("natsd: the server takes no connection: %s", strings.TrimSpace(line))
	}
	return info, conn.SetReadDeadline(time.Time{})
}

// receive connects a visit to the server, in its room.
func (r *run) receive(v *visit, as shown) (err error) {
	if v.room, err = r.rooms.enter(v.guest.token, time.Now()); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			v.room.leave(time.Now())
		}
	}()
	inner, err := r.srv.InProcessConn()
	if err != nil {
		return fmt.Errorf("natsd: %w", err)
	}
	if !v.reach(inner) {
		return net.ErrClosed
	}
	if _, err := hear(inner); err != nil {
		return err
	}
	as.User = rand.Text()
	v.front.announce(v, as.User)
	line, err := json.Marshal(as, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("natsd: %w", err)
	}
	if _, err := inner.Write(append(append([]byte("CONNECT "), line...), "\r\n"...)); err != nil {
		return fmt.Errorf("natsd: connecting to the server: %w", err)
	}
	return nil
}
