package pushcert

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ClickAction is what a tap on a notification does: {"type":"open_app"}, {"type":"open_url","url":...} or
// {"type":"open_page","intent":...}.
type ClickAction struct {
	Type   string `json:"type"`            // open_app, open_url or open_page
	URL    string `json:"url,omitzero"`    // of open_url alone: http or https, at most 2,048 characters
	Intent string `json:"intent,omitzero"` // of open_page alone: an Android intent URI, at most 512 characters
}

const (
	openApp  = "open_app"
	openURL  = "open_url"
	openPage = "open_page"

	// maxURL bounds a URL, in characters: what browsers and vendors take.
	maxURL = 2048

	// maxIntent bounds an intent URI, in characters (the vendor's rule).
	maxIntent = 512
)

// uri is what a URI consists of (RFC 3986, 2).
var uri = regexp.MustCompile(`^[\w.~:/?#\[\]@!$&'()*+,;=%-]+$`)

// readAction gives an action as canonical JSON.
func readAction(value jsontext.Value) (string, *Code) {
	if value.Kind() != '{' {
		return "", &wrongAction
	}
	var members map[string]string
	if err := json.Unmarshal(value, &members); err != nil {
		return "", &invalidAction
	}
	a := ClickAction{members["type"], members["url"], members["intent"]}
	_, hasURL := members["url"]
	_, hasIntent := members["intent"]
	count := 1
	switch {
	case a.Type == openURL && hasURL:
		if c := judgeURL(a.URL); c != nil {
			return "", c
		}
		count = 2
	case a.Type == openPage && hasIntent:
		if c := judgeIntent(a.Intent); c != nil {
			return "", c
		}
		count = 2
	case a.Type != openApp:
		return "", &invalidAction
	}
	if len(members) != count {
		return "", &invalidAction
	}
	text, err := json.Marshal(a, json.Deterministic(true))
	if err != nil { // it holds ASCII alone
		return "", &invalidAction
	}
	return string(text), nil
}

// Limits and types of an action, said exactly.
var (
	wrongAction   = Code{wrongType.Code, "must be an object, such as {\"type\":\"open_app\"}"}
	urlTooLong    = Code{tooLong.Code, "must have a url of at most 2,048 characters"}
	intentTooLong = Code{tooLong.Code, "must have an intent of at most 512 characters"}
)

func judgeURL(text string) *Code {
	if len(text) > maxURL {
		return &urlTooLong
	}
	u, err := url.Parse(text)
	if err != nil || !uri.MatchString(text) || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return &invalidURL
	}
	return nil
}

func judgeIntent(text string) *Code {
	if len(text) > maxIntent {
		return &intentTooLong
	}
	rest, is := strings.CutPrefix(text, "intent:")
	if !is || rest == "" || !uri.MatchString(text) || strings.Contains(text, "#Intent;") && !strings.HasSuffix(text, ";end") {
		return &invalidIntent
	}
	return nil
}
