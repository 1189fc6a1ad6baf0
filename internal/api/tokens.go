package api

import (
	"net/http"
	"slices"

	"github.com/go-json-experiment/json"

	"sundial/domain"
	"sundial/internal/auth"
)

// newToken is the body of POST /v1/tokens.
type newToken struct {
	Role      string         `json:"role" enum:"operator,owner,billing,auditor,reader"`
	Account   string         `json:"account,omitzero" doc:"The one account of an owner or a reader; absent for the other roles"`
	Name      string         `json:"name" minLength:"1" maxLength:"64" doc:"What uses it"`
	ExpiresAt domain.Instant `json:"expires_at,omitzero" doc:"Absent: never"`
	Reasoned
}

// Token is what may be known of a token. Its secret is not among it.
type Token struct {
	ID        string     `json:"id" example:"tok_0123456789abcdef0123"`
	Role      string     `json:"role" enum:"operator,owner,billing,auditor,reader"`
	Account   *string    `json:"account" doc:"null unless it is for one account"`
	Name      string     `json:"name" example:"console of acme"`
	CreatedAt Absentable `json:"created_at"`
	ExpiresAt Absentable `json:"expires_at" doc:"null: never"`
	RevokedAt Absentable `json:"revoked_at" doc:"null: it was not"`
}

// MadeToken is a token with its secret, which no other answer has.
type MadeToken struct {
	Token
	Secret string `json:"token" doc:"The token itself, only here: it cannot be had again" example:"sundial_0123456789ABCDEFGHIJKLMNOPQRSTUVW"`
	Inbox  string `json:"inbox_prefix" doc:"An inbox prefix of this token's own, for a NATS client that wants to set one; the embedded server needs no such setting" example:"_INBOX.tok_0123456789abcdef0123"`
}

func shown(t auth.Token) Token {
	out := Token{ID: t.ID, Role: string(t.Role), Name: t.Name}
	if t.Account != "" {
		out.Account = &t.Account
	}
	for _, at := range []struct {
		from domain.Instant
		to   *Absentable
	}{
		{domain.InstantOf(t.CreatedAt), &out.CreatedAt},
		{domain.InstantOf(t.ExpiresAt), &out.ExpiresAt},
		{domain.InstantOf(t.RevokedAt), &out.RevokedAt},
	} {
		if at.from != 0 {
			*at.to = &at.from
		}
	}
	return out
}

// listTokens answers GET /v1/tokens: all of them, in the order in which they were made. The cursor is the last one's id.
func (a *API) listTokens(x *call) reply {
	if problem, fine := x.allowed("", tokenUnknown); !fine {
		return problem
	}
	page, wrong := pageOf(x.query)
	tokens := a.config.Tokens.List()
	if page.Cursor != "" && wrong == nil {
		last := slices.IndexFunc(tokens, func(t auth.Token) bool { return t.ID == page.Cursor })
		if last < 0 {
			wrong = append(wrong, wrongCursor())
		}
		tokens = tokens[last+1:]
	}
	if wrong != nil {
		return invalid.with(wrong...)
	}
	next := ""
	if len(tokens) > page.Limit {
		tokens = tokens[:page.Limit]
		next = tokens[page.Limit-1].ID
	}
	return x.written(appendList(x.buffer(), tokens, next, func(b []byte, t auth.Token) []byte {
		return append(b, marshal(shown(t))...)
	}))
}

// createToken answers POST /v1/tokens.
func (a *API) createToken(x *call) reply {
	if problem, fine := x.allowed("", tokenUnknown); !fine {
		return problem
	}
	text, problem, fine := x.body()
	if !fine {
		return problem
	}
	var b newToken
	if problem, fine := decode(text, &b); !fine {
		return problem
	}
	if wrong := checkReason(b.Reason); wrong != nil {
		return invalid.with(wrong...)
	}
	made, secret, err := a.config.Tokens.Create(x.r.Context(), auth.NewToken{
		Role: auth.Role(b.Role), Account: b.Account, Name: b.Name, ExpiresAt: b.ExpiresAt.Time(),
	})
	if err != nil {
		return errorReply(err)
	}
	a.config.Logger.Info("a token was made", "id", made.ID, "role", made.Role, "account", made.Account, "by", x.who.TokenID,
		"reason", b.Reason, "request", x.request)
	rep := ok(marshal(MadeToken{shown(made), secret, auth.InboxPrefix(secret)}))
	rep.status = http.StatusCreated
	return rep
}

// revokeToken answers DELETE /v1/tokens/{id} with the token as it then is.
func (a *API) revokeToken(x *call) reply {
	if problem, fine := x.allowed("", tokenUnknown); !fine {
		return problem
	}
	if wrong := checkReason(x.query.Get("reason")); wrong != nil {
		return invalid.with(wrong...)
	}
	id := x.r.PathValue("id")
	if err := a.config.Tokens.Revoke(x.r.Context(), id); err != nil {
		return errorReply(err)
	}
	a.config.Logger.Info("a token was revoked", "id", id, "by", x.who.TokenID, "reason", x.query.Get("reason"), "request", x.request)
	tokens := a.config.Tokens.List()
	i := slices.IndexFunc(tokens, func(t auth.Token) bool { return t.ID == id })
	if i < 0 {
		return tokenUnknown.reply()
	}
	return ok(marshal(shown(tokens[i])))
}

// marshal writes what is ours and UTF-8, so it cannot fail.
func marshal(v any) []byte {
	b, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return []byte("null")
	}
	return b
}
