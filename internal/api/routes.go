package api

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
	"sundial/internal/accountid"
	"sundial/internal/auth"
	"sundial/internal/timetravel"
)

// route is how one request is answered and described. Its method, path and roles stand in the table of package auth.
type route struct {
	name      string // of the operation and in the metrics
	action    auth.Action
	method    string
	path      string
	open      bool // takes no token
	long      bool // may go through all that an account ever did
	quick     bool // without a query it looks up one thing, and waits for nobody
	query     []parameter
	serve     func(*API, *call) reply
	operation *huma.Operation
	measure   *measure
}

// command says whether the route changes something, so that it takes an Idempotency-Key and is logged.
func (rt *route) command() bool { return rt.method != http.MethodGet && !rt.open }

func (rt *route) knows(name string) bool {
	return slices.ContainsFunc(rt.query, func(p parameter) bool { return p.name == name })
}

// parameter is a query parameter.
type parameter struct {
	name, about, example string
	schema               huma.Schema
}

// page is how one route is described beside what the table of roles says.
type page struct {
	tag      string
	summary  string
	about    string
	query    []parameter
	body     reflect.Type
	types    []string // content types of the body; nil: JSON
	also     []string // what else the answer can be, beside JSON
	headers  []parameter
	example  any
	optional bool // the body may be absent
	answer   reflect.Type
	shown    any // an example of the answer
	status   int // of success; 0 means 200
	app      bool
	problems []int
	long     bool // may go through all that an account ever did
	quick    bool // without a query it looks up one thing
	serve    func(*API, *call) reply
}

var (
	cursorParameter = parameter{"cursor", "The next_cursor of the page before", "", huma.Schema{Type: huma.TypeString, MaxLength: pointer(maxCursor)}}
	limitParameter  = parameter{"limit", "How many at most", "", huma.Schema{
		Type: huma.TypeInteger, Minimum: pointer(1.0), Maximum: pointer(float64(maxLimit)), Default: defaultLimit,
	}}
	paging = []parameter{cursorParameter, limitParameter}

	appFilter = append([]parameter{
		{"status", "Only apps with this status", "", huma.Schema{Type: huma.TypeString, Enum: []any{"active", "expired", "stopped", "deleted"}}},
		{"edition", "Only apps of this edition", "", huma.Schema{Type: huma.TypeString, Enum: []any{"trial", "trtc_trial", "pro", "flagship"}}},
		{"q", "A part of the name, or the SDKAppID", "", huma.Schema{Type: huma.TypeString, MinLength: pointer(1), MaxLength: pointer(maxQueryRunes)}},
	}, paging...)

	accountParameter = parameter{
		"account", "Only this account's; a token for one account sees that one's", "acme", huma.Schema{Type: huma.TypeString, Pattern: accountid.Pattern},
	}
	typesParameter = parameter{"types", "Only events of these types, separated by commas: with sundial. in front or without", "app.stopped,app.reinstated", huma.Schema{Type: huma.TypeString, MaxLength: pointer(maxTypes)}}

	recordedWindow = []parameter{
		{"from", "Only what was recorded at this time or later", "2021-01-01T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"}},
		{"to", "Only what was recorded before this time", "2021-02-01T00:00:00.000Z", huma.Schema{Type: huma.TypeString, Format: "date-time"}},
	}
	statementWindow = append([]parameter{
		{"format", "Goes before the header Accept: text/csv", "", huma.Schema{Type: huma.TypeString, Enum: []any{"json", "csv"}}},
	}, recordedWindow...)

	historyFilter = slices.Concat([]parameter{
		typesParameter,
		{"actor", "Only what was done by this actor, such as scheduler, or in this capacity: operator, owner, billing, or system for what time did", "operator", huma.Schema{Type: huma.TypeString, MinLength: pointer(1), MaxLength: pointer(maxActor)}},
	}, recordedWindow, paging)

	reasonParameter = parameter{"reason", "Why; kept with what it leads to", "", huma.Schema{Type: huma.TypeString, MaxLength: pointer(maxReason)}}
)

const aboutHistory = "Each item is a commit: one command with the events that it led to, all of them, also where types asks for one. " +
	aboutShortPages

const aboutShortPages = "A page in which little was found may be short, or empty, and still have a next_cursor: go on with it."

const aboutStatement = "The billing facts that were recorded within a window, what each changes, and what all come to, by currency: " +
	"charged is orders paid and invoices settled, refunded is orders refunded, owed is invoices that are overdue. " +
	"A correction changes the sums by what it corrects. Statements of windows that follow one another add up. At most 10,000 lines."

func pointer[T any](v T) *T { return &v }

// listOf describes a page of a list.
type listOf[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty" doc:"Absent on the last page"`
}

// pages describes every route that is no command on an app or account; those follow from the table of commands.
var pages = map[auth.Action]page{
	auth.ReadApp: {
		tag: "apps", summary: "Read an app", query: clockParameters, answer: reflect.TypeFor[App](), shown: exampleApp, app: true,
		problems: []int{404}, quick: true, serve: (*API).readApp,
	},
	auth.ListInvoices: {
		tag: "apps", summary: "List an app's open invoices, earliest first", query: paging,
		about:  "Those that keep the app in arrears, by when each counts from, then by id; none while it is in none.",
		answer: reflect.TypeFor[listOf[Invoice]](), problems: []int{404}, serve: (*API).listInvoices,
	},
	auth.ExplainApp: {
		tag: "apps", summary: "Why is an app what it is?", query: []parameter{{
			"field", "What is asked about; by default its status", "stop",
			huma.Schema{Type: huma.TypeString, Enum: fieldNames(), Default: string(domain.FieldStatus)},
		}},
		about:  "The chain of facts, rules, timers and commands behind the present value, as a text and link by link.",
		answer: reflect.TypeFor[timetravel.Answer](), problems: []int{404}, long: true, serve: (*API).explainApp,
	},
	auth.ListRejudgements: {
		tag: "apps", summary: "List the apps that today's rules judge otherwise", query: append([]parameter{accountParameter}, paging...),
		about:  "What is committed of them was decided by an earlier version of the program; rejudging them decides it anew. " + aboutShortPages,
		answer: reflect.TypeFor[listOf[Rejudgement]](), serve: (*API).listRejudgements,
	},
	auth.ListApps: {
		tag: "apps", summary: "List apps across accounts", query: appFilter, answer: reflect.TypeFor[listOf[App]](),
		serve: (*API).listApps,
	},
	auth.ListAccountApps: {
		tag: "apps", summary: "List an account's apps", query: slices.Concat(appFilter, clockParameters), answer: reflect.TypeFor[listOf[App]](),
		problems: []int{404}, serve: (*API).listAccountApps,
	},
	auth.ReadAccount: {
		tag: "accounts", summary: "Read an account: its quota and the apps in use", query: clockParameters, answer: reflect.TypeFor[Account](),
		problems: []int{404}, serve: (*API).readAccount,
	},
	auth.ReadAccountPolicy: {
		tag: "accounts", summary: "Read the policy that an account has of its own", query: clockParameters,
		about: "What is absent is the engine's: first the account's for the edition counts, then the account's, then the engine's for the " +
			"edition, then the engine's. since and by are null if none was ever set.",
		answer: reflect.TypeFor[AccountPolicy](), problems: []int{404}, serve: (*API).readAccountPolicy,
	},
	auth.ReadPolicy: {
		tag: "operation", summary: "Read the engine's policy: what is in force where nothing was set for the account, and the limits",
		answer: reflect.TypeFor[EnginePolicy](), serve: (*API).readPolicy,
	},
	auth.ListAccounts: {
		tag: "accounts", summary: "List accounts", query: appFilter,
		about: "A filter leaves the accounts that have such an app; q alone also finds a part of the account's id.", answer: reflect.TypeFor[listOf[Account]](),
		serve: (*API).listAccounts,
	},
	auth.ListTransitions: {
		tag: "time", summary: "List what is due, soonest first, and what would prevent it", query: slices.Concat(window, paging),
		answer: reflect.TypeFor[listOf[Transition]](), serve: (*API).listTransitions,
	},
	auth.ForecastTransitions: {
		tag: "time", summary: "Count what falls due, day by day", query: window,
		about:  "By default from now on, for 30 days; at most for 366.",
		answer: reflect.TypeFor[Calendar](), serve: (*API).forecast,
	},
	auth.ReadKey: {
		tag: "keys", summary: "Read what may be shown of an app's signing keys", answer: reflect.TypeFor[KeyRing](),
		problems: []int{404, 409}, serve: (*API).readKey,
	},
	auth.RevealKey: {
		tag: "keys", summary: "Reveal an app's signing key",
		about: "Who sees it, from where and why is on record before it is shown; anyone but the owner gives a reason. Limited for each app and token.",
		body:  reflect.TypeFor[reasonOnly](), optional: true, answer: reflect.TypeFor[RevealedKey](),
		problems: []int{404, 409, 413}, serve: (*API).revealKey,
	},
	auth.SignUserSig: {
		tag: "keys", summary: "Make a UserSig", body: reflect.TypeFor[signUserSig](),
		example: map[string]any{"user_id": "alice", "expire_seconds": 604800}, answer: reflect.TypeFor[SignedUserSig](),
		problems: []int{404, 409, 413}, serve: (*API).signUserSig,
	},
	auth.VerifyUserSig: {
		tag: "keys", summary: "Say whether a UserSig is valid, and if not, why not", body: reflect.TypeFor[verifyUserSig](),
		answer: reflect.TypeFor[VerifiedUserSig](), problems: []int{404, 409, 413}, serve: (*API).verifyUserSig,
	},
	auth.ListAdmins: {
		tag: "apps", summary: "List an app's administrators", answer: reflect.TypeFor[listOf[string]](),
		problems: []int{404}, serve: (*API).listAdmins,
	},
	auth.ListCertificates: {
		tag: "certificates", summary: "List an app's push certificates", answer: reflect.TypeFor[listOf[Certificate]](),
		problems: []int{404}, serve: (*API).listCertificates,
	},
	auth.ReadCertificate: {
		tag: "certificates", summary: "Read a push certificate", answer: reflect.TypeFor[Certificate](),
		problems: []int{404}, serve: (*API).readCertificate,
	},
	auth.ListExpiring: {
		tag: "certificates", summary: "List the push certificates that expire soon, soonest first",
		query: append([]parameter{
			{"expires_within", "How far ahead; expired ones are listed too. Absent: 30d", "30d", huma.Schema{Type: huma.TypeString, Pattern: aheadPattern}},
			accountParameter,
		}, paging...),
		answer: reflect.TypeFor[listOf[ExpiringCertificate]](), serve: (*API).listExpiring,
	},
	auth.ListDeletionRequests: {
		tag: "apps", summary: "List the deletion requests that wait for an operator, the longest waiting first",
		query:  append([]parameter{accountParameter}, paging...),
		answer: reflect.TypeFor[listOf[DeletionRequest]](), serve: (*API).listDeletionRequests,
	},
	auth.ReadEvents: {
		tag: "events", summary: "Read what happened, in order, from any place on",
		about: "One CloudEvent 1.0 for each event of the log, in the log's order, which is the order of each account; kept for ever. " +
			"Go on with after; next_cursor, which is the same, is there only if there is more now. " +
			"With Accept: text/event-stream the same events come as server-sent events, whose ids are places to go on from.",
		query: append([]parameter{
			{"after", "Only what stands behind this position, or behind the event of this id", "1234", huma.Schema{Type: huma.TypeString, Pattern: placePattern}},
			typesParameter,
			{"account", "Only this account's; a token for one account sees that one's", "acme", huma.Schema{Type: huma.TypeString, Pattern: accountid.Pattern}},
		}, paging...),
		headers: []parameter{{headerLastEvent, "Of a stream: the id of the event seen last; it goes before after", "1234.0", huma.Schema{Type: huma.TypeString, Pattern: placePattern}}},
		answer:  reflect.TypeFor[eventPage](), also: []string{streamType}, serve: (*API).readEvents,
	},
	auth.ReadAccountHistory: {
		tag: "events", summary: "Read what was done to an account and its apps, latest first", about: aboutHistory, query: historyFilter,
		answer: reflect.TypeFor[listOf[Commit]](), problems: []int{404}, long: true, serve: (*API).readAccountHistory,
	},
	auth.ReadAppHistory: {
		tag: "events", summary: "Read what was done to an app, latest first", about: aboutHistory, query: historyFilter,
		answer: reflect.TypeFor[listOf[Commit]](), problems: []int{404}, long: true, serve: (*API).readAppHistory,
	},
	auth.ReadAccountStatement: {
		tag: "events", summary: "Read an account's statement", about: aboutStatement, query: statementWindow,
		answer: reflect.TypeFor[Statement](), also: []string{"text/csv"}, problems: []int{404, 409}, long: true, serve: (*API).readAccountStatement,
	},
	auth.ReadAppStatement: {
		tag: "events", summary: "Read an app's statement", about: aboutStatement, query: statementWindow,
		answer: reflect.TypeFor[Statement](), also: []string{"text/csv"}, problems: []int{404, 409}, long: true, serve: (*API).readAppStatement,
	},
	auth.SendBillingEvents: {
		tag: "billing", summary: "Send billing events",
		about: "One CloudEvent, or a batch of at most 1,000. What cannot be taken in is parked with its reason and named " +
			"in the answer, which is in the order sent. An event that comes again is answered as duplicate.",
		body:  reflect.TypeFor[BillingEvent](),
		types: []string{eventType, batchType}, example: exampleEvent,
		answer: reflect.TypeFor[eventOutcomes](), problems: []int{413, 415}, serve: (*API).sendBillingEvents,
	},
	auth.ListParked: {
		tag: "billing", summary: "List what was parked, oldest first", query: slices.Concat(parkedParameters, paging),
		answer: reflect.TypeFor[listOf[Parked]](), serve: (*API).listParked,
	},
	auth.ReplayParked: {
		tag: "billing", summary: "Judge a parked message afresh", body: reflect.TypeFor[reasonOnly](), optional: true,
		answer: reflect.TypeFor[replayed](), problems: []int{404, 409, 413}, serve: (*API).replayParked,
	},
	auth.DiscardParked: {
		tag: "billing", summary: "Discard a parked message", query: []parameter{reasonParameter},
		answer: reflect.TypeFor[discarded](), problems: []int{404, 409}, serve: (*API).discardParked,
	},
	auth.ReplayAllParked: {
		tag: "billing", summary: "Judge afresh all that is parked and is meant, a page at a time",
		about: "What is still not taken in stays parked. Oldest first, those of one account in their order; go on with next_cursor.",
		body:  reflect.TypeFor[sweepParked](), example: map[string]any{"account": "acme", "code": "effective_too_far_ahead"},
		answer: reflect.TypeFor[listOf[swept]](), problems: []int{413}, serve: (*API).replayAllParked,
	},
	auth.DiscardAllParked: {
		tag: "billing", summary: "Discard all that is parked and is meant, a page at a time",
		about: "Go on with next_cursor.",
		body:  reflect.TypeFor[sweepParked](), example: map[string]any{"actor": "billing:nats", "code": "malformed_json"},
		answer: reflect.TypeFor[listOf[swept]](), problems: []int{413}, serve: (*API).discardAllParked,
	},
	auth.ListTokens: {
		tag: "tokens", summary: "List tokens, in the order in which they were made", query: paging,
		answer: reflect.TypeFor[listOf[Token]](), serve: (*API).listTokens,
	},
	auth.CreateToken: {
		tag: "tokens", summary: "Make a token",
		about: "The answer has the token itself, which cannot be had again. The Idempotency-Key is given back and no more: sent twice, this makes two tokens.",
		body:  reflect.TypeFor[newToken](), example: map[string]any{"role": "owner", "account": "acme", "name": "console of acme"},
		answer: reflect.TypeFor[MadeToken](), status: http.StatusCreated, problems: []int{409, 413}, serve: (*API).createToken,
	},
	auth.RevokeToken: {
		tag: "tokens", summary: "Revoke a token", query: []parameter{reasonParameter},
		answer: reflect.TypeFor[Token](), problems: []int{404}, serve: (*API).revokeToken,
	},
	auth.ReadClock: {
		tag: "time", summary: "Read the engine's clock", answer: reflect.TypeFor[Clock](), serve: (*API).readClock,
	},
	auth.AdvanceClock: {
		tag: "time", summary: "Move a sandbox's clock forward",
		about: "Answers after every transition then due has fired, in due order, and is visible to reads.",
		body:  reflect.TypeFor[advanceClock](), example: map[string]any{"by": "168h"},
		answer: reflect.TypeFor[Clock](), problems: []int{404, 409, 413}, serve: (*API).moveClock,
	},
	auth.ConfirmClock: {
		tag: "time", summary: "Lift a clock hold", body: reflect.TypeFor[reasonOnly](), optional: true,
		answer: reflect.TypeFor[Clock](), problems: []int{413}, serve: (*API).confirmClock,
	},
}

// reasonOnly is the body of what needs no other.
type reasonOnly struct{ Reasoned }

// publicPages describes the routes that take no token.
var publicPages = map[string]page{
	"/livez":  {tag: "operation", summary: "Does the process answer?", answer: reflect.TypeFor[liveness](), serve: (*API).live},
	"/readyz": {tag: "operation", summary: "Should the node get traffic, and if not, why not?", answer: reflect.TypeFor[Readiness](), serve: (*API).ready},
	"/metrics": {
		tag: "operation", summary: "Metrics in the format of Prometheus",
		about: "Takes no token: it holds nothing of any account. Keep it from the public by listening on loopback or in a proxy.",
		types: []string{"text/plain"}, serve: nil,
	},
	"/openapi.json": {tag: "operation", summary: "This document", answer: reflect.TypeFor[map[string]any](), serve: (*API).openapi},
}

type liveness struct {
	Status string `json:"status" enum:"ok"`
}

// pageOfCommand describes a command from its row.
func pageOfCommand(row *command) page {
	p := page{
		tag: "apps", summary: row.summary, about: row.about, body: row.body, example: row.example, optional: row.lenient,
		answer: reflect.TypeFor[App](), shown: exampleApp, app: true, problems: []int{404, 409, 412, 413, 503},
		serve: row.serve,
	}
	if row.creates {
		p.status = http.StatusCreated
	}
	if !row.onApp && !row.creates {
		p.tag, p.answer, p.shown, p.app = "accounts", reflect.TypeFor[Account](), nil, false
	}
	if row.shown != nil {
		p.answer = row.shown
	}
	if row.query != nil {
		p.body, p.query = nil, []parameter{reasonParameter}
		if f, has := row.body.FieldByName("Confirm"); has {
			p.query = append(p.query, parameter{"confirm", f.Tag.Get("doc"), "", huma.Schema{Type: huma.TypeString}})
		}
	}
	if row.orders {
		p.answer = reflect.TypeFor[AppWithWarnings]()
	}
	if row.more != nil {
		p.answer, p.shown = reflect.TypeFor[AppWithCertificate](), nil
	}
	if row.onItem {
		p.tag = "certificates"
	}
	if row.find != nil {
		p.tag = "apps"
	}
	return p
}

// described is the routes with the document made of them.
type described struct {
	routes   []*route
	document []byte
}

// describe makes the routes and the document from the tables. A rule without a page, or a page without a rule, is a
// mistake of ours that keeps the server from starting.
func describe() (described, error) {
	var out described
	doc := newDocument()
	written := 0
	for _, rule := range auth.Table() {
		p, found := pages[rule.Action]
		if row := commandsByName[string(rule.Action)]; row != nil {
			p, found = pageOfCommand(row), true
		}
		if !found {
			return out, fmt.Errorf("api: nothing answers %s %s", rule.Method, rule.Route)
		}
		written++
		rt := &route{
			name: string(rule.Action), action: rule.Action, method: rule.Method, path: rule.Route,
			query: p.query, serve: p.serve, long: p.long, quick: p.quick,
		}
		rt.operation = doc.add(rt, p, roles(rule))
		out.routes = append(out.routes, rt)
	}
	if written != len(pages)+len(commands) {
		return out, errors.New("api: a page or a command has no rule in the table of roles")
	}
	for _, path := range auth.Public() {
		p, found := publicPages[path]
		if !found {
			return out, fmt.Errorf("api: nothing answers %s", path)
		}
		rt := &route{
			name: strings.Trim(strings.ReplaceAll(path, ".", "_"), "/"), method: http.MethodGet, path: path, open: true, serve: p.serve,
		}
		rt.operation = doc.add(rt, p, "")
		out.routes = append(out.routes, rt)
	}
	var err error
	out.document, err = doc.json()
	return out, err
}

// roles says who may, for readers of the document.
func roles(rule auth.Rule) string {
	var names []string
	for _, role := range auth.Roles() {
		switch rule.Reach[role] {
		case auth.Everywhere:
			names = append(names, string(role))
		case auth.OwnAccount:
			names = append(names, string(role)+" (of the account)")
		case auth.Nowhere:
		}
	}
	return "Roles: " + strings.Join(names, ", ") + "."
}
