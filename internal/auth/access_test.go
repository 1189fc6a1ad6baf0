package auth

import (
	"fmt"
	"strings"
	"testing"
)

// matrix says the same as the table, written by hand and row by row: * everywhere, own its own account, - nowhere.
const matrix = `
                      operator  owner  billing  auditor  reader
create_app            *         own    -        -        -
import_app            *         -      -        -        -
set_quota             *         -      -        -        -
set_policy            *         -      -        -        -
edit_app_info         *         own    -        -        -
upgrade_edition       *         own    *        -        -
renew_plan            *         own    *        -        -
stop_app              *         own    -        -        -
start_app             *         own    -        -        -
delete_app            *         own    -        -        -
mark_arrears          *         -      *        -        -
settle_arrears        *         -      *        -        -
void_invoice          *         -      *        -        -
refund                *         -      *        -        -
note_trtc_stopped     *         -      *        -        -
note_trtc_started     *         -      *        -        -
upgrade_key_algorithm *         own    -        -        -
rotate_key            *         own    -        -        -
retire_key            *         own    -        -        -
add_admins            *         own    -        -        -
remove_admins         *         own    -        -        -
add_certificate       *         own    -        -        -
edit_certificate      *         own    -        -        -
delete_certificate    *         own    -        -        -
enable_trtc           *         own    -        -        -
enable_tpns           *         own    -        -        -
disable_tpns          *         own    -        -        -
request_deletion      *         own    -        -        -
approve_deletion      *         -      -        -        -
reject_deletion       *         -      -        -        -
rejudge               *         -      -        -        -
renumber_app          *         -      -        -        -
reveal_key            *         own    -        -        -
sign_user_sig         *         own    -        -        -
verify_user_sig       *         own    -        -        -
send_billing_events   *         -      *        -        -
read_app              *         own    *        *        own
list_invoices         *         own    *        *        own
read_account          *         own    *        *        own
read_account_policy   *         own    -        *        own
read_policy           *         *      *        *        *
list_account_apps     *         own    *        *        own
list_accounts         *         -      -        *        -
list_apps             *         -      -        *        -
list_transitions      *         own    -        *        own
read_key              *         own    -        *        own
list_admins           *         own    -        *        own
list_certificates     *         own    -        *        own
read_certificate      *         own    -        *        own
list_expiring_certificates * own -      *        own
list_deletion_requests *        own    -        *        own
forecast_transitions  *         own    -        *        own
explain_app           *         own    -        *        own
list_rejudgements     *         -      -        *        -
read_events           *         own    -        *        own
read_account_history  *         own    -        *        own
read_app_history      *         own    -        *        own
read_account_statement *        own    *        *        own
read_app_statement    *         own    *        *        own
list_parked           *         -      -        *        -
replay_parked         *         -      -        -        -
discard_parked        *         -      -        -        -
replay_all_parked     *         -      -        -        -
discard_all_parked    *         -      -        -        -
list_tokens           *         -      -        *        -
create_token          *         -      -        -        -
revoke_token          *         -      -        -        -
read_clock            *         *      *        *        *
advance_clock         *         -      -        -        -
confirm_clock         *         -      -        -        -
`

// TestEveryPair walks role x action, each for the token's own account, another one and none.
func TestEveryPair(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(matrix), "\n")
	roles := strings.Fields(lines[0])
	if len(roles) != len(Roles()) {
		t.Fatalf("the matrix has %d roles, the package %d", len(roles), len(Roles()))
	}
	if len(lines)-1 != len(Table()) {
		t.Fatalf("the matrix has %d actions, the table %d", len(lines)-1, len(Table()))
	}
	for i, line := range lines[1:] {
		cells := strings.Fields(line)
		action := Action(cells[0])
		if Table()[i].Action != action {
			t.Errorf("row %d of the table is %s, of the matrix %s", i, Table()[i].Action, action)
		}
		for j, cell := range cells[1:] {
			p := Principal{TokenID: "tok_x", Role: Role(roles[j])}
			if p.Role.OfOneAccount() {
				p.Account = "acme"
			}
			var own, other, none Decision
			switch {
			case cell == "*" && !p.Role.OfOneAccount():
				own, other, none = OK, OK, OK
			case cell == "*": // about no account
				own, other, none = OK, NotFound, OK
			case cell == "own":
				own, other, none = OK, NotFound, Forbidden
			case p.Role.OfOneAccount():
				own, other, none = Forbidden, NotFound, Forbidden
			}
			for account, want := range map[string]Decision{"acme": own, "globex": other, "": none} {
				if got := Allowed(p, action, account); got != want {
					t.Errorf("Allowed(%s of %q, %s, %q) = %d, want %d", p.Role, p.Account, action, account, got, want)
				}
			}
		}
	}
}

func TestNobodyAndNothing(t *testing.T) {
	for _, p := range []Principal{{}, {Role: "root"}, {Role: Owner}, {Role: Reader}} {
		for _, r := range Table() {
			for _, account := range []string{"", "acme"} {
				if got := Allowed(p, r.Action, account); got == OK && r.Action != ReadClock && r.Action != ReadPolicy {
					t.Errorf("Allowed(%+v, %s, %q) = OK", p, r.Action, account)
				}
			}
		}
	}
	for _, role := range Roles() {
		if got := Allowed(Principal{Role: role, Account: "acme"}, "no_such_action", "acme"); got == OK {
			t.Errorf("%s may do what is not in the table", role)
		}
	}
}

func TestTableIsWhole(t *testing.T) {
	routes, subjects := map[string]bool{}, map[string]bool{}
	for _, r := range Table() {
		route := r.Method + " " + r.Route
		if routes[route] {
			t.Errorf("%s stands twice", route)
		}
		if r.Subject != "" && subjects[r.Subject] {
			t.Errorf("%s stands twice", r.Subject)
		}
		routes[route], subjects[r.Subject] = true, true
		if r.Reach[Operator] != Everywhere {
			t.Errorf("%s: an operator may do everything", r.Action)
		}
		if reads := r.Method == "GET"; (r.Reach[Auditor] == Everywhere) != reads {
			t.Errorf("%s: an auditor may read everything and change nothing", r.Action)
		}
		for role, reach := range r.Reach {
			if reach == OwnAccount && !role.OfOneAccount() {
				t.Errorf("%s: %s has no account of its own", r.Action, role)
			}
			if role == Reader && reach != Nowhere && r.Method != "GET" {
				t.Errorf("%s: a reader may change nothing", r.Action)
			}
		}
		if got := strings.HasPrefix(r.Subject, "command."); got && r.Subject != fmt.Sprintf("command.{account}.%s", r.Action) {
			t.Errorf("%s: subject %s", r.Action, r.Subject)
		}
	}
}
