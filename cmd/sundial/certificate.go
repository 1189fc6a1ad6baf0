package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/internal/pushcert"
)

// certificateCmd are the verbs on push certificates.
type certificateCmd struct {
	List     certificateListCmd     `cmd:"" help:"List an app's push certificates."`
	Show     certificateShowCmd     `cmd:"" help:"Show one, without its secrets."`
	Add      certificateAddCmd      `cmd:"" help:"Add one."`
	Edit     certificateEditCmd     `cmd:"" help:"Change one; it keeps its id."`
	Delete   certificateDeleteCmd   `cmd:"" help:"Delete one: shows what will be lost, deletes with --confirm."`
	Expiring certificateExpiringCmd `cmd:"" help:"List those that expire soon, soonest first."`
}

// certificateView is what is shown of a certificate.
type certificateView struct {
	App       uint64                    `json:"app"` // of a list across apps
	Account   string                    `json:"account"`
	ID        uint64                    `json:"id"`
	Platform  string                    `json:"platform"`
	State     string                    `json:"state"`
	Fields    map[string]jsontext.Value `json:"fields"`
	Secrets   []string                  `json:"secrets"`
	NotAfter  string                    `json:"not_after"`
	CreatedAt string                    `json:"created_at"`
	CreatedBy string                    `json:"created_by"`
	UpdatedAt string                    `json:"updated_at"`
	UpdatedBy string                    `json:"updated_by"`
	Warnings  []struct {
		Field  string `json:"field"`
		Detail string `json:"detail"`
	} `json:"warnings"`
}

// names are the fields by which people know a certificate, the first that there is.
var nameFields = []string{"bundle_id", "package_name", "project_id", "app_key", "access_id"}

func (k *certificateView) name() string {
	for _, field := range nameFields {
		if text := plainText(k.Fields[field]); text != "" {
			return text
		}
	}
	return ""
}

// plainText is a JSON string's text, other JSON as it stands.
func plainText(v jsontext.Value) string {
	var text string
	if json.Unmarshal(v, &text) != nil {
		return string(v)
	}
	return text
}

func (c *console) showCertificate(k *certificateView) {
	rows := [][2]string{
		{"certificate", strconv.FormatUint(k.ID, 10)},
		{"platform", k.Platform},
		{"state", k.State},
	}
	for _, name := range slices.Sorted(maps.Keys(k.Fields)) {
		rows = append(rows, [2]string{"  " + name, plainText(k.Fields[name])})
	}
	c.pairs(append(rows, [][2]string{
		{"secrets", strings.Join(k.Secrets, ", ")},
		{"expires", k.NotAfter},
		{"created", k.CreatedAt + " by " + k.CreatedBy},
		{"updated", k.UpdatedAt + " by " + k.UpdatedBy},
	}...))
	for _, w := range k.Warnings {
		c.say("warning: " + w.Detail)
	}
}

type certificateListCmd struct {
	remote
	App string `arg:"" help:"The app's SDKAppID."`
}

// Run lists the certificates.
func (v *certificateListCmd) Run(ctx context.Context, c *console) error {
	found, err := whole[certificateView](ctx, c, &v.remote, route("/v1/apps/%s/certificates", v.App))
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, k := range found {
		rows = append(rows, []string{strconv.FormatUint(k.ID, 10), k.Platform, k.State, k.name(), k.NotAfter})
	}
	c.table("no certificates", []string{"id", "platform", "state", "for", "expires"}, rows)
	return nil
}

type certificateShowCmd struct {
	remote
	App string `arg:"" help:"The app's SDKAppID."`
	ID  string `arg:"" help:"The certificate's id."`
}

// Run shows the certificate.
func (v *certificateShowCmd) Run(ctx context.Context, c *console) error {
	a, err := v.call(ctx, c, request{method: http.MethodGet, path: route("/v1/apps/%s/certificates/%s", v.App, v.ID)})
	if err != nil || v.JSON {
		return err
	}
	var k certificateView
	if err := a.into(&k); err != nil {
		return err
	}
	c.showCertificate(&k)
	return nil
}

// fieldFlags are a certificate's fields.
type fieldFlags struct {
	Field       map[string]string `help:"A field. What is secret is better given with --file, out of the shell's history." placeholder:"NAME=VALUE" mapsep:"none"`
	File        map[string]string `help:"A field that is a file, or a secret that stands in one; - for standard input." placeholder:"NAME=PATH" mapsep:"none"`
	ClickAction string            `help:"What a tap does: open_app, a URL (http or https), or an intent URI (intent:...)." placeholder:"ACTION"`
}

// fields gives them as they stand in JSON.
func (f *fieldFlags) fields(c *console) (map[string]any, error) {
	fields := map[string]any{}
	for name, value := range f.Field {
		fields[name] = value
	}
	stdin := ""
	for _, name := range slices.Sorted(maps.Keys(f.File)) {
		path := f.File[name]
		if _, twice := fields[name]; twice {
			return nil, misused("%s is given with --field and with --file", name)
		}
		if path == "-" && stdin != "" {
			return nil, misused("%s and %s cannot both come from standard input", stdin, name)
		}
		if path == "-" {
			stdin = name
		}
		text, err := c.given(path)
		if err != nil {
			return nil, err
		}
		if isFile(name) {
			fields[name] = base64.StdEncoding.EncodeToString(text)
		} else {
			fields[name] = strings.TrimRight(string(text), "\r\n") // that editors and echo add
		}
	}
	switch action := f.ClickAction; {
	case action == "":
	case action == "open_app":
		fields["click_action"] = pushcert.ClickAction{Type: "open_app"}
	case strings.HasPrefix(action, "intent:"):
		fields["click_action"] = pushcert.ClickAction{Type: "open_page", Intent: action}
	case strings.HasPrefix(action, "http://"), strings.HasPrefix(action, "https://"):
		fields["click_action"] = pushcert.ClickAction{Type: "open_url", URL: action}
	default:
		return nil, misused("--click-action: want open_app, a URL that begins with http:// or https://, or an intent URI that begins with intent:")
	}
	return fields, nil
}

// isFile says whether a field is a file.
func isFile(name string) bool {
	kind, _ := pushcert.KindOf(name)
	return kind == pushcert.File || kind == pushcert.TextFile
}

// certifying is the body of a command on a certificate.
type certifying struct {
	Platform string         `json:"platform,omitzero"`
	Fields   map[string]any `json:"fields"`
	Reason   string         `json:"reason,omitzero"`
}

// certify sends a command that answers with a certificate, and shows it.
func (m *conditional) certify(ctx context.Context, c *console, method, path string, body certifying) error {
	a, err := m.send(ctx, c, request{method: method, path: path, body: body})
	if err != nil || m.JSON {
		return err
	}
	var app struct {
		Certificate certificateView `json:"certificate"`
	}
	if err := a.into(&app); err != nil {
		return err
	}
	c.showCertificate(&app.Certificate)
	return nil
}

type certificateAddCmd struct {
	conditional
	App      string `arg:"" help:"The app's SDKAppID."`
	Platform string `arg:"" help:"xiaomi, huawei, honor, meizu, vivo, oppo, fcm, apns_p12, apns_p8 or tpns."`
	fieldFlags
}

// Help lists the platforms' fields.
func (*certificateAddCmd) Help() string {
	var b strings.Builder
	b.WriteString("Fields by platform (? may be absent, * secret: it never comes back):\n\n")
	for _, p := range pushcert.Platforms() {
		fmt.Fprintf(&b, "    %-9s", p.Name)
		for _, f := range p.Fields {
			b.WriteString(" " + f.Name)
			if f.Secret {
				b.WriteString("*")
			}
			if f.Optional {
				b.WriteString("?")
			}
		}
		b.WriteString("\n")
	}
	b.WriteString(`
fcm takes service_account_json, or the three after it.

Examples:

    sundial certificate add 1400000001 apns_p12 --field environment=production --file p12=push.p12 --file password=push.password
    pass show huawei | sundial certificate add 1400000001 huawei --field package_name=com.example.shop --field app_id=100000001 --file app_secret=- --click-action open_app`)
	return b.String()
}

// Run adds the certificate.
func (v *certificateAddCmd) Run(ctx context.Context, c *console) error {
	fields, err := v.fields(c)
	if err != nil {
		return err
	}
	return v.certify(ctx, c, http.MethodPost, route("/v1/apps/%s/certificates", v.App), certifying{v.Platform, fields, v.Reason})
}

type certificateEditCmd struct {
	conditional
	App string `arg:"" help:"The app's SDKAppID."`
	ID  string `arg:"" help:"The certificate's id."`
	fieldFlags
	Remove []string `help:"A field to leave away." placeholder:"NAME"`
}

// Help shows how.
func (*certificateEditCmd) Help() string {
	return `What is not named stays as it is.

Example:

    sundial certificate edit 1400000001 1000001 --file p12=renewed.p12 --file password=renewed.password`
}

// Run edits the certificate.
func (v *certificateEditCmd) Run(ctx context.Context, c *console) error {
	fields, err := v.fields(c)
	if err != nil {
		return err
	}
	for _, name := range v.Remove {
		if _, given := fields[name]; given {
			return misused("%s is given, and to be removed", name)
		}
		fields[name] = nil
	}
	if len(fields) == 0 {
		return misused("nothing to change: give --field, --file, --click-action or --remove")
	}
	return v.certify(ctx, c, http.MethodPatch, route("/v1/apps/%s/certificates/%s", v.App, v.ID), certifying{"", fields, v.Reason})
}

type certificateDeleteCmd struct {
	conditional
	App     string `arg:"" help:"The app's SDKAppID."`
	ID      string `arg:"" help:"The certificate's id."`
	Confirm string `help:"The certificate's id, once more: then it is deleted, for good." placeholder:"ID"`
}

// Run deletes the certificate, or shows what that would lose.
func (v *certificateDeleteCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{}
	set(q, "confirm", v.Confirm)
	set(q, "reason", v.Reason)
	_, err := v.send(ctx, c, request{method: http.MethodDelete, path: route("/v1/apps/%s/certificates/%s", v.App, v.ID), query: q})
	if err != nil || v.JSON {
		return err
	}
	c.say("deleted")
	return nil
}

type certificateExpiringCmd struct {
	remote
	Within  string `help:"How far ahead, in days or hours; expired ones are listed too." default:"30d" placeholder:"DURATION"`
	Account string `help:"Only this account's." placeholder:"ACCOUNT"`
	paging
}

// Run lists what expires.
func (v *certificateExpiringCmd) Run(ctx context.Context, c *console) error {
	q := url.Values{"expires_within": {v.Within}}
	set(q, "account", v.Account)
	found, cursor, err := list[certificateView](ctx, c, &v.remote, v.paging, "/v1/certificates", q)
	if err != nil || v.JSON {
		return err
	}
	var rows [][]string
	for _, k := range found {
		rows = append(rows, []string{k.NotAfter, strconv.FormatUint(k.ID, 10), strconv.FormatUint(k.App, 10), k.Account, k.Platform, k.State, k.name()})
	}
	c.table("none expires within "+v.Within, []string{"expires", "id", "app", "account", "platform", "state", "for"}, rows)
	c.more(cursor)
	return nil
}
