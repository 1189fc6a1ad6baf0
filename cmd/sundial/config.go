package main

import (
	"crypto/tls"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"sundial/domain"
	"sundial/internal/server"
)

const (
	minGrace = time.Minute
	maxGrace = 10 * 365 * 24 * time.Hour

	// maxNotices bounds how often an owner is warned of one thing.
	maxNotices = 10
)

// check gives what makes no sense in what a server is to run with, a misuse. It is the one place where that is judged.
func check(c *server.Config) error {
	if c.Dir == "" {
		return misused("--data: want a directory")
	}
	for _, l := range []struct{ flag, address string }{{"--listen", c.Listen}, {"--nats-listen", c.NATSListen}} {
		if l.flag == "--nats-listen" && (l.address == "" || c.Outside != nil) {
			continue
		}
		if err := checkListen(c, l.flag, l.address); err != nil {
			return err
		}
	}
	if c.ConnectionsPerAddress < 0 || c.ConnectionsPerToken < 0 {
		return misused("--connections-per-address, --connections-per-token: want a number, 0 for no limit")
	}
	if c.Sandbox && (domain.InstantOf(c.SandboxStart) <= 0 || domain.InstantOf(c.SandboxStart) > domain.MaxInstant) {
		return misused("--sandbox-start: want a time between 1970 and 9999, such as 2020-01-01T00:00:00Z")
	}
	graces, aheads := []time.Duration{c.Policy.Grace}, []time.Duration{c.Policy.OrderAhead}
	for _, edition := range []domain.Edition{domain.Pro, domain.Flagship} {
		terms := c.Policy.For(domain.AccountPolicy{}, edition)
		graces, aheads = append(graces, terms.Grace), append(aheads, terms.OrderAhead)
	}
	if slices.ContainsFunc(graces, func(d time.Duration) bool { return d < minGrace || d > maxGrace || d%time.Millisecond != 0 }) {
		return misused("--grace: want whole milliseconds from %s to %s, such as 168h", minGrace, maxGrace)
	}
	if slices.ContainsFunc(aheads, func(d time.Duration) bool { return d > domain.MaxOrderAhead.Duration() }) {
		return misused("--order-ahead: want 0s to %s, such as 26280h", domain.MaxOrderAhead)
	}
	if c.Policy.Quota < 1 || c.Policy.Quota > domain.MaxQuota {
		return misused("--quota: want 1 to %d", domain.MaxQuota)
	}
	if len(c.Policy.Notices) > maxNotices || slices.ContainsFunc(c.Policy.Notices, func(n domain.Span) bool {
		d := n.Duration()
		return d < time.Minute || d > maxGrace || d%time.Millisecond != 0
	}) {
		return misused("--notices: want at most %d durations from %s to %s, such as 72h,24h", maxNotices, time.Minute, maxGrace)
	}
	switch c.Replicas {
	case 1:
	case 3, 5:
		if c.Outside == nil {
			return misused("--replicas %d: the embedded server is one; more take a cluster (--nats URL)", c.Replicas)
		}
	default:
		return misused("--replicas: want 1, 3 or 5")
	}
	if o := c.Outside; o != nil {
		for address := range strings.SplitSeq(o.URL, ",") {
			if u, err := url.Parse(strings.TrimSpace(address)); err != nil || u.Host == "" {
				return misused("--nats: want addresses such as nats://127.0.0.1:4222, with commas between them")
			}
		}
		if o.SystemCreds == "" && !o.SyncsAlways {
			return misused("it cannot be seen whether the servers of --nats sync before they acknowledge, and without that a power cut loses what they acknowledged\n" +
				"  fix: give --nats-system-creds FILE so that it can be checked, or vouch for it with --nats-syncs-always (sync_interval: always in their jetstream block)")
		}
	}
	return nil
}

// checkListen refuses to serve tokens and bills in the clear to a network unless that is wanted.
func checkListen(c *server.Config, flag, address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return misused("%s %q: want host:port, such as 127.0.0.1:8080 (port 0 for any free one)", flag, address)
	}
	if _, err := net.LookupPort("tcp", port); err != nil {
		return misused("%s %q: %w", flag, address, err)
	}
	if c.TLS != nil || c.Insecure || loopback(host) {
		return nil
	}
	return misused("%s %s is reached from other machines, and without TLS tokens and bills would pass in the clear\n"+
		"  fix: give --tls-cert and --tls-key, or --insecure if something before it does TLS", flag, address)
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

// loadTLS reads a certificate with its key; nil if neither is given.
func loadTLS(certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" && keyFile == "" {
		return nil, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, misused("--tls-cert and --tls-key go together")
	}
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, misused("--tls-cert, --tls-key: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, CipherSuites: suites}, nil
}

// suites are those of TLS 1.2 that encrypt and authenticate in one. Go would take some with CBC as well, whose padding has
// been attacked again and again. Those of TLS 1.3 are all of this kind.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}
