package api

import (
	"encoding/base64"
	"os"
	"regexp"
	"strings"
	"testing"

	"sundial/internal/pushcert"
)

// TestUserSigs signs and verifies over HTTP, through an upgrade, a rotation, a stop and a deletion.
func TestUserSigs(t *testing.T) {
	w := start(t, nil)
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import",
		`{"app":1300000001,"name":"old","created_at":"2018-01-01T00:00:00.000Z"}`)
	const app = "/v1/apps/1300000001"
	sign := func(user string) string {
		t.Helper()
		return member(t, w.must(200, "owner", "POST", app+"/usersigs", `{"user_id":"`+user+`","expire_seconds":604800}`).body, "user_sig")
	}
	verdict := func(user, sig, want string) {
		t.Helper()
		got := w.must(200, "owner", "POST", app+"/usersigs/verify", `{"user_id":"`+user+`","user_sig":"`+sig+`"}`).body
		plain := regexp.MustCompile(`,"(issued|expires)_at":"2021-[^"]*"`).ReplaceAllString(got, "")
		if plain != want || (len(got)-len(plain) == 0) != strings.Contains(want, "malformed") {
			t.Errorf("a UserSig of %s: %s, want %s", user, got, want)
		}
	}
	const valid = `{"valid":true}`
	no := func(reason string) string { return `{"valid":false,"reason":"` + reason + `"}` }

	paired := sign("alice")
	if key := w.must(200, "reader", "GET", app+"/key", "").body; !strings.HasPrefix(key, `{"algorithm":"ECDSA-SHA256","created_at":"2018-01-01T00:00:00.000Z","keys":[{"id":1,`) || !strings.Contains(key, "BEGIN PUBLIC KEY") {
		t.Errorf("the key of an old app: %s", key)
	}
	verdict("alice", paired, valid)
	verdict("bob", paired, no("wrong_user"))
	verdict("alice", "x"+paired, no("malformed"))

	w.must(200, "owner", "POST", app+"/key/upgrade", `{}`)
	first := sign("alice")
	verdict("alice", paired, valid)
	verdict("alice", first, valid)
	w.must(200, "owner", "POST", app+"/key/retire", "")
	verdict("alice", paired, no("bad_signature"))

	w.must(200, "owner", "POST", app+"/key/rotate", `{"overlap":"1h"}`)
	second := sign("alice")
	verdict("alice", first, valid)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"1h"}`)
	verdict("alice", first, no("bad_signature"))
	verdict("alice", second, valid)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"168h"}`)
	verdict("alice", second, no("expired"))

	other := w.create(`{"name":"other"}`)
	theirs := member(t, w.must(200, "owner", "POST", other+"/usersigs", `{"user_id":"alice","expire_seconds":60}`).body, "user_sig")
	verdict("alice", theirs, no("wrong_app"))

	w.must(200, "owner", "POST", app+"/stop", `{}`)
	verdict("alice", sign("alice"), no("app_stopped"))
	w.must(200, "owner", "DELETE", app+"?confirm=old", "")
	if a := w.must(409, "owner", "POST", app+"/usersigs", `{"user_id":"alice","expire_seconds":60}`); a.no.Code != "app_deleted" {
		t.Errorf("signing for a deleted app: %s", a.no.Code)
	}
	for body, want := range map[string][]string{
		`{"user_id":"no spaces","expire_seconds":60}`:                                             {"user_id invalid_user_id"},
		`{"user_id":"a","expire_seconds":0}`:                                                      {"expire_seconds out_of_range"},
		`{"user_id":"a","expire_seconds":1576800001}`:                                             {"expire_seconds out_of_range"},
		`{"user_id":"a","expire_seconds":60,"user_buf":"` + strings.Repeat("AAAA", 342) + `"}`:    {"user_buf too_long"},
		`{"user_id":"a","expire_seconds":60,"user_buf":"!"}`:                                      {"user_buf wrong_type"},
		`{"user_id":"` + strings.Repeat("a", 33) + `","expire_seconds":-1,"sdkappid":1400000001}`: {"sdkappid unknown_field"},
	} {
		diff(t, body, want, w.must(422, "owner", "POST", other+"/usersigs", body).fields())
	}
	diff(t, "overlap", []string{"overlap invalid_duration"}, w.must(422, "owner", "POST", other+"/key/rotate", `{"overlap":"soon"}`).fields())
}

// TestReveal shows a key only after it is on record, and not too often.
func TestReveal(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	if a := w.must(409, "operator", "POST", app+"/key/reveal", `{}`); a.no.Code != "reveal_needs_reason" {
		t.Errorf("an operator without a reason: %s", a.no.Code)
	}
	shown := w.must(200, "operator", "POST", app+"/key/reveal", `{"reason":"asked by phone"}`)
	secret := member(t, shown.body, "secret")
	if len(secret) != 64 || shown.header.Get("Sundial-Position") == "" {
		t.Errorf("revealed %s at %q", shown.body, shown.header.Get("Sundial-Position"))
	}
	again := w.must(200, "owner", "POST", app+"/key/reveal", "", "Idempotency-Key", "once")
	repeated := w.must(200, "owner", "POST", app+"/key/reveal", "", "Idempotency-Key", "once")
	if again.body != shown.body || repeated.body != shown.body || repeated.header.Get("Sundial-Position") != again.header.Get("Sundial-Position") {
		t.Errorf("revealed %s, then %s, repeated %s", shown.body, again.body, repeated.body)
	}
	for range 9 {
		w.must(200, "owner", "POST", app+"/key/reveal", "")
	}
	if a := w.must(429, "owner", "POST", app+"/key/reveal", ""); a.no.Code != "reveal_limit" || a.header.Get("Retry-After") == "" {
		t.Errorf("too often: %s, Retry-After %q", a.no.Code, a.header.Get("Retry-After"))
	}
	w.must(200, "operator", "POST", app+"/key/reveal", `{"reason":"asked by phone"}`)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"1h"}`)
	w.must(200, "owner", "POST", app+"/key/rotate", `{"overlap":"0s"}`)
	if rotated := member(t, w.must(200, "owner", "POST", app+"/key/reveal", "").body, "secret"); rotated == secret {
		t.Error("a rotated key is the same")
	}
}

// TestAdmins adds and removes administrators, all of a list or none.
func TestAdmins(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	list := func(want string) {
		t.Helper()
		if got := w.must(200, "reader", "GET", app+"/admins", "").body; got != `{"items":[`+want+`]}` {
			t.Errorf("administrators %s, want %s", got, want)
		}
	}
	list(`"administrator"`)
	w.must(200, "owner", "POST", app+"/admins", `{"names":["alice","bob"]}`)
	w.must(409, "owner", "POST", app+"/admins", `{"names":["c","d","e"]}`)
	list(`"administrator","alice","bob"`)
	w.must(409, "owner", "POST", app+"/admins/remove", `{"names":["alice","administrator"]}`)
	w.must(200, "owner", "POST", app+"/admins/remove", `{"names":["alice","nobody"]}`)
	list(`"administrator","bob"`)
	diff(t, "names", []string{"names invalid_name"}, w.must(422, "owner", "POST", app+"/admins", `{"names":["a b"]}`).fields())
}

// TestDeletionRequests lets an operator delete what an owner may not, and withdraws what was overtaken.
func TestDeletionRequests(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop","order":{"id":"o1","edition":"pro","paid_until":"2021-01-02T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}}`)
	w.must(409, "owner", "POST", app+"/deletion-requests", `{}`)
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"by":"240h"}`)
	asked := w.must(201, "owner", "POST", app+"/deletion-requests", `{"reason":"moved away"}`)
	request := asked.app.Deletion
	if request == nil || request.State != "open" || request.Reason != "moved away" || !strings.HasPrefix(request.By, "owner:") {
		t.Fatalf("asked: %s", asked.body)
	}
	list := func(who string, want int) {
		t.Helper()
		if got := strings.Count(w.must(200, who, "GET", "/v1/deletion-requests", "").body, `"losses":[`); got != want {
			t.Errorf("%s sees %d requests, want %d", who, got, want)
		}
	}
	list("auditor", 1)
	list("reader", 1)
	list("stranger", 0)
	path := "/v1/deletion-requests/" + request.ID
	w.must(403, "owner", "POST", path+"/approve", "")
	w.must(409, "operator", "POST", path+"/reject", "")
	w.must(200, "operator", "POST", path+"/reject", `{"reason":"a bill is open"}`)
	list("auditor", 0)

	again := w.must(201, "owner", "POST", app+"/deletion-requests", "")
	w.must(200, "owner", "POST", app+"/renew", `{"order":{"id":"o2","edition":"pro","paid_until":"2021-02-01T00:00:00.000Z","amount":{"currency":"CNY","minor":1}}}`)
	list("auditor", 0)
	if a := w.must(409, "operator", "POST", "/v1/deletion-requests/"+again.app.Deletion.ID+"/approve", ""); a.no.Code != "deletion_request_closed" {
		t.Errorf("approving what was withdrawn: %s", a.no.Code)
	}
	w.must(200, "operator", "POST", "/v1/clock/advance", `{"to":"2021-03-01T00:00:00.000Z"}`)
	last := w.must(201, "owner", "POST", app+"/deletion-requests", "").app.Deletion.ID
	gone := w.must(200, "operator", "POST", "/v1/deletion-requests/"+last+"/approve", "")
	if gone.app.Status != "deleted" || gone.app.Deletion.State != "approved" || gone.app.Key != nil {
		t.Errorf("approved: %s", gone.body)
	}
	w.must(200, "operator", "POST", "/v1/deletion-requests/"+last+"/approve", "")
	for _, none := range []string{"1400000001-999", "1499999999-1", "x", "1400000001"} {
		if a := w.must(404, "operator", "POST", "/v1/deletion-requests/"+none+"/approve", ""); a.no.Code != "deletion_request_not_found" {
			t.Errorf("%s: %s", none, a.no.Code)
		}
	}
}

// TestCertificates adds, edits, expires and deletes push certificates.
func TestCertificates(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	const huawei = `{"platform":"huawei","fields":{"package_name":"com.example.shop","app_id":"1","app_secret":"s3cret","click_action":{"type":"open_app"}}}`
	added := w.must(201, "owner", "POST", app+"/certificates", huawei, "Idempotency-Key", "one")
	c := added.certificate
	if c == nil || c.ID != 1_000_001 || c.State != "active" || len(c.Secrets) != 1 || strings.Contains(added.body, "s3cret") {
		t.Fatalf("added: %s", added.body)
	}
	if again := w.must(201, "owner", "POST", app+"/certificates", huawei, "Idempotency-Key", "one"); again.body != added.body {
		t.Errorf("sent again:\n%s\nfirst:\n%s", again.body, added.body)
	}
	other := strings.Replace(huawei, "s3cret", "another", 1)
	if a := w.must(422, "owner", "POST", app+"/certificates", other, "Idempotency-Key", "one"); a.no.Code != "idempotency_key_reused" {
		t.Errorf("the key with another secret: %s", a.no.Code)
	}
	path := app + "/certificates/1000001"
	edited := w.must(200, "owner", "PATCH", path, `{"fields":{"app_id":"2"}}`)
	if edited.certificate == nil || string(edited.certificate.Fields["app_id"]) != `"2"` || edited.app.Certificates != 1 {
		t.Errorf("edited: %s", edited.body)
	}
	if same := w.must(200, "owner", "PATCH", path, `{"fields":{"app_secret":"s3cret"}}`); same.app.Version != edited.app.Version {
		t.Errorf("the secret that it has: version %d, want %d", same.app.Version, edited.app.Version)
	}
	if changed := w.must(200, "owner", "PATCH", path, `{"fields":{"app_secret":"another"}}`); changed.app.Version == edited.app.Version {
		t.Error("another secret changed nothing")
	}
	w.must(200, "owner", "PUT", app+"/services/tpns", `{"order":{"id":"push","amount":{"currency":"CNY","minor":1}}}`)
	if off := w.must(200, "owner", "GET", path, "").body; !strings.Contains(off, `"state":"inactive"`) || !strings.Contains(off, `"code":"inactive"`) {
		t.Errorf("beside mobile push: %s", off)
	}
	w.must(200, "owner", "DELETE", app+"/services/tpns", "")

	if a := w.must(409, "owner", "DELETE", path, ""); a.no.Code != "certificate_confirmation_required" || len(a.no.Losses) == 0 {
		t.Errorf("unconfirmed: %s", a.body)
	}
	w.must(200, "owner", "DELETE", path+"?confirm=1000001", "")
	w.must(200, "owner", "DELETE", path, "")
	w.must(404, "owner", "GET", path, "")
	next := w.must(201, "owner", "POST", app+"/certificates", huawei)
	if next.certificate.ID <= 1_000_001 {
		t.Errorf("the next one is %d, an id that was used", next.certificate.ID)
	}
	for body, want := range map[string][]string{
		`{"platform":"nokia","fields":{}}`: {"platform unknown_platform"},
		`{"platform":"meizu","fields":{"package_name":"com.example.shop","app_id":"1","click_action":{"type":"open_app"}}}`: {"fields.app_secret required"},
	} {
		diff(t, body, want, w.must(422, "owner", "POST", app+"/certificates", body).fields())
	}
}

// TestCertificateForm takes the parts of a form as fields.
func TestCertificateForm(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	const boundary = "Content-Type: multipart/form-data; boundary=x"
	part := func(name, file, content string) string {
		disposition := `form-data; name="` + name + `"`
		if file != "" {
			disposition += `; filename="` + file + `"`
		}
		return "--x\r\nContent-Disposition: " + disposition + "\r\n\r\n" + content + "\r\n"
	}
	form := part("platform", "", "meizu") + part("package_name", "", "com.example.shop") + part("app_id", "", "1") +
		part("app_secret", "", "s3cret") + part("click_action", "", `{"type":"open_url","url":"https://example.com"}`) + "--x--\r\n"
	name, value, _ := strings.Cut(boundary, ": ")
	if added := w.must(201, "owner", "POST", app+"/certificates", form, name, value); added.certificate == nil || added.certificate.Platform != "meizu" {
		t.Errorf("added by a form: %s", added.body)
	}
	for _, bad := range []string{
		strings.Replace(form, "--x--", "", 1), part("platform", "", "meizu") + form, strings.Repeat(part("a", "", "b"), 2) + "--x--\r\n",
	} {
		if a := w.ask("owner", "POST", app+"/certificates", bad, name, value); a.status != 400 {
			t.Errorf("the form %.40q: status %d %s", bad, a.status, a.no.Code)
		}
	}
}

// TestCertificateFormFiles sends each text field of each platform as a file, as curl -F app_secret=@file does: it is the
// text, and never the base64 of it.
func TestCertificateFormFiles(t *testing.T) {
	w := start(t, nil)
	app := w.create(`{"name":"shop"}`)
	secret, err := os.ReadFile("testdata/secret.txt")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSuffix(string(secret), "\n")
	const kind = "multipart/form-data; boundary=x"
	part := func(head, content string) string {
		return "--x\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + content + "\r\n"
	}
	file := func(name, content string) string { return part(`name="`+name+`"; filename="a.txt"`, content) }
	huawei := func(secret string) string {
		return part(`name="platform"; filename="p"`, "huawei\n") + part(`name="package_name"`, "com.example.shop") + file("app_id", "1\r\n") +
			secret + file("click_action", `{"type":"open_app"}`+"\n") + "--x--\r\n"
	}
	added := w.must(201, "owner", "POST", app+"/certificates", huawei(file("app_secret", string(secret))), "Content-Type", kind)
	path := app + "/certificates/" + string(marshal(added.certificate.ID))
	// A secret never comes back; that another way of sending the same changes nothing says what it is.
	for _, same := range []string{
		part(`name="app_secret"`, text), file("app_secret", text), file("app_secret", "\ufeff"+text+"\r\n"),
		part(`name="app_secret"; filename="a"`+"\r\nContent-Transfer-Encoding: base64", base64.StdEncoding.EncodeToString(secret)),
		part(`name="app_secret"`+"\r\nContent-Transfer-Encoding: quoted-printable", "S3cret=56alue123"),
	} {
		if a := w.must(200, "owner", "PATCH", path, same+"--x--\r\n", "Content-Type", kind); a.app.Version != added.app.Version {
			t.Errorf("%q is another secret", same)
		}
	}
	for part, want := range map[string]string{
		file("app_secret", "\xff\xfeS\x003\x00"):       "fields.app_secret wrong_type",
		file("app_secret", "two\nlines\n"):             "fields.app_secret control_character",
		file("app_secret", "line ends\n\n"):            "fields.app_secret control_character",
		file("app_secret", "\n"):                       "fields.app_secret empty",
		file("reason", "\xff"):                         "reason wrong_type",
		file("package_name", "com.example\x00.shop\n"): "fields.package_name control_character",
	} {
		diff(t, part, []string{want}, w.must(422, "owner", "PATCH", path, part+"--x--\r\n", "Content-Type", kind).fields())
	}
	if a := w.must(400, "owner", "PATCH", path, part(`name="app_secret"`+"\r\nContent-Transfer-Encoding: x-uu", "a")+"--x--\r\n", "Content-Type", kind); a.no.Code != "malformed_form" {
		t.Errorf("of an unknown encoding: %s", a.no.Code)
	}
	for _, p := range pushcert.Platforms() {
		for _, f := range p.Fields {
			sentence := "plain text"
			sent, is := fieldOf(f.Name, true, []byte(sentence+"\n"))
			isFile := f.Kind == pushcert.File || f.Kind == pushcert.TextFile
			if want := base64.StdEncoding.EncodeToString([]byte(sentence + "\n")); !is || isFile && sent != want || !isFile && sent != sentence {
				t.Errorf("%s of %s, sent as a file, is %q", f.Name, p.Name, sent)
			}
		}
	}
}

// TestLegacyUserSigs imports an app with its key pair and verifies what the vendor's libraries made with it.
func TestLegacyUserSigs(t *testing.T) {
	w := start(t, nil)
	key, err := os.ReadFile("../usersig/testdata/legacy-key.pem")
	if err != nil {
		t.Fatal(err)
	}
	sigs, err := os.ReadFile("../usersig/testdata/legacy-sigs.txt")
	if err != nil {
		t.Fatal(err)
	}
	w.must(201, "operator", "POST", "/v1/accounts/acme/apps/import",
		`{"app":1300000777,"name":"old chat","created_at":"2018-01-01T00:00:00Z","edition":"pro","keys":[{"algorithm":"ECDSA-SHA256","private_key":`+string(marshal(string(key)))+`}]}`)
	for line := range strings.Lines(string(sigs)) {
		library, sig, _ := strings.Cut(strings.TrimSpace(line), " ")
		body := `{"user_id":"xiaojun","user_sig":"` + sig + `"}`
		want := `{"valid":true,"issued_at":"2021-01-01T00:00:00.000Z","expires_at":"2021-06-30T00:00:00.000Z"}`
		if got := w.must(200, "owner", "POST", "/v1/apps/1300000777/usersigs/verify", body).body; got != want {
			t.Errorf("of %s: %s, want %s", library, got, want)
		}
	}
}
