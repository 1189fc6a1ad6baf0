package pushcert

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// specified are the platforms' fields as the specification lists them: * secret, ? optional.
var specified = []struct{ platform, fields string }{
	{"xiaomi", "package_name app_id *app_secret channel_id? click_action"},
	{"huawei", "package_name app_id *app_secret badge_class? channel_id? click_action"},
	{"honor", "package_name app_id client_id *client_secret badge_class? click_action"},
	{"meizu", "package_name app_id *app_secret click_action"},
	{"vivo", "app_key app_id *app_secret click_action"},
	{"oppo", "app_key app_id *master_secret channel_id? click_action"},
	{"fcm", "*service_account_json click_action"},
	{"fcm legacy", "package_name sender_id *server_key click_action"},
	{"apns_p12", "environment *p12 *password"},
	{"apns_p8", "environment *p8 key_id team_id bundle_id"},
	{"tpns", "access_id *secret_key access_point os"},
}

func TestPlatforms(t *testing.T) {
	var got []string
	for _, p := range Platforms() {
		ways := []string{""}
		if p.field(fieldServiceAccount) != nil {
			ways = []string{wayServiceAccount, wayLegacy}
		}
		for _, way := range ways {
			var names []string
			for _, f := range p.Fields {
				if f.Way != "" && f.Way != way {
					continue
				}
				name := f.Name
				if f.Secret {
					name = "*" + name
				}
				if f.Optional {
					name += "?"
				}
				names = append(names, name)
				if f.Help == "" || f.Kind == "" || (f.Kind != Choice && f.Kind != Action) != (f.Max > 0) ||
					(f.Kind == Text) != (f.form.fits != nil) || (f.Kind == Choice) != (len(f.Choices) > 0) {
					t.Errorf("%s of %s is not fully described: %+v", f.Name, p.Name, f)
				}
			}
			title := p.Name
			if way == wayLegacy {
				title += " legacy"
			}
			got = append(got, title+": "+strings.Join(names, " "))
		}
	}
	var want []string
	for _, s := range specified {
		want = append(want, s.platform+": "+s.fields)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("platforms (-want +got)\n%s", diff)
	}
}

// TestCodes keeps the codes distinct and in their form.
func TestCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range append(Codes(), WarningCodes()...) {
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(c.Code) || c.Detail == "" || seen[c.Code] {
			t.Errorf("%+v is malformed, or there twice", c)
		}
		seen[c.Code] = true
	}
}

// TestAccepted reads what each platform takes: each field comes back in its place, and nowhere else.
func TestAccepted(t *testing.T) {
	for _, s := range specified {
		t.Run(s.platform, func(t *testing.T) {
			sent := good(t, s.platform)
			got, err := Parse(name(s.platform), fields(sent), noon)
			if err != nil {
				t.Fatal(err)
			}
			wantPublic, wantSecrets := map[string]string{}, map[string][]byte{}
			for name, value := range sent {
				switch {
				case strings.Contains(s.fields, "*"+name) && name == "p12":
					wantSecrets[name] = must(base64.StdEncoding.DecodeString(value.(string)))
				case strings.Contains(s.fields, "*"+name):
					wantSecrets[name] = []byte(value.(string))
				case name == "click_action":
					wantPublic[name] = `{"type":"open_app"}`
				default:
					wantPublic[name] = value.(string)
				}
			}
			switch s.platform {
			case "fcm":
				wantPublic["project_id"], wantPublic["client_email"] = "example-chat", "push@example-chat.iam.gserviceaccount.com"
			case "apns_p12":
				wantPublic["bundle_id"], wantPublic["certificate_environments"] = "com.example.chat", "production"
				wantPublic["not_before"], wantPublic["not_after"] = "2026-07-15T12:00:00.000Z", "2027-07-15T12:00:00.000Z"
			}
			if diff := cmp.Diff(wantPublic, got.Public); diff != "" {
				t.Errorf("public (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(wantSecrets, got.Secrets); diff != "" {
				t.Errorf("secrets (-want +got)\n%s", diff)
			}
			if got.Platform != name(s.platform) || len(got.Kept) > 0 {
				t.Errorf("platform %q, kept %v", got.Platform, got.Kept)
			}
			if (s.platform == "apns_p12") == got.NotAfter.IsZero() {
				t.Errorf("not after %v", got.NotAfter)
			}
		})
	}
}

// TestEachField changes one field of each platform at a time.
func TestEachField(t *testing.T) {
	const marker = "Zq9RepeatMeNot"
	for _, s := range specified {
		for _, spelled := range strings.Fields(s.fields) {
			field := strings.Trim(spelled, "*?")
			f := platformOf(name(s.platform)).field(field)
			check := func(what string, value any, want ...string) {
				t.Helper()
				sent := good(t, s.platform)
				if what == "missing" {
					delete(sent, field)
				} else {
					sent[field] = value
				}
				_, err := Parse(name(s.platform), fields(sent), noon)
				if got := wrongs(t, err); !slices.Equal(got, want) {
					t.Errorf("%s, %s %s:\n  got  %q\n  want %q", s.platform, field, what, got, want)
				}
				if err != nil && strings.Contains(err.Error(), marker) {
					t.Errorf("%s, %s %s: the error repeats what was sent: %v", s.platform, field, what, err)
				}
			}
			absent := []string{field + " required"}
			switch {
			case strings.HasSuffix(spelled, "?"):
				absent = nil
			case s.platform == "fcm legacy" && field != "click_action":
				absent = []string{field + " required"}
			}
			check("missing", nil, absent...)
			check("null", nil, absent...)
			check("a number", 7, field+" wrong_type")
			check("true", true, field+" wrong_type")
			check("an array", []string{marker}, field+" wrong_type")
			if f.Kind == Action {
				check("a string", marker, field+" wrong_type")
				continue
			}
			object := field + " wrong_type"
			if field == "service_account_json" {
				object = field + " not_service_account"
			}
			check("an object", map[string]string{"a": marker}, object)
			check("empty", "", field+" empty")
			switch f.Kind {
			case Choice:
				check("another value", marker, field+" not_a_choice")
				check("in capitals", strings.ToUpper(f.Choices[0]), field+" not_a_choice")
			case File, TextFile:
				check("not base64", marker+"!", field+" invalid_base64")
				check("without padding", strings.TrimRight(b64(bytes.Repeat([]byte("x"), 100)), "="), field+" invalid_base64")
				check("in another alphabet", "_-_-", field+" invalid_base64")
				check("line breaks alone", "\n", field+" empty")
				check("too long", b64(make([]byte, f.Max+1)), field+" too_long")
			default:
				check("a line break", marker+"\n", field+" control_character")
				check("a zero", "\x00"+marker, field+" control_character")
				check("DEL", marker+"\x7f", field+" control_character")
				if f.form.exact {
					check("too long", strings.Repeat("A", f.Max+1), field+" invalid_format")
				} else {
					check("too long", strings.Repeat("a", f.Max)+".a", field+" too_long")
				}
			}
		}
	}
}

// TestForms tries the edges of what texts may be.
func TestForms(t *testing.T) {
	for _, c := range []struct {
		platform, field string
		good, bad       []string
	}{
		{"xiaomi", "package_name", []string{"a.b", "com.Example_2.chat", "c." + strings.Repeat("a", 253)},
			[]string{"chat", ".a", "a.", "a..b", "1a.b", "a.1b", "a b.c", "a-b.c", "a.b ", "\u00e9.b"}},
		{"xiaomi", "app_id", []string{"1", "a-b_c:d/e+f=", strings.Repeat("9", 128)}, []string{"a b", " a", "a ", "\u4f60"}},
		{"xiaomi", "app_secret", []string{"x", strings.Repeat("~!", 256)}, []string{"a b", "\u4f60", "a\u00a0"}},
		{"xiaomi", "channel_id", []string{"high importance", "\u804a\u5929", strings.Repeat("\u804a", 128)}, []string{"a\u2028b", "a\u200bb", "a\ufeff"}},
		{"huawei", "badge_class", []string{"Main", "com.example.Main$Inner", "_a.$b"}, []string{"com..Main", "com.1.Main", "com.example.Main;", "a b"}},
		{"apns_p8", "key_id", []string{"0000000000", "ZZZZZZZZZZ"}, []string{"ABC123DEF", "ABC123DEFGH", "abc123defg", "ABC123DEF ", "ABC-23DEFG"}},
		{"apns_p8", "team_id", []string{"0000000000", "ZZZZZZZZZZ"}, []string{"ABC123DEF", "ABC123DEFGH", "abc123defg"}},
		{"apns_p8", "bundle_id", []string{"a.b", "com.example-1.Chat", "1.2"}, []string{"chat", "com..chat", "com.example.*", "com_x.y", "com.example.", ".com"}},
		{"tpns", "os", []string{"android", "ios", "macos"}, nil},
		{"tpns", "access_point", []string{"guangzhou", "shanghai", "hongkong", "singapore"}, nil},
	} {
		for _, text := range c.good {
			sent := good(t, c.platform)
			sent[c.field] = text
			if _, err := Parse(c.platform, fields(sent), noon); err != nil {
				t.Errorf("%s %q: %v, want accepted", c.field, text, err)
			}
		}
		for _, text := range c.bad {
			sent := good(t, c.platform)
			sent[c.field] = text
			_, err := Parse(c.platform, fields(sent), noon)
			if got, want := wrongs(t, err), []string{c.field + " invalid_format"}; !slices.Equal(got, want) {
				t.Errorf("%s %q: %q, want %q", c.field, text, got, want)
			}
		}
	}
}

// TestUnknownFields names what the platform does not have, in the words of people who mistake one for another.
func TestUnknownFields(t *testing.T) {
	for _, s := range specified {
		sent := good(t, s.platform)
		sent["no_such"] = "x"
		sent["Zq9 Repeat\nMeNot"] = "Zq9RepeatMeNot"
		_, err := Parse(name(s.platform), fields(sent), noon)
		if got, want := wrongs(t, err), []string{"? unknown_field", "no_such unknown_field"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", s.platform, got, want)
		}
		if strings.Contains(fmt.Sprint(err), "Zq9") {
			t.Errorf("%s: the error repeats what was sent: %v", s.platform, err)
		}
	}
	for _, c := range []struct{ platform, field string }{
		{"apns_p12", "bundle_id"}, {"apns_p12", "not_after"}, {"fcm", "project_id"}, {"vivo", "package_name"}, {"honor", "app_secret"},
	} {
		sent := good(t, c.platform)
		sent[c.field] = "x"
		_, err := Parse(c.platform, fields(sent), noon)
		if got, want := wrongs(t, err), []string{c.field + " unknown_field"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.platform, got, want)
		}
	}
	sent := good(t, "oppo")
	delete(sent, "master_secret")
	sent["app_secret"] = "x"
	_, err := Parse("oppo", fields(sent), noon)
	if got, want := wrongs(t, err), []string{"app_secret unknown_field", "master_secret required"}; !slices.Equal(got, want) {
		t.Errorf("oppo: %q, want %q", got, want)
	}
	if !strings.Contains(fmt.Sprint(err), "send the MasterSecret as master_secret") {
		t.Errorf("oppo with an app secret: %v, want it to name the master secret", err)
	}

	many := good(t, "meizu")
	for i := range 1000 {
		many[fmt.Sprint("field_", i)] = "x"
	}
	_, err = Parse("meizu", fields(many), noon)
	if got := len(wrongs(t, err)); got != maxUnknown {
		t.Errorf("%d unknown fields are named, want %d", got, maxUnknown)
	}
	for _, platform := range []string{"", "Xiaomi", "apns", "Zq9RepeatMeNot"} {
		_, err := Parse(platform, nil, noon)
		if got, want := wrongs(t, err), []string{"platform unknown_platform"}; !slices.Equal(got, want) {
			t.Errorf("platform %q: %q, want %q", platform, got, want)
		}
		if strings.Contains(err.Error(), "Zq9") {
			t.Errorf("the error repeats the platform: %v", err)
		}
	}
}

// TestTwoWays sends fields of both ways to reach FCM.
func TestTwoWays(t *testing.T) {
	both := good(t, "fcm")
	maps.Copy(both, good(t, "fcm legacy"))
	_, err := Parse("fcm", fields(both), noon)
	want := []string{"package_name surplus_field", "sender_id surplus_field", "server_key surplus_field"}
	if got := wrongs(t, err); !slices.Equal(got, want) {
		t.Errorf("both ways: %q, want %q", got, want)
	}
	one := good(t, "fcm")
	one["sender_id"] = "1"
	_, err = Parse("fcm", fields(one), noon)
	if got, want := wrongs(t, err), []string{"sender_id surplus_field"}; !slices.Equal(got, want) {
		t.Errorf("one field more: %q, want %q", got, want)
	}
	one["sender_id"] = nil
	if _, err := Parse("fcm", fields(one), noon); err != nil {
		t.Errorf("null for a field of the other way: %v", err)
	}
	_, err = Parse("fcm", nil, noon)
	if got, want := wrongs(t, err), []string{"click_action required", "service_account_json required"}; !slices.Equal(got, want) {
		t.Errorf("nothing: %q, want %q", got, want)
	}
	if !strings.Contains(fmt.Sprint(err), "or package_name, sender_id and server_key") {
		t.Errorf("nothing: %v, want the other way named", err)
	}
	_, err = Parse("fcm", fields(map[string]any{"sender_id": "1"}), noon)
	want = []string{"click_action required", "package_name required", "server_key required"}
	if got := wrongs(t, err); !slices.Equal(got, want) {
		t.Errorf("a part of the old way: %q, want %q", got, want)
	}
}

func TestClickActions(t *testing.T) {
	host := "https://example.com/"
	intent := func(n int) string {
		return "intent://" + strings.Repeat("a", n-len("intent://#Intent;end")) + "#Intent;end"
	}
	for _, c := range []struct {
		value, want string // what it comes out as, or the code
	}{
		{`{"type":"open_app"}`, `{"type":"open_app"}`},
		{` { "type" : "open\u005fapp" } `, `{"type":"open_app"}`},
		{`{"url":"https://example.com/a?b=c&d=%e4%bd%a0#e","type":"open_url"}`, `{"type":"open_url","url":"https://example.com/a?b=c&d=%e4%bd%a0#e"}`},
		{`{"type":"open_url","url":"HTTP://example.com:8080"}`, `{"type":"open_url","url":"HTTP://example.com:8080"}`},
		{`{"type":"open_url","url":"http://[::1]/"}`, `{"type":"open_url","url":"http://[::1]/"}`},
		{`{"type":"open_url","url":"` + host + strings.Repeat("a", 2048-len(host)) + `"}`, `{"type":"open_url","url":"` + host + strings.Repeat("a", 2048-len(host)) + `"}`},
		{`{"type":"open_page","intent":"intent://com.example.chat/detail?id=1#Intent;scheme=pushscheme;launchFlags=0x4000000;end"}`,
			`{"type":"open_page","intent":"intent://com.example.chat/detail?id=1#Intent;scheme=pushscheme;launchFlags=0x4000000;end"}`},
		{`{"type":"open_page","intent":"intent:#Intent;component=com.example.chat/.Main;end"}`, `{"type":"open_page","intent":"intent:#Intent;component=com.example.chat/.Main;end"}`},
		{`{"type":"open_page","intent":"` + intent(512) + `"}`, `{"type":"open_page","intent":"` + intent(512) + `"}`},

		{`{}`, "invalid_click_action"},
		{`{"type":""}`, "invalid_click_action"},
		{`{"type":"Open_App"}`, "invalid_click_action"},
		{`{"type":"open_mail"}`, "invalid_click_action"},
		{`{"type":7}`, "invalid_click_action"},
		{`{"type":null}`, "invalid_click_action"},
		{`{"type":"open_app","type":"open_app"}`, "wrong_type"},
		{`{"type":"open_app","url":"https://example.com"}`, "invalid_click_action"},
		{`{"type":"open_app","url":null}`, "invalid_click_action"},
		{`{"type":"open_app","x":"y"}`, "invalid_click_action"},
		{`{"type":"open_url"}`, "invalid_click_action"},
		{`{"type":"open_url","intent":"intent:a"}`, "invalid_click_action"},
		{`{"type":"open_url","url":"https://example.com","intent":"intent:a"}`, "invalid_click_action"},
		{`{"type":"open_url","url":["https://example.com"]}`, "invalid_click_action"},
		{`{"type":"open_page"}`, "invalid_click_action"},
		{`{"type":"open_page","url":"https://example.com"}`, "invalid_click_action"},
		{`{"type":"open_page","intent":"intent:a","url":"https://example.com"}`, "invalid_click_action"},

		{`{"type":"open_url","url":""}`, "invalid_url"},
		{`{"type":"open_url","url":null}`, "invalid_url"},
		{`{"type":"open_url","url":"example.com"}`, "invalid_url"},
		{`{"type":"open_url","url":"//example.com"}`, "invalid_url"},
		{`{"type":"open_url","url":"/path"}`, "invalid_url"},
		{`{"type":"open_url","url":"ftp://example.com"}`, "invalid_url"},
		{`{"type":"open_url","url":"javascript:alert(1)"}`, "invalid_url"},
		{`{"type":"open_url","url":"https:example.com"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://:80/"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://user:password@example.com/"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://user@example.com/"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://example.com/a b"}`, "invalid_url"},
		{`{"type":"open_url","url":" https://example.com/"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://example.com/\n"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://example.com/\u4f60"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://example.com/\"x"}`, "invalid_url"},
		{`{"type":"open_url","url":"https://example.com:port/"}`, "invalid_url"},
		{`{"type":"open_url","url":"` + host + strings.Repeat("a", 2049-len(host)) + `"}`, "too_long"},

		{`{"type":"open_page","intent":""}`, "invalid_intent"},
		{`{"type":"open_page","intent":"intent:"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"Intent:a"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"https://example.com/"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"intent://a b#Intent;end"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"intent://a\n#Intent;end"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"intent://a#Intent;scheme=x"}`, "invalid_intent"},
		{`{"type":"open_page","intent":"` + intent(513) + `"}`, "too_long"},
	} {
		sent := good(t, "meizu")
		sent["click_action"] = jsontext.Value(c.value)
		got, err := Parse("meizu", fields(sent), noon)
		if strings.HasPrefix(c.want, "{") {
			if err != nil || got.Public["click_action"] != c.want {
				t.Errorf("%s: %q, %v, want %s", c.value, got.Public["click_action"], err, c.want)
			}
			continue
		}
		if got, want := wrongs(t, err), []string{"click_action " + c.want}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.value, got, want)
		}
	}
}

// TestJSON shows plain fields as answers have them.
func TestJSON(t *testing.T) {
	parsed, err := Parse("huawei", fields(good(t, "huawei")), noon)
	if err != nil {
		t.Fatal(err)
	}
	got := string(must(json.Marshal(JSON(parsed.Public), json.Deterministic(true))))
	want := `{"app_id":"10000001","badge_class":"com.example.chat.Main$Badge","channel_id":"chat","click_action":{"type":"open_app"},"package_name":"com.example.chat"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
