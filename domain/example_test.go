package domain_test

import (
	"errors"
	"fmt"
	"time"

	"sundial/domain"
)

// A decision has three outcomes: events, silence, refusal. The account changes only when events are applied to it.
func ExampleDecide() {
	now := domain.InstantOf(time.Date(2021, 1, 5, 12, 0, 0, 0, time.UTC))
	moment := domain.Moment{Now: now, Policy: domain.DefaultPolicy(), NewApp: domain.FirstApp, Role: domain.Owner, Actor: "owner:ann"}
	acc := domain.NewAccount("acme")

	events, _ := domain.Decide(acc, domain.CreateApp{AppName: "shop"}, moment)
	for _, e := range events {
		fmt.Println(e.Type())
	}
	acc.Apply(domain.Recorded{At: now, Position: 1}, events...)

	name := "shop"
	events, err := domain.Decide(acc, domain.EditAppInfo{App: domain.FirstApp, AppName: &name}, moment)
	fmt.Println("it is named so already:", len(events), err)

	_, err = domain.Decide(acc, domain.DeleteApp{App: domain.FirstApp, Confirm: "shop"}, moment)
	var refused *domain.Refusal
	fmt.Println(errors.As(err, &refused), refused.Code.Code)
	// Output:
	// app.created.v1
	// it is named so already: 0 <nil>
	// true app_not_stopped
}

// What time will do is in Dues. Whoever keeps the clock fires what has come due; a transition is a command like any other.
func ExampleApp_Dues() {
	paid := domain.InstantOf(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))
	acc := domain.NewAccount("acme")
	position := uint64(0)
	decide := func(now domain.Instant, cmd domain.Command) {
		moment := domain.Moment{Now: now, Policy: domain.DefaultPolicy(), NewApp: domain.FirstApp, Role: domain.Billing}
		events, err := domain.Decide(acc, cmd, moment)
		if err != nil {
			fmt.Println(err)
			return
		}
		position++
		acc.Apply(domain.Recorded{At: now, Position: position}, events...)
	}
	decide(paid, domain.CreateApp{AppName: "shop"})
	app := acc.Apps[domain.FirstApp]
	decide(paid, domain.RecordOrder{App: app.ID, Order: domain.OrderTerms{
		ID: "ord-1", Edition: domain.Pro, EffectiveAt: paid, Amount: domain.Money{Currency: "CNY", Minor: 99900},
	}})
	owes := paid.Add(4 * 24 * time.Hour)
	decide(owes, domain.MarkArrears{
		App: app.ID, Invoice: "inv-1", Version: 1, EffectiveAt: owes, Amount: domain.Money{Currency: "CNY", Minor: 500},
	})

	stop, _ := acc.Apps[app.ID].NextTransition()
	fmt.Println(stop.To, "at", stop.At, "for", stop.Cause)
	decide(stop.At, domain.FireTransition{App: app.ID, Kind: stop.Kind, Episode: stop.Episode})
	fmt.Println(acc.Apps[app.ID].Status())
	// Output:
	// stopped at 2021-01-12T00:00:00.000Z for arrears
	// stopped
}
