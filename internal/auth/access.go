package auth

import (
	"net/http"
	"slices"
	"strings"
)

// Role is what a token is for.
type Role string

// The roles.
const (
	Operator Role = "operator" // runs the engine: whatever an owner or billing may, on every account, and what nobody else may
	Owner    Role = "owner"    // the customer: the apps of one account
	Billing  Role = "billing"  // the billing system: facts and orders, on every account
	Auditor  Role = "auditor"  // reads everything, changes nothing
	Reader   Role = "reader"   // reads one account
)

// bindings holds every role, and whether a token of it is for one account.
var bindings = map[Role]bool{Operator: false, Owner: true, Billing: false, Auditor: false, Reader: true}

// Roles gives every role, the most powerful first.
func Roles() []Role { return []Role{Operator, Owner, Billing, Auditor, Reader} }

// OfOneAccount tells whether a token of the role is for one account.
func (r Role) OfOneAccount() bool { return bindings[r] }

func roleNames() string {
	var names []string
	for _, r := range Roles() {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// Action is something that can be asked for. Commands on apps and accounts have the names that they have in the domain
// and over NATS.
type Action string

// The actions.
const (
	CreateApp       Action = "create_app"
	ImportApp       Action = "import_app"
	SetQuota        Action = "set_quota"
	SetPolicy       Action = "set_policy"
	EditAppInfo     Action = "edit_app_info"
	UpgradeEdition  Action = "upgrade_edition"
	RenewPlan       Action = "renew_plan"
	StopApp         Action = "stop_app"
	StartApp        Action = "start_app"
	DeleteApp       Action = "delete_app"
	MarkArrears     Action = "mark_arrears"
	SettleArrears   Action = "settle_arrears"
	VoidInvoice     Action = "void_invoice"
	Refund          Action = "refund"
	NoteTRTCStopped Action = "note_trtc_stopped"
	NoteTRTCStarted Action = "note_trtc_started"

	UpgradeKeyAlgorithm Action = "upgrade_key_algorithm"
	RotateKey           Action = "rotate_key"
	RetireKey           Action = "retire_key"
	AddAdmins           Action = "add_admins"
	RemoveAdmins        Action = "remove_admins"
	AddCertificate      Action = "add_certificate"
	EditCertificate     Action = "edit_certificate"
	DeleteCertificate   Action = "delete_certificate"
	EnableTRTC          Action = "enable_trtc"
	EnableTPNS          Action = "enable_tpns"
	DisableTPNS         Action = "disable_tpns"
	RequestDeletion     Action = "request_deletion"
	ApproveDeletion     Action = "approve_deletion"
	RejectDeletion      Action = "reject_deletion"
	Rejudge             Action = "rejudge"
	RenumberApp         Action = "renumber_app"

	SendBillingEvents Action = "send_billing_events"

	ReadKey              Action = "read_key"
	RevealKey            Action = "reveal_key"
	SignUserSig          Action = "sign_user_sig"
	VerifyUserSig        Action = "verify_user_sig"
	ListAdmins           Action = "list_admins"
	ListCertificates     Action = "list_certificates"
	ReadCertificate      Action = "read_certificate"
	ListExpiring         Action = "list_expiring_certificates"
	ListDeletionRequests Action = "list_deletion_requests"

	ReadApp         Action = "read_app"
	ReadAccount     Action = "read_account"
	ListAccountApps Action = "list_account_apps"
	ListAccounts    Action = "list_accounts"
	ListInvoices    Action = "list_invoices"
	ListApps        Action = "list_apps"
	ListTransitions Action = "list_transitions"
	ExplainApp      Action = "explain_app"

	ListRejudgements  Action = "list_rejudgements"
	ReadPolicy        Action = "read_policy"
	ReadAccountPolicy Action = "read_account_policy"

	ReadEvents           Action = "read_events"
	ReadAccountStatement Action = "read_account_statement"
	ReadAppStatement     Action = "read_app_statement"
	ReadAccountHistory   Action = "read_account_history"
	ReadAppHistory       Action = "read_app_history"
	ForecastTransitions  Action = "forecast_transitions"

	ListParked    Action = "list_parked"
	ReplayParked  Action = "replay_parked"
	DiscardParked Action = "discard_parked"

	ReplayAllParked  Action = "replay_all_parked"
	DiscardAllParked Action = "discard_all_parked"

	ListTokens  Action = "list_tokens"
	CreateToken Action = "create_token"
	RevokeToken Action = "revoke_token"

	ReadClock    Action = "read_clock"
	AdvanceClock Action = "advance_clock"
	ConfirmClock Action = "confirm_clock"
)

// Reach is how far a role may go with an action.
type Reach int

// The reaches.
const (
	Nowhere    Reach = iota // may not do it
	OwnAccount              // may do it to the account that the token is for
	Everywhere              // may do it to any account, or it is about none
)

// Rule is a row of the table: an action, how it is asked for, and who may.
type Rule struct {
	Action  Action
	Method  string // of HTTP
	Route   string // the path, with {account}, {app} and {id} where they stand
	Subject string // over NATS, with {account}; empty if it cannot be asked for there
	Reach   map[Role]Reach
}

// Who may, in the combinations that there are.
var (
	operators = map[Role]Reach{Operator: Everywhere}
	owners    = map[Role]Reach{Operator: Everywhere, Owner: OwnAccount}
	buyers    = map[Role]Reach{Operator: Everywhere, Owner: OwnAccount, Billing: Everywhere}
	billers   = map[Role]Reach{Operator: Everywhere, Billing: Everywhere}
	overseers = map[Role]Reach{Operator: Everywhere, Auditor: Everywhere}
	// tenants see what is theirs. What is due belongs to that, but not to what a billing system needs.
	tenants = map[Role]Reach{Operator: Everywhere, Auditor: Everywhere, Owner: OwnAccount, Reader: OwnAccount}
	// readers are tenants and the billing system, which reads the apps that it bills.
	readers = map[Role]Reach{
		Operator: Everywhere, Auditor: Everywhere, Billing: Everywhere, Owner: OwnAccount, Reader: OwnAccount,
	}
	everybody = map[Role]Reach{
		Operator: Everywhere, Auditor: Everywhere, Billing: Everywhere, Owner: Everywhere, Reader: Everywhere,
	}
)

// command is a row that can be asked for over NATS as well.
func command(a Action, method, route string, reach map[Role]Reach) Rule {
	return Rule{a, method, route, "command.{account}." + string(a), reach}
}

// table is the one place where it stands who may do what. What the TRTC side reports comes through systems of the
// vendor's own, like bills, so its two commands are the operator's and the billing system's.
var table = []Rule{
	command(CreateApp, http.MethodPost, "/v1/accounts/{account}/apps", owners),
	command(ImportApp, http.MethodPost, "/v1/accounts/{account}/apps/import", operators),
	command(SetQuota, http.MethodPut, "/v1/accounts/{account}/quota", operators),
	command(SetPolicy, http.MethodPut, "/v1/accounts/{account}/policy", operators),
	command(EditAppInfo, http.MethodPatch, "/v1/apps/{app}", owners),
	command(UpgradeEdition, http.MethodPost, "/v1/apps/{app}/upgrade", buyers),
	command(RenewPlan, http.MethodPost, "/v1/apps/{app}/renew", buyers),
	command(StopApp, http.MethodPost, "/v1/apps/{app}/stop", owners),
	command(StartApp, http.MethodPost, "/v1/apps/{app}/start", owners),
	command(DeleteApp, http.MethodDelete, "/v1/apps/{app}", owners),
	command(MarkArrears, http.MethodPost, "/v1/apps/{app}/arrears", billers),
	command(SettleArrears, http.MethodPost, "/v1/apps/{app}/arrears/settle", billers),
	command(VoidInvoice, http.MethodPost, "/v1/apps/{app}/arrears/void", billers),
	command(Refund, http.MethodPost, "/v1/apps/{app}/refund", billers),
	command(NoteTRTCStopped, http.MethodPost, "/v1/apps/{app}/trtc/stopped", billers),
	command(NoteTRTCStarted, http.MethodPost, "/v1/apps/{app}/trtc/started", billers),

	command(UpgradeKeyAlgorithm, http.MethodPost, "/v1/apps/{app}/key/upgrade", owners),
	command(RotateKey, http.MethodPost, "/v1/apps/{app}/key/rotate", owners),
	command(RetireKey, http.MethodPost, "/v1/apps/{app}/key/retire", owners),
	command(AddAdmins, http.MethodPost, "/v1/apps/{app}/admins", owners),
	command(RemoveAdmins, http.MethodPost, "/v1/apps/{app}/admins/remove", owners),
	command(AddCertificate, http.MethodPost, "/v1/apps/{app}/certificates", owners),
	command(EditCertificate, http.MethodPatch, "/v1/apps/{app}/certificates/{id}", owners),
	command(DeleteCertificate, http.MethodDelete, "/v1/apps/{app}/certificates/{id}", owners),
	command(EnableTRTC, http.MethodPut, "/v1/apps/{app}/services/trtc", owners),
	command(EnableTPNS, http.MethodPut, "/v1/apps/{app}/services/tpns", owners),
	command(DisableTPNS, http.MethodDelete, "/v1/apps/{app}/services/tpns", owners),
	command(RequestDeletion, http.MethodPost, "/v1/apps/{app}/deletion-requests", owners),
	command(ApproveDeletion, http.MethodPost, "/v1/deletion-requests/{id}/approve", operators),
	command(RejectDeletion, http.MethodPost, "/v1/deletion-requests/{id}/reject", operators),
	command(Rejudge, http.MethodPost, "/v1/apps/{app}/rejudge", operators),
	command(RenumberApp, http.MethodPost, "/v1/accounts/{account}/apps/{app}/renumber", operators),

	// A key in the clear, and what is made with it, is given over HTTP alone: nothing of NATS's keeps a copy of it.
	{RevealKey, http.MethodPost, "/v1/apps/{app}/key/reveal", "", owners},
	{SignUserSig, http.MethodPost, "/v1/apps/{app}/usersigs", "", owners},
	{VerifyUserSig, http.MethodPost, "/v1/apps/{app}/usersigs/verify", "", owners},

	{SendBillingEvents, http.MethodPost, "/v1/billing/events", "billing.{account}", billers},

	{ReadApp, http.MethodGet, "/v1/apps/{app}", "", readers},
	{ListInvoices, http.MethodGet, "/v1/apps/{app}/invoices", "", readers},
	{ReadAccount, http.MethodGet, "/v1/accounts/{account}", "", readers},
	{ReadAccountPolicy, http.MethodGet, "/v1/accounts/{account}/policy", "", tenants},
	{ReadPolicy, http.MethodGet, "/v1/policy", "", everybody},
	{ListAccountApps, http.MethodGet, "/v1/accounts/{account}/apps", "", readers},
	{ListAccounts, http.MethodGet, "/v1/accounts", "", overseers},
	{ListApps, http.MethodGet, "/v1/apps", "", overseers},
	{ListTransitions, http.MethodGet, "/v1/transitions", "", tenants},
	{ReadKey, http.MethodGet, "/v1/apps/{app}/key", "", tenants},
	{ListAdmins, http.MethodGet, "/v1/apps/{app}/admins", "", tenants},
	{ListCertificates, http.MethodGet, "/v1/apps/{app}/certificates", "", tenants},
	{ReadCertificate, http.MethodGet, "/v1/apps/{app}/certificates/{id}", "", tenants},
	{ListExpiring, http.MethodGet, "/v1/certificates", "", tenants},
	{ListDeletionRequests, http.MethodGet, "/v1/deletion-requests", "", tenants},
	{ForecastTransitions, http.MethodGet, "/v1/transitions/days", "", tenants},
	{ExplainApp, http.MethodGet, "/v1/apps/{app}/why", "", tenants},
	{ListRejudgements, http.MethodGet, "/v1/rejudgements", "", overseers},

	// The feed and the histories tell who did what and why, which is more than a billing system needs to know of a customer.
	{ReadEvents, http.MethodGet, "/v1/events", "", tenants},
	{ReadAccountHistory, http.MethodGet, "/v1/accounts/{account}/history", "", tenants},
	{ReadAppHistory, http.MethodGet, "/v1/apps/{app}/history", "", tenants},
	{ReadAccountStatement, http.MethodGet, "/v1/accounts/{account}/statement", "", readers},
	{ReadAppStatement, http.MethodGet, "/v1/apps/{app}/statement", "", readers},

	{ListParked, http.MethodGet, "/v1/parked", "", overseers},
	{ReplayParked, http.MethodPost, "/v1/parked/{id}/replay", "", operators},
	{DiscardParked, http.MethodDelete, "/v1/parked/{id}", "", operators},
	{ReplayAllParked, http.MethodPost, "/v1/parked/replay", "", operators},
	{DiscardAllParked, http.MethodPost, "/v1/parked/discard", "", operators},

	{ListTokens, http.MethodGet, "/v1/tokens", "", overseers},
	{CreateToken, http.MethodPost, "/v1/tokens", "", operators},
	{RevokeToken, http.MethodDelete, "/v1/tokens/{id}", "", operators},

	{ReadClock, http.MethodGet, "/v1/clock", "", everybody},
	{AdvanceClock, http.MethodPost, "/v1/clock/advance", "", operators},
	{ConfirmClock, http.MethodPost, "/v1/clock/confirm", "", operators},
}

var byAction = func() map[Action]Rule {
	m := make(map[Action]Rule, len(table))
	for _, r := range table {
		m[r.Action] = r
	}
	return m
}()

// Table gives every rule. What is not in it and not public does not exist.
func Table() []Rule { return slices.Clone(table) }

// Public gives the routes, all GET, that take no token: they hold nothing of any account.
func Public() []string { return []string{"/livez", "/readyz", "/metrics", "/openapi.json"} }

// Decision is the answer to a request to act.
type Decision int

// The decisions. The zero value lets nobody in.
const (
	Forbidden Decision = iota // 403: not yours to do
	NotFound                  // 404: another tenant's, of which a tenant learns nothing, not even that it is there
	OK
)

// Allowed decides whether somebody may do something to an account; empty: to none in particular, or to all. For an app
// the account is the one that the app belongs to. A token for one account gets NotFound for every other account,
// whatever it wants to do there, so that it cannot tell what exists: answer the same when the app does not exist.
func Allowed(p Principal, a Action, account string) Decision {
	if p.Role.OfOneAccount() && account != "" && account != p.Account {
		return NotFound
	}
	switch byAction[a].Reach[p.Role] {
	case Everywhere:
		return OK
	case OwnAccount:
		if account != "" && account == p.Account {
			return OK
		}
	case Nowhere:
	}
	return Forbidden
}
