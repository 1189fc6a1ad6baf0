package api

import "sundial/domain"

type renumberApp struct{ Reasoned }

func (renumberApp) command(app domain.AppID) domain.Command { return domain.RenumberApp{App: app} }

// appInAccount gives the number of the app in the path, of the account in the path: the number alone means another's app
// where two have it.
func (x *call) appInAccount() (id domain.AppID, account string, problem reply, fine bool) {
	if account, problem, fine = x.account(); !fine {
		return 0, "", problem, false
	}
	id, isApp := appID(x.r.PathValue("app"))
	if !isApp {
		return 0, "", appNotFound.reply(), false
	}
	return id, account, reply{}, true
}
