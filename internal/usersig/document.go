package usersig

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	hmacVersion  = "2.0"
	ecdsaVersion = "201610110000"

	// maxJSON bounds what is inflated, in bytes. The longest JSON that Sign makes has some 1,800.
	maxJSON = 4 << 10
)

// alphabet is standard base64 with * - _ in place of + / =.
var alphabet = base64.
	NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789*-").
	WithPadding('_').
	Strict()

// document is the content of a UserSig.
type document struct {
	algorithm          Algorithm
	app                uint64
	user               string
	issuedAt, lifetime int64
	buffer             string // standard base64
	hasBuffer          bool
	accountType, appAt string // ECDSA only: TLS.account_type and TLS.appid_at_3rd as they stand; "0" in all that Sign makes
	signature          string // standard base64
}

func newDocument(c Claims, a Algorithm) document {
	return document{
		algorithm: a, app: c.App, user: c.User, issuedAt: c.IssuedAt, lifetime: c.Lifetime,
		buffer: base64.StdEncoding.EncodeToString(c.Buffer), hasBuffer: len(c.Buffer) > 0,
		accountType: "0", appAt: "0",
	}
}

// text is what is signed.
func (d document) text() []byte {
	b := make([]byte, 0, 256)
	line := func(name, value string) {
		b = append(b, name...)
		b = append(b, ':')
		b = append(b, value...)
		b = append(b, '\n')
	}
	app, issuedAt, lifetime := strconv.FormatUint(d.app, 10), strconv.FormatInt(d.issuedAt, 10), strconv.FormatInt(d.lifetime, 10)
	if d.algorithm == HMAC {
		line("TLS.identifier", d.user)
		line("TLS.sdkappid", app)
		line("TLS.time", issuedAt)
		line("TLS.expire", lifetime)
	} else {
		line("TLS.appid_at_3rd", d.appAt)
		line("TLS.account_type", d.accountType)
		line("TLS.identifier", d.user)
		line("TLS.sdk_appid", app)
		line("TLS.time", issuedAt)
		line("TLS.expire_after", lifetime)
	}
	if d.hasBuffer {
		line("TLS.userbuf", d.buffer)
	}
	return b
}

// hmacJSON and ecdsaJSON are the two shapes, in the order of the vendor's libraries.
type hmacJSON struct {
	Version   string `json:"TLS.ver"`
	User      string `json:"TLS.identifier"`
	App       uint64 `json:"TLS.sdkappid"`
	Lifetime  int64  `json:"TLS.expire"`
	IssuedAt  int64  `json:"TLS.time"`
	Buffer    string `json:"TLS.userbuf,omitzero"`
	Signature string `json:"TLS.sig"`
}

type ecdsaJSON struct {
	AccountType string `json:"TLS.account_type"`
	AppAt       string `json:"TLS.appid_at_3rd"`
	Lifetime    string `json:"TLS.expire_after"`
	User        string `json:"TLS.identifier"`
	App         string `json:"TLS.sdk_appid"`
	Signature   string `json:"TLS.sig"`
	IssuedAt    string `json:"TLS.time"`
	Buffer      string `json:"TLS.userbuf,omitzero"`
	Version     string `json:"TLS.version"`
}

func (d document) json() any {
	if d.algorithm == HMAC {
		return hmacJSON{hmacVersion, d.user, d.app, d.lifetime, d.issuedAt, d.buffer, d.signature}
	}
	return ecdsaJSON{
		d.accountType, d.appAt, strconv.FormatInt(d.lifetime, 10), d.user, strconv.FormatUint(d.app, 10),
		d.signature, strconv.FormatInt(d.issuedAt, 10), d.buffer, ecdsaVersion,
	}
}

// A writer or reader of zlib takes longer to make than a UserSig.
var (
	writers = sync.Pool{New: func() any {
		w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed) // fails for a level that does not exist
		return w
	}}
	readers sync.Pool // of io.ReadCloser that are zlib.Resetter
)

func (d document) pack(to io.Writer) error {
	w := writers.Get().(*zlib.Writer)
	defer writers.Put(w)
	w.Reset(to)
	if err := json.MarshalWrite(w, d.json(), json.Deterministic(true)); err != nil {
		return err
	}
	return w.Close()
}

// unpack gives the JSON of a UserSig.
func unpack(userSig string) ([]byte, bool) {
	// The decoder would skip line breaks.
	if len(userSig) > MaxLength || strings.ContainsAny(userSig, "\r\n") {
		return nil, false
	}
	packed, err := alphabet.DecodeString(userSig)
	if err != nil {
		return nil, false
	}
	source := bytes.NewReader(packed)
	r, ok := readers.Get().(io.ReadCloser)
	if ok {
		err = r.(zlib.Resetter).Reset(source, nil)
	} else {
		r, err = zlib.NewReader(source)
	}
	if err != nil {
		return nil, false
	}
	defer readers.Put(r)
	text, err := io.ReadAll(io.LimitReader(r, maxJSON+1))
	if err != nil || len(text) > maxJSON || source.Len() > 0 {
		return nil, false
	}
	return text, true
}

// read takes a UserSig apart. A member that only the legacy format signs tells which shape it is. What is signed must be
// there in the one spelling in which it is signed. Of the legacy format the vendor's libraries differ in all that is not
// signed, so that nothing else of it is looked at; of version 2.0 they write the same, and there is no other member.
func read(userSig string) (document, bool) {
	text, ok := unpack(userSig)
	if !ok {
		return document{}, false
	}
	m := members{}
	if err := json.Unmarshal(text, &m.values); err != nil { // refuses a name that comes twice, and what is not UTF-8
		return document{}, false
	}
	var d document
	_, legacy := m.values["TLS.sdk_appid"]
	if legacy {
		d = m.ecdsa()
	} else {
		d = m.hmac()
	}
	if m.values["TLS.userbuf"] != nil {
		d.buffer, d.hasBuffer = m.text("TLS.userbuf"), true
		bytes, err := base64.StdEncoding.DecodeString(d.buffer)
		m.want(err == nil && base64.StdEncoding.EncodeToString(bytes) == d.buffer)
	}
	d.signature = m.text("TLS.sig")
	m.want(CheckUser(d.user) == nil)
	m.want(d.issuedAt >= 0 && d.issuedAt <= MaxIssuedAt)
	m.want(d.lifetime >= 1 && d.lifetime <= MaxLifetime)
	return d, !m.wrong && (legacy || m.taken == len(m.values))
}

// members are those of the JSON of a UserSig that is being read.
type members struct {
	values map[string]jsontext.Value
	taken  int
	wrong  bool
}

func (m *members) hmac() document {
	m.want(m.text("TLS.ver") == hmacVersion)
	return document{
		algorithm: HMAC,
		user:      m.text("TLS.identifier"),
		app:       m.unsigned(m.number("TLS.sdkappid")),
		issuedAt:  m.signed(m.number("TLS.time")),
		lifetime:  m.signed(m.number("TLS.expire")),
	}
}

func (m *members) ecdsa() document {
	d := document{
		algorithm:   ECDSA,
		user:        m.said("TLS.identifier"),
		app:         m.unsigned(m.said("TLS.sdk_appid")),
		issuedAt:    m.signed(m.said("TLS.time")),
		lifetime:    m.signed(m.said("TLS.expire_after")),
		accountType: m.said("TLS.account_type"),
		appAt:       m.said("TLS.appid_at_3rd"),
	}
	// They are signed as they stand, and must not be able to forge a line.
	if d.accountType != "" {
		m.unsigned(d.accountType)
	}
	m.want(strings.IndexFunc(d.appAt, unicode.IsControl) < 0)
	return d
}

func (m *members) want(ok bool) { m.wrong = m.wrong || !ok }

// member gives a member of a kind as JSON has it, nil if it is absent or of another kind.
func (m *members) member(name string, kind jsontext.Kind) jsontext.Value {
	v, there := m.values[name]
	if !there || v.Kind() != kind {
		m.wrong = true
		return nil
	}
	m.taken++
	return v
}

func (m *members) text(name string) string {
	b, err := jsontext.AppendUnquote(nil, m.member(name, '"'))
	m.want(err == nil)
	return string(b)
}

func (m *members) number(name string) string { return string(m.member(name, '0')) }

// said is the text of a member that libraries write as a string or as a whole number.
func (m *members) said(name string) string {
	if m.values[name].Kind() != '0' {
		return m.text(name)
	}
	n := m.number(name)
	m.unsigned(n)
	return n
}

// unsigned reads a number in the one spelling in which it is signed.
func (m *members) unsigned(text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	m.want(err == nil && strconv.FormatUint(n, 10) == text)
	return n
}

func (m *members) signed(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	m.want(err == nil && strconv.FormatInt(n, 10) == text)
	return n
}
