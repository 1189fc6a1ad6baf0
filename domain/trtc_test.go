package domain

import (
	"testing"

	"pgregory.net/rapid"
)

func TestNoteTRTC(t *testing.T) {
	stopped, started := NoteTRTCStopped{App: testApp}, NoteTRTCStarted{App: testApp}
	paidFor := did(day(1), Billing, paid("o1", Pro, day(1), 0))
	check(t, []row{
		{
			name:  "the TRTC side says that its half is stopped",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: stopped,
			then:  events(TRTCStopNoted{About: about}),
			again: events(TRTCStopNoted{About: about}), // said again is a later word: the one exception to silence
		},
		{
			name:  "that it is in service again",
			given: []step{trtc(), did(day(1), Operator, stopped)},
			as:    Operator, at: day(2), when: started,
			then:  events(TRTCStartNoted{About: about}),
			again: events(TRTCStartNoted{About: about}),
		},
		{
			name:  "that it is in service, which was so from the start",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: started,
			then:  events(TRTCStartNoted{About: about}),
			again: events(TRTCStartNoted{About: about}),
		},
		{
			name:  "what is noted already is refused too once the app was paid for",
			given: []step{trtc(), did(day(1), Operator, stopped), paidFor},
			as:    Operator, at: day(2), when: stopped,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "anything else about an app that was paid for is refused",
			given: []step{trtc(), paidFor},
			as:    Operator, at: day(2), when: stopped,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "a trial of this side has no other",
			given: []step{created()},
			as:    Operator, at: day(1), when: stopped,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "nor can it be in service there",
			given: []step{created()},
			as:    Operator, at: day(1), when: started,
			then: refused(NotTRTCTrial),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Operator, at: day(2), when: stopped,
			then: refused(AppDeletedAlready),
		},
		{
			name: "an unknown app",
			as:   Operator, at: day(1), when: stopped,
			then: refused(AppNotFound),
		},
		{
			name:  "a word about an earlier time than the last one is kept, and changes nothing now",
			given: []step{trtc(), did(day(3), Operator, stopped)},
			as:    Operator, at: day(4), when: NoteTRTCStarted{App: testApp, EffectiveAt: day(2)},
			then:  events(TRTCStartNoted{About: about, EffectiveAt: day(2)}),
			again: events(TRTCStartNoted{About: about, EffectiveAt: day(2)}),
		},
		{
			name:  "said again without a time, it counts by its own: a start before it that comes late does not win",
			given: []step{trtc(), did(day(1), Operator, stopped), did(day(3), Operator, stopped)},
			as:    Operator, at: day(4), when: NoteTRTCStarted{App: testApp, EffectiveAt: day(2)},
			then:  events(TRTCStartNoted{About: about, EffectiveAt: day(2)}),
			again: events(TRTCStartNoted{About: about, EffectiveAt: day(2)}),
		},
		{
			name:  "as a message it is kept too",
			given: []step{trtc(), did(day(3), Operator, stopped)},
			as:    Billing, at: day(4), when: NoteTRTCStarted{testApp, day(2), message},
			then:  events(TRTCStartNoted{about, day(2), message}),
			again: events(TRTCStartNoted{about, day(2), message}),
		},
		{
			name:  "a later time for what is known is news: what comes late is judged by it",
			given: []step{trtc(), did(day(1), Operator, stopped)},
			as:    Operator, at: day(4), when: NoteTRTCStopped{App: testApp, EffectiveAt: day(3)},
			then:  events(TRTCStopNoted{About: about, EffectiveAt: day(3)}),
			again: events(TRTCStopNoted{About: about, EffectiveAt: day(3)}),
		},
		{
			name:  "what a person says now counts, whatever was said of tomorrow",
			given: []step{trtc(), did(day(1), Billing, NoteTRTCStopped{testApp, day(2), message})},
			as:    Operator, at: day(1), when: started,
			then:  events(TRTCStartNoted{About: about}),
			again: events(TRTCStartNoted{About: about}),
		},
		{
			name:  "a message is taken in while the app is paid for, since the trial may come back",
			given: []step{trtc(), paidFor},
			as:    Billing, at: day(2), when: NoteTRTCStopped{testApp, day(1), message},
			then:  events(TRTCStopNoted{about, day(1), message}),
			again: events(TRTCStopNoted{about, day(1), message}),
		},
		{
			name:  "a message about a trial of this side is not",
			given: []step{created()},
			as:    Billing, at: day(2), when: NoteTRTCStopped{testApp, day(1), message},
			then: refused(NotTRTCTrial),
		},
		{
			name:  "nor one that is effective more than a day ahead",
			given: []step{trtc()},
			as:    Billing, at: day(1), when: NoteTRTCStopped{testApp, day(2) + 1, message},
			then: refused(EffectiveTooFar),
		},
		{
			name:  "a time that is none",
			given: []step{trtc()},
			as:    Operator, at: day(1), when: NoteTRTCStopped{App: testApp, EffectiveAt: -1},
			then: invalid("effective_at invalid_time"),
		},
	})
}

var message = &Report{Source: "urn:trtc", ID: "t-1"}

// TestTRTCInAnyOrder: what the TRTC side says ends in the same state, whatever order it arrives in and however often.
func TestTRTCInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) Command {
			at := day(rapid.IntRange(1, 4).Draw(t, "day"))
			if rapid.Bool().Draw(t, "stopped") {
				return NoteTRTCStopped{testApp, at, message}
			}
			return NoteTRTCStarted{testApp, at, message}
		})
		said := rapid.SliceOfN(word, 1, 6).Draw(t, "said")
		stands := func(words []Command) bool {
			acc := NewAccount(acme)
			acc.Apply(Recorded{day(0), 1}, AppImported{About: about, Edition: TRTCTrial})
			for i, c := range words {
				events, err := Decide(acc, c, Moment{Now: day(5), Policy: DefaultPolicy(), Role: Billing})
				if err != nil {
					t.Fatal(err)
				}
				acc.Apply(Recorded{day(5), uint64(i + 2)}, events...)
			}
			return acc.Apps[testApp].TRTCStopped
		}
		want := stands(said)
		again := rapid.Permutation(append(said, said...)).Draw(t, "in another order, twice")
		if got := stands(again); got != want {
			t.Fatalf("stopped %v in one order, %v in another", want, got)
		}
		latest, stopped := day(0), false
		for _, c := range said {
			switch c := c.(type) {
			case NoteTRTCStopped:
				if c.EffectiveAt > latest {
					latest, stopped = c.EffectiveAt, true
				}
			case NoteTRTCStarted:
				if c.EffectiveAt >= latest {
					latest, stopped = c.EffectiveAt, false
				}
			}
		}
		if want != stopped {
			t.Fatalf("stopped %v, and the latest word says %v", want, stopped)
		}
	})
}
