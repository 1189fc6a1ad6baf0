package main

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
)

// TestTheExampleFeed takes the whole example feed in, keeping what the API answers at each instant of the feed, and asks
// what was and what might have been: once for both, as it takes long.
func TestTheExampleFeed(t *testing.T) {
	then := map[string]string{} // what was answered, by the question
	j, end := taken(t, week, func(j *job, i *instant) {
		for _, path := range j.questions() {
			then[path+" "+i.at.String()] = j.ask(t, path, nil)
		}
	})
	t.Run("the past is answered as it was", func(t *testing.T) { thePastIsAnsweredAsItWas(t, j, then) })
	was := left(t, j, end)
	t.Run("what if another policy had been in force", func(t *testing.T) { whatIfAnotherPolicyHadBeenInForce(t, was) })
}

// thePastIsAnsweredAsItWas asks what was asked then, now about those instants: the answers are the same, byte for byte, and
// every state that the feed expects is among them.
func thePastIsAnsweredAsItWas(t *testing.T, j *job, then map[string]string) {
	t.Helper()
	past, compared := comparison{}, 0
	for _, i := range j.feed.instants() {
		if len(i.expected) == 0 {
			continue
		}
		q := url.Values{"as_of": {i.at.String()}, "known_at": {i.at.String()}}
		for _, path := range j.questions() {
			compared++
			if got, want := j.ask(t, path, q), then[path+" "+i.at.String()]; got != want {
				t.Fatalf("%s as of %s:\n got  %s\n want %s", path, i.at, got, want)
			}
		}
		apps := map[uint64]state{}
		for _, account := range j.accounts() {
			states, err := j.client.statesOf(t.Context(), "/v1/accounts/"+account+"/apps", maps.Clone(q))
			if err != nil {
				t.Fatal(err)
			}
			maps.Copy(apps, states)
		}
		past.compare(i.at, apps, i.expected)
	}
	if past.compared != 3720 || past.same != past.compared {
		t.Errorf("%d of %d states as expected, want 3720 of 3720: %v", past.same, past.compared, past.differing)
	}
	if want := 31 * (2*24 + 120); compared != want {
		t.Errorf("%d answers compared, want %d", compared, want)
	}
}

// accounts lists the accounts of the feed.
func (j *job) accounts() []string {
	names := map[string]bool{}
	for _, a := range j.feed.apps {
		names[a.account] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// questions lists what can be asked about another time: each account, its apps, and each app.
func (j *job) questions() (paths []string) {
	for _, account := range j.accounts() {
		paths = append(paths, "/v1/accounts/"+account, "/v1/accounts/"+account+"/apps")
	}
	for _, app := range slices.Sorted(maps.Keys(j.feed.names)) {
		paths = append(paths, "/v1/apps/"+strconv.FormatUint(app, 10))
	}
	return paths
}

func (j *job) ask(t *testing.T, path string, q url.Values) string {
	t.Helper()
	a, err := j.client.do(context.Background(), request{method: http.MethodGet, path: path, query: q})
	if err != nil {
		t.Fatalf("%s %s: %v", path, q.Encode(), err)
	}
	return string(a.body)
}
