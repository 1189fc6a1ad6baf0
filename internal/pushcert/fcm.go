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
	if err := json.Unmarshal(file, &members); err != nil || members == nil {
		d.say(fieldServiceAccount, notJSON)
		return
	}
	project, email, key := textOf(members["project_id"]), textOf(members["client_email"]), textOf(members["private_key"])
	switch {
	case textOf(members["type"]) != "service_account":
		d.say(fieldServiceAccount, notAccount)
	case len(project) > maxProject || !projectForm(project) || len(email) > maxEmail || !emailForm(email) || key == "":
		d.say(fieldServiceAccount, accountLacks)
	case !isRSAKey(key):
		d.say(fieldServiceAccount, accountBadKey)
	default:
		d.Public[fieldProjectID], d.Public[fieldClientEmail] = project, email
	}
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
