package usersig

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"
)

// forge signs a JSON template with testSecret: %s stands for the signature of text.
func forge(t testing.TB, template, text string) string {
	t.Helper()
	mac := hmac.New(sha256.New, []byte(testSecret))
	mac.Write([]byte(text))
	return deflated(t, fmt.Appendf(nil, template, base64.StdEncoding.EncodeToString(mac.Sum(nil))), zlib.BestCompression)
}

// TestJSON holds what the key's owner could sign against what can be read.
func TestJSON(t *testing.T) {
	const text = "TLS.identifier:bob\nTLS.sdkappid:1400000001\nTLS.time:1000\nTLS.expire:60\n"
	for _, c := range []struct {
		name, template, text string
		want                 Result
	}{
		{"plain", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Valid},
		{"another order, spaces, escapes", ` { "TLS.sig" : "%s", "TLS.time":1000 , "TLS.expire":60,` + "\r\n\t" +
			`"TLS.sdkappid":1400000001,"TLS\u002everx":"","TLS.identifier":"bob","TLS.ver":"2.0"}`, text, Malformed},
		{"spaces and escapes", ` { "TLS.sig" : "%s", "TLS.time":1000 , "TLS.expire":60,` + "\r\n\t" +
			`"TLS.sdkappid":1400000001,"TLS.identifi\u0065r":"b\u006fb","TLS.ver":"2.0"}` + "\n", text, Valid},
		{"a name twice", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"another case", `{"TLS.ver":"2.0","tls.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"an unknown member", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s","x":1}`, text, Malformed},
		{"members of both shapes", `{"TLS.ver":"2.0","TLS.version":"201610110000","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"two values", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"} {}`, text, Malformed},
		{"an array", `[{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}]`, text, Malformed},
		{"null", `null`, text, Malformed},
		{"an exponent", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":6e1,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"a fraction", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60.0,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"not UTF-8", `{"TLS.ver":"2.0","TLS.identifier":"bob` + "\xff" + `","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"another version", `{"TLS.ver":"2.1","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"a user that cannot be", `{"TLS.ver":"2.0","TLS.identifier":"b ob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`,
			strings.Replace(text, "bob", "b ob", 1), Malformed},
		{"lines in the user", `{"TLS.ver":"2.0","TLS.identifier":"bob\nTLS.sdkappid:1400000001","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s"}`, text, Malformed},
		{"no time at all", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":0,"TLS.time":1000,"TLS.sig":"%s"}`,
			strings.Replace(text, "expire:60", "expire:0", 1), Malformed},
		{"less than no time", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":-60,"TLS.time":1000,"TLS.sig":"%s"}`,
			strings.Replace(text, "expire:60", "expire:-60", 1), Malformed},
		{"50 years", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":1576800000,"TLS.time":1000,"TLS.sig":"%s"}`,
			strings.Replace(text, "expire:60", "expire:1576800000", 1), Valid},
		{"more than 50 years", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":1576800001,"TLS.time":1000,"TLS.sig":"%s"}`,
			strings.Replace(text, "expire:60", "expire:1576800001", 1), Malformed},
		{"a sum that overflows", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":9223372036854775807,"TLS.sig":"%s"}`,
			strings.Replace(text, "time:1000", "time:9223372036854775807", 1), Malformed},
		{"a number that overflows", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":18446744073709552616,"TLS.sig":"%s"}`, text, Malformed},
		{"an empty buffer that is signed", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"","TLS.sig":"%s"}`,
			text + "TLS.userbuf:\n", Valid},
		{"an empty buffer that is not", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"","TLS.sig":"%s"}`, text, BadSignature},
		{"a buffer", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"+/8=","TLS.sig":"%s"}`,
			text + "TLS.userbuf:+/8=\n", Valid},
		{"a buffer in the other alphabet", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"*-8_","TLS.sig":"%s"}`,
			text + "TLS.userbuf:*-8_\n", Malformed},
		{"a buffer of two spellings", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"+/9=","TLS.sig":"%s"}`,
			text + "TLS.userbuf:+/9=\n", Malformed},
		{"lines in the buffer", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.userbuf":"AAAA\n","TLS.sig":"%s"}`,
			text + "TLS.userbuf:AAAA\n\n", Malformed},
		{"no signature in it", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":""}`, text, BadSignature},
		{"more than a signature", `{"TLS.ver":"2.0","TLS.identifier":"bob","TLS.sdkappid":1400000001,"TLS.expire":60,"TLS.time":1000,"TLS.sig":"%s\n"}`, text, BadSignature},
	} {
		template := c.template
		if !strings.Contains(template, "%s") {
			template += "%.0s"
		}
		key := secretKey(t, testSecret).VerifyingKey()
		got := Verify(forge(t, template, c.text), 1400000001, "bob", time.Unix(1000, 0), []VerifyingKey{key})
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestEnvelope is about what is around the JSON.
func TestEnvelope(t *testing.T) {
	v := vectors(t)[0]
	text := inflate(t, v.UserSig)
	check := func(name, userSig string, want Result) {
		t.Helper()
		if got := Verify(userSig, v.App, v.User, time.Unix(v.IssuedAt, 0), []VerifyingKey{v.verifying(t)}); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
		check(fmt.Sprintf("level %d", level), deflated(t, text, level), Valid)
	}
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write(text)
	w.Close()
	whole := b.Bytes()
	check("whole", wrapped(whole), Valid)
	check("a byte after the stream", wrapped(append(bytes.Clone(whole), 0)), Malformed)
	check("two streams", wrapped(append(bytes.Clone(whole), whole...)), Malformed)
	check("no checksum", wrapped(whole[:len(whole)-4]), Malformed)
	wrong := bytes.Clone(whole)
	wrong[len(wrong)-1] ^= 1
	check("a wrong checksum", wrapped(wrong), Malformed)
	check("only a header", wrapped(whole[:2]), Malformed)
	check("nothing", "", Malformed)
	check("not base64", "!", Malformed)
	check("standard base64", plain.Replace(v.UserSig), Malformed)
	check("a line break", v.UserSig[:40]+"\n"+v.UserSig[40:], Malformed)
	check("a line break at the end", v.UserSig+"\r\n", Malformed)
	check("no padding", strings.TrimRight(v.UserSig, "_"), Malformed)

	b.Reset()
	withDictionary, err := zlib.NewWriterLevelDict(&b, zlib.BestCompression, text)
	if err != nil {
		t.Fatal(err)
	}
	withDictionary.Write(text)
	withDictionary.Close()
	check("a preset dictionary", wrapped(b.Bytes()), Malformed)

	spaces := func(n int) []byte { return append(bytes.Clone(text), bytes.Repeat([]byte(" "), n-len(text))...) }
	check("as long as may be", deflated(t, spaces(maxJSON), zlib.BestCompression), Valid)
	check("a byte longer", deflated(t, spaces(maxJSON+1), zlib.BestCompression), Malformed)
	check("as long as may be, not compressed", deflated(t, spaces(maxJSON), zlib.NoCompression), Valid)
	check("longer than is read", deflated(t, spaces(MaxLength), zlib.NoCompression), Malformed)
}

// TestBomb inflates to gigabytes if it is let.
func TestBomb(t *testing.T) {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, zlib.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(make([]byte, 5<<20))
	w.Close()
	bomb := wrapped(b.Bytes())
	if len(bomb) > MaxLength {
		t.Fatalf("the bomb has %d characters, want at most %d: its length is what refuses it", len(bomb), MaxLength)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for range b.N {
			if got := Verify(bomb, 1, "a", time.Unix(0, 0), nil); got != Malformed {
				b.Fatalf("%s, want malformed", got)
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 128<<10 {
		t.Errorf("a bomb of 5 MB takes %d bytes of memory, want at most 128 KB", got)
	}
}

// TestDER changes how an ECDSA signature is written, and mirrors it.
func TestDER(t *testing.T) {
	v := vectors(t)[12]
	content := contentOf(t, v.UserSig)
	der, err := base64.StdEncoding.DecodeString(content["TLS.sig"].(string))
	if err != nil {
		t.Fatal(err)
	}
	var numbers struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &numbers); err != nil {
		t.Fatal(err)
	}
	raw := append(numbers.R.FillBytes(make([]byte, 32)), numbers.S.FillBytes(make([]byte, 32))...)
	order := v.verifying(t).public.Params().N
	mirrored := numbers
	mirrored.S = new(big.Int).Sub(order, numbers.S)
	mirroredDER, err := asn1.Marshal(mirrored)
	if err != nil {
		t.Fatal(err)
	}
	tooLarge := numbers
	tooLarge.S = new(big.Int).Add(order, numbers.S)
	tooLargeDER, err := asn1.Marshal(tooLarge)
	if err != nil {
		t.Fatal(err)
	}
	longForm := append([]byte{der[0], 0x81, der[1]}, der[2:]...)
	r := int(der[3])
	padded := append([]byte{der[0], der[1] + 1, der[2], der[3] + 1, 0}, der[4:]...)
	for _, c := range []struct {
		name      string
		signature string
		want      Result
	}{
		{"as it is", base64.StdEncoding.EncodeToString(der), Valid},
		{"mirrored", base64.StdEncoding.EncodeToString(mirroredDER), Valid},
		{"s beyond the order", base64.StdEncoding.EncodeToString(tooLargeDER), BadSignature},
		{"a byte after it", base64.StdEncoding.EncodeToString(append(bytes.Clone(der), 0)), BadSignature},
		{"length in long form", base64.StdEncoding.EncodeToString(longForm), BadSignature},
		{"r with a leading zero", base64.StdEncoding.EncodeToString(padded), BadSignature},
		{"cut", base64.StdEncoding.EncodeToString(der[:r]), BadSignature},
		{"r and s without DER", base64.StdEncoding.EncodeToString(raw), BadSignature},
		{"no padding", strings.TrimRight(base64.StdEncoding.EncodeToString(der), "="), BadSignature},
		{"line break", base64.StdEncoding.EncodeToString(der) + "\n", BadSignature},
		{"empty", "", BadSignature},
	} {
		content["TLS.sig"] = c.signature
		got := Verify(packed(t, content), v.App, v.User, time.Unix(v.IssuedAt, 0), []VerifyingKey{v.verifying(t)})
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestAccountType is a signature of the legacy format for an account type, which the vendor's first libraries had.
func TestAccountType(t *testing.T) {
	v := vectors(t)[12]
	sum := sha256.Sum256(fmt.Appendf(nil,
		"TLS.appid_at_3rd:0\nTLS.account_type:107\nTLS.identifier:%s\nTLS.sdk_appid:%d\nTLS.time:%d\nTLS.expire_after:%d\n",
		v.User, v.App, v.IssuedAt, v.Lifetime))
	der, err := ecdsa.SignASN1(rand.Reader, v.signing(t).private, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	content := contentOf(t, v.UserSig)
	content["TLS.sig"] = base64.StdEncoding.EncodeToString(der)
	for value, want := range map[string]Result{"107": Valid, "0": BadSignature, "0107": Malformed, "107\n": Malformed, "x": Malformed} {
		content["TLS.account_type"] = value
		got := Verify(packed(t, content), v.App, v.User, time.Unix(v.IssuedAt, 0), []VerifyingKey{v.verifying(t)})
		if got != want {
			t.Errorf("account type %q: %s, want %s", value, got, want)
		}
	}
}
