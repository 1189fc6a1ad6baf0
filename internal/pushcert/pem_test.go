package pushcert

import (
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// TestPushKeysOnTheWay reads p8 files as editors, variables of the environment and forms change them. What is kept is PEM
// that anything reads.
func TestPushKeysOnTheWay(t *testing.T) {
	good8 := string(p8(ecKey()))
	lines := strings.Split(strings.TrimSpace(good8), "\n")
	content := strings.Join(lines[1:len(lines)-1], "")
	for name, file := range map[string]string{
		"a byte order mark":                "\ufeff" + good8,
		"a byte order mark and CR LF":      "\ufeff" + strings.ReplaceAll(good8, "\n", "\r\n"),
		"line ends written out":            strings.ReplaceAll(good8, "\n", `\n`),
		"line ends of Windows written out": strings.ReplaceAll(good8, "\n", `\r\n`),
		"one line with spaces":             strings.Join(lines, " "),
		"one line":                         strings.Join(lines, ""),
		"its content in one line":          lines[0] + "\n" + content + "\n" + lines[len(lines)-1],
	} {
		for way, sent := range map[string]string{"text": file, "base64": b64([]byte(file))} {
			all := good(t, "apns_p8")
			all["p8"] = sent
			got, err := Parse("apns_p8", fields(all), noon)
			if err != nil {
				t.Errorf("%s as %s: %v", name, way, err)
				continue
			}
			block, rest := pem.Decode(got.Secrets["p8"])
			if block == nil || len(rest) > 0 || string(pem.EncodeToMemory(block)) != good8 {
				t.Errorf("%s as %s is kept as another key", name, way)
			}
		}
	}
	for name, file := range map[string]string{
		"two keys in one line": strings.Join(lines, "") + strings.Join(lines, ""), "text after it": strings.Join(lines, "") + "x",
		"another end": strings.Replace(strings.Join(lines, ""), "END PRIVATE", "END EC PRIVATE", 1),
	} {
		all := good(t, "apns_p8")
		all["p8"] = file
		if _, err := Parse("apns_p8", fields(all), noon); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestServiceAccountsOnTheWay is the same of the key files of Google.
func TestServiceAccountsOnTheWay(t *testing.T) {
	plain := string(account(nil))
	var indented strings.Builder
	var members map[string]any
	if err := json.Unmarshal([]byte(plain), &members); err != nil {
		t.Fatal(err)
	}
	encoder := json.NewEncoder(&indented)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(members); err != nil {
		t.Fatal(err)
	}
	key := members["private_key"].(string)
	with := func(key string) string { return string(account(func(m map[string]any) { m["private_key"] = key })) }
	escaped, err := json.Marshal(indented.String())
	if err != nil {
		t.Fatal(err)
	}
	for name, file := range map[string]string{
		"a byte order mark":                  "\ufeff" + plain,
		"indented":                           indented.String(),
		"line ends written out":              strings.ReplaceAll(indented.String(), "\n", `\n`),
		"line ends and quotes written out":   strings.Trim(string(escaped), `"`),
		"the key's line ends written out":    with(strings.ReplaceAll(key, "\n", `\n`)),
		"the key in one line":                with(strings.ReplaceAll(key, "\n", " ")),
		"a byte order mark, key in one line": "\ufeff" + with(strings.ReplaceAll(key, "\n", "")),
	} {
		ways := map[string]any{"text": file, "base64": b64([]byte(file))}
		if v := jsontext.Value(file); v.IsValid() {
			ways["JSON"] = v
		}
		for way, sent := range ways {
			all := good(t, "fcm")
			all["service_account_json"] = sent
			got, err := Parse("fcm", fields(all), noon)
			if err != nil {
				t.Errorf("%s as %s: %v", name, way, err)
				continue
			}
			var kept map[string]any
			if err := json.Unmarshal(got.Secrets["service_account_json"], &kept); err != nil || kept["private_key"] != key || len(kept) != len(members) {
				t.Errorf("%s as %s is kept as another file (%v)", name, way, err)
			}
		}
	}
}
