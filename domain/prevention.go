package domain

import "strings"

// Prevention is what would keep something due from happening: facts, effective at or before the due. It is the one thing
// that helps; what is due after that is another matter. It is empty where there is nothing to be prevented: an order
// begins, and the app has no less than before.
type Prevention struct {
	Invoices []string // each of them settled or voided; or else
	Edition  Edition  // an order for this edition, or a higher one, that ends after the due
}

// Prevention tells what would keep a due that changes the app's status or edition from happening. A stop for arrears is prevented by closing the
// invoices that count since the arrears began; later ones have a due of their own. An expiry, and the stop after it, is
// prevented by any order that covers the app then; a fall to a lower edition by one for the edition that it has.
func (a *App) Prevention(d Due) Prevention {
	if d.Kind == DueArrears {
		var p Prevention
		for i := range a.OpenInvoices(0, "") {
			if i.Since > a.Arrears.Since {
				break
			}
			p.Invoices = append(p.Invoices, i.ID)
		}
		return p
	}
	if d.Kind != DueTerm || d.To == string(Expired) {
		return Prevention{Edition: Pro}
	}
	to, changes := strings.CutPrefix(d.To, toEdition)
	if !changes || Edition(to).Rank() >= a.Edition.Rank() {
		return Prevention{}
	}
	return Prevention{Edition: a.Edition}
}
