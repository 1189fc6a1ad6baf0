package pushcert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"software.sslmate.com/src/go-pkcs12"
)

// noon is the time of all tests.
var noon = time.Date(2027, 1, 15, 12, 0, 0, 0, time.UTC)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherRSA = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

// certificate is a self-signed one as Apple makes them, with what the test changes.
type certificate struct {
	cn, uid    string
	extensions []asn1.ObjectIdentifier
	from, to   time.Time
	key        crypto.Signer
}

func pushFor(extensions ...asn1.ObjectIdentifier) certificate {
	return certificate{
		cn: "Apple Push Services: com.example.chat", uid: "com.example.chat", extensions: extensions,
		from: noon.AddDate(0, -6, 0), to: noon.AddDate(0, 6, 0), key: rsaKey(),
	}
}

func (c certificate) make() *x509.Certificate {
	template := x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: c.from, NotAfter: c.to,
		Subject: pkix.Name{CommonName: c.cn, Organization: []string{"Example"}},
	}
	if c.uid != "" {
		template.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: oidUserID, Value: c.uid}}
	}
	for _, id := range c.extensions {
		template.ExtraExtensions = append(template.ExtraExtensions, pkix.Extension{Id: id, Value: []byte{5, 0}})
	}
	der := must(x509.CreateCertificate(rand.Reader, &template, &template, c.key.Public(), c.key))
	return must(x509.ParseCertificate(der))
}

// p12 is the certificate and its key as a file with the password "secret".
func (c certificate) p12() []byte {
	return must(pkcs12.Modern2023.Encode(c.key, c.make(), nil, "secret"))
}

func p8(key any) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: must(x509.MarshalPKCS8PrivateKey(key))})
}

func account(change func(map[string]any)) []byte {
	members := map[string]any{
		"type": "service_account", "project_id": "example-chat", "private_key_id": "0123456789abcdef",
		"private_key": string(p8(rsaKey())), "client_email": "push@example-chat.iam.gserviceaccount.com",
		"client_id": "1234567890", "token_uri": "https://oauth2.example.com/token",
	}
	if change != nil {
		change(members)
	}
	return must(json.Marshal(members, json.Deterministic(true)))
}

func b64(file []byte) string { return base64.StdEncoding.EncodeToString(file) }

// fields are those of a request: texts become JSON strings, a jsontext.Value stands as it is, nil is null.
func fields(values map[string]any) map[string]jsontext.Value {
	out := map[string]jsontext.Value{}
	for name, value := range values {
		if raw, is := value.(jsontext.Value); is {
			out[name] = raw
			continue
		}
		out[name] = must(json.Marshal(value))
	}
	return out
}

// good are fields of each platform that are accepted; of fcm both ways.
func good(t testing.TB, platform string) map[string]any {
	t.Helper()
	openApp := jsontext.Value(`{"type":"open_app"}`)
	switch platform {
	case "xiaomi":
		return map[string]any{"package_name": "com.example.chat", "app_id": "2882303761517", "app_secret": "S3cretS3cret", "channel_id": "chat messages", "click_action": openApp}
	case "huawei":
		return map[string]any{"package_name": "com.example.chat", "app_id": "10000001", "app_secret": "S3cretS3cret", "badge_class": "com.example.chat.Main$Badge", "channel_id": "chat", "click_action": openApp}
	case "honor":
		return map[string]any{"package_name": "com.example.chat", "app_id": "10000001", "client_id": "c-1", "client_secret": "S3cretS3cret", "badge_class": "com.example.chat.Main", "click_action": openApp}
	case "meizu":
		return map[string]any{"package_name": "com.example.chat", "app_id": "10000001", "app_secret": "S3cretS3cret", "click_action": openApp}
	case "vivo":
		return map[string]any{"app_key": "key-1", "app_id": "10000001", "app_secret": "S3cretS3cret", "click_action": openApp}
	case "oppo":
		return map[string]any{"app_key": "key-1", "app_id": "10000001", "master_secret": "S3cretS3cret", "channel_id": "chat", "click_action": openApp}
	case "fcm":
		return map[string]any{"service_account_json": string(account(nil)), "click_action": openApp}
	case "fcm legacy":
		return map[string]any{"package_name": "com.example.chat", "sender_id": "123456", "server_key": "S3cretS3cret", "click_action": openApp}
	case "apns_p12":
		return map[string]any{"environment": "production", "p12": b64(pushFor(oidPushProduction).p12()), "password": "secret"}
	case "apns_p8":
		return map[string]any{"environment": "development", "p8": string(p8(ecKey())), "key_id": "ABC123DEFG", "team_id": "0123456789", "bundle_id": "com.example.chat"}
	case "tpns":
		return map[string]any{"access_id": "1500000001", "secret_key": "S3cretS3cret", "access_point": "guangzhou", "os": "android"}
	}
	t.Fatalf("no fields for %s", platform)
	return nil
}

// name is the platform's own, without the way of access.
func name(platform string) string { return strings.Fields(platform)[0] }

// wrongs gives what is wrong as "field code", sorted.
func wrongs(t testing.TB, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *Invalid
	if !errors.As(err, &invalid) {
		t.Fatalf("error %v is no *Invalid", err)
	}
	return notices(t, invalid.Fields, Codes())
}

func notices(t testing.TB, all []FieldError, known []Code) []string {
	t.Helper()
	var out []string
	for _, f := range all {
		if !slices.ContainsFunc(known, func(c Code) bool { return c.Code == f.Code }) {
			t.Errorf("code %s is not listed", f.Code)
		}
		if f.Field == "" || f.Detail == "" {
			t.Errorf("%+v says too little", f)
		}
		out = append(out, fmt.Sprintf("%s %s", f.Field, f.Code))
	}
	slices.Sort(out)
	return out
}
