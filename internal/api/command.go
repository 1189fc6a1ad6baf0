package api

import (
	"fmt"
	"net/url"
	"reflect"
	"unicode"
	"unicode/utf8"

	"sundial/domain"
	"sundial/internal/auth"
	"sundial/internal/engine"
)

// command is a row of the one table of commands: how what comes over HTTP or NATS becomes a command of the domain. Who
// may give it, and on which route and subject, stands in the table of package auth under the same name.
type command struct {
	action  auth.Action
	summary string
	about   string
	creates bool         // answers 201
	orders  bool         // may come with an order, of which the answer warns
	onApp   bool         // about one app: HTTP has it in the path, NATS in the body as "app"
	onItem  bool         // about something in the app: HTTP has its id in the path, NATS in the body
	body    reflect.Type // of HTTP's body; of the query where there is none
	parse   func(body []byte, app domain.AppID, item string) (parsedCommand, reply, bool)
	message func(body []byte) (parsedCommand, reply, bool)
	query   func(url.Values) body                                                     // of a route without a body
	lenient bool                                                                      // an absent body stands for {}
	shows   func(b []byte, acc *domain.Account) []byte                                // answers a command on an account; nil: the account does
	shown   reflect.Type                                                              // of what shows gives
	more    func(a *API, b []byte, cmd domain.Command, answer engine.Answer) []byte   // adds to the app that answers
	find    func(x *call) (id domain.AppID, account string, problem reply, fine bool) // the app; nil: it is in the path
	example any
}

// parsedCommand is a command as a client gave it.
type parsedCommand struct {
	command domain.Command
	reason  string
}

// body is a command's JSON.
type body interface {
	command(app domain.AppID) domain.Command
	why() string
	missing() []domain.FieldError
}

// itemized is a body that is about something in the app.
type itemized interface {
	body
	of(id string) body
}

// onApp is a body over NATS, where the subject does not carry the app.
type onApp[B any] struct {
	App  domain.AppID `json:"app"`
	Body B            `json:",embed"`
}

// commandOn makes the row of a command on an app.
func commandOn[B body](action auth.Action, summary, about string, example any) command {
	return command{
		action: action, summary: summary, about: about, onApp: true, body: reflect.TypeFor[B](), example: example,
		parse: parseBody[B],
		message: func(text []byte) (parsedCommand, reply, bool) {
			var m onApp[B]
			if problem, fine := decode(text, &m); !fine {
				return parsedCommand{}, problem, false
			}
			if m.App == 0 {
				return parsedCommand{}, invalid.with(field("app", "required", "must be the SDKAppID of the app")), false
			}
			return ordered(m.Body, m.App)
		},
	}
}

// commandFor makes the row of a command on an account.
func commandFor[B body](action auth.Action, summary, about string, example any) command {
	return command{
		action: action, summary: summary, about: about, body: reflect.TypeFor[B](), example: example,
		parse:   parseBody[B],
		message: func(text []byte) (parsedCommand, reply, bool) { return parseBody[B](text, 0, "") },
	}
}

func parseBody[B body](text []byte, app domain.AppID, item string) (parsedCommand, reply, bool) {
	var b B
	if problem, fine := decode(text, &b); !fine {
		return parsedCommand{}, problem, false
	}
	return ordered(within(b, item), app)
}

// within says what in the app a body is about, where the path has it.
func within(b body, item string) body {
	if about, is := b.(itemized); is && item != "" {
		return about.of(item)
	}
	return b
}

func ordered(b body, app domain.AppID) (parsedCommand, reply, bool) {
	if wrong := joined(b.missing(), checkReason(b.why())); len(wrong) > 0 {
		return parsedCommand{}, invalid.with(wrong...), false
	}
	return parsedCommand{b.command(app), b.why()}, reply{}, true
}

// maxReason bounds a reason, in characters: a few sentences that are kept with the commit forever.
const maxReason = 500

func checkReason(reason string) []domain.FieldError {
	fine := utf8.ValidString(reason) && utf8.RuneCountInString(reason) <= maxReason
	for _, c := range reason {
		fine = fine && (!unicode.IsControl(c) || c == '\n' || c == '\r' || c == '\t')
	}
	if fine {
		return nil
	}
	return []domain.FieldError{field("reason", "invalid_reason",
		fmt.Sprintf("must be at most %d characters, with no control characters but line breaks and tabs", maxReason))}
}

func (row command) created() command {
	row.creates = true
	return row
}

func (row command) withoutBody() command {
	row.lenient = true
	return row
}

// ordering says that it may come with an order, so that the answer warns of what that leaves open.
func (row command) ordering() command {
	row.orders = true
	return row
}

// itemized says that the route has the id of something in the app in its path.
func (row command) itemized() command {
	row.onItem = true
	return row
}

func (row command) found(find func(*call) (domain.AppID, string, reply, bool)) command {
	row.find = find
	return row
}

func (row command) adding(more func(*API, []byte, domain.Command, engine.Answer) []byte) command {
	row.more = more
	return row
}

// showing says what answers a command on an account in place of the account.
func (row command) showing(shows func([]byte, *domain.Account) []byte, shown reflect.Type) command {
	row.shows, row.shown = shows, shown
	return row
}

func (row command) asQuery(read func(url.Values) body) command {
	row.query = read
	return row
}

const aboutWarnings = "The answer warns (gap_in_coverage) if, by what is known then, the app expires before a known order begins."

// commands is the table.
var commands = []command{
	commandFor[createApp](auth.CreateApp, "Create an app",
		"Makes a trial, unless an order comes with it. The server gives it its SDKAppID. "+aboutWarnings, exampleCreate).created().ordering(),
	commandFor[importApp](auth.ImportApp, "Import an app",
		"Moves an app in from another system: it keeps its SDKAppID, creation time and edition. A paid edition comes with "+
			"its orders; without them it counts as an open-ended order named import. The quota counts it and does not refuse it.",
		exampleImport).created(),
	commandFor[setQuota](auth.SetQuota, "Set an account's quota", "How many apps that are not deleted the account may have.",
		setQuota{Apps: 120}),
	commandFor[setPolicy](auth.SetPolicy, "Set an account's policy",
		"Grace, notices and how far ahead orders may begin, in place of the engine's defaults, for the account and by edition. "+
			"What is put replaces the whole, and {} clears it. Due times that are set, and their notices, stay.",
		examplePolicy).showing(appendPolicy, reflect.TypeFor[AccountPolicy]()),
	commandOn[editAppInfo](auth.EditAppInfo, "Edit an app's name, type and introduction", "What is absent stays as it is.",
		map[string]any{"name": "shop chat"}),
	commandOn[upgradeEdition](auth.UpgradeEdition, "Order a higher edition, or add-ons", aboutWarnings, exampleOrder).ordering(),
	commandOn[renewPlan](auth.RenewPlan, "Order another term of the same edition", aboutWarnings, exampleOrder).ordering(),
	commandOn[stopApp](auth.StopApp, "Stop an app",
		"An owner stops a trial; an operator any app, with a reason.", map[string]any{"reason": "asked for by its owner"}).withoutBody(),
	commandOn[startApp](auth.StartApp, "Start an app that people stopped",
		"An owner lifts the own hold, an operator both kinds. Holds for money end with what they are for.",
		map[string]any{}).withoutBody(),
	commandOn[deleteApp](auth.DeleteApp, "Delete a stopped trial for good",
		"Without the app's exact name as confirmation, 409 confirmation_required and the list of what will be lost.",
		nil).withoutBody().asQuery(deletion),
	commandOn[markArrears](auth.MarkArrears, "Report that an invoice is overdue",
		"A billing fact as a single command; it is always recorded.", exampleOverdue),
	commandOn[settleArrears](auth.SettleArrears, "Report that an invoice was paid",
		"A billing fact as a single command; it is always recorded.", exampleClosed),
	commandOn[voidInvoice](auth.VoidInvoice, "Report that an invoice was withdrawn",
		"A billing fact as a single command; it is always recorded.", exampleClosed),
	commandOn[refund](auth.Refund, "Report that an order was refunded",
		"A billing fact as a single command; it is always recorded. It ends the order whole, whatever its amount, unless it says "+
			"ends: false. One order may have several, told apart by refund.", exampleRefund),
	commandOn[noteTRTCStopped](auth.NoteTRTCStopped, "Note that the app is stopped on the TRTC side", "",
		map[string]any{}).withoutBody(),
	commandOn[noteTRTCStarted](auth.NoteTRTCStarted, "Note that the app is in service on the TRTC side", "",
		map[string]any{}).withoutBody(),

	commandOn[upgradeKeyAlgorithm](auth.UpgradeKeyAlgorithm, "Move an app's key from ECDSA to HMAC",
		"Signatures of both kinds verify afterwards, until the old key is retired.", map[string]any{}).withoutBody(),
	commandOn[rotateKey](auth.RotateKey, "Give an app a new secret",
		"The one before verifies on for the overlap, and is then retired by time.", map[string]any{"overlap": "24h"}).withoutBody(),
	commandOn[retireKey](auth.RetireKey, "Retire an app's old keys", "Only the present key verifies from then on.",
		map[string]any{}).withoutBody(),
	commandOn[addAdmins](auth.AddAdmins, "Add account administrators", "All of the list, or none.", map[string]any{"names": []string{"alice"}}),
	commandOn[removeAdmins](auth.RemoveAdmins, "Remove account administrators", "All of the list, or none.", map[string]any{"names": []string{"alice"}}),
	commandOn[addCertificate](auth.AddCertificate, "Add a push certificate",
		"Secret fields never come back. Takes JSON, with files in base64, or multipart/form-data with a part for each field.",
		exampleCertificate).created().adding(withCertificate),
	commandOn[editCertificate](auth.EditCertificate, "Change a push certificate", "It keeps its id.",
		map[string]any{"fields": map[string]any{"package_name": "com.example.shop"}}).itemized().adding(withCertificate),
	commandOn[deleteCertificate](auth.DeleteCertificate, "Delete a push certificate for good",
		"Without the certificate's id as confirmation, 409 certificate_confirmation_required and the list of what will be lost.",
		nil).itemized().withoutBody().asQuery(certificateDeletion),
	commandOn[enableTRTC](auth.EnableTRTC, "Open real-time audio and video", "With the same SDKAppID; it cannot be closed from here.",
		map[string]any{}).withoutBody(),
	commandOn[enableTPNS](auth.EnableTPNS, "Turn mobile push on",
		"It takes an order. While it is on, certificates of other platforms are inactive.", exampleTPNS).withoutBody(),
	commandOn[disableTPNS](auth.DisableTPNS, "Turn mobile push off", "Certificates of other platforms are active again.",
		nil).withoutBody().asQuery(disabling),
	commandOn[requestDeletion](auth.RequestDeletion, "Ask for an app to be deleted",
		"For stopped apps that their owners cannot delete themselves. The request is in the app, and withdrawn by itself when that is reinstated.",
		map[string]any{"reason": "moved away"}).withoutBody().created(),
	commandOn[approveDeletion](auth.ApproveDeletion, "Approve a deletion request", "The app is deleted, and its secrets are destroyed.",
		map[string]any{}).itemized().withoutBody().found((*call).appOfRequest),
	commandOn[rejectDeletion](auth.RejectDeletion, "Reject a deletion request", "It takes a reason.",
		map[string]any{"reason": "a bill is open"}).itemized().withoutBody().found((*call).appOfRequest),
	commandOn[rejudge](auth.Rejudge, "Decide an app anew by today's rules",
		"Where an earlier version of the program judged otherwise; GET /v1/rejudgements lists such apps. Where nothing would be another it "+
			"changes nothing.", map[string]any{"reason": "stopped for an invoice over nothing"}).withoutBody(),
	commandOn[renumberApp](auth.RenumberApp, "Give an app another number",
		"Where its number was given out twice, and to another account's app first: everywhere else the number means that one. The app goes on "+
			"under the new number with its orders, invoices, holds and administrators; its keys, certificates and an open deletion request stay "+
			"behind. Answered with the app as it goes on.",
		map[string]any{"reason": "its number is another account's app's"}).withoutBody().found((*call).appInAccount),
}

var commandsByName = func() map[string]*command {
	byName := make(map[string]*command, len(commands))
	for i := range commands {
		byName[string(commands[i].action)] = &commands[i]
	}
	return byName
}()

// CommandNames lists the commands that can be given over NATS, as the last part of their subjects.
func CommandNames() []string {
	names := make([]string, len(commands))
	for i, c := range commands {
		names[i] = string(c.action)
	}
	return names
}

// deletion reads what a deletion has to say from its query.
func deletion(q url.Values) body {
	return deleteApp{Confirm: q.Get("confirm"), Reasoned: Reasoned{q.Get("reason")}}
}

// disabling reads why mobile push is turned off from the query.
func disabling(q url.Values) body { return disableTPNS{Reasoned{q.Get("reason")}} }
