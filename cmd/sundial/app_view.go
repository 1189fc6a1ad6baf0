package main

import (
	"fmt"
	"strconv"
	"strings"
)

// appView is what the tables show of an app.
type appView struct {
	App          uint64   `json:"app"`
	Account      string   `json:"account"`
	Name         string   `json:"name"`
	Type         string   `json:"type"`
	Introduction string   `json:"introduction"`
	Edition      string   `json:"edition"`
	Status       string   `json:"status"`
	CreatedAt    string   `json:"created_at"`
	PaidUntil    string   `json:"paid_until"`
	Version      uint64   `json:"version"`
	Position     uint64   `json:"position"`
	Admins       []string `json:"admins"`
	Certificates int      `json:"certificates"`
	Key          *struct {
		Algorithm string `json:"algorithm"`
	} `json:"key"`
	TRTC     onOff `json:"trtc"`
	TPNS     onOff `json:"tpns"`
	Deletion *struct {
		ID          string `json:"id"`
		State       string `json:"state"`
		RequestedAt string `json:"requested_at"`
		Reason      string `json:"reason"`
	} `json:"deletion_request"`
	Arrears *struct {
		Since    string `json:"since"`
		StopDue  string `json:"stop_due"`
		Invoices []struct {
			ID     string `json:"id"`
			Amount money  `json:"amount"`
			Since  string `json:"since"`
		} `json:"invoices"`
		Total int `json:"invoices_total"`
	} `json:"arrears"`
	Lapse *struct {
		Cause   string `json:"cause"`
		Since   string `json:"since"`
		StopDue string `json:"stop_due"`
	} `json:"lapse"`
	Stop *struct {
		Cause       string `json:"cause"`
		EffectiveAt string `json:"effective_at"`
	} `json:"stop"`
	Next *struct {
		To    string `json:"to"`
		Due   string `json:"due"`
		Cause string `json:"cause"`
	} `json:"next_transition"`
	Warnings []struct {
		Detail string `json:"detail"`
	} `json:"warnings"`
}

// onOff is a service that an app may have.
type onOff struct {
	Enabled bool `json:"enabled"`
}

func (s onOff) String() string {
	if s.Enabled {
		return "on"
	}
	return "off"
}

func (a *appView) next() string {
	if a.Next == nil {
		return ""
	}
	return fmt.Sprintf("%s at %s (%s)", a.Next.To, a.Next.Due, a.Next.Cause)
}

// showApp prints the app in an answer, unless the answer itself was printed.
func (r *remote) showApp(c *console, a answer) error {
	if r.JSON {
		return nil
	}
	var app appView
	if err := a.into(&app); err != nil {
		return err
	}
	rows := [][2]string{
		{"app", strconv.FormatUint(app.App, 10)},
		{"account", app.Account},
		{"name", app.Name},
		{"type", app.Type},
		{"introduction", app.Introduction},
		{"edition", app.Edition},
		{"status", app.Status},
	}
	if s := app.Stop; s != nil {
		rows = append(rows, [2]string{"stopped", fmt.Sprintf("since %s (%s)", s.EffectiveAt, s.Cause)})
	}
	if l := app.Lapse; l != nil {
		rows = append(rows, [2]string{"lapsed", fmt.Sprintf("since %s (%s), stops at %s", l.Since, l.Cause, l.StopDue)})
	}
	if owed := app.Arrears; owed != nil {
		rows = append(rows, [2]string{"arrears", fmt.Sprintf("since %s, stops at %s", owed.Since, owed.StopDue)})
		for _, i := range owed.Invoices {
			rows = append(rows, [2]string{"  invoice", fmt.Sprintf("%s  %s %d (minor units)  since %s", i.ID, i.Amount.Currency, i.Amount.Minor, i.Since)})
		}
		if more := owed.Total - len(owed.Invoices); more > 0 {
			rows = append(rows, [2]string{"  invoices", fmt.Sprintf("and %d more: sundial app invoices %d", more, app.App)})
		}
	}
	if d := app.Deletion; d != nil {
		rows = append(rows, [2]string{"deletion", strings.TrimSpace(fmt.Sprintf("request %s %s, made %s  %s", d.ID, d.State, d.RequestedAt, d.Reason))})
	}
	if k := app.Key; k != nil {
		rows = append(rows, [2]string{"key", k.Algorithm})
	}
	c.pairs(append(rows, [][2]string{
		{"next", app.next()},
		{"paid until", app.PaidUntil},
		{"created", app.CreatedAt},
		{"administrators", strings.Join(app.Admins, ", ")},
		{"certificates", strconv.Itoa(app.Certificates)},
		{"TRTC", app.TRTC.String()},
		{"TPNS", app.TPNS.String()},
		{"version", strconv.FormatUint(app.Version, 10)},
		{"position", strconv.FormatUint(app.Position, 10)},
	}...))
	for _, w := range app.Warnings {
		c.say("warning: " + w.Detail)
	}
	return nil
}
