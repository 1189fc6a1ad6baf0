package pushcert

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// stored parses a platform's good fields and forgets the secrets, as whoever keeps a certificate does.
func stored(t *testing.T, platform string, change map[string]any) Parsed {
	t.Helper()
	sent := good(t, platform)
	maps.Copy(sent, change)
	p, err := Parse(name(platform), fields(sent), noon)
	if err != nil {
		t.Fatal(err)
	}
	p.Secrets = nil
	return p
}

// TestEditNothing keeps everything as it is.
func TestEditNothing(t *testing.T) {
	for _, s := range specified {
		present := stored(t, s.platform, nil)
		got, err := Edit(Parsed{Platform: present.Platform, Public: present.Public}, nil, noon)
		if err != nil {
			t.Errorf("%s: %v", s.platform, err)
			continue
		}
		if diff := cmp.Diff(present.Public, got.Public); diff != "" {
			t.Errorf("%s: public (-want +got)\n%s", s.platform, diff)
		}
		var want []string
		for _, spelled := range strings.Fields(s.fields) {
			if secret, is := strings.CutPrefix(spelled, "*"); is {
				want = append(want, secret)
			}
		}
		slices.Sort(want)
		if !slices.Equal(got.Kept, want) || len(got.Secrets) > 0 {
			t.Errorf("%s: keeps %q and has %d new secrets, want %q and none", s.platform, got.Kept, len(got.Secrets), want)
		}
		if !got.NotAfter.Equal(present.NotAfter) {
			t.Errorf("%s: valid to %v, want %v", s.platform, got.NotAfter, present.NotAfter)
		}
	}
}

func TestEdit(t *testing.T) {
	both := map[string]any{"p12": b64(pushFor(oidPushProduction, oidPushDevelopment).p12())}
	sandbox := b64(pushFor(oidPushDevelopment).p12())
	for _, c := range []struct {
		name, platform  string
		before          map[string]any
		change          map[string]any
		public, without string   // fields that are new, "field=value"; fields that are gone
		secrets, kept   []string // names
		wrong           []string
	}{
		{name: "a plain field", platform: "xiaomi", change: map[string]any{"app_id": "2"}, public: "app_id=2", kept: []string{"app_secret"}},
		{name: "a secret", platform: "xiaomi", change: map[string]any{"app_secret": "new"}, secrets: []string{"app_secret"}},
		{name: "an optional field is removed", platform: "xiaomi", change: map[string]any{"channel_id": nil}, without: "channel_id", kept: []string{"app_secret"}},
		{name: "a required field is removed", platform: "xiaomi", change: map[string]any{"app_id": nil, "app_secret": nil}, wrong: []string{"app_id required", "app_secret required"}},
		{name: "an unknown field", platform: "xiaomi", change: map[string]any{"no_such": nil}, wrong: []string{"no_such unknown_field"}},
		{name: "a wrong value", platform: "xiaomi", change: map[string]any{"app_id": ""}, wrong: []string{"app_id empty"}},
		{name: "an action", platform: "xiaomi", change: map[string]any{"click_action": jsontext.Value(`{"type":"open_url","url":"https://a.example"}`)},
			public: `click_action={"type":"open_url","url":"https://a.example"}`, kept: []string{"app_secret"}},

		{name: "environment of a certificate for one", platform: "apns_p12", change: map[string]any{"environment": "development"}, wrong: []string{"environment environment_mismatch"}},
		{name: "environment of a certificate for both", platform: "apns_p12", before: both, change: map[string]any{"environment": "development"},
			public: "environment=development", kept: []string{"p12", "password"}},
		{name: "environment with its certificate", platform: "apns_p12", change: map[string]any{"environment": "development", "p12": sandbox, "password": "secret"},
			public: "environment=development certificate_environments=development", secrets: []string{"p12", "password"}},
		{name: "a certificate for the other environment", platform: "apns_p12", change: map[string]any{"p12": sandbox, "password": "secret"}, wrong: []string{"environment environment_mismatch"}},
		{name: "a p12 without its password", platform: "apns_p12", change: map[string]any{"p12": sandbox}, wrong: []string{"password required"}},
		{name: "a password without its p12", platform: "apns_p12", change: map[string]any{"password": "secret"}, wrong: []string{"p12 required"}},
		{name: "no p12 any more", platform: "apns_p12", change: map[string]any{"p12": nil, "password": nil}, wrong: []string{"p12 required", "password required"}},
		{name: "a wrong password", platform: "apns_p12", change: map[string]any{"p12": sandbox, "password": "wrong"}, wrong: []string{"password wrong_password"}},

		{name: "a key", platform: "apns_p8", change: map[string]any{"p8": string(p8(ecKey())), "key_id": "AAAAAAAAAA"}, public: "key_id=AAAAAAAAAA", secrets: []string{"p8"}},
		{name: "a key id", platform: "apns_p8", change: map[string]any{"key_id": "AAAAAAAAAA"}, public: "key_id=AAAAAAAAAA", kept: []string{"p8"}},

		{name: "another service account", platform: "fcm", change: map[string]any{"service_account_json": string(account(func(m map[string]any) { m["project_id"] = "other-1" }))},
			public: "project_id=other-1", secrets: []string{"service_account_json"}},
		{name: "from a service account to the old way", platform: "fcm", change: map[string]any{"package_name": "com.example.chat", "sender_id": "1", "server_key": "k"},
			public: "package_name=com.example.chat sender_id=1", without: "project_id client_email", secrets: []string{"server_key"}},
		{name: "half the old way", platform: "fcm", change: map[string]any{"sender_id": "1"}, wrong: []string{"package_name required", "server_key required"}},
		{name: "from the old way to a service account", platform: "fcm legacy", change: map[string]any{"service_account_json": string(account(nil)), "sender_id": nil},
			public: "project_id=example-chat client_email=push@example-chat.iam.gserviceaccount.com", without: "package_name sender_id", secrets: []string{"service_account_json"}},
		{name: "within the old way", platform: "fcm legacy", change: map[string]any{"sender_id": "1"}, public: "sender_id=1", kept: []string{"server_key"}},
		{name: "both ways", platform: "fcm legacy", change: map[string]any{"sender_id": "1", "service_account_json": string(account(nil))}, wrong: []string{"sender_id surplus_field"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			present := stored(t, c.platform, c.before)
			before := maps.Clone(present.Public)
			got, err := Edit(present, fields(c.change), noon)
			if diff := cmp.Diff(before, present.Public); diff != "" {
				t.Errorf("the present one was changed (-was +is)\n%s", diff)
			}
			if wrong := wrongs(t, err); !slices.Equal(wrong, c.wrong) {
				t.Fatalf("wrong %q, want %q", wrong, c.wrong)
			}
			if err != nil {
				return
			}
			want := before
			for _, pair := range strings.Fields(c.public) {
				field, value, _ := strings.Cut(pair, "=")
				want[field] = value
			}
			for _, field := range strings.Fields(c.without) {
				delete(want, field)
			}
			if diff := cmp.Diff(want, got.Public); diff != "" {
				t.Errorf("public (-want +got)\n%s", diff)
			}
			if secrets := slices.Sorted(maps.Keys(got.Secrets)); !slices.Equal(secrets, c.secrets) || !slices.Equal(got.Kept, c.kept) {
				t.Errorf("new secrets %q, kept %q, want %q and %q", secrets, got.Kept, c.secrets, c.kept)
			}
		})
	}
}

// TestEditLater edits certificates that expire soon, or have expired since.
func TestEditLater(t *testing.T) {
	present := stored(t, "apns_p12", nil)
	for _, c := range []struct {
		before time.Duration
		want   []string
	}{
		{30*24*time.Hour + 1, nil},
		{30 * 24 * time.Hour, []string{"not_after expires_soon"}},
		{1, []string{"not_after expires_soon"}},
		{0, []string{"not_after expired"}},
		{-time.Hour, []string{"not_after expired"}},
	} {
		now := present.NotAfter.Add(-c.before)
		got, err := Edit(present, nil, now)
		if err != nil {
			t.Errorf("%v before it expires: %v", c.before, err)
		}
		if warnings := notices(t, Warnings(got.Platform, got.Public, false, now), WarningCodes()); !slices.Equal(warnings, c.want) {
			t.Errorf("%v before it expires: warnings %q, want %q", c.before, warnings, c.want)
		}
	}
	if _, err := Edit(Parsed{Platform: "gone"}, nil, noon); !slices.Equal(wrongs(t, err), []string{"platform unknown_platform"}) {
		t.Errorf("an unknown platform: %v", err)
	}
}
