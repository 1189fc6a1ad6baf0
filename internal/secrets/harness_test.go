package secrets_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"math/big"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"software.sslmate.com/src/go-pkcs12"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/secrets"
	"sundial/internal/testing/enginetest"
	"sundial/internal/vault"
)

const (
	acme     = "acme"
	firstApp = domain.FirstApp
	firstID  = domain.FirstCertificate
)

// harness is one or more nodes on one server, each with custody of the same secrets.
type harness struct {
	*enginetest.Server
	root  vault.Root
	nodes []*node
}

type node struct {
	*enginetest.Node
	*secrets.Keeper
	vault *vault.Vault
}

func newWorld(t testing.TB, nodes int) *harness {
	t.Helper()
	root, err := vault.CreateRootFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &harness{Server: enginetest.Start(t), root: root}
	for range nodes {
		w.start(t, t.TempDir(), nodes == 1)
	}
	return w
}

// start starts a node on a directory for its projections.
func (w *harness) start(t testing.TB, dir string, alone bool) *node {
	t.Helper()
	n := &node{Node: w.Node(t, dir, alone)}
	var err error
	if n.vault, err = vault.Open(t.Context(), vault.Config{JetStream: w.JetStream, Roots: []vault.Root{w.root}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.vault.Close)
	n.Keeper = secrets.New(secrets.Config{Engine: n.Engine, Store: n.Store, Vault: n.vault, Random: rand.Reader})
	w.nodes = append(w.nodes, n)
	return n
}

// rotate has another root key in force from now on.
func (w *harness) rotate(t testing.TB, n *node) {
	t.Helper()
	root, err := vault.CreateRootFile(filepath.Join(t.TempDir(), "root.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.vault.Rotate(t.Context(), root, nil); err != nil {
		t.Fatal(err)
	}
	w.root = root
}

// do gives custody a command of acme's owner.
func (n *node) do(t testing.TB, id string, cmd domain.Command) (engine.Answer, error) {
	t.Helper()
	return n.Keeper.Execute(t.Context(), request(id, cmd))
}

func request(id string, cmd domain.Command) engine.Request {
	return engine.Request{Account: acme, ID: id, Command: cmd, Role: domain.Owner, Actor: "owner:one"}
}

// must is do of what must not fail.
func (n *node) must(t testing.TB, id string, cmd domain.Command) engine.Answer {
	t.Helper()
	answer, err := n.do(t, id, cmd)
	if err != nil {
		t.Fatalf("%s %s: %v", cmd.Name(), id, err)
	}
	return answer
}

// stored counts the records in the stream of keys.
func (w *harness) stored(t testing.TB) uint64 {
	t.Helper()
	stream, err := w.JetStream.Stream(t.Context(), "SUNDIAL_KEYS")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

// fields are those of a request: texts become JSON strings, a jsontext.Value stands as it is.
func fields(t testing.TB, pairs ...any) map[string]jsontext.Value {
	t.Helper()
	out := map[string]jsontext.Value{}
	for i := 0; i < len(pairs); i += 2 {
		value, err := json.Marshal(pairs[i+1])
		if err != nil {
			t.Fatal(err)
		}
		out[pairs[i].(string)] = value
	}
	return out
}

func add(f map[string]jsontext.Value, platform string) secrets.AddCertificate {
	return secrets.AddCertificate{
		AddCertificate: domain.AddCertificate{App: firstApp, Content: domain.CertificateContent{Platform: platform}}, Fields: f,
	}
}

func addHuawei(t testing.TB, secret string) secrets.AddCertificate {
	t.Helper()
	return add(fields(t, "package_name", "com.example.shop", "app_id", "1", "app_secret", secret,
		"click_action", jsontext.Value(`{"type":"open_app"}`)), "huawei")
}

func edit(t testing.TB, id domain.CertificateID, pairs ...any) secrets.EditCertificate {
	t.Helper()
	return secrets.EditCertificate{EditCertificate: domain.EditCertificate{App: firstApp, Certificate: id}, Fields: fields(t, pairs...)}
}

func deletion(id domain.CertificateID) domain.DeleteCertificate {
	return domain.DeleteCertificate{App: firstApp, Certificate: id, Confirm: strconv.FormatUint(uint64(id), 10)}
}

// p12 is a push certificate that expires then, in base64, with the password "secret".
func p12(t testing.TB, notAfter time.Time) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: notAfter.AddDate(-1, 0, 0), NotAfter: notAfter,
		Subject: pkix.Name{CommonName: "Apple Push Services: com.example.shop", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "com.example.shop"},
		}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}, Value: []byte{5, 0}}},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	file, err := pkcs12.Modern2023.Encode(key, made, nil, "secret")
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(file)
}
