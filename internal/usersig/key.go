package usersig

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	// secretLength is that of an HMAC secret, in hex digits.
	secretLength = 64

	// maxPEM bounds the text of a key, in bytes: a key on P-256 takes less than 300.
	maxPEM = 4 << 10
)

// Refusals of keys, 422 over HTTP. They do not repeat what was sent.
var (
	ErrNoKey        = errors.New("there is no key to sign with")
	ErrSecret       = errors.New("the secret of HMAC-SHA256 must be 64 hex digits")
	ErrKeyTooLong   = errors.New("the key is too long for one on the curve P-256: send the PEM text of one key")
	ErrNotPEM       = errors.New("the key must be PEM text from -----BEGIN to -----END, and nothing else")
	ErrSeveralKeys  = errors.New("there is something after the key: send the PEM text of one key")
	ErrEncryptedKey = errors.New("the private key is encrypted: send it decrypted, such as openssl pkcs8 -topk8 -nocrypt writes it")
	ErrPrivateBlock = errors.New("the private key must be a PEM block EC PRIVATE KEY or PRIVATE KEY (PKCS#8)")
	ErrPublicBlock  = errors.New("the public key must be a PEM block PUBLIC KEY")
	ErrKeyContent   = errors.New("what is in the PEM block cannot be read as such a key: check that it was copied whole")
	ErrCurve        = errors.New("the key must be an ECDSA key on the curve P-256 (prime256v1, secp256r1)")
	ErrSecp256k1    = fmt.Errorf("%w, and this one is on secp256k1: send the key pair with which the app signs", ErrCurve)
	ErrCurveWritten = fmt.Errorf("%w, named, and this one has its curve written out: write it anew, such as openssl ec -param_enc named_curve does", ErrCurve)
)

// SigningKey makes UserSigs: an HMAC secret or an ECDSA private key. It prints as its algorithm, never as itself.
type SigningKey struct {
	secret  []byte // HMAC: the characters, not what they are in hex
	private *ecdsa.PrivateKey
}

// VerifyingKey verifies UserSigs: an HMAC secret or an ECDSA public key. It prints as its algorithm, never as itself.
type VerifyingKey struct {
	secret []byte
	public *ecdsa.PublicKey
}

// ParseSecret reads an HMAC secret, 64 hex digits in either case. The error is ErrSecret.
func ParseSecret(secret string) (SigningKey, error) {
	if len(secret) != secretLength {
		return SigningKey{}, ErrSecret
	}
	if _, err := hex.DecodeString(secret); err != nil {
		return SigningKey{}, ErrSecret
	}
	return SigningKey{secret: []byte(secret)}, nil
}

// NewHMACSecret draws a secret of 256 random bits, for ParseSecret. Errors are those of random.
func NewHMACSecret(random io.Reader) (string, error) {
	var b [secretLength / 2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("usersig: draw a secret: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// NewECDSAKey draws a pair of keys on P-256, as PEM: EC PRIVATE KEY and PUBLIC KEY. Errors are those of random.
func NewECDSAKey(random io.Reader) (private, public string, err error) {
	key, err := drawP256(random)
	if err != nil {
		return "", "", fmt.Errorf("usersig: draw a key: %w", err)
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", "", fmt.Errorf("usersig: write a key: %w", err)
	}
	private = string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
	public, err = SigningKey{private: key}.PublicPEM()
	return private, public, err
}

// drawP256 tries random numbers until one is a key (FIPS 186-5, A.2.2). The standard library draws from a source of
// its own instead of the one it is given.
func drawP256(random io.Reader) (*ecdsa.PrivateKey, error) {
	const tries = 8 // one fails once in 2^32
	var b [32]byte
	for range tries {
		if _, err := io.ReadFull(random, b[:]); err != nil {
			return nil, err
		}
		if key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), b[:]); err == nil {
			return key, nil
		}
	}
	return nil, errors.New("the source of random bytes gives the same ones again and again")
}

// ParsePrivateKey reads an ECDSA private key from PEM: EC PRIVATE KEY, before which a block EC PARAMETERS may stand, or
// PRIVATE KEY (PKCS#8). The curve is P-256. Errors are those of keys above.
func ParsePrivateKey(text string) (SigningKey, error) {
	// openssl writes the curve before the key, which names it too.
	block, err := onlyBlock(text, "EC PARAMETERS")
	if err != nil {
		return SigningKey{}, err
	}
	var key any
	switch block.Type {
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "ENCRYPTED PRIVATE KEY":
		return SigningKey{}, ErrEncryptedKey
	default:
		return SigningKey{}, ErrPrivateBlock
	}
	if err != nil {
		return SigningKey{}, unreadable(block.Bytes)
	}
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || private.Curve != elliptic.P256() {
		return SigningKey{}, ErrCurve
	}
	return SigningKey{private: private}, nil
}

// ParsePublicKey reads an ECDSA public key from PEM: PUBLIC KEY. The curve is P-256. Errors are those of keys above.
func ParsePublicKey(text string) (VerifyingKey, error) {
	block, err := onlyBlock(text, "")
	if err != nil {
		return VerifyingKey{}, err
	}
	if block.Type != "PUBLIC KEY" {
		return VerifyingKey{}, ErrPublicBlock
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return VerifyingKey{}, unreadable(block.Bytes)
	}
	public, ok := key.(*ecdsa.PublicKey)
	if !ok || public.Curve != elliptic.P256() {
		return VerifyingKey{}, ErrCurve
	}
	return VerifyingKey{public: public}, nil
}

var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidP256        = asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	oidSecp256k1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// unreadable says why the standard library does not read a key: it knows four curves, by their names only.
func unreadable(der []byte) error {
	var sec1 struct {
		Version int
		Key     []byte
		Curve   asn1.RawValue  `asn1:"optional,explicit,tag:0"`
		Public  asn1.BitString `asn1:"optional,explicit,tag:1"`
	}
	type algorithm struct {
		Name  asn1.ObjectIdentifier
		Curve asn1.RawValue `asn1:"optional"`
	}
	var pkcs8 struct {
		Version   int
		Algorithm algorithm
		Key       []byte
	}
	var public struct {
		Algorithm algorithm
		Key       asn1.BitString
	}
	var curve []byte
	switch {
	case whole(der, &sec1):
		curve = sec1.Curve.Bytes
	case whole(der, &pkcs8) && pkcs8.Algorithm.Name.Equal(oidECPublicKey):
		curve = pkcs8.Algorithm.Curve.FullBytes
	case whole(der, &public) && public.Algorithm.Name.Equal(oidECPublicKey):
		curve = public.Algorithm.Curve.FullBytes
	}
	var name asn1.ObjectIdentifier
	var written asn1.RawValue
	switch {
	case whole(curve, &written) && written.Tag == asn1.TagSequence:
		return ErrCurveWritten
	case !whole(curve, &name) || name.Equal(oidP256):
		return ErrKeyContent
	case name.Equal(oidSecp256k1):
		return ErrSecp256k1
	}
	return ErrCurve
}

// whole reads DER, and nothing after it.
func whole(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}

// onlyBlock gives the one PEM block of a text. Before it a block of the type preface may stand, which is skipped.
func onlyBlock(text, preface string) (*pem.Block, error) {
	if len(text) > maxPEM {
		return nil, ErrKeyTooLong
	}
	block, rest, err := nextBlock(text)
	if err == nil && block.Type == preface {
		block, rest, err = nextBlock(rest)
	}
	switch {
	case err != nil:
		return nil, err
	case strings.TrimSpace(rest) != "":
		return nil, ErrSeveralKeys
	case strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return nil, ErrEncryptedKey
	}
	return block, nil
}

// nextBlock gives the block that a text begins with. The decoder would skip what stands before it.
func nextBlock(text string) (block *pem.Block, rest string, err error) {
	text = strings.TrimSpace(text)
	if !strings.HasPrefix(text, "-----BEGIN ") {
		return nil, "", ErrNotPEM
	}
	block, after := pem.Decode([]byte(text))
	if block == nil || !strings.HasPrefix(text, "-----BEGIN "+block.Type+"-----") {
		return nil, "", ErrNotPEM
	}
	return block, string(after), nil
}

// Algorithm is how the key signs; empty for the zero key.
func (k SigningKey) Algorithm() Algorithm { return k.VerifyingKey().Algorithm() }

// VerifyingKey is what verifies the signatures of the key.
func (k SigningKey) VerifyingKey() VerifyingKey {
	if k.private == nil {
		return VerifyingKey{secret: k.secret}
	}
	return VerifyingKey{public: &k.private.PublicKey}
}

// PublicPEM is the public key of an ECDSA key, as PEM. The error is ErrNoKey for one that has none.
func (k SigningKey) PublicPEM() (string, error) {
	if k.private == nil {
		return "", ErrNoKey
	}
	der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
	if err != nil {
		return "", fmt.Errorf("usersig: write a key: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})), nil
}

// Format prints the algorithm, whatever the verb.
func (k SigningKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "signing key (%s)", string(k.Algorithm()))
}

// Algorithm is how the signatures are made that the key verifies; empty for the zero key.
func (k VerifyingKey) Algorithm() Algorithm {
	switch {
	case k.public != nil:
		return ECDSA
	case k.secret != nil:
		return HMAC
	}
	return ""
}

// Equal says whether two keys verify the same signatures.
func (k VerifyingKey) Equal(with VerifyingKey) bool {
	if k.public == nil || with.public == nil {
		return k.public == with.public && hmac.Equal(k.secret, with.secret)
	}
	return k.public.Equal(with.public)
}

// Format prints the algorithm, whatever the verb.
func (k VerifyingKey) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "verifying key (%s)", string(k.Algorithm()))
}

// sign gives the signature of a text in base64.
func (k SigningKey) sign(text []byte) (string, error) {
	if k.private == nil {
		return hmacOf(text, k.secret), nil
	}
	sum := sha256.Sum256(text)
	der, err := k.private.Sign(nil, sum[:], crypto.SHA256) // without random numbers: RFC 6979
	return base64.StdEncoding.EncodeToString(der), err
}

// verify tells whether a signature in base64 is that of a text.
func (k VerifyingKey) verify(text []byte, signature string) bool {
	if k.public == nil {
		return hmac.Equal([]byte(hmacOf(text, k.secret)), []byte(signature)) // in constant time
	}
	der, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || base64.StdEncoding.EncodeToString(der) != signature {
		return false
	}
	sum := sha256.Sum256(text)
	return ecdsa.VerifyASN1(k.public, sum[:], der)
}

func hmacOf(text, secret []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write(text)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
