package pushcert

import (
	"crypto"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"

	"software.sslmate.com/src/go-pkcs12"
)

const (
	// maxIterations bounds each derivation of a key from the password: what OWASP asks of PBKDF2 with SHA-256, and
	// hundreds of times what openssl and Apple's Keychain do. A file asks for three, which take a second at most.
	maxIterations = 600_000

	// maxKey bounds a private key in DER, encrypted or not: RSA of 4,096 bits takes 2.4 KiB. Checking a key takes time
	// with the cube of its length.
	maxKey = 3 << 10
)

// The parts of a p12 file (RFC 7292, 4), as far as they say how much work it asks for.
type (
	p12PFX struct {
		Version  int
		AuthSafe p12Content
		Mac      p12Mac `asn1:"optional"`
	}
	p12Content struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	p12Mac struct {
		Digest     p12Digest
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	p12Digest struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}
	p12Encrypted struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   []byte `asn1:"tag:0,optional"`
		}
	}
	p12Bag struct {
		Type       asn1.ObjectIdentifier
		Value      asn1.RawValue   `asn1:"tag:0,explicit"`
		Attributes []asn1.RawValue `asn1:"set,optional"`
	}
	p12ShroudedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Content   []byte
	}
	pbeParameters struct {
		Salt       []byte
		Iterations int
	}
	// Second is the encryption of PBES2, the MAC of PBMAC1.
	pbes2Parameters  struct{ Derivation, Second pkix.AlgorithmIdentifier }
	pbkdf2Parameters struct {
		Salt       asn1.RawValue
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		Function   pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

var (
	oidData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidKeyBag        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 1}
	oidShroudedKey   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBES2         = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBKDF2        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 12}
	oidPBMAC1        = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
	oidHMACSHA256    = asn1.ObjectIdentifier{1, 2, 840, 113549, 2, 9}

	// What a MAC may be made with: SHA-1, SHA-256 and SHA-512.
	macDigests = []asn1.ObjectIdentifier{
		{1, 3, 14, 3, 2, 26}, {2, 16, 840, 1, 101, 3, 4, 2, 1}, {2, 16, 840, 1, 101, 3, 4, 2, 3},
	}
	hmacs = []asn1.ObjectIdentifier{{1, 2, 840, 113549, 2, 7}, oidHMACSHA256, {1, 2, 840, 113549, 2, 11}}
)

// openP12 gives the private key of a p12 file and its certificates.
//
// The library bounds no work, and the parameters of a key may be hidden in a part that is itself encrypted. So the parts
// that can be seen are judged first; then the MAC alone is checked, which tells whether the password is right; and last
// the parts are decrypted here, judged in turn, and given to the library in the clear. What is encrypted with an algorithm
// that only the library knows (RC2) is left to it, behind the part that holds the key, where it refuses another key without
// opening it.
func openP12(file []byte, password string) (crypto.PrivateKey, []*x509.Certificate, *Code) {
	file, c := oneFile(file)
	if c != nil {
		return nil, nil, c
	}
	pfx, parts, c := readP12(file)
	if c != nil {
		return nil, nil, c
	}
	// This reads a file of certificates alone, so that it ends after the MAC, or with a bag that is not a certificate.
	if _, err := pkcs12.DecodeTrustStore(file, password); errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, nil, &wrongPassword
	}
	return pfx.open(parts, password)
}

// oneFile gives the file as DER as far as the MAC: what the MAC is made of stays as it is.
func oneFile(file []byte) ([]byte, *Code) {
	der, rest, fine := definite(file)
	switch {
	case !fine:
		return nil, &p12Unreadable
	case len(rest) > 0:
		return nil, &Code{p12Unreadable.Code, fmt.Sprintf("has %d bytes after the end of the p12 file: cut them off, or %s", len(rest), convertP12)}
	}
	return der, nil
}

// open opens the parts in this order, without regard to the file's own MAC.
func (p p12PFX) open(parts []p12Content, password string) (crypto.PrivateKey, []*x509.Certificate, *Code) {
	parts, c := opened(parts, password)
	if c != nil {
		return nil, nil, c
	}
	ordered, err := p.withParts(parts, password)
	if err != nil {
		return nil, nil, &p12Unreadable
	}
	key, leaf, others, err := pkcs12.DecodeChain(ordered, password)
	var unsupported pkcs12.NotImplementedError
	switch {
	case errors.As(err, &unsupported):
		return nil, nil, &p12Unsupported
	case err != nil:
		return nil, nil, &p12Unreadable
	}
	return key, append([]*x509.Certificate{leaf}, others...), nil
}

// readP12 takes a file apart as far as it is not encrypted, and refuses what asks for too much work. It gives the parts
// in the clear before the encrypted ones.
func readP12(file []byte) (pfx p12PFX, parts []p12Content, c *Code) {
	if !whole(file, &pfx) || pfx.Version != 3 || !pfx.AuthSafe.Type.Equal(oidData) {
		return pfx, nil, &p12Unreadable
	}
	if c := judgeMAC(pfx.Mac); c != nil {
		return pfx, nil, c
	}
	var safe []byte
	var all []p12Content
	if !whole(pfx.AuthSafe.Content.Bytes, &safe) || !lenient(safe, &all) {
		return pfx, nil, &p12Unreadable
	}
	if len(all) > 2 {
		return pfx, nil, &Code{p12Unsupported.Code, "is laid out in more than two parts: " + convertP12}
	}
	var encrypted []p12Content
	keys := 0
	for _, part := range all {
		if part.Type.Equal(oidEncryptedData) {
			part.unpiece()
			encrypted = append(encrypted, part)
			c = judgeEncrypted(part)
		} else {
			var n int
			part, n, c = judgeClear(part)
			parts = append(parts, part)
			keys += n
		}
		if c != nil {
			return pfx, nil, c
		}
	}
	switch {
	case keys == 0 && len(encrypted) == 0:
		return pfx, nil, &p12NoKey
	case keys > 1:
		return pfx, nil, &p12SeveralKeys
	}
	return pfx, append(parts, encrypted...), nil
}

// opened decrypts the parts, and the key in them. What it does not know how to decrypt it leaves as it is, at the end.
func opened(parts []p12Content, password string) ([]p12Content, *Code) {
	var visible, hidden, left []p12Content
	for _, part := range parts {
		var e p12Encrypted
		switch {
		case !part.Type.Equal(oidEncryptedData):
			visible = append(visible, part)
			continue
		case !whole(part.Content.Bytes, &e):
			return nil, &p12Unreadable
		}
		plain, known, fine := decrypt(e.Content.Algorithm, e.Content.Content, password)
		switch {
		case !known:
			left = append(left, part)
		case !fine:
			return nil, &p12Unreadable
		default:
			var w writer
			hidden = append(hidden, p12Content{Type: oidData, Content: explicit(w.der(plain))})
		}
	}
	keys := 0
	for i, part := range append(visible, hidden...) {
		inner, n, c := judgeClear(part)
		switch {
		case i >= len(visible) && keys > 0 && (c != nil || n > 0):
			return nil, &Code{p12Unreadable.Code, "has another private key in its encrypted part: export the push certificate alone"}
		case c != nil:
			return nil, c
		}
		if keys += n; keys > 1 {
			return nil, &p12SeveralKeys
		}
		if parts[i], c = bare(inner, password); c != nil {
			return nil, c
		}
	}
	switch {
	case keys == 0 && len(left) > 0:
		return nil, &Code{p12Unsupported.Code, "has all in one part that is encrypted with RC2 or another old algorithm, which is not looked into: " + convertP12}
	case keys == 0:
		return nil, &p12NoKey
	}
	return append(parts[:len(parts)-len(left):len(parts)-len(left)], left...), nil
}

// bare decrypts the key in a part.
func bare(part p12Content, password string) (p12Content, *Code) {
	var content []byte
	var bags []p12Bag
	if !whole(part.Content.Bytes, &content) || !whole(content, &bags) {
		return part, &p12Unreadable
	}
	for i := range bags {
		var key p12ShroudedKey
		if !bags[i].Type.Equal(oidShroudedKey) {
			continue
		}
		if !whole(bags[i].Value.Bytes, &key) {
			return part, &p12Unreadable
		}
		plain, known, fine := decrypt(key.Algorithm, key.Content, password)
		if der, rest, is := definite(plain); known && (!fine || !is || len(rest) > 0) {
			return part, &p12Unreadable
		} else if known {
			bags[i] = p12Bag{Type: oidKeyBag, Value: explicit(der), Attributes: bags[i].Attributes}
		}
	}
	var w writer
	part.Content = explicit(w.der(w.der(bags)))
	if w.err != nil {
		return part, &p12Unreadable
	}
	return part, nil
}

// unpiece makes the content of an encrypted part one, which BER allows to come in pieces under a tag of its own.
func (p *p12Content) unpiece() {
	var loose struct {
		Version int
		Content struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   asn1.RawValue
		}
	}
	if !whole(p.Content.Bytes, &loose) || !loose.Content.Content.IsCompound {
		return
	}
	e := p12Encrypted{Version: loose.Version}
	e.Content.Type, e.Content.Algorithm = loose.Content.Type, loose.Content.Algorithm
	for rest := loose.Content.Content.Bytes; len(rest) > 0; {
		var piece []byte
		var err error
		if rest, err = asn1.Unmarshal(rest, &piece); err != nil {
			return
		}
		e.Content.Content = append(e.Content.Content, piece...)
	}
	var w writer
	p.Content = explicit(w.der(e))
}

// judgeMAC lets through only what the library checks, so that it has no other way to fail than the password.
func judgeMAC(m p12Mac) *Code {
	a := m.Digest.Algorithm
	switch {
	case len(a.Algorithm) == 0:
		return &p12Unprotected
	case slices.ContainsFunc(macDigests, a.Algorithm.Equal):
		return bearable(m.Iterations)
	case !a.Algorithm.Equal(oidPBMAC1):
		return &p12Unsupported
	}
	k, p, fine := derivation(a)
	if !fine || k.Salt.Tag != asn1.TagOctetString || k.KeyLength < 20 || k.KeyLength > 64 ||
		k.Function.Algorithm != nil && !slices.ContainsFunc(hmacs, k.Function.Algorithm.Equal) ||
		!slices.ContainsFunc(hmacs, p.Second.Algorithm.Equal) {
		return &p12Unsupported
	}
	return bearable(k.Iterations)
}

func judgeEncrypted(part p12Content) *Code {
	var e p12Encrypted
	if !whole(part.Content.Bytes, &e) {
		return &p12Unreadable
	}
	return judgeAlgorithm(e.Content.Algorithm)
}

// judgeClear counts the private keys of a part that is not encrypted, and gives it as DER.
func judgeClear(part p12Content) (der p12Content, keys int, c *Code) {
	var content []byte
	var bags []p12Bag
	if !part.Type.Equal(oidData) || !whole(part.Content.Bytes, &content) {
		return part, 0, &p12Unreadable
	}
	if !whole(content, &bags) {
		converted, rest, fine := definite(content)
		if !fine || len(rest) > 0 || !whole(converted, &bags) {
			return part, 0, &p12Unreadable
		}
		var w writer
		part.Content = explicit(w.der(converted))
	}
	for _, bag := range bags {
		switch {
		case bag.Type.Equal(oidKeyBag):
			keys++
		case bag.Type.Equal(oidShroudedKey):
			keys++
			var key p12ShroudedKey
			if !whole(bag.Value.Bytes, &key) {
				return part, 0, &p12Unreadable
			}
			if c := judgeAlgorithm(key.Algorithm); c != nil {
				return part, 0, c
			}
		default:
			continue
		}
		if len(bag.Value.Bytes) > maxKey {
			return part, 0, &p12BadKey
		}
	}
	return part, keys, nil
}

// judgeAlgorithm looks for the number of iterations with which a key is derived from the password.
func judgeAlgorithm(a pkix.AlgorithmIdentifier) *Code {
	if !a.Algorithm.Equal(oidPBES2) {
		var p pbeParameters
		if !whole(a.Parameters.FullBytes, &p) {
			return &p12Unsupported
		}
		return bearable(p.Iterations)
	}
	k, _, fine := derivation(a)
	if !fine {
		return &p12Unsupported
	}
	return bearable(k.Iterations)
}

// derivation reads the parameters of an algorithm that is led by PBKDF2: PBES2 and PBMAC1.
func derivation(a pkix.AlgorithmIdentifier) (k pbkdf2Parameters, p pbes2Parameters, fine bool) {
	fine = whole(a.Parameters.FullBytes, &p) && p.Derivation.Algorithm.Equal(oidPBKDF2) &&
		whole(p.Derivation.Parameters.FullBytes, &k)
	return k, p, fine
}

func bearable(iterations int) *Code {
	switch {
	case iterations < 1:
		return &p12Unreadable
	case iterations > maxIterations:
		return &p12TooCostly
	}
	return nil
}

// whole reads DER, and nothing after it.
func whole(der []byte, into any) bool {
	rest, err := asn1.Unmarshal(der, into)
	return err == nil && len(rest) == 0
}

// lenient reads BER, and nothing after it.
func lenient(ber []byte, into any) bool {
	if whole(ber, into) {
		return true
	}
	der, rest, fine := definite(ber)
	return fine && len(rest) == 0 && whole(der, into)
}

// withParts writes a p12 file of these parts, with a MAC that takes one iteration (PBMAC1, RFC 9579).
func (p p12PFX) withParts(parts []p12Content, password string) ([]byte, error) {
	var w writer
	safe := w.der(parts)
	salt := []byte("reordered")
	key, err := pbkdf2.Key(sha256.New, password, salt, 1, sha256.Size)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(safe)
	p.AuthSafe = p12Content{Type: oidData, Content: explicit(w.der(safe))}
	p.Mac = p12Mac{Salt: salt, Iterations: 1, Digest: p12Digest{
		Algorithm: w.algorithm(oidPBMAC1, pbes2Parameters{
			Derivation: w.algorithm(oidPBKDF2, pbkdf2Parameters{
				Salt: asn1.RawValue{FullBytes: w.der(salt)}, Iterations: 1, KeyLength: sha256.Size,
				Function: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256},
			}),
			Second: pkix.AlgorithmIdentifier{Algorithm: oidHMACSHA256},
		}),
		Digest: mac.Sum(nil),
	}}
	file := w.der(p)
	return file, w.err
}

// writer writes DER and remembers the first error.
type writer struct{ err error }

func (w *writer) der(value any) []byte {
	b, err := asn1.Marshal(value)
	w.err = errors.Join(w.err, err)
	return b
}

func (w *writer) algorithm(id asn1.ObjectIdentifier, parameters any) pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: id, Parameters: asn1.RawValue{FullBytes: w.der(parameters)}}
}

func explicit(content []byte) asn1.RawValue {
	return asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: content}
}
