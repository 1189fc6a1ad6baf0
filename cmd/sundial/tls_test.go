package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"sundial/internal/server"
)

// TestTLS serves HTTP and NATS with a certificate that the clients are told to trust.
func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	p := start(t, func(c *server.Config) {
		var err error
		if c.TLS, err = loadTLS(cert, key); err != nil {
			t.Fatal(err)
		}
	})
	if !strings.HasPrefix(p.HTTPURL(), "https://") || !strings.HasPrefix(p.NATSURL(), "tls://") {
		t.Errorf("addresses %s and %s", p.HTTPURL(), p.NATSURL())
	}
	trusting, err := (&remote{Server: p.HTTPURL(), Data: p.Config.Dir, CA: cert}).client()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := trusting.do(t.Context(), request{method: http.MethodGet, path: "/v1/apps"}); err != nil {
		t.Error(err)
	}
	if _, err := newClient(p.HTTPURL(), trusting.token, http.DefaultTransport).do(t.Context(), request{method: http.MethodGet, path: "/v1/apps"}); err == nil {
		t.Error("a certificate of nobody was trusted")
	}

	// Of TLS 1.2 both take what encrypts and authenticates in one, and nothing else.
	for suite, taken := range map[uint16]bool{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: true, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: true,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: false, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256: false,
	} {
		offered := &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}, InsecureSkipVerify: true}
		c, err := tls.Dial("tcp", strings.TrimPrefix(p.HTTPURL(), "https://"), offered)
		if err == nil {
			c.Close()
		}
		nc, natsErr := nats.Connect(p.NATSURL(), nats.Token(trusting.token), nats.Secure(offered))
		if natsErr == nil {
			nc.Close()
		}
		if (err == nil) != taken || (natsErr == nil) != taken {
			t.Errorf("%s: over HTTP %v, over NATS %v", tls.CipherSuiteName(suite), err, natsErr)
		}
	}

	nc, err := nats.Connect(p.NATSURL(), nats.Token(trusting.token), nats.RootCAs(cert))
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	if nc, err := nats.Connect(p.NATSURL(), nats.Token("sundial_x"), nats.RootCAs(cert)); err == nil {
		nc.Close()
		t.Error("a token of nobody was let in")
	}
}

// certificate makes one for 127.0.0.1, signed by itself.
func certificate(t testing.TB) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sundial"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}
