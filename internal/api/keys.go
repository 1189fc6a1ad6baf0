package api

import (
	"context"
	"time"

	"sundial/domain"
	"sundial/internal/engine"
	"sundial/internal/secrets"
	"sundial/internal/usersig"
)

type upgradeKeyAlgorithm struct{ Reasoned }

func (upgradeKeyAlgorithm) command(app domain.AppID) domain.Command {
	return secrets.UpgradeKeyAlgorithm{UpgradeKeyAlgorithm: domain.UpgradeKeyAlgorithm{App: app}}
}

type rotateKey struct {
	Overlap *string `json:"overlap,omitzero" doc:"For how long the key before verifies on, such as 24h; absent: the policy's" example:"24h"`
	Reasoned
}

func (b rotateKey) missing() []domain.FieldError {
	if b.Overlap == nil {
		return nil
	}
	if d, err := time.ParseDuration(*b.Overlap); err != nil || d%time.Millisecond != 0 {
		return []domain.FieldError{field("overlap", "invalid_duration", "must be a duration in whole milliseconds, such as 24h or 30m")}
	}
	return nil
}

func (b rotateKey) command(app domain.AppID) domain.Command {
	c := domain.RotateKey{App: app}
	if b.Overlap != nil {
		d, _ := time.ParseDuration(*b.Overlap) // missing has judged it
		c.Overlap = pointer(d.Milliseconds())
	}
	return secrets.RotateKey{RotateKey: c}
}

type retireKey struct{ Reasoned }

func (retireKey) command(app domain.AppID) domain.Command { return domain.RetireKey{App: app} }

// KeyRing is what may be shown of an app's signing keys.
type KeyRing struct {
	Algorithm string         `json:"algorithm" enum:"HMAC-SHA256,ECDSA-SHA256" doc:"How new UserSigs are signed"`
	CreatedAt domain.Instant `json:"created_at"`
	Keys      []ShownKey     `json:"keys" doc:"Those that verify, the one that signs last; empty while no key was needed yet"`
}

// ShownKey is one of the keys in force.
type ShownKey struct {
	ID        int            `json:"id"`
	Algorithm string         `json:"algorithm" enum:"HMAC-SHA256,ECDSA-SHA256"`
	CreatedAt domain.Instant `json:"created_at"`
	Until     Absentable     `json:"until" doc:"When it is retired by time; null if it is not"`
	Public    *string        `json:"public_key" doc:"PEM, of a pair; null of a secret"`
}

// readKey answers GET /v1/apps/{app}/key.
func (a *API) readKey(x *call) reply {
	app, problem, fine := x.projected()
	if !fine {
		return problem
	}
	if app.DeletedAt != 0 {
		return refusalReply(&domain.Refusal{Code: domain.AppDeletedAlready})
	}
	ring := KeyRing{Algorithm: string(app.KeyAlgorithm()), CreatedAt: app.KeyCreatedAt(), Keys: []ShownKey{}}
	for _, k := range app.Keys {
		ring.Keys = append(ring.Keys, ShownKey{k.ID, string(k.Algorithm), k.CreatedAt, present(k.Until), present(k.Public)})
	}
	return ok(marshal(ring))
}

// projected gives the app in the path, if the token may do this to it.
func (x *call) projected() (app *domain.App, problem reply, fine bool) {
	id, _, problem, fine := x.app()
	if !fine {
		return nil, problem, false
	}
	app, found, err := x.api.config.Store.SharedApp(x.r.Context(), id)
	switch {
	case err != nil:
		return nil, errorReply(err), false
	case !found:
		return nil, appNotFound.reply(), false
	}
	return app, reply{}, true
}

// asked reads what is asked of an app's keys: a request about the app in the path, and its body.
func (x *call) asked(into any) (req engine.Request, app domain.AppID, problem reply, fine bool) {
	app, account, problem, fine := x.app()
	if !fine {
		return req, 0, problem, false
	}
	text, problem, fine := x.body()
	if !fine {
		return req, 0, problem, false
	}
	if len(text) == 0 {
		text = emptyBody
	}
	if problem, fine := decode(text, into); !fine {
		return req, 0, problem, false
	}
	return engine.Request{
		Account: account, ID: x.key, Role: domain.Role(x.who.Role), Actor: actor(x.who), Correlation: x.request,
	}, app, reply{}, true
}

// RevealedKey is a key in the clear.
type RevealedKey struct {
	Algorithm string `json:"algorithm" enum:"HMAC-SHA256,ECDSA-SHA256"`
	Secret    string `json:"secret,omitzero" doc:"Of HMAC: 64 hex digits"`
	Private   string `json:"private_key,omitzero" doc:"Of ECDSA: PEM"`
	Public    string `json:"public_key,omitzero" doc:"Of ECDSA: PEM"`
}

// revealKey answers POST /v1/apps/{app}/key/reveal.
func (a *API) revealKey(x *call) reply {
	var b reasonOnly
	req, app, problem, fine := x.asked(&b)
	if !fine {
		return problem
	}
	if wrong := checkReason(b.Reason); wrong != nil {
		return invalid.with(wrong...)
	}
	req.Reason = b.Reason
	req.Command = domain.RevealKey{App: app, Reason: b.Reason, From: x.address()}
	ctx, cancel := context.WithTimeout(x.r.Context(), commandPatience)
	defer cancel()
	key, answer, err := a.config.Secrets.Reveal(ctx, req)
	if err != nil {
		return errorReply(err)
	}
	shown := RevealedKey{Algorithm: string(key.Algorithm), Public: key.Public}
	if secret := string(key.Secret.Reveal()); key.Algorithm == domain.HMAC {
		shown.Secret = secret
	} else {
		shown.Private = secret
	}
	rep := ok(marshal(shown))
	rep.position = answer.Position
	return rep
}

type signUserSig struct {
	User   string `json:"user_id" pattern:"^[A-Za-z0-9_-]{1,32}$" example:"alice"`
	Expire int64  `json:"expire_seconds" minimum:"1" maximum:"1576800000" doc:"For how long it is valid" example:"604800"`
	Buffer []byte `json:"user_buf,omitzero" doc:"Signed along, base64; at most 1,024 bytes"`
}

// SignedUserSig is a new UserSig.
type SignedUserSig struct {
	UserSig   string         `json:"user_sig"`
	Algorithm string         `json:"algorithm" enum:"HMAC-SHA256,ECDSA-SHA256"`
	ExpiresAt domain.Instant `json:"expires_at"`
}

// signUserSig answers POST /v1/apps/{app}/usersigs.
func (a *API) signUserSig(x *call) reply {
	var b signUserSig
	req, app, problem, fine := x.asked(&b)
	if !fine {
		return problem
	}
	now := a.config.Engine.Now().Time()
	claims := usersig.Claims{App: uint64(app), User: b.User, IssuedAt: now.Unix(), Lifetime: b.Expire, Buffer: b.Buffer}
	if wrong := wrongClaims(claims); wrong != nil {
		return invalid.with(wrong...)
	}
	req.Command = domain.IssueKey{App: app}
	ctx, cancel := context.WithTimeout(x.r.Context(), commandPatience)
	defer cancel()
	sig, algorithm, err := a.config.Secrets.Sign(ctx, req, claims)
	if err != nil {
		return errorReply(err)
	}
	expires := domain.InstantOf(time.Unix(claims.IssuedAt+claims.Lifetime, 0))
	return ok(marshal(SignedUserSig{sig, string(algorithm), expires}))
}

func wrongClaims(c usersig.Claims) (wrong []domain.FieldError) {
	if err := usersig.CheckUser(c.User); err != nil {
		wrong = append(wrong, field("user_id", "invalid_user_id", "must be 1 to 32 of A-Z, a-z, 0-9, _ and -"))
	}
	if c.Lifetime < 1 || c.Lifetime > usersig.MaxLifetime {
		wrong = append(wrong, field("expire_seconds", "out_of_range", "must be from 1 to 1576800000 seconds, which are 50 years"))
	}
	if len(c.Buffer) > usersig.MaxBuffer {
		wrong = append(wrong, field("user_buf", "too_long", "must be at most 1,024 bytes"))
	}
	return wrong
}

type verifyUserSig struct {
	User    string `json:"user_id" example:"alice"`
	UserSig string `json:"user_sig" maxLength:"8192"`
}

// VerifiedUserSig says whether a UserSig is valid, and if not, why not.
type VerifiedUserSig struct {
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitzero" enum:"malformed,wrong_app,wrong_user,bad_signature,expired,app_stopped" doc:"The first that applies; absent if it is valid"`

	IssuedAt  domain.Instant `json:"issued_at,omitzero" doc:"As the UserSig says, whether its signature is good or not; absent if it is malformed"`
	ExpiresAt domain.Instant `json:"expires_at,omitzero" doc:"As the UserSig says: it is valid through this second"`
}

// verifyUserSig answers POST /v1/apps/{app}/usersigs/verify.
func (a *API) verifyUserSig(x *call) reply {
	var b verifyUserSig
	req, app, problem, fine := x.asked(&b)
	if !fine {
		return problem
	}
	if err := usersig.CheckUser(b.User); err != nil {
		return invalid.with(field("user_id", "invalid_user_id", "must be 1 to 32 of A-Z, a-z, 0-9, _ and -"))
	}
	ctx, cancel := context.WithTimeout(x.r.Context(), commandPatience)
	defer cancel()
	found, err := a.config.Secrets.Verify(ctx, req.Account, app, b.User, b.UserSig)
	if err != nil {
		return errorReply(err)
	}
	answer := VerifiedUserSig{Valid: found == usersig.Valid}
	if !answer.Valid {
		answer.Reason = string(found)
	}
	if from, to, known := usersig.Validity(b.UserSig); known {
		answer.IssuedAt = domain.InstantOf(time.Unix(from, 0))
		answer.ExpiresAt = min(domain.InstantOf(time.Unix(to, 0)), domain.MaxInstant) // 50 years from the year 9999 cannot be written
	}
	return ok(marshal(answer))
}
