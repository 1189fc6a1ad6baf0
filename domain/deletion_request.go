package domain

import (
	"fmt"
	"slices"
)

// DeletionRequest is an owner's wish that an app be deleted which only the vendor deletes. The last one is kept; it is
// absent while ID is.
type DeletionRequest struct {
	ID          string       `json:"id"` // the SDKAppID and the account's version at which it was made
	State       RequestState `json:"state"`
	RequestedAt Instant      `json:"requested_at"`
	By          string       `json:"by,omitzero"` // who asked
	Reason      string       `json:"reason,omitzero"`
}

// RequestState is how a request stands.
type RequestState string

// The states of a request.
const (
	RequestOpen      RequestState = "open"
	RequestApproved  RequestState = "approved"
	RequestRejected  RequestState = "rejected"
	RequestWithdrawn RequestState = "withdrawn" // by itself, as the app was reinstated or its TRTC side is in service again
)

// RequestDeletion asks the vendor to delete a stopped app with a paid edition, or one of the TRTC side.
type RequestDeletion struct {
	App    AppID  `json:"app"`
	Reason string `json:"reason,omitzero"`
}

func (RequestDeletion) Name() string { return "request_deletion" }

func (c RequestDeletion) Subject() AppID { return c.App }

func (c RequestDeletion) decide(d *draft) error {
	app, err := d.liveApp(c.App)
	switch {
	case err != nil:
		return err
	case app.Deletion.State == RequestOpen:
		return nil
	case app.Edition == Trial:
		return refuse(DeletionNeedsNoRequest)
	case !app.stopped():
		return refuse(NotStopped)
	}
	id := fmt.Sprintf("%d-%d", c.App, d.from.Version+1)
	d.emit(DeletionRequested{About{c.App}, id, d.at.Actor, c.Reason})
	return nil
}

// ApproveDeletion is an operator's yes: the app is deleted.
type ApproveDeletion struct {
	App     AppID  `json:"app"`
	Request string `json:"request"`
}

func (ApproveDeletion) Name() string { return "approve_deletion" }

func (c ApproveDeletion) Subject() AppID { return c.App }

func (c ApproveDeletion) decide(d *draft) error {
	app, done, err := d.request(c.App, c.Request, RequestApproved)
	switch {
	case err != nil || done:
		return err
	case !app.stopped():
		return refuse(NotStopped)
	case app.Edition == TRTCTrial && !app.TRTCStopped:
		return refuse(TRTCRunning)
	}
	d.emit(DeletionApproved{About{c.App}, c.Request})
	d.emit(AppDeleted{About{c.App}, d.at.Now})
	return nil
}

// RejectDeletion is an operator's no, with a reason.
type RejectDeletion struct {
	App     AppID  `json:"app"`
	Request string `json:"request"`
	Reason  string `json:"reason,omitzero"`
}

func (RejectDeletion) Name() string { return "reject_deletion" }

func (c RejectDeletion) Subject() AppID { return c.App }

func (c RejectDeletion) decide(d *draft) error {
	_, done, err := d.request(c.App, c.Request, RequestRejected)
	switch {
	case err != nil || done:
		return err
	case !visible(c.Reason):
		return refuse(RejectionNeedsReason)
	}
	d.emit(DeletionRejected{About{c.App}, c.Request, c.Reason})
	return nil
}

// request finds an open request; done says that it is already in the state that is wanted.
func (d *draft) request(id AppID, request string, want RequestState) (app *App, done bool, err error) {
	app, err = d.app(id)
	switch {
	case err != nil:
		return nil, false, err
	case app.Deletion.ID != request:
		return app, app.closed(request) == want, app.closedOtherwise(request, want)
	case app.Deletion.State == want:
		return app, true, nil
	case app.Deletion.State != RequestOpen:
		return nil, false, refuse(RequestClosed)
	}
	return app, false, nil
}

// ClosedRequest is an earlier request and how it ended.
type ClosedRequest struct {
	ID    string       `json:"id"`
	State RequestState `json:"state"`
}

// maxClosedRequests bounds what is known of earlier requests: whoever decides one has read the app since.
const maxClosedRequests = 100

// closed is how an earlier request ended; empty where there was none with this id.
func (a *App) closed(request string) RequestState {
	for _, c := range a.Closed {
		if c.ID == request {
			return c.State
		}
	}
	return ""
}

// closedOtherwise refuses to decide an earlier request in another way.
func (a *App) closedOtherwise(request string, want RequestState) error {
	switch state := a.closed(request); state {
	case "":
		return refuse(RequestNotFound)
	case want:
		return nil
	default:
		return refuse(RequestClosed)
	}
}

// withdraw closes an open request because the app is reinstated, or its TRTC side is in service again.
func (d *draft) withdraw(app *App, by By) {
	if app.Deletion.State == RequestOpen {
		d.emit(DeletionWithdrawn{About{app.ID}, app.Deletion.ID, by})
	}
}

// DeletionRequested says that the owner asked for the app to be deleted.
type DeletionRequested struct {
	About
	Request string `json:"request"`
	Actor   string `json:"actor,omitzero"`
	Reason  string `json:"reason,omitzero"`
}

func (DeletionRequested) Type() string { return "app.deletion_requested.v1" }

func (e DeletionRequested) apply(acc *Account) {
	app := acc.change(e.App)
	if was := app.Deletion; was.ID != "" {
		app.Closed = append(slices.Clone(app.Closed[max(0, len(app.Closed)-maxClosedRequests+1):]), ClosedRequest{was.ID, was.State})
	}
	app.Deletion = DeletionRequest{e.Request, RequestOpen, acc.RecordedAt, e.Actor, e.Reason}
}

func (DeletionRequested) describe() string { return "the app's deletion was asked for" }

// DeletionApproved says that an operator let the app be deleted.
type DeletionApproved struct {
	About
	Request string `json:"request"`
}

func (DeletionApproved) Type() string { return "app.deletion_approved.v1" }

func (e DeletionApproved) apply(acc *Account) { acc.change(e.App).Deletion.State = RequestApproved }

func (DeletionApproved) describe() string { return "the app's deletion was approved" }

// DeletionRejected says that an operator did not let the app be deleted, and why.
type DeletionRejected struct {
	About
	Request string `json:"request"`
	Reason  string `json:"reason"`
}

func (DeletionRejected) Type() string { return "app.deletion_rejected.v1" }

func (e DeletionRejected) apply(acc *Account) { acc.change(e.App).Deletion.State = RequestRejected }

func (DeletionRejected) describe() string { return "the app's deletion was rejected" }

// DeletionWithdrawn says that a request ended by itself, as the app is in service again.
type DeletionWithdrawn struct {
	About
	Request string `json:"request"`
	By      By     `json:"by"` // what reinstated the app, or its TRTC side
}

func (DeletionWithdrawn) Type() string { return "app.deletion_withdrawn.v1" }

func (e DeletionWithdrawn) apply(acc *Account) { acc.change(e.App).Deletion.State = RequestWithdrawn }

func (DeletionWithdrawn) describe() string {
	return "the wish for the app's deletion ended, as the app is in service again"
}

func (DeletionWithdrawn) derived() bool { return true }
