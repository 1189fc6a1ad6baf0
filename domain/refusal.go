package domain

import (
	"fmt"
	"strings"
)

// Kind says what sort of no a code is, so that each edge translates it once.
type Kind string

// The kinds of refusal.
const (
	Rule    Kind = "rule"    // a rule of the lifecycle says no
	Absent  Kind = "absent"  // what it is about does not exist for the asker
	Confirm Kind = "confirm" // it would be done if it were confirmed
	Limit   Kind = "limit"   // it was done too often lately
)

// Code is a stable name for a refusal. Codes are never renamed or reused.
type Code struct {
	Code    string
	Kind    Kind
	Message string // which rule says no
	Fix     string // what would make it possible
}

// The refusals of the domain, in the order of the documentation.
var (
	AppNotFound = Code{"app_not_found", Absent, "The account has no app with this number.", "Check the SDKAppID and the account."}
	AppTaken    = Code{"app_id_taken", Rule, "This SDKAppID was used here before, and numbers are never reused.",
		"Import the app under the number that it has in the other system, once."}
	AppNumberReserved = Code{"app_id_reserved", Rule, "This SDKAppID lies among numbers that another node may be giving to new apps.",
		"Import the app through the node that holds the block, or under a number that is not yet among those of new apps."}
	AppDeletedAlready = Code{"app_deleted", Rule, "The app was deleted, which is final.", "Create a new app."}
	NumberNotShared   = Code{"number_not_shared", Rule, "No other account's app had this number before.",
		"Leave the app as it is: only one whose number was given out twice, and to another app first, gets another."}
	AppHasOtherNumber = Code{"app_renumbered", Rule, "The app goes on under another number: this one was another account's app's first.",
		"Look for its number in the account's list of apps, use that, and tell whoever bills the app."}
	QuotaExhausted = Code{"quota_exhausted", Rule, "The account has as many apps as its quota allows.",
		"Delete an app, or have an operator raise the quota."}
	QuotaBelowUse = Code{"quota_below_use", Rule, "The account has more apps than that, and the new quota does not even raise the present one.",
		"Set a quota of at least the apps in use, or above the present one."}
	EditionNotHigher = Code{"edition_not_higher", Rule, "An upgrade leads to a higher edition.",
		"Order a higher edition, order add-ons with it, or renew the present one."}
	NoReturnToTrial   = Code{"no_return_to_trial", Rule, "An app never goes back to a trial.", "Order pro or flagship, or create a new app."}
	AddonsNeedPaid    = Code{"addons_need_paid_edition", Rule, "Add-ons are for apps with a paid edition.", "Order an edition, with or without add-ons."}
	RenewNeedsPaid    = Code{"renew_needs_paid_edition", Rule, "A trial has no plan to renew.", "Upgrade the app."}
	RenewOtherEdition = Code{"renew_other_edition", Rule, "A renewal is of the edition that the app has.", "Renew that edition, or upgrade to a higher one."}
	OrderConflict     = Code{"order_conflict", Rule, "An order with this id is known with other terms, and those stand.",
		"Give a new order a new id, or let the billing system restate the order with a higher version."}
	EffectiveTooFar = Code{"effective_too_far_ahead", Rule, "The effective time lies further ahead of the clock than is believed.",
		"Check the sender's clock and the time, and send it again when it is near."}
	StopNeedsTrial = Code{"stop_needs_trial", Rule, "An owner may stop a trial only.", "Ask an operator to stop the app."}
	AlreadyStopped = Code{"already_stopped", Rule, "The app is stopped already, for another reason.", "Look at the app's stop for its cause."}
	ReasonRequired = Code{"reason_required", Rule, "An operator's stop needs a reason.", "Send the command with a reason."}
	TRTCRunning    = Code{"trtc_side_running", Rule, "An app that came from the TRTC side is stopped there first.",
		"Stop it on the TRTC side; when that has been noted here, try again."}
	NotTRTCTrial  = Code{"not_trtc_trial", Rule, "Only an app of the TRTC trial edition has a TRTC side to note.", "Leave the note away."}
	StartNotYours = Code{"hold_not_liftable", Rule, "The app is stopped by a hold that this command cannot lift.",
		"Look at the app's stop: pay what is owed or order a plan, or ask an operator to lift an operator's hold."}
	NotStopped           = Code{"app_not_stopped", Rule, "Only a stopped app can be deleted.", "Stop the app first."}
	DeletionNeedsRequest = Code{"deletion_needs_request", Rule, "A paid app, or one of the TRTC side, is deleted on request and approval only.",
		"Request its deletion and let an operator approve it."}
	ConfirmationRequired = Code{"confirmation_required", Confirm, "Deleting an app cannot be undone: all that is listed will be lost.",
		"Repeat the command with the app's exact name as confirmation."}

	TooManyKeys       = Code{"too_many_keys", Rule, "The app has as many keys in force as it may have.", "Retire the old keys first."}
	RotateNeedsHMAC   = Code{"rotate_needs_hmac", Rule, "Only an HMAC key is rotated.", "Upgrade the key's algorithm first."}
	NoKeyYet          = Code{"no_key_yet", Rule, "The app's key was not put down yet.", "Ask for the key again."}
	RevealNeedsReason = Code{"reveal_needs_reason", Rule, "Anyone but the owner says why a key is revealed.", "Send the command with a reason."}
	PolicyLimit       = Code{"policy_limit", Rule, "The account's policy was set as often as it may be, which is a thousand times.",
		"Clear it: the engine's defaults are in force then, and can be changed by its flags."}
	RevealLimit    = Code{"reveal_limit", Limit, "The app's key was revealed as often as it may be for now.", "Wait, or use the key without seeing it."}
	AdminLimit     = Code{"admin_limit", Rule, "The app would have more administrators than it may have.", "Remove others first."}
	AdminFixed     = Code{"admin_fixed", Rule, "The administrator that every app has from the start stays.", "Leave it out of the list."}
	AppIsStopped   = Code{"app_stopped", Rule, "The app is stopped.", "Look at the app's stop for its cause; once it is in service again, try again."}
	TPNSNeedsOrder = Code{"tpns_needs_order", Rule, "Mobile push is paid for.", "Send the order that pays for it."}

	CertificateNotFound   = Code{"certificate_not_found", Absent, "The app has no certificate with this id.", "List the app's certificates for their ids."}
	CertificateLimit      = Code{"certificate_limit", Rule, "The app has as many certificates as it may have.", "Delete one first, or edit one."}
	CertificateHasExpired = Code{"certificate_has_expired", Rule, "The certificate has expired.", "Upload one that is valid now."}
	CertificateChanged    = Code{"certificate_changed", Rule, "Somebody else has changed the certificate meanwhile.", "Read it again and decide anew."}
	CertificateIDTaken    = Code{"certificate_id_taken", Rule, "A certificate with this id was here before, and ids are never reused.",
		"Import each certificate once, under the id that it has in the other system; or leave it away, and add it with a new id."}
	CertificateConfirmation = Code{"certificate_confirmation_required", Confirm, "Deleting a certificate cannot be undone: all that is listed will be lost.",
		"Repeat the command with the certificate's id as confirmation."}

	DeletionNeedsNoRequest = Code{"deletion_needs_no_request", Rule, "A stopped trial is deleted by its owner, without a request.", "Delete the app."}
	RequestNotFound        = Code{"deletion_request_not_found", Absent, "There is no such deletion request.", "List the deletion requests for their ids."}
	RequestClosed          = Code{"deletion_request_closed", Rule, "The request is closed: approved, rejected, or withdrawn as the app was reinstated.",
		"Let the owner make a new request."}
	RejectionNeedsReason = Code{"rejection_needs_reason", Rule, "A rejection says why.", "Send the command with a reason."}
)

// Codes lists every refusal of the domain.
func Codes() []Code {
	return []Code{
		AppNotFound, AppTaken, AppNumberReserved, AppDeletedAlready, NumberNotShared, AppHasOtherNumber, QuotaExhausted, QuotaBelowUse,
		EditionNotHigher, NoReturnToTrial, AddonsNeedPaid, RenewNeedsPaid, RenewOtherEdition, OrderConflict, EffectiveTooFar,
		StopNeedsTrial, AlreadyStopped, ReasonRequired, TRTCRunning, NotTRTCTrial, StartNotYours,
		NotStopped, DeletionNeedsRequest, ConfirmationRequired,
		TooManyKeys, RotateNeedsHMAC, NoKeyYet, RevealNeedsReason, PolicyLimit, RevealLimit, AdminLimit, AdminFixed, AppIsStopped, TPNSNeedsOrder,
		CertificateNotFound, CertificateLimit, CertificateHasExpired, CertificateChanged, CertificateIDTaken, CertificateConfirmation,
		DeletionNeedsNoRequest, RequestNotFound, RequestClosed, RejectionNeedsReason,
	}
}

// Refusal is a command that a rule does not allow. Nothing was written.
type Refusal struct {
	Code
	Losses []string // for ConfirmationRequired: what will be lost
}

func refuse(c Code) *Refusal { return &Refusal{Code: c} }

// Error gives the rule and what would make the command possible.
func (r *Refusal) Error() string { return r.Code.Code + ": " + r.Message + " " + r.Fix }

// FieldError is what is wrong with one field. The value itself is never repeated.
type FieldError struct {
	Field  string `json:"field"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Invalid is a command whose fields do not make sense, each of them named. Nothing was written.
type Invalid struct{ Fields []FieldError }

// Error names every field and what it must be.
func (e *Invalid) Error() string {
	var b strings.Builder
	for i, f := range e.Fields {
		if i > 0 {
			b.WriteString("; ")
		}
		fmt.Fprintf(&b, "%s %s", f.Field, f.Detail)
	}
	return b.String()
}

// problems collects what is wrong with a command's fields.
type problems []FieldError

// maxProblems is how many problems are named at most: more than anybody mends at once, and a list of a hundred thousand names
// makes no answer of ten megabytes.
const maxProblems = 100

func (p *problems) add(field, code, detail string) {
	if len(*p) == maxProblems {
		return
	}
	*p = append(*p, FieldError{Field: field, Code: code, Detail: detail})
}

// counted are the items of a list that are looked at: of one that is too long, which is said of it as a whole, as many as
// there may be.
func counted[T any](list []T, most int) []T { return list[:min(len(list), most)] }

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &Invalid{Fields: p}
}
