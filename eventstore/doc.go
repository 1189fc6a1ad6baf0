// Package eventstore is the log: one JetStream stream that holds every commit of every account, and is the truth.
//
// A commit is the outcome of one command, one message on the account's own subject. Its payload (JSON) carries the
// hash of the account's previous commit, so that each account's commits form a chain. Appending names the sequence
// that the account's last commit is expected to have; whoever comes second gets an error and has written nothing.
// Many appends that wait at the same time share one fsync.
//
// The package knows no billing: events are a type's stored name and JSON.
package eventstore
