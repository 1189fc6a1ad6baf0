package domain

import "fmt"

// The grounds of each field.

func (w *inquiry) status() string {
	app := w.app
	switch app.Status() {
	case Deleted:
		w.since(func(a *App) any { return a.DeletedAt })
		w.remark("a deletion is final")
	case Stopped:
		w.stop()
	case Expired:
		w.lapse()
	case Active:
		w.since(func(a *App) any { return a.Status() })
		w.covering()
		if app.Arrears.Since != 0 {
			w.arrears()
			w.remark("an app in arrears is in service until its stop is due")
		}
		w.remark("no hold is in force, and the app has not lapsed")
	}
	return string(app.Status())
}

func (w *inquiry) stop() string {
	app := w.app
	stop, stopped := app.Stop()
	if !stopped {
		w.since(func(a *App) any { _, stopped := a.Stop(); return stopped })
		w.remark("no hold is in force")
		return none
	}
	stop.Cause.row().explain(w)
	return fmt.Sprintf("%s since %s", stop.Cause, stop.EffectiveAt)
}

func (w *inquiry) arrears() string {
	app := w.app
	if app.Arrears.Since == 0 {
		owed := false
		for i := range app.Invoices.All() {
			if i.lateSince() != 0 {
				owed = true
				w.add(w.overdue(i))
			}
		}
		if owed {
			w.remark("the app was never billed: overdue invoices have no effect before its first order with an edition")
			return none
		}
		w.since(func(a *App) any { return a.Arrears.Since == 0 })
		w.remark("no invoice is overdue")
		return none
	}
	for i := range app.Invoices.All() {
		if i.lateSince() != 0 {
			w.add(w.overdue(i))
		}
	}
	if billed := app.billedSince(); billed == app.Arrears.Since {
		for o := range app.Orders.All() {
			if o.buysEdition() && o.Terms.EffectiveAt == billed {
				w.add(w.paid(o))
			}
		}
	}
	w.since(func(a *App) any { return [2]Instant{a.Arrears.Since, a.Arrears.StopDue} })
	return fmt.Sprintf("since %s, stop due %s", app.Arrears.Since, app.Arrears.StopDue)
}

func (w *inquiry) lapse() string {
	app := w.app
	if app.Lapse.Since == 0 {
		w.covering()
		w.since(func(a *App) any { return a.Lapse.Since == 0 })
		if app.billedSince() == 0 {
			w.remark("no order ever bought an edition, so there is nothing that could lapse")
		} else {
			w.remark("an order covers the app")
		}
		return none
	}
	for o := range app.Orders.All() {
		if end, _ := o.end(); o.buysEdition() && end == app.Lapse.Since {
			w.add(w.paid(o))
			w.add(w.refund(o))
		}
	}
	w.since(func(a *App) any { return [2]any{a.Lapse.Cause, a.Lapse.Since} })
	return fmt.Sprintf("%s since %s, stop due %s", app.Lapse.Cause, app.Lapse.Since, app.Lapse.StopDue)
}

func (w *inquiry) edition() string {
	app := w.app
	if app.Lapse.Since != 0 {
		w.lapse()
		w.remark("without an order that covers the app, the edition is that of the order that ended last")
	} else {
		w.covering()
	}
	w.since(func(a *App) any { return a.Edition })
	return string(app.Edition)
}

// covering links the order that the edition rests on: of those for it, the one that ends last.
func (w *inquiry) covering() {
	var best *Order
	for o := range w.app.Orders.All() {
		if !o.buysEdition() || o.Terms.Edition != w.app.Edition {
			continue
		}
		if end, _ := o.end(); best == nil || end > endOf(best) {
			best = &o
		}
	}
	if best != nil {
		w.add(w.paid(*best))
	}
}

func endOf(o *Order) Instant {
	end, _ := o.end()
	return end
}

func (w *inquiry) paidUntil() string {
	until, openEnded := w.app.PaidUntil(), false
	for o := range w.app.Orders.All() {
		switch {
		case !o.buysEdition():
		case o.refundedAt() != 0:
			w.add(w.paid(o))
			w.add(w.refund(o))
		case until == 0 && o.Terms.PaidUntil == 0, until != 0 && max(o.Terms.PaidUntil, o.Terms.EffectiveAt) == until:
			openEnded = until == 0
			w.add(w.paid(o))
		}
	}
	switch {
	case until != 0:
		w.remark("the latest end among the orders not refunded counts")
		return until.String()
	case openEnded:
		w.remark("an order without an end counts")
	default:
		w.since(func(a *App) any { return a.PaidUntil() })
		w.remark("there is no order for an edition that was not refunded")
	}
	return none
}

func (w *inquiry) next() string {
	dues := w.app.Transitions()
	if len(dues) == 0 {
		w.since(func(a *App) any { return len(a.Transitions()) == 0 })
		w.remark("nothing is due by time")
		return none
	}
	switch first := dues[0]; first.Kind {
	case DueTerm:
		for o := range w.app.Orders.All() {
			if endOf(&o) == first.At && o.buysEdition() {
				w.add(w.paid(o))
				w.add(w.refund(o))
			}
		}
		w.since(func(a *App) any { return [3]any{a.Term.Due, a.Term.To, a.Term.Cause} })
	case DueArrears:
		w.arrears()
	case DueLapse:
		w.lapse()
	}
	return fmt.Sprintf("%s at %s (%s)", dues[0].To, dues[0].At, dues[0].Cause)
}
