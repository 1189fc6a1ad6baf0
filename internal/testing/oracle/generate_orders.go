package oracle

import "fmt"

// story is the history of one app while it is being made up.
type story struct {
	*generator
	app   App
	since int64   // when its first order took effect; 0 without one
	ends  []int64 // instants at which an order ended
}

// say tells a fact about the app when such a thing is heard of.
func (s *story) say(fact Fact) {
	if fact.Effective <= s.options.End {
		s.sayAt(fact, s.arrival(fact.Effective))
	}
}

func (s *story) sayAt(fact Fact, arrives int64) {
	fact.Account, fact.App = s.app.Account, s.app.ID
	s.deliver(fact, arrives)
}

// sayOrder tells an order when it begins, or as long ahead as it is paid ahead.
func (s *story) sayOrder(paid Fact, ahead int64) {
	if ahead == 0 {
		s.say(paid)
		return
	}
	s.sayAt(paid, max(paid.Effective-ahead, s.options.Start))
}

// ahead is how long before its beginning an order is paid, 0 for most.
func (s *story) ahead() int64 {
	if s.chance(60) {
		return 0
	}
	return s.days(1, 120)
}

// orders tells what was bought one after the other: renewed in time, too late or to the millisecond, upgraded and
// refunded on the way.
func (s *story) orders() {
	if s.chance(8) {
		return // never billed
	}
	at := s.options.Start + s.days(0, 60)
	ahead := s.ahead()
	if s.chance(20) {
		at += s.between(1, 999)
	}
	s.since = at
	for n := range s.between(1, 5) {
		if at-ahead > s.options.End {
			return
		}
		id, edition := fmt.Sprintf("ord-%d-%d", s.app.ID, n), pick(s.generator, Pro, Pro, Flagship)
		end := s.buy(id, edition, at, ahead)
		if s.chance(30) {
			s.upgrade(id+"-up", at, end)
		}
		if s.chance(15) {
			s.buyAddOns(id+"-add", at)
		}
		at, ahead = s.nextPurchase(at, end, edition), s.ahead()
	}
}

// buy pays for an edition, ahead or not, and returns when that ends as paid for; never, if it is open-ended.
func (s *story) buy(id, edition string, at, ahead int64) int64 {
	paid := Fact{Kind: OrderPaid, Order: id, Edition: edition, Effective: at, Amount: yuan(99900)}
	if !s.chance(25) {
		paid.PaidUntil = at + s.days(1, 95)
	}
	if s.chance(20) {
		paid.AddOns = `["history","push"]`
	}
	if s.chance(20) {
		paid.Version = 1
	}
	s.sayOrder(paid, ahead)
	for s.chance(25) {
		paid = s.restate(paid)
		ahead -= s.between(0, ahead)
		s.sayOrder(paid, ahead)
	}
	s.ended(paid.PaidUntil)
	s.refunds(paid, ahead)
	return orNever(paid.PaidUntil)
}

// restate changes an order that was reported before, in one of the respects by which reports of it are merged.
func (s *story) restate(paid Fact) Fact {
	switch s.rng.IntN(8) {
	case 0: // the term was another
		paid.Version += s.between(1, 2)
		paid.PaidUntil = paid.Effective + s.days(1, 95)
	case 1: // it was monthly after all
		paid.Version++
		paid.PaidUntil = 0
	case 2: // the edition was another
		paid.Version++
		paid.Edition = pick(s.generator, Pro, Flagship)
	case 3: // a correction of the beginning, without a new version
		paid.Effective = max(paid.Effective+pick[int64](s.generator, -1, 1)*s.days(0, 3), s.options.Start)
		paid.PaidUntil = later(paid.PaidUntil, paid.Effective)
	case 4: // of the term
		paid.PaidUntil = paid.Effective + s.days(1, 95)
	case 5: // of the edition
		paid.Edition = pick(s.generator, Pro, Flagship)
	case 6: // a report from before, told late
		paid.Version = max(paid.Version-1, 0)
		paid.Effective = max(paid.Effective-s.days(0, 10), s.options.Start)
		paid.Edition = Flagship
	case 7: // it begins at another time, and with it its term
		paid.Version++
		moved := max(s.between(-20, 40)*oneDay, s.options.Start-paid.Effective)
		paid.Effective += moved
		if paid.PaidUntil != 0 {
			paid.PaidUntil += moved
		}
	}
	return paid
}

// later keeps a term, if there is one, from ending before it begins.
func later(until, begins int64) int64 {
	if until == 0 {
		return 0
	}
	return max(until, begins)
}

// refunds gives money back: of some orders all of it, of some in parts, of some for goodwill.
func (s *story) refunds(paid Fact, ahead int64) {
	if s.chance(12) {
		s.sayRefund(Fact{Order: paid.Order, Refund: paid.Order + "-g", Goodwill: true, Effective: s.refundedAt(paid, ahead)})
	}
	if s.chance(30) {
		s.refund(paid, ahead)
	}
	for part := 1; s.chance(12); part++ { // the parts end the order with the first of them
		s.sayRefund(Fact{Order: paid.Order, Refund: fmt.Sprintf("%s-%d", paid.Order, part), Effective: s.refundedAt(paid, ahead)})
	}
}

// refundedAt is in mid-term, before the order was reported or began, or at the very end.
func (s *story) refundedAt(paid Fact, ahead int64) int64 {
	at := paid.Effective + s.days(0, 60)
	if paid.PaidUntil != 0 {
		at = min(at, paid.PaidUntil)
	}
	switch s.rng.IntN(8) {
	case 0:
		at = paid.Effective - s.days(0, 5) - s.between(0, ahead)
	case 1:
		at = s.around(paid.Effective)
	case 2, 3:
		if paid.PaidUntil != 0 {
			at = s.around(paid.PaidUntil)
		}
	case 4:
		if len(s.ends) > 0 {
			at = pick(s.generator, s.ends...)
		}
	}
	return max(at, s.options.Start)
}

// refund gives the money back under one id or none, which some are told again of with another time or in other words.
func (s *story) refund(paid Fact, ahead int64) {
	refund := Fact{Order: paid.Order, Effective: s.refundedAt(paid, ahead)}
	if s.chance(30) {
		refund.Refund = paid.Order + "-r"
	}
	for {
		s.sayRefund(refund)
		if !s.chance(20) {
			return
		}
		refund.Effective = max(refund.Effective+pick[int64](s.generator, -1, 0, 1)*s.days(0, 10), s.options.Start)
		refund.Goodwill = s.chance(20)
	}
}

func (s *story) sayRefund(refund Fact) {
	refund.Kind = OrderRefunded
	if s.chance(70) {
		refund.Amount = yuan(s.between(1, 99900))
	}
	s.say(refund)
	if !refund.Goodwill {
		s.ended(refund.Effective)
	}
}

// upgrade buys flagship while the order before it runs, until before, with or after its end, or without one.
func (s *story) upgrade(id string, base, end int64) {
	if end == never {
		end = base + s.days(20, 60)
	}
	end = max(base, end) // a restated order may end before it was first said to begin
	at := s.between(base, end)
	paid := Fact{Kind: OrderPaid, Order: id, Edition: Flagship, Effective: at, Amount: yuan(299900)}
	switch s.rng.IntN(4) {
	case 0:
		paid.PaidUntil = s.between(at, end)
	case 1:
		paid.PaidUntil = end
	case 2:
		paid.PaidUntil = at + s.days(1, 60)
	}
	ahead := s.ahead()
	s.sayOrder(paid, ahead)
	s.ended(paid.PaidUntil)
	if s.chance(20) {
		s.refund(paid, ahead)
	}
	s.refunds(paid, ahead)
}

// buyAddOns buys add-ons alone, which cover nothing, whatever becomes of them.
func (s *story) buyAddOns(id string, base int64) {
	paid := Fact{
		Kind: OrderPaid, Order: id, Effective: max(base+s.days(0, 40)-10*oneDay, s.options.Start),
		Amount: yuan(9900), AddOns: `["push"]`,
	}
	if s.chance(50) {
		paid.PaidUntil = paid.Effective + s.days(1, 60)
	}
	s.say(paid)
	if s.chance(30) {
		s.say(Fact{Kind: OrderRefunded, Order: id, Effective: paid.Effective + s.days(0, 10)})
	}
}

// nextPurchase begins in time, late, or where a millisecond decides: at the end, or at the stop that follows it.
func (s *story) nextPurchase(at, end int64, edition string) int64 {
	if end == never {
		return at + s.days(1, 60)
	}
	switch s.rng.IntN(5) {
	case 0:
		return s.around(end)
	case 1:
		return s.around(end + s.grace(edition))
	case 2:
		return max(at, end-s.days(0, 20))
	default:
		return end + s.days(0, 20)
	}
}

func (s *story) grace(edition string) int64 {
	return graceOf(s.options.Grace, s.options.FlagshipGrace)(s.app.Account, edition)
}

func (s *story) ended(at int64) {
	if at != 0 {
		s.ends = append(s.ends, at)
	}
}

func yuan(minor int64) Money { return Money{Currency: "CNY", Minor: minor} }
