package vault_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	gojson "github.com/go-json-experiment/json"

	"sundial/internal/vault"
)

// shows tells whether a text gives away the secret in some form.
func shows(text string, secret []byte) bool {
	numbers := strings.Trim(fmt.Sprintf("%d", secret), "[]")
	hexes := strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}")
	text = strings.ToLower(text)
	for _, form := range []string{
		string(secret), hex.EncodeToString(secret), base64.StdEncoding.EncodeToString(secret), numbers, hexes,
		strings.ReplaceAll(numbers, " ", ","), fmt.Sprintf("% x", secret),
	} {
		if strings.Contains(text, strings.ToLower(form)) {
			return true
		}
	}
	return false
}

func TestSecretsAreNotShown(t *testing.T) {
	plain := []byte("hunter2hunter2")
	s := vault.NewSecret(plain)
	type hidden struct {
		secret  vault.Secret
		pointer *vault.Secret
	}
	type open struct {
		Secret  vault.Secret
		Pointer *vault.Secret
		List    []vault.Secret
		Map     map[string]vault.Secret
	}
	values := []any{
		s, &s, hidden{s, &s}, &hidden{s, &s}, open{s, &s, []vault.Secret{s}, map[string]vault.Secret{"k": s}},
		[]vault.Secret{s}, [1]vault.Secret{s}, []hidden{{s, &s}}, map[string]hidden{"k": {s, &s}},
	}
	for _, v := range values {
		for verb := 'A'; verb <= 'z'; verb++ {
			for _, flag := range []string{"", "+", "#", " ", "0", "-", "20", ".3", "# "} {
				format := "%" + flag + string(verb)
				if got := fmt.Sprintf(format, v); shows(got, plain) {
					t.Errorf("%s of %T shows %q", format, v, got)
				}
			}
		}
		for name, handler := range map[string]func(*bytes.Buffer) slog.Handler{
			"text": func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
			"json": func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
		} {
			var out bytes.Buffer
			log := slog.New(handler(&out)).With("with", v).WithGroup("group")
			log.Info("m", "value", v, slog.Group("g", "v", v))
			if shows(out.String(), plain) {
				t.Errorf("slog's %s of %T shows %q", name, v, out.String())
			}
		}
		for name, marshal := range map[string]func(any) ([]byte, error){
			"json": json.Marshal, "json v2": func(v any) ([]byte, error) { return gojson.Marshal(v) }, "xml": xml.Marshal,
		} {
			if got, err := marshal(v); shows(string(got), plain) || err != nil && shows(err.Error(), plain) {
				t.Errorf("%s of %T shows %q, %v", name, v, got, err)
			}
		}
	}
	for format, want := range map[string]string{"%v": "[redacted]", "%s": "[redacted]", "%#v": "[redacted]", "%x": "[redacted]"} {
		if got := fmt.Sprintf(format, s); got != want {
			t.Errorf("%s is %q, want %q", format, got, want)
		}
	}
	if got, err := json.Marshal(s); string(got) != `"[redacted]"` || err != nil {
		t.Errorf("JSON: %s, %v", got, err)
	}
	// The control: a slice of bytes of the same content is found.
	if !shows(fmt.Sprintf("%v", struct{ b []byte }{plain}), plain) || !shows(fmt.Sprintf("%#v", plain), plain) {
		t.Error("the test would not see a secret that is shown")
	}
	if string(s.Reveal()) != string(plain) || (vault.Secret{}).Reveal() != nil {
		t.Error("a secret is not what it was made of")
	}
}
