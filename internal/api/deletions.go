package api

import (
	"net/http"
	"strings"

	"sundial/domain"
	"sundial/internal/accountid"
)

type requestDeletion struct{ Reasoned }

func (b requestDeletion) command(app domain.AppID) domain.Command {
	return domain.RequestDeletion{App: app, Reason: b.Reason}
}

// ofRequest is in the body of what is said to a request: its id, in the path over HTTP.
type ofRequest struct {
	Request string `json:"request,omitzero" doc:"Its id; over HTTP it stands in the path"`
	Reasoned
}

type approveDeletion struct{ ofRequest }

func (b approveDeletion) command(app domain.AppID) domain.Command {
	return domain.ApproveDeletion{App: app, Request: b.Request}
}

func (b approveDeletion) of(id string) body {
	b.Request = id
	return b
}

type rejectDeletion struct{ ofRequest }

func (b rejectDeletion) command(app domain.AppID) domain.Command {
	return domain.RejectDeletion{App: app, Request: b.Request, Reason: b.Reason}
}

func (b rejectDeletion) of(id string) body {
	b.Request = id
	return b
}

// requestNotFound is the domain's refusal as a fault of this edge: it is answered before the domain is reached.
var requestNotFound = fault{
	http.StatusNotFound, domain.RequestNotFound.Code, domain.RequestNotFound.Message, domain.RequestNotFound.Fix,
}

// appOfRequest gives the number of the app that a request is about, which its id begins with.
func (x *call) appOfRequest() (id domain.AppID, account string, problem reply, fine bool) {
	if problem, fine := x.allowed("", requestNotFound); !fine {
		return 0, "", problem, false
	}
	number, _, _ := strings.Cut(x.r.PathValue("id"), "-")
	id, isApp := appID(number)
	if !isApp {
		return 0, "", requestNotFound.reply(), false
	}
	account, found, err := x.api.config.Store.AccountOf(x.r.Context(), id)
	switch {
	case err != nil:
		return 0, "", errorReply(err), false
	case !found:
		return 0, "", requestNotFound.reply(), false
	}
	return id, account, reply{}, true
}

// DeletionRequest is an owner's wish that an app be deleted which only the vendor deletes.
type DeletionRequest struct {
	ID          string         `json:"id" example:"1400000001-12"`
	App         domain.AppID   `json:"app" example:"1400000001"`
	Account     string         `json:"account" example:"acme"`
	Name        string         `json:"name" example:"shop chat"`
	Edition     domain.Edition `json:"edition" enum:"trial,trtc_trial,pro,flagship"`
	Status      domain.Status  `json:"status" enum:"active,expired,stopped,deleted" doc:"Of the app"`
	State       string         `json:"state" enum:"open,approved,rejected,withdrawn"`
	RequestedAt domain.Instant `json:"requested_at"`
	By          string         `json:"by" doc:"Who asked" example:"owner:tok_8c02e6d1aa54b7f30c19"`
	Reason      string         `json:"reason"`
	Losses      []string       `json:"losses" doc:"What its approval destroys"`
}

func shownRequest(app *domain.App) DeletionRequest {
	q := app.Deletion
	return DeletionRequest{
		ID: q.ID, App: app.ID, Account: app.Account, Name: app.Name, Edition: app.Edition, Status: app.Status(),
		State: string(q.State), RequestedAt: q.RequestedAt, By: q.By, Reason: q.Reason, Losses: app.Losses(),
	}
}

// listDeletionRequests answers GET /v1/deletion-requests. A token for one account sees that one's.
func (a *API) listDeletionRequests(x *call) reply {
	account, problem, fine := x.narrowed()
	if !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	apps, next, err := a.config.Store.DeletionRequests(x.r.Context(), account, page)
	if err != nil {
		return listError(err)
	}
	return x.written(appendList(x.buffer(), apps, next, func(b []byte, app *domain.App) []byte {
		return append(b, marshal(shownRequest(app))...)
	}))
}

// narrowed gives the account that a list across accounts is narrowed to: the one named in the query, else the token's
// own; "" for all.
func (x *call) narrowed() (account string, problem reply, fine bool) {
	account = x.query.Get("account")
	if account == "" {
		account = x.who.Account
	}
	if problem, fine = x.allowed(account, noAccount); !fine {
		return "", problem, false
	}
	if x.query.Has("account") && !accountid.Valid(account) {
		return "", invalid.with(wrongAccount()), false
	}
	return account, reply{}, true
}
