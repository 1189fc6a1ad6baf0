package main

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"sundial/domain"
	upstream2021 "sundial/examples/upstream-2021"
)

// feed is what an upstream billing system said, and what every app must be because of it.
type feed struct {
	apps       []importing
	names      map[uint64]string
	deliveries []delivery // in order of arrival
	expected   []expectedState
}

// delivery is one message, and when it arrives.
type delivery struct {
	ArrivesAt domain.Instant `json:"arrives_at"`
	Event     jsontext.Value `json:"event"`
	account   string
}

// expectedState is what an app must be at an instant, given what had arrived by then.
type expectedState struct {
	Now          domain.Instant `json:"now"`
	App          uint64         `json:"app"`
	Edition      string         `json:"edition"`
	Status       string         `json:"status"`
	Invoices     []string       `json:"invoices"`
	ArrearsSince domain.Instant `json:"arrears_since,omitzero"`
	LapseCause   string         `json:"lapse_cause,omitzero"`
	LapseSince   domain.Instant `json:"lapse_since,omitzero"`
}

// openFeed reads a feed from a directory, or the one inside the program.
func openFeed(dir string) (*feed, error) {
	var files fs.FS = upstream2021.Files
	if dir != "" {
		files = os.DirFS(dir)
	}
	f := &feed{names: map[uint64]string{}}
	err := f.read(files, "apps.jsonl", func(line jsontext.Value) error {
		app, err := importOf(line, "")
		if err != nil {
			return err
		}
		var named struct {
			App  uint64 `json:"app"`
			Name string `json:"name"`
		}
		f.apps = append(f.apps, app)
		err = json.Unmarshal(line, &named)
		f.names[named.App] = named.Name
		return err
	})
	if err != nil {
		return nil, err
	}
	err = f.read(files, "deliveries.jsonl", func(line jsontext.Value) error {
		var d delivery
		if err := json.Unmarshal(line, &d); err != nil {
			return err
		}
		var about struct {
			Data struct {
				Account string `json:"account"`
			} `json:"data"`
		}
		err := json.Unmarshal(d.Event, &about)
		d.account = cmp.Or(about.Data.Account, "unknown")
		f.deliveries = append(f.deliveries, d)
		return err
	})
	if err != nil {
		return nil, err
	}
	err = f.read(files, "expected.jsonl", func(line jsontext.Value) error {
		var e expectedState
		err := json.Unmarshal(line, &e)
		f.expected = append(f.expected, e)
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(f.deliveries) == 0 || len(f.expected) == 0 {
		return nil, fmt.Errorf("the feed in %s is empty", dir)
	}
	byArrival := func(a, b delivery) int { return int(a.ArrivesAt - b.ArrivesAt) }
	if !slices.IsSortedFunc(f.deliveries, byArrival) {
		slices.SortStableFunc(f.deliveries, byArrival)
	}
	return f, nil
}

func (f *feed) read(files fs.FS, name string, take func(jsontext.Value) error) error {
	file, err := files.Open(name)
	if err != nil {
		return fmt.Errorf("the feed: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	err = eachLine(file, func(line int, value jsontext.Value) error {
		if err := take(value); err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("the feed: %s: %w", name, err)
	}
	return nil
}

// instant is a moment of the feed at which something arrives or is expected.
type instant struct {
	at       domain.Instant
	arriving []delivery
	expected []expectedState
}

// instants gives the moments in their order.
func (f *feed) instants() []*instant {
	var all []*instant
	known := map[domain.Instant]*instant{}
	at := func(t domain.Instant) *instant {
		i := known[t]
		if i == nil {
			i = &instant{at: t}
			known[t] = i
			all = append(all, i)
		}
		return i
	}
	for _, d := range f.deliveries {
		i := at(d.ArrivesAt)
		i.arriving = append(i.arriving, d)
	}
	for _, e := range f.expected {
		i := at(e.Now)
		i.expected = append(i.expected, e)
	}
	slices.SortFunc(all, func(a, b *instant) int { return int(a.at - b.at) })
	return all
}
