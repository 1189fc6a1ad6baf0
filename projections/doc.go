// Package projections follows the log into SQLite: what the engine decides on, what reads are answered from, what the
// scheduler sweeps. All of it can be thrown away and built again from the log.
//
// A Store follows the log from its checkpoint. Four stages of one pipeline work side by side: reading, decoding,
// folding (a batch of commits in memory, so that each row is written once), writing (one transaction, with the
// checkpoint and the identity of the log in it). A sequence that is missing, a broken chain of hashes, or a log that
// is shorter than the checkpoint is corruption: the store stops, says so (Run, Err), and goes on with nothing until a
// person has looked.
//
// What is kept is a list of projections: each is a file of this package, which owns a group of tables, what is made of
// commits, accounts and apps for them, how that is written, and how it is checked. The rest knows none of them by name
// but accounts and apps, which the fold reads back.
//
// The file carries the version of the projection in its name and the identity of its log inside. A file of another
// version or log is not used: a new one is built beside it and put in its place. One Store at a time has the
// directory, by a lock. While it is open, only it can rebuild (Store.Rebuild: it goes on serving from the old file,
// and swaps when the new one has caught up); the function Rebuild is for a directory that nobody has open, and
// refuses otherwise (ErrInUse). Check only reads, and may run at any time.
package projections
