package projections_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"sundial/domain"
	"sundial/eventstore"
	"sundial/internal/codec"
	"sundial/internal/natsd"
	"sundial/projections"
)

// A store follows the log. Whoever has appended waits for the position of the commit, and then reads what it made.
func Example() {
	if err := appendAndRead(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// shop is active, at commit 1
	// differences between what is served and the log: 0
}

func appendAndRead() (err error) {
	dir, err := os.MkdirTemp("", "projections")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	server, err := natsd.Start(natsd.Config{Dir: filepath.Join(dir, "nats")})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	nc, err := server.Connect()
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, cancel := context.WithCancel(context.Background())
	log, err := eventstore.Create(ctx, nc, eventstore.Config{})
	if err != nil {
		cancel()
		return err
	}
	config := projections.Config{Dir: filepath.Join(dir, "rows"), Log: log}
	store, err := projections.Open(ctx, config)
	if err != nil {
		cancel()
		return err
	}
	following := make(chan error, 1)
	go func() { following <- store.Run(ctx) }()
	defer func() { // in reverse: the following, the rows, the log
		cancel()
		err = errors.Join(err, <-following, store.Close(), log.Close(context.WithoutCancel(ctx)))
	}()

	position, err := create(ctx, log)
	if err != nil {
		return err
	}
	if err := store.Wait(ctx, position); err != nil {
		return err
	}
	app, found, err := store.App(ctx, domain.FirstApp)
	if err != nil || !found {
		return errors.Join(err, errors.New("no app"))
	}
	fmt.Printf("%s is %s, at commit %d\n", app.Name, app.Status(), store.Position())

	differences, err := projections.Check(ctx, config, nil) // folds the whole log anew and compares every row
	fmt.Println("differences between what is served and the log:", len(differences))
	return err
}

// create does what the engine does with a command, in short: decide, encode, append.
func create(ctx context.Context, log *eventstore.Log) (position uint64, err error) {
	now := domain.InstantOf(time.Date(2021, 1, 1, 0, 0, 0, 0, time.UTC))
	events, err := domain.Decide(domain.NewAccount("acme"), domain.CreateApp{AppName: "shop"}, domain.Moment{
		Now: now, Policy: domain.DefaultPolicy(), NewApp: domain.FirstApp, Role: domain.Owner,
	})
	if err != nil {
		return 0, err
	}
	stored, err := codec.New()
	if err != nil {
		return 0, err
	}
	commit := eventstore.Commit{
		Account: "acme", ID: "key-1", Command: "create_app", Content: eventstore.HashOf([]byte("the command")), Actor: "owner:ann",
		RecordedAt: int64(now), Events: make([]eventstore.Event, len(events)),
	}
	for i, e := range events {
		if commit.Events[i], err = stored.Encode(e); err != nil {
			return 0, err
		}
	}
	payload, err := commit.Encode()
	if err != nil {
		return 0, err
	}
	return log.Append(ctx, "acme", 0, payload, commit.Header())
}
