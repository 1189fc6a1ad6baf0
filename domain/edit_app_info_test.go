package domain

import (
	"strings"
	"testing"
)

func TestEditAppInfo(t *testing.T) {
	edit := func(name, appType, introduction string) EditAppInfo {
		c := EditAppInfo{App: testApp}
		for _, f := range []struct {
			to   **string
			text string
		}{{&c.AppName, name}, {&c.AppType, appType}, {&c.Introduction, introduction}} {
			if f.text != "" {
				*f.to = &f.text
			}
		}
		return c
	}
	none := ""
	check(t, []row{
		{
			name:  "what is given changes, what is absent stays",
			given: []step{created()},
			as:    Owner, at: day(1), when: edit("chat", "", ""),
			then: events(AppInfoEdited{about, "chat", "other", ""}),
		},
		{
			name:  "all of it",
			given: []step{created()},
			as:    Owner, at: day(1), when: edit("chat", "gaming", "Talks."),
			then: events(AppInfoEdited{about, "chat", "gaming", "Talks."}),
		},
		{
			name:  "an introduction may be taken away",
			given: []step{created(), did(day(1), Owner, edit("", "", "Talks."))},
			as:    Owner, at: day(2), when: EditAppInfo{App: testApp, Introduction: &none},
			then: events(AppInfoEdited{about, "shop", "other", ""}),
		},
		{
			name:  "nothing",
			given: []step{created()},
			as:    Owner, at: day(1), when: EditAppInfo{App: testApp},
			then: silence,
		},
		{
			name:  "what is so already",
			given: []step{created()},
			as:    Owner, at: day(1), when: edit("shop", "other", ""),
			then: silence,
		},
		{
			name:  "what is so already is refused of a deleted app too",
			given: deletedTrial(),
			as:    Owner, at: day(2), when: edit("shop", "", ""),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "a deleted app",
			given: deletedTrial(),
			as:    Owner, at: day(2), when: edit("chat", "", ""),
			then: refused(AppDeletedAlready),
		},
		{
			name:  "a stopped app may be edited",
			given: []step{created(), did(day(1), Owner, StopApp{App: testApp})},
			as:    Owner, at: day(2), when: edit("chat", "", ""),
			then: events(AppInfoEdited{about, "chat", "other", ""}),
		},
		{
			name:  "fields that make no sense",
			given: []step{created()},
			as:    Owner, at: day(1), when: edit("\t", "warfare", strings.Repeat("a", 301)),
			then: invalid("name invalid_name", "introduction invalid_introduction", "type unknown_type"),
		},
		{
			name:  "a name of blanks",
			given: []step{created()},
			as:    Owner, at: day(1), when: edit("\u3000\u200b", "", ""),
			then: invalid("name invalid_name"),
		},
		{
			name:  "a name that was taken before may stay",
			given: []step{created(), decreed(func(p *Policy) { p.NameRunes = 3 })},
			as:    Owner, at: day(2), when: edit("", "", "Talks."),
			then: events(AppInfoEdited{about, "shop", "other", "Talks."}),
		},
		{
			name:  "a name cannot be taken away",
			given: []step{created()},
			as:    Owner, at: day(1), when: EditAppInfo{App: testApp, AppName: &none},
			then: invalid("name invalid_name"),
		},
		{
			name:  "a type that the policy has dropped since stays while the rest is edited",
			given: []step{created(), decreed(func(p *Policy) { p.Types = []string{"games"} })},
			as:    Owner, at: day(1), when: edit("chat", "", ""),
			then: events(AppInfoEdited{about, "chat", "other", ""}),
		},
		{
			name: "an unknown app",
			as:   Owner, at: day(1), when: edit("chat", "", ""),
			then: refused(AppNotFound),
		},
	})
}
