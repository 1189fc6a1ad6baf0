package api

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/auth"
	"sundial/internal/ingest"
)

// document is the OpenAPI document in the making.
type document struct {
	openapi  *huma.OpenAPI
	registry huma.Registry
}

const (
	// version is the contract's, not the program's: it changes with what clients can rely on.
	version = "1.0.0"

	schemaPrefix = "#/components/schemas/"
)

// instantText describes domain.Instant.
type instantText string

// Schema is how an instant is written.
func (instantText) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time", Examples: []any{"2021-01-01T00:00:00.000Z"}}
}

// anyJSON describes jsontext.Value, which is shown as it came.
type anyJSON string

// Schema leaves the value open.
func (anyJSON) Schema(huma.Registry) *huma.Schema { return &huma.Schema{} }

func newDocument() *document {
	registry := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Instant](), reflect.TypeFor[instantText]())
	registry.RegisterTypeAlias(reflect.TypeFor[domain.Span](), reflect.TypeFor[spanText]())
	registry.RegisterTypeAlias(reflect.TypeFor[jsontext.Value](), reflect.TypeFor[anyJSON]())
	d := &document{registry: registry, openapi: &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:   "Sundial",
			Version: version,
			Description: "The lifecycle of apps, driven by bills and by time. Field names are in snake_case; times are RFC 3339 in UTC with " +
				"milliseconds; unknown fields, names given twice or in another case, and unknown query parameters are refused. " +
				"Errors are problems as RFC 9457 has them, with a stable code; x-problems lists them. Commands can be given over NATS as well: the " +
				"operation's subject is in x-nats-subject, its body has the member app where HTTP has the app in the path, and " +
				"the status of the answer is in the header Sundial-Status.",
			License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
		},
		Servers: []*huma.Server{{URL: "/"}},
		Tags: []*huma.Tag{
			{Name: "apps", Description: "Apps, and the commands on them"},
			{Name: "accounts", Description: "Customers: how many apps each may have, and the policy that it has of its own"},
			{Name: "keys", Description: "Signing keys, and the UserSigs made with them"},
			{Name: "certificates", Description: "Push certificates"},
			{Name: "billing", Description: "What upstream billing systems report, and what of it was parked"},
			{Name: "events", Description: "What happened: the feed, histories, statements"},
			{Name: "time", Description: "What is due, and the clock"},
			{Name: "tokens", Description: "Who may call"},
			{Name: "operation", Description: "Is the process well? Without a token"},
		},
		Components: &huma.Components{
			Schemas: registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {
				Type: "http", Scheme: "bearer", BearerFormat: "sundial_…", Description: "An opaque token that an operator made",
			}},
			Headers: map[string]*huma.Param{}, Responses: map[string]*huma.Response{}, Parameters: map[string]*huma.Param{},
		},
	}}
	d.openapi.Extensions = map[string]any{"x-problems": codes()}
	d.components()
	return d
}

// components are what many operations share.
func (d *document) components() {
	text := &huma.Schema{Type: huma.TypeString}
	number := &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: pointer(0.0)}
	key := &huma.Schema{Type: huma.TypeString, MinLength: pointer(1), MaxLength: pointer(maxKey), Pattern: "^(?!fact/|auto/)[ -~]+$"}
	for name, p := range map[string]*huma.Param{
		headerKey: {
			Description: "The id of the command: sent again with the same content, it is answered as the first time. Made up if absent.",
			Schema:      key, Example: "0f5a7a0e-order-17",
		},
		"If-Match": {
			Description: "The ETag of the app as the client knows it; 412 if the app has changed since. A known Idempotency-Key is answered before.",
			Schema:      text, Example: `"7"`,
		},
		headerMinPosition: {
			Description: "Wait, at most 5 s, until the server's projections have this position; else 503", Schema: number, Example: 1234,
		},
	} {
		p.Name, p.In = name, "header"
		d.openapi.Components.Parameters[name] = p
	}
	for name, h := range map[string]*huma.Param{
		headerKey:          {Description: "The id of the command, also where the server made it up", Schema: key, Example: "0f5a7a0e-order-17"},
		headerPosition:     {Description: "The position of the command's commit in the log", Schema: number, Example: 1234},
		headerRequest:      {Description: "The id of the request in the server's log", Schema: text, Example: "0f5a7a0e11d2-17"},
		"ETag":             {Description: "The version of the app", Schema: text, Example: `"7"`},
		"Retry-After":      {Description: "Seconds to wait", Schema: number, Example: 1},
		"WWW-Authenticate": {Description: "How to authenticate", Schema: text, Example: `Bearer realm="sundial"`},
		"Allow":            {Description: "The methods that the path knows", Schema: text, Example: "GET, HEAD"},
	} {
		d.openapi.Components.Headers[name] = h
	}
	problem := d.registry.Schema(reflect.TypeFor[Problem](), true, "Problem")
	for _, p := range problemPages {
		r := &huma.Response{
			Description: p.about,
			Headers:     d.headers(append([]string{headerRequest}, p.headers...)...),
			Content:     map[string]*huma.MediaType{problemType: {Schema: problem, Example: p.example()}},
		}
		d.openapi.Components.Responses[strconv.Itoa(p.status)] = r
	}
}

// problemPage describes the problems of one status.
type problemPage struct {
	status  int
	about   string
	fault   fault
	headers []string
}

var problemPages = []problemPage{
	{http.StatusBadRequest, "The request is malformed", malformed, nil},
	{http.StatusUnauthorized, "No token, or a bad one", noToken, []string{"WWW-Authenticate"}},
	{http.StatusForbidden, "The token's role may not do this", forbidden, nil},
	{http.StatusNotFound, "Absent, or another tenant's", appNotFound, nil},
	{http.StatusConflict, "A rule says no; nothing was written", fault{
		http.StatusConflict, domain.QuotaExhausted.Code, domain.QuotaExhausted.Message, domain.QuotaExhausted.Fix,
	}, nil},
	{http.StatusPreconditionFailed, "The app has changed since the version in If-Match", stale, nil},
	{http.StatusRequestEntityTooLarge, "The body is larger than 1 MB, or the batch than 1,000 events", tooLarge, nil},
	{http.StatusUnsupportedMediaType, "The content type is none of those listed", wrongType, nil},
	{http.StatusUnprocessableEntity, "Fields, parameters or headers are invalid, each named; or an Idempotency-Key was reused with other content", invalid, nil},
	{http.StatusTooManyRequests, "The token sends too much", tooFast, []string{"Retry-After"}},
	{http.StatusInternalServerError, "A mistake of the server", internal, nil},
	{http.StatusServiceUnavailable, "Not now: the log cannot be written, the outcome is unknown, or the position is not here yet", unavailable, []string{"Retry-After"}},
}

func (p problemPage) example() any {
	var shown any
	if json.Unmarshal(p.fault.reply().body, &shown) != nil {
		return nil
	}
	return shown
}

func (d *document) headers(names ...string) map[string]*huma.Param {
	refs := map[string]*huma.Param{}
	for _, name := range names {
		refs[name] = &huma.Param{Ref: "#/components/headers/" + name}
	}
	return refs
}

// add describes a route.
func (d *document) add(rt *route, p page, roles string) *huma.Operation {
	status := cmp.Or(p.status, http.StatusOK)
	op := &huma.Operation{
		OperationID: rt.name, Method: rt.method, Path: rt.path, Tags: []string{p.tag}, Summary: p.summary,
		Description: strings.TrimSpace(p.about + " " + roles), Responses: map[string]*huma.Response{}, DefaultStatus: status,
		Extensions: map[string]any{},
	}
	for _, part := range strings.Split(rt.path, "/") {
		if name, is := strings.CutPrefix(part, "{"); is {
			op.Parameters = append(op.Parameters, pathParameter(strings.TrimSuffix(name, "}")))
		}
	}
	for _, q := range p.query {
		param := &huma.Param{Name: q.name, In: "query", Description: q.about, Schema: pointer(q.schema)}
		if q.example != "" {
			param.Example = q.example
		}
		op.Parameters = append(op.Parameters, param)
	}
	for _, h := range p.headers {
		op.Parameters = append(op.Parameters, &huma.Param{Name: h.name, In: "header", Description: h.about, Schema: pointer(h.schema), Example: h.example})
	}
	given, problems := []string{headerRequest}, slices.Clone(p.problems)
	if !rt.open {
		op.Security = []map[string][]string{{"token": {}}}
		names := []string{headerMinPosition}
		problems = append(problems, 400, 401, 403, 422, 429, 500, 503)
		if rt.command() {
			names = append(names, headerKey)
			given = append(given, headerKey)
		}
		if rule, known := commandsByName[rt.name]; known {
			names = append(names, "If-Match")
			given = append(given, headerPosition)
			op.Extensions["x-nats-subject"] = "command.{account}." + string(rule.action)
		} else if rt.action == auth.SendBillingEvents {
			op.Extensions["x-nats-subject"] = "billing.{account}"
		}
		for _, name := range names {
			op.Parameters = append(op.Parameters, &huma.Param{Ref: "#/components/parameters/" + name})
		}
	}
	if p.app {
		given = append(given, "ETag")
	}
	op.Responses[strconv.Itoa(status)] = d.success(p, given)
	d.problems(op, rt, problems)
	d.body(op, p)
	d.openapi.AddOperation(op)
	return op
}

// problems refers to what can go wrong. On a command the key is given back with each.
func (d *document) problems(op *huma.Operation, rt *route, statuses []int) {
	slices.Sort(statuses)
	for _, status := range slices.Compact(statuses) {
		name := strconv.Itoa(status)
		if !rt.command() {
			op.Responses[name] = &huma.Response{Ref: "#/components/responses/" + name}
			continue
		}
		keyed := name + "_command"
		if d.openapi.Components.Responses[keyed] == nil {
			r := *d.openapi.Components.Responses[name]
			r.Headers = d.headers(headerKey)
			for header, ref := range d.openapi.Components.Responses[name].Headers {
				r.Headers[header] = ref
			}
			d.openapi.Components.Responses[keyed] = &r
		}
		op.Responses[name] = &huma.Response{Ref: "#/components/responses/" + keyed}
	}
	if rt.path == "/readyz" {
		ready := *op.Responses["200"]
		ready.Description = "It should get none"
		ready.Headers = d.headers(headerRequest, "Retry-After")
		op.Responses["503"] = &ready
	}
}

func (d *document) success(p page, given []string) *huma.Response {
	r := &huma.Response{Description: "As asked for", Headers: d.headers(given...)}
	if p.answer == nil {
		r.Content = map[string]*huma.MediaType{}
		for _, t := range p.types {
			r.Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		return r
	}
	media := &huma.MediaType{Schema: d.registry.Schema(p.answer, true, "")}
	if p.shown != nil {
		media.Example = p.shown
	}
	r.Content = map[string]*huma.MediaType{jsonType: media}
	for _, t := range p.also {
		r.Content[t] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return r
}

func (d *document) body(op *huma.Operation, p page) {
	if p.body == nil {
		return
	}
	schema := d.registry.Schema(p.body, true, "")
	op.RequestBody = &huma.RequestBody{Required: !p.optional, Content: map[string]*huma.MediaType{}}
	types := p.types
	if types == nil {
		types = []string{jsonType}
	}
	for _, t := range types {
		media := &huma.MediaType{Schema: schema, Example: p.example}
		if t == batchType {
			media.Schema = &huma.Schema{Type: huma.TypeArray, Items: schema, MaxItems: pointer(ingest.MaxBatch)}
			media.Example = []any{p.example}
		}
		op.RequestBody.Content[t] = media
	}
}

func pathParameter(name string) *huma.Param {
	p := &huma.Param{Name: name, In: "path", Required: true}
	switch name {
	case "account":
		p.Schema, p.Example = &huma.Schema{Type: huma.TypeString, Pattern: accountid.Pattern}, "acme"
	case "app":
		p.Description = "The SDKAppID"
		p.Schema = &huma.Schema{
			Type: huma.TypeInteger, Format: "int64", Minimum: pointer(float64(domain.MinApp)), Maximum: pointer(float64(domain.MaxApp)),
		}
		p.Example = 1400000001
	default:
		p.Schema = &huma.Schema{Type: huma.TypeString, MinLength: pointer(1)}
	}
	return p
}

// json writes the document, in one stable form.
func (d *document) json() ([]byte, error) {
	asked := map[string]bool{}
	for _, item := range d.openapi.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil || op.RequestBody == nil {
				continue
			}
			for _, media := range op.RequestBody.Content {
				d.reach(media.Schema, asked)
			}
		}
	}
	for name, schema := range d.registry.Map() {
		d.sharpen(name, schema, asked[name])
	}
	text, err := json.Marshal(d.openapi)
	if err != nil {
		return nil, fmt.Errorf("api: writing the OpenAPI document: %w", err)
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", " "); err != nil {
		return nil, fmt.Errorf("api: indenting the OpenAPI document: %w", err)
	}
	indented.WriteByte('\n')
	return indented.Bytes(), nil
}

// reach collects the names of the schemas that a schema leads to.
func (d *document) reach(s *huma.Schema, names map[string]bool) {
	if s == nil {
		return
	}
	if name, is := strings.CutPrefix(s.Ref, schemaPrefix); is && !names[name] {
		names[name] = true
		d.reach(d.registry.Map()[name], names)
	}
	d.reach(s.Items, names)
	for _, p := range s.Properties {
		d.reach(p, names)
	}
}

// sharpen says what huma's reading of the types leaves open: what is null where it is absent and what never is, and
// that answers grow: only a request's unknown members are refused.
func (d *document) sharpen(name string, s *huma.Schema, asked bool) {
	if !asked && s.AdditionalProperties == false {
		s.AdditionalProperties = nil
	}
	t := d.registry.TypeFromRef(schemaPrefix + name)
	for _, f := range reflect.VisibleFields(t) {
		member, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[member]
		if p == nil {
			continue
		}
		nullable := f.Type.Kind() == reflect.Pointer && !strings.Contains(options, "omit") && f.Tag.Get("nullable") != "false"
		switch {
		case nullable && p.Ref != "":
			s.Properties[member] = &huma.Schema{
				Description: p.Description, AnyOf: []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
			}
		default:
			p.Nullable = nullable
		}
	}
}
