package eventstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"sundial/eventstore"
	"sundial/internal/natsd"
)

// Whoever appends says which commit of the account it has seen last. Of two that saw the same one comes first; the other gets an error, and has
// written nothing. Whoever follows gets every commit of every account in one order.
func Example() {
	dir, err := os.MkdirTemp("", "log")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	server, err := natsd.Start(natsd.Config{Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown()
	nc, err := server.Connect()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer nc.Close()
	ctx := context.Background()
	log, err := eventstore.Create(ctx, nc, eventstore.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer log.Close(ctx)

	first := eventstore.Commit{
		Account: "acme", ID: "key-1", Command: "create_app", Content: eventstore.HashOf([]byte("the command")), Actor: "owner:ann",
		RecordedAt: 1609459200000, // milliseconds
		Events:     []eventstore.Event{{Type: "app.created.v1", Data: []byte(`{"app":1400000001}`)}},
	}
	payload, err := first.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	position, err := log.Append(ctx, "acme", 0, payload, first.Header())
	fmt.Println("appended at", position, err)

	second := first
	second.ID, second.Previous = "key-2", eventstore.HashOf(payload)
	if payload, err = second.Encode(); err != nil {
		fmt.Println(err)
		return
	}
	_, err = log.Append(ctx, "acme", 0, payload, second.Header()) // has not seen the first
	var conflict *eventstore.ConflictError
	fmt.Println("somebody was there first:", errors.As(err, &conflict))
	position, err = log.Append(ctx, "acme", position, payload, second.Header())
	fmt.Println("appended at", position, err)

	follower, err := log.Follow(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer follower.Close()
	for seen := uint64(0); seen < position; {
		messages, err := follower.Next(ctx, 10) // waits for the first, takes up to ten that are there
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, m := range messages {
			commit, err := eventstore.DecodeCommit(m.Payload)
			if err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println(m.Sequence, commit.ID, commit.Events[0].Type)
			seen = m.Sequence
		}
	}
	// Output:
	// appended at 1 <nil>
	// somebody was there first: true
	// appended at 2 <nil>
	// 1 key-1 app.created.v1
	// 2 key-2 app.created.v1
}
