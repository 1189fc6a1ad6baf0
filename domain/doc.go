// Package domain holds the rules of the lifecycle (docs/lifecycle.md): accounts and their apps, what billing reported
// about them, what people asked for, and what time makes of it all.
//
// It computes and nothing else: no I/O, no clock, no randomness. An [Account] is folded from its [Event]s by
// [Account.Apply], which cannot fail. [Decide] judges a [Command] on it, at a [Moment] that is given to it, and answers
// with events, with silence (it is so already) or with a refusal; nothing is changed until the events are applied. What
// time will do is in [App.Dues]; whoever keeps the clock sends [FireTransition] when a due has come.
//
// There is a file for each rule, with its command, its decision, its events and their effect, and beside it the table
// that specifies it. The state of an app depends on the set of facts that were taken in and on the time, never on the
// order in which they came: facts are reduced ([Order], [Invoice]) to what gives the same answers as all of them kept.
package domain
