package pastdata

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/go-json-experiment/json"
	"software.sslmate.com/src/go-pkcs12"
)

// Keys and files are drawn anew for each directory: none of them is used for anything else.

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func text(failed *error, v any) string {
	b, err := json.Marshal(v, json.Deterministic(true))
	*failed = cmp.Or(*failed, err)
	return string(b)
}

// pair draws an ECDSA key.
func pair(failed *error) (private, public string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		*failed = cmp.Or(*failed, err)
		return "", ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	half, err2 := x509.MarshalPKIXPublicKey(key.Public())
	*failed = cmp.Or(*failed, err, err2)
	return pemOf("PRIVATE KEY", der), pemOf("PUBLIC KEY", half)
}

// ecdsaKey is a signing key of an app that is imported.
func ecdsaKey(failed *error) string {
	private, public := pair(failed)
	return text(failed, map[string]string{"algorithm": "ECDSA-SHA256", "private_key": private, "public_key": public})
}

func p8(failed *error) string {
	private, _ := pair(failed)
	return text(failed, map[string]string{
		"environment": "production", "p8": private, "key_id": "ABC123DEFG", "team_id": "0123456789", "bundle_id": "com.example.shop",
	})
}

func fcm(failed *error) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		*failed = cmp.Or(*failed, err)
		return ""
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	*failed = cmp.Or(*failed, err)
	account := text(failed, map[string]string{
		"type": "service_account", "project_id": "example-chat", "private_key_id": "1", "private_key": pemOf("PRIVATE KEY", der),
		"client_email": "push@example-chat.iam.gserviceaccount.com",
	})
	return fmt.Sprintf(`{"service_account_json":%s,%s}`, text(failed, account), tap)
}

// p12 is a push certificate of Apple that ends soon after the story: its end is announced in it.
func p12(failed *error) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		*failed = cmp.Or(*failed, err)
		return ""
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(7), NotBefore: time.Date(2020, 12, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2021, 3, 12, 9, 0, 0, 0, time.UTC),
		Subject: pkix.Name{CommonName: "Apple Push Services: com.example.shop", ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "com.example.shop"},
		}},
		ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 6, 3, 2}, Value: []byte{5, 0}}},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		*failed = cmp.Or(*failed, err)
		return ""
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		*failed = cmp.Or(*failed, err)
		return ""
	}
	file, err := pkcs12.Modern2023.Encode(key, made, nil, "s3cret-s3cret")
	*failed = cmp.Or(*failed, err)
	return text(failed, map[string]string{"environment": "production", "p12": base64.StdEncoding.EncodeToString(file), "password": "s3cret-s3cret"})
}
