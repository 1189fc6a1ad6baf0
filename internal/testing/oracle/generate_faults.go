package oracle

import (
	"bytes"
	"fmt"
)

// addFaults mixes deliveries among the good ones that an engine has to park, one in thirty, and some that stand
// exactly at a limit and must be taken.
func (g *generator) addFaults() {
	good := g.deliveries
	for n := range len(good)/30 + 5 {
		near := pick(g, good...)
		fact := near.Fact
		fact.ID = fmt.Sprintf("fault-%d-%d", g.seed, n)
		at := near.ArrivesAt
		switch n % 7 {
		case 0: // of an app that nobody has
			fact.App += 5_000_000
			g.arrive(at, EncodeEvent(fact))
		case 1: // of an app that somebody else has
			fact.Account = "acct-of-nobody"
			g.arrive(at, EncodeEvent(fact))
		case 2:
			fact.Effective = at + fact.mayLieAhead(Always(OrderAhead)) + pick[int64](g, 1, oneSecond, 400*oneDay)
			g.arrive(at, EncodeEvent(fact))
		case 3: // as far ahead as allowed, so taken: a refund of an order that nobody pays, and an order
			g.arrive(at, EncodeEvent(Fact{
				Kind: OrderRefunded, Source: fact.Source, ID: fact.ID, Account: fact.Account, App: fact.App,
				Order: "ord-never-paid", Effective: at + MaxAhead,
			}))
			g.arrive(at, EncodeEvent(Fact{
				Kind: OrderPaid, Source: fact.Source, ID: fact.ID + "-order", Account: fact.Account, App: fact.App,
				Order: fmt.Sprintf("ord-far-ahead-%d", n), Edition: Pro, Effective: at + OrderAhead, Amount: yuan(99900),
			}))
		case 4: // the id of another event
			fact.ID = near.Fact.ID
			fact.Effective -= oneSecond
			g.arrive(min(at+g.days(0, 3), g.options.End), EncodeEvent(fact))
		case 5:
			g.arrive(at, g.spoil(EncodeEvent(fact)))
		case 6: // twice the same fault is one
			fact.App += 5_000_000
			g.arrive(at, EncodeEvent(fact))
			g.arrive(at+oneHour, sorted(EncodeEvent(fact)))
		}
	}
}

// spoil makes an event malformed that stays a JSON value.
func (g *generator) spoil(event []byte) []byte {
	for _, change := range [][2]string{
		{`"effective_at":"2`, `"effective_at":"+2`},
		{`"specversion":"1.0"`, `"specversion":"0.3"`},
		{`"type":"sundial.billing.`, `"type":"sundial.gossip.`},
		{`"account":`, `"Account":`},
		{`"app":1`, `"app":-1`},
	}[g.rng.IntN(5):] {
		if spoiled := bytes.Replace(event, []byte(change[0]), []byte(change[1]), 1); !bytes.Equal(spoiled, event) {
			return spoiled
		}
	}
	return []byte(`{"specversion":"1.0"}`)
}
