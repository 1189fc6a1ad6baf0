package api

import (
	"github.com/danielgtaylor/huma/v2"

	"sundial/domain"
	"sundial/internal/timetravel"
)

type rejudge struct{ Reasoned }

func (rejudge) command(app domain.AppID) domain.Command { return domain.Rejudge{App: app} }

// Rejudgement is an app that today's rules judge otherwise than it was judged.
type Rejudgement struct {
	Differs []differing `json:"differs" doc:"In what"`
	Is      App         `json:"is" doc:"The app as it is"`
	WouldBe App         `json:"would_be" doc:"The app as rejudging it now would make it"`
}

// differing is a part of an app that can be judged otherwise.
type differing string

// Schema lists them, for the document.
func (differing) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{
		domain.FieldStatus, domain.FieldEdition, domain.FieldArrears, domain.FieldLapse, domain.FieldStop, domain.FieldNext, domain.FieldExpiries,
	}}
}

func appendRejudgement(b []byte, r timetravel.Rejudgement) []byte {
	b = append(b, `{"differs":[`...)
	for i, f := range r.Differs {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, string(f))
	}
	b = appendApp(append(b, `],"is":`...), r.Is)
	b = appendApp(append(b, `,"would_be":`...), r.WouldBe)
	return append(b, '}')
}

// listRejudgements answers GET /v1/rejudgements.
func (a *API) listRejudgements(x *call) reply {
	account, problem, fine := x.narrowed()
	if !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	if wrong != nil {
		return invalid.with(wrong...)
	}
	found, next, err := a.config.Past.Rejudgements(x.r.Context(), account, page)
	if err != nil {
		return listError(err)
	}
	return x.written(appendList(x.buffer(), found, next, appendRejudgement))
}
