package pushcert

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509/pkix"
	"encoding/asn1"
	"hash"
	"math/big"
	"slices"
	"unicode/utf16"
)

var (
	oid3DES        = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
	oidSHA1And3DES = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 1, 3}

	// AES in CBC with keys of 128, 192 and 256 bits.
	oidsAES = []asn1.ObjectIdentifier{
		{2, 16, 840, 1, 101, 3, 4, 1, 2}, {2, 16, 840, 1, 101, 3, 4, 1, 22}, {2, 16, 840, 1, 101, 3, 4, 1, 42},
	}
)

// decrypt decrypts what judgeAlgorithm let through, unless it is of an algorithm that only the library reads, which are
// those with RC2.
func decrypt(a pkix.AlgorithmIdentifier, data []byte, password string) (plain []byte, known, fine bool) {
	var block cipher.Block
	var iv []byte
	var err error
	switch {
	case a.Algorithm.Equal(oidPBES2):
		if block, iv, known = pbes2Cipher(a, password); !known {
			return nil, false, false
		}
	case a.Algorithm.Equal(oidSHA1And3DES):
		var p pbeParameters
		if !whole(a.Parameters.FullBytes, &p) {
			return nil, false, false
		}
		if block, err = des.NewTripleDESCipher(derive(password, p, 1, 24)); err != nil {
			return nil, false, false
		}
		iv = derive(password, p, 2, des.BlockSize)
	default:
		return nil, false, false
	}
	if len(data) == 0 || len(data)%block.BlockSize() != 0 {
		return nil, true, false
	}
	plain = make([]byte, len(data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, data)
	padding := int(plain[len(plain)-1])
	if padding < 1 || padding > block.BlockSize() || !bytes.HasSuffix(plain, bytes.Repeat([]byte{byte(padding)}, padding)) {
		return nil, true, false
	}
	return plain[:len(plain)-padding], true, true
}

// pbes2Cipher makes the cipher of PBES2 (RFC 8018) with a key by PBKDF2.
func pbes2Cipher(a pkix.AlgorithmIdentifier, password string) (block cipher.Block, iv []byte, known bool) {
	k, p, fine := derivation(a)
	function := sha1.New
	if k.Function.Algorithm != nil {
		function = hmacFunction(k.Function.Algorithm)
	}
	if !fine || function == nil || k.Salt.Tag != asn1.TagOctetString || !whole(p.Second.Parameters.FullBytes, &iv) {
		return nil, nil, false
	}
	length, newCipher := 24, des.NewTripleDESCipher
	if at := slices.IndexFunc(oidsAES, p.Second.Algorithm.Equal); at >= 0 {
		length, newCipher = 16+8*at, aes.NewCipher
	} else if !p.Second.Algorithm.Equal(oid3DES) {
		return nil, nil, false
	}
	key, err := pbkdf2.Key(function, password, k.Salt.Bytes, k.Iterations, length)
	if err != nil {
		return nil, nil, false
	}
	block, err = newCipher(key)
	return block, iv, err == nil && len(iv) == block.BlockSize()
}

// hmacFunction is the hash of an HMAC; nil for one that is not known.
func hmacFunction(id asn1.ObjectIdentifier) func() hash.Hash {
	functions := []func() hash.Hash{sha1.New, sha256.New224, sha256.New, sha512.New384, sha512.New}
	const first = 7
	if last := len(id) - 1; last == 5 && id[:last].Equal(oidHMACSHA256[:last]) && id[last] >= first && id[last] < first+len(functions) {
		return functions[id[last]-first]
	}
	return nil
}

// derive makes a key or an IV from a password in the way of PKCS #12, with SHA-1 (RFC 7292, B.2).
func derive(password string, p pbeParameters, purpose byte, length int) []byte {
	const u, v = sha1.Size, sha1.BlockSize
	var text []byte
	for _, c := range append(utf16.Encode([]rune(password)), 0) {
		text = append(text, byte(c>>8), byte(c))
	}
	fill := func(b []byte) []byte {
		if len(b) == 0 {
			return nil
		}
		n := v * ((len(b) + v - 1) / v)
		return bytes.Repeat(b, n/len(b)+1)[:n]
	}
	d, in := bytes.Repeat([]byte{purpose}, v), append(fill(p.Salt), fill(text)...)
	var out []byte
	for len(out) < length {
		sum := sha1.Sum(append(slices.Clone(d), in...)) //nolint:gosec // the format's own
		for range p.Iterations - 1 {
			sum = sha1.Sum(sum[:]) //nolint:gosec // the format's own
		}
		out = append(out, sum[:]...)
		b := new(big.Int).Add(new(big.Int).SetBytes(bytes.Repeat(sum[:], v/u+1)[:v]), big.NewInt(1))
		for at := 0; at < len(in); at += v {
			n := new(big.Int).Add(new(big.Int).SetBytes(in[at:at+v]), b)
			sum := n.FillBytes(make([]byte, v+1))
			copy(in[at:at+v], sum[1:])
		}
	}
	return out[:length]
}
