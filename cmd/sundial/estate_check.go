package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/api"
)

// dryRun checks lines and sends none: each by the rules that the engine would hold it against, with all before it in the
// file, and with the apps that the engine has.
type dryRun struct {
	at           domain.Moment
	apps         map[uint64]earlier
	certificates map[uint64]earlier
}

// earlier is where a number stood in the file before.
type earlier struct {
	line int
	key  string // of the line's content
}

// dryRun begins one at the engine's time.
func (c *client) dryRun(ctx context.Context) (*dryRun, error) {
	a, err := c.do(ctx, request{method: http.MethodGet, path: "/v1/clock"})
	if err != nil {
		return nil, err
	}
	var clock struct {
		Now domain.Instant `json:"now"`
	}
	if err := a.into(&clock); err != nil {
		return nil, err
	}
	return &dryRun{
		at:   domain.Moment{Now: clock.Now, Policy: domain.DefaultPolicy(), Role: domain.Operator},
		apps: map[uint64]earlier{}, certificates: map[uint64]earlier{},
	}, nil
}

// compare holds a line against those before it in the file.
func (d *dryRun) compare(l *estateLine) *lineProblem {
	this := earlier{l.n, l.key}
	before, twice := d.apps[l.app]
	switch {
	case twice && before.key == l.key:
		return nil // the same again is a repetition
	case twice:
		p := l.say("app", "duplicate", "Line "+strconv.Itoa(before.line)+" has this number too, with other content.", "Give each app one line.")
		return &p
	case l.app != 0:
		d.apps[l.app] = this
	}
	for i, id := range certificateIDs(l.body) {
		before, twice := d.certificates[id]
		if twice && before.line != l.n {
			p := l.say(fmt.Sprintf("certificates.%d.id", i), "duplicate", "Line "+strconv.Itoa(before.line)+" has a certificate with this id too.",
				"Ids are unique in the engine: give each certificate its own.")
			return &p
		}
		d.certificates[id] = this
	}
	return nil
}

// certificateIDs reads the ids of a line's certificates, as far as they can be read.
func certificateIDs(body []byte) []uint64 {
	var in struct {
		Certificates []struct {
			ID uint64 `json:"id"`
		} `json:"certificates"`
	}
	_ = json.Unmarshal(body, &in) // what is wrong with it is said by the check
	var ids []uint64
	for _, k := range in.Certificates {
		ids = append(ids, k.ID)
	}
	return ids
}

// check says what would become of a line.
func (e *estate) check(ctx context.Context, l *estateLine) error {
	var problems []lineProblem
	if l.twin != nil {
		problems = append(problems, *l.twin)
	}
	for _, f := range api.CheckImport(l.account, l.body, e.dry.at) {
		fix := ""
		if f.Code == "too_large" && f.Field == "" {
			fix = tooLargeFix
		}
		problems = append(problems, l.say(f.Field, f.Code, f.Detail, fix))
	}
	count := &e.report.Imported
	if l.app >= uint64(domain.MinApp) && l.app <= uint64(domain.MaxApp) {
		known, there, err := e.client.present(ctx, l.app)
		switch {
		case err != nil:
			return err
		case there && !l.mayBe(&known):
			no := domain.AppTaken
			problems = append(problems, l.say("app", no.Code, no.Message, no.Fix))
		case there:
			count = &e.report.Repeated
		}
	}
	e.done(count, problems...)
	return nil
}

// mayBe says whether an app of the engine may be what an earlier import of the line has made.
func (l *estateLine) mayBe(known *appView) bool {
	var in struct {
		Name      jsontext.Value `json:"name"`
		CreatedAt domain.Instant `json:"created_at"`
	}
	created, err := domain.ParseInstant(known.CreatedAt)
	return json.Unmarshal(l.body, &in) == nil && err == nil && in.CreatedAt == created && plainText(in.Name) == known.Name && known.Account == l.account
}
