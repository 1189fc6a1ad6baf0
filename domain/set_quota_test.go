package domain

import "testing"

func TestSetQuota(t *testing.T) {
	three := did(day(0), Owner, CreateApp{AppName: "a"}, CreateApp{AppName: "b"}, CreateApp{AppName: "c"})
	lowered := decreed(func(p *Policy) { p.Quota = 2 })
	check(t, []row{
		{
			name: "an operator raises the cap of an account, also of one that has nothing yet",
			as:   Operator, at: day(1), when: SetQuota{200},
			then: events(QuotaSet{200}),
		},
		{
			name:  "the cap may go down to the apps in use",
			given: []step{three},
			as:    Operator, at: day(1), when: SetQuota{3},
			then: events(QuotaSet{3}),
		},
		{
			name:  "not below",
			given: []step{three},
			as:    Operator, at: day(1), when: SetQuota{2},
			then: refused(QuotaBelowUse),
		},
		{
			name:  "an app deleted is not in use",
			given: []step{three, did(day(0), Owner, StopApp{App: testApp}), did(day(0), Owner, DeleteApp{testApp, "a"})},
			as:    Operator, at: day(1), when: SetQuota{2},
			then: events(QuotaSet{2}),
		},
		{
			name:  "where more are in use than the cap allows, any higher cap will do",
			given: []step{three, did(day(0), Operator, SetQuota{3}), did(day(0), Operator, ImportApp{App: testApp + 9, AppName: "d", CreatedAt: day(0)}, ImportApp{App: testApp + 8, AppName: "e", CreatedAt: day(0)})},
			as:    Operator, at: day(1), when: SetQuota{4},
			then: events(QuotaSet{4}),
		},
		{
			name:  "a lower one will not",
			given: []step{three, lowered},
			as:    Operator, at: day(1), when: SetQuota{1},
			then: refused(QuotaBelowUse),
		},
		{
			name: "the cap that is so already, be it the policy's, is silence",
			as:   Operator, at: day(1), when: SetQuota{100},
			then: silence,
		},
		{
			name:  "silence is judged before the apps in use",
			given: []step{three, lowered},
			as:    Operator, at: day(1), when: SetQuota{2},
			then: silence,
		},
		{
			name: "no cap at all",
			as:   Operator, at: day(1), when: SetQuota{0},
			then: invalid("apps out_of_range"),
		},
		{
			name: "more than an account can carry",
			as:   Operator, at: day(1), when: SetQuota{MaxQuota + 1},
			then: invalid("apps out_of_range"),
		},
	})
}
