package pushcert

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxProject = 128 // characters of a project id: Google's have 6 to 30, older ones a domain before it
	maxEmail   = 254 // characters of an e-mail address (RFC 5321)
)

var (
	projectForm = matches(`[a-z0-9][a-z0-9.:-]*`)
	emailForm   = matches(`[!-?A-~]+@[a-z0-9-]+(\.[a-z0-9-]+)+`)
)

// serviceAccount reads the key file of FCM, or keeps what was read from the one that stays.
func (d *draft) serviceAccount() {
	if d.way != wayServiceAccount {
		return
	}
	file := d.Secrets[fieldServiceAccount]
	if file == nil {
		if d.given[fieldServiceAccount] == nil {
			d.keepRead()
		}
		return
	}
	// The file has other members, which are kept with it.
	var members map[string]jsontext.Value
	if json.Unmarshal(file, &members) != nil {
		file = withLineEnds(file)
		members = nil
	}
	if members == nil && json.Unmarshal(file, &members) != nil || members == nil {
		d.say(fieldServiceAccount, notJSON)
		return
	}
	project, email, given := textOf(members["project_id"]), textOf(members["client_email"]), textOf(members["private_key"])
	key := mendedKey(given)
	switch {
	case textOf(members["type"]) != "service_account":
		d.say(fieldServiceAccount, notAccount)
	case len(project) > maxProject || !projectForm(project) || len(email) > maxEmail || !emailForm(email) || given == "":
		d.say(fieldServiceAccount, accountLacks)
	case !isRSAKey(key):
		d.say(fieldServiceAccount, accountBadKey)
	default:
		d.Secrets[fieldServiceAccount] = file
		if key != given {
			d.Secrets[fieldServiceAccount] = withKey(members, key)
		}
		d.Public[fieldProjectID], d.Public[fieldClientEmail] = project, email
	}
}

// withLineEnds gives a file as it was before its line ends were written out: its quotes too, as in a JSON string, or the
// line ends alone, which mean something in strings only.
func withLineEnds(file []byte) []byte {
	if text, err := jsontext.AppendUnquote(nil, `"`+string(file)+`"`); err == nil {
		return text
	}
	out := make([]byte, 0, len(file))
	inside := false
	for i := 0; i < len(file); i++ {
		switch c := file[i]; {
		case c == '"':
			inside = !inside
		case c != '\\' || i+1 == len(file):
		case inside:
			out = append(out, c)
			i++
		case file[i+1] == 'n' || file[i+1] == 'r' || file[i+1] == 't':
			out = append(out, ' ')
			i++
			continue
		}
		out = append(out, file[i])
	}
	return out
}

// mendedKey is a key as any reader of PEM takes it; what is not PEM stays as it is.
func mendedKey(text string) string {
	if block, mended := onlyBlock([]byte(text)); block != nil {
		return string(mended)
	}
	return text
}

// withKey writes the file anew, with the key that was mended.
func withKey(members map[string]jsontext.Value, key string) []byte {
	quoted, err := jsontext.AppendQuote(nil, key) // PEM is ASCII
	if err != nil {
		return nil
	}
	members["private_key"] = quoted
	file, err := json.Marshal(members, json.Deterministic(true))
	if err != nil {
		return nil // what was read can be written
	}
	return file
}

// textOf gives a string, empty for all else.
func textOf(value jsontext.Value) string {
	if value.Kind() != '"' {
		return ""
	}
	text, err := jsontext.AppendUnquote(nil, value)
	if err != nil {
		return ""
	}
	return string(text)
}

func isRSAKey(text string) bool {
	if len(text) > maxPEM {
		return false
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != "PRIVATE KEY" || strings.TrimSpace(string(rest)) != "" {
		return false
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return false
	}
	private, is := key.(*rsa.PrivateKey)
	return is && goodRSA(private)
}
