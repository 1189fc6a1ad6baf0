package api

import "sundial/domain"

type addAdmins struct {
	Names []string `json:"names" minItems:"1" maxItems:"100" doc:"All of them are added, or none"`
	Reasoned
}

func (b addAdmins) command(app domain.AppID) domain.Command {
	return domain.AddAdmins{App: app, Names: b.Names}
}

type removeAdmins struct {
	Names []string `json:"names" minItems:"1" maxItems:"100" doc:"All of them are removed, or none"`
	Reasoned
}

func (b removeAdmins) command(app domain.AppID) domain.Command {
	return domain.RemoveAdmins{App: app, Names: b.Names}
}

// listAdmins answers GET /v1/apps/{app}/admins; there are never more than fit on a page.
func (a *API) listAdmins(x *call) reply {
	app, problem, fine := x.projected()
	if !fine {
		return problem
	}
	return x.written(appendList(x.buffer(), app.Administrators(), "", appendString))
}

type enableTRTC struct{ Reasoned }

func (enableTRTC) command(app domain.AppID) domain.Command { return domain.EnableTRTC{App: app} }

type enableTPNS struct {
	Order *Order `json:"order,omitzero" doc:"That pays for it: its add-ons are tpns, unless it names others too; not needed while mobile push is on"`
	Reasoned
}

func (b enableTPNS) command(app domain.AppID) domain.Command {
	c := domain.EnableTPNS{App: app}
	if b.Order != nil {
		c.Order = b.Order.terms()
	}
	return c
}

func (b enableTPNS) missing() []domain.FieldError {
	if b.Order != nil && b.Order.ID == "" {
		return []domain.FieldError{field("order.id", "invalid_id", "must be 1 to 128 characters, none of them a control character")}
	}
	return nil
}

type disableTPNS struct{ Reasoned }

func (disableTPNS) command(app domain.AppID) domain.Command { return domain.DisableTPNS{App: app} }
