package oracle

// ByEdition is a span that policy sets, in ms, for an account and one of its editions: a grace, or how far ahead orders
// may begin.
type ByEdition func(account, edition string) int64

// Always is a policy that makes no difference between accounts and editions.
func Always(span int64) ByEdition { return func(string, string) int64 { return span } }

// Standing keeps the dues of one app as they were fixed, for tests in which policy changes on the way: a due is
// "computed when its since is set or moves, or the edition that the app has at since becomes another; with the
// policy in force as that is recorded". The zero value has none.
type Standing struct {
	arrears, lapse fixedDue
}

type fixedDue struct {
	since   int64
	edition string // that of the app at since
	due     int64
}

// State is the function [State] with the dues that stand. It must be asked, in the order of time, whenever something
// is recorded, and with the policy of then.
func (s *Standing) State(app App, facts []Fact, now int64, grace ByEdition) View {
	asked := newHistory(app, facts, grace)
	asked.arrearsDue, asked.lapseDue = s.arrears.or(asked.arrearsDue), s.lapse.or(asked.lapseDue)
	view := asked.view(now)
	*s = Standing{}
	if a := view.Arrears; a != nil {
		s.arrears = fixedDue{a.Since, asked.editionAt(a.Since), a.StopDue}
	}
	if l := view.Lapse; l != nil {
		s.lapse = fixedDue{l.Since, asked.editionAt(l.Since), l.StopDue}
	}
	return view
}

// or is the due that was fixed, if it is about the same since and edition, or else another.
func (f fixedDue) or(another dueOf) dueOf {
	return func(since int64, edition string) int64 {
		if f == (fixedDue{since, edition, f.due}) && f.edition != "" {
			return f.due
		}
		return another(since, edition)
	}
}

// dueOf is the stop that follows a reason which began then, in an app of that edition then.
type dueOf func(since int64, edition string) int64
