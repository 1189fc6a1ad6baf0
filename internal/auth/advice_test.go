package auth

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
)

// advised are the lines of documents that call the nats command as a token's holder: what it does, and on which subject.
var advised = regexp.MustCompile(`(?m)^nats (.*--token .*) (sub|pub|request|req) "?([^" ]+)"?`)

// jetStream are commands that take the API of JetStream, which no role has.
var jetStream = regexp.MustCompile("nats (?:stream|consumer|kv|object) ")

// TestDocumentsAdviseWhatRolesMay does on a real server what documents advise, with the inbox that libraries make up; for
// every line there is a role that may.
func TestDocumentsAdviseWhatRolesMay(t *testing.T) {
	srv, store := startWithTokens(t)
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	lines := 0
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page) //nolint:gosec // a page of our own
		if err != nil {
			t.Fatal(err)
		}
		if found := jetStream.FindString(string(text)); found != "" {
			t.Errorf("%s advises %q, which every role is denied", page, found)
		}
		for _, line := range advised.FindAllStringSubmatch(string(text), -1) {
			lines++
			subject := strings.NewReplacer("$ACCOUNT", "acme", "$APP", "1400000001").Replace(line[3])
			if mayDo(t, srv.ClientURL(), store, line[2], subject) == 0 {
				t.Errorf("%s: no role may %s %s", page, line[2], subject)
			}
		}
	}
	for _, subject := range []string{"$JS.API.CONSUMER.CREATE.LIFECYCLE", "$JS.API.STREAM.UPDATE.LIFECYCLE"} {
		if mayDo(t, srv.ClientURL(), store, "pub", subject) > 0 {
			t.Errorf("some role may publish %s, and the documents deny it", subject)
		}
	}
	if lines < 2 {
		t.Errorf("%d lines were found", lines)
	}
}

// mayDo says how many roles may subscribe or publish a subject.
func mayDo(t *testing.T, url string, store *Store, verb, subject string) (roles int) {
	t.Helper()
	for _, one := range []NewToken{
		{Role: Operator, Name: "x"}, {Role: Owner, Account: "acme", Name: "x"}, {Role: Billing, Name: "x"},
		{Role: Auditor, Name: "x"}, {Role: Reader, Account: "acme", Name: "x"},
	} {
		_, secret := create(t, store, one)
		nc, err := nats.Connect(url, nats.Token(secret), nats.ErrorHandler(nil))
		if err != nil {
			t.Fatal(err)
		}
		if verb == "sub" {
			_, err = nc.SubscribeSync(subject)
		} else {
			err = nc.Publish(subject, []byte("{}"))
		}
		if err == nil {
			err = nc.Flush()
		}
		if err == nil && nc.LastError() == nil {
			roles++
		}
		nc.Close()
	}
	return roles
}
