// Command sundial is the whole program: the engine (serve, demo), and the verbs of those who run it. It is the only
// place that reads flags and the environment, and judges them; the parts are put together in internal/server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/alecthomas/kong"
	"golang.org/x/sys/unix"

	"sundial/internal/server"
)

// version is stamped by the Makefile.
var version = "devel"

// The exit codes, as docs and scripts know them.
const (
	exitDone    = 0
	exitFailed  = 1 // refused or failed; of many, all
	exitMisused = 2 // the command line makes no sense
	exitPartly  = 3 // of many some were done, others could not be read or sent, or were refused; each was named
	exitDamaged = 4 // the engine is not ready, or what it keeps is damaged
)

// onlyOwner takes from what this process makes what others than its owner could do with it: the embedded NATS server and
// SQLite make files that all may read.
const onlyOwner = 0o077

func main() {
	unix.Umask(onlyOwner)
	os.Exit(run(untilSignalled(), os.Args[1:], &console{in: os.Stdin, out: os.Stdout, err: os.Stderr, self: itself()}))
}

// console is where a verb reads and writes.
type console struct {
	in  io.Reader
	out io.Writer // what was asked for
	err io.Writer // logs, progress and what went wrong

	self string // the file of this program, to run it again; empty: not known

	after string // what to know where what was asked for could not be shown; empty: nothing was changed

	last func() // called when all was said; may be nil
}

// commandLine is the grammar: a field for each verb.
type commandLine struct {
	Serve serveCmd `cmd:"" help:"Run the engine."`
	Demo  demoCmd  `cmd:"" help:"Take half a year of bills through a fresh engine, then keep serving."`

	Import      importCmd      `cmd:"" help:"Move an estate in: apps with their keys, certificates, orders and open invoices." group:"Client"`
	App         appCmd         `cmd:"" help:"Create, look at and change apps." group:"Client"`
	Key         keyCmd         `cmd:"" help:"Look at, reveal and change the keys that sign UserSigs." group:"Client"`
	Usersig     usersigCmd     `cmd:"" help:"Make and verify UserSigs." group:"Client"`
	Admin       adminCmd       `cmd:"" help:"Look after an app's account administrators." group:"Client"`
	Certificate certificateCmd `cmd:"" help:"Look after push certificates." group:"Client"`
	Service     serviceCmd     `cmd:"" help:"Turn real-time audio and video, and mobile push, on and off." group:"Client"`
	Deletion    deletionCmd    `cmd:"" help:"Ask for apps to be deleted, and decide on it." group:"Client"`
	Account     accountCmd     `cmd:"" help:"Look at accounts, set quotas and policies." group:"Client"`
	Policy      policyCmd      `cmd:"" help:"Show the engine's policy: what is in force where nothing was set for the account." group:"Client"`
	Billing     billingCmd     `cmd:"" help:"Send billing events." group:"Client"`
	Parked      parkedCmd      `cmd:"" help:"Look after billing events that could not be taken in." group:"Client"`
	Rejudge     rejudgeCmd     `cmd:"" help:"Decide apps anew that today's rules judge otherwise than an earlier version did." group:"Client"`
	Why         whyCmd         `cmd:"" help:"Tell why an app is what it is: the facts, rules and timers behind it." group:"Client"`
	Transitions transitionsCmd `cmd:"" help:"List what falls due, soonest first." group:"Client"`
	Statement   statementCmd   `cmd:"" help:"Show what an account was charged and refunded, and what it owes." group:"Client"`
	Events      eventsCmd      `cmd:"" help:"List what happened, in order, or watch it happen." group:"Client"`
	Forecast    forecastCmd    `cmd:"" help:"Count and list what falls due, and what would prevent it." group:"Client"`
	Token       tokenCmd       `cmd:"" help:"Create, list and revoke access tokens." group:"Client"`
	Clock       clockCmd       `cmd:"" help:"Look at the engine's clock; move a sandbox's." group:"Client"`

	WhatIf      whatIfCmd      `cmd:"" name:"whatif" help:"Replay history under another grace, and tell which stops would have been others." group:"Maintenance"`
	Vault       vaultCmd       `cmd:"" help:"Look after the root key that opens secrets." group:"Maintenance"`
	Rebuild     rebuildCmd     `cmd:"" help:"Rebuild what is kept beside the log, or check it against the log." group:"Maintenance"`
	Restored    restoredCmd    `cmd:"" help:"Begin a new epoch after a restore from a backup." group:"Maintenance"`
	Verify      verifyCmd      `cmd:"" help:"Go through everything that is kept, and say what of it is damaged." group:"Maintenance"`
	Bench       benchCmd       `cmd:"" help:"Measure the engine on this machine." group:"Maintenance"`
	ClusterKeys clusterKeysCmd `cmd:"" help:"Make the keys of a NATS cluster for several nodes." group:"Maintenance"`
	Version     versionCmd     `cmd:"" help:"Print the version." group:"Maintenance"`

	RehearseRecovery rehearseRecoveryCmd `cmd:"" hidden:"" help:"Recover the streams of the embedded NATS server; the program calls it itself."`
}

const description = `Sundial turns what a billing system reports, and the passing of time, into the lifecycle of apps: active, expired, stopped, deleted.

Exit codes: 0 done, 1 refused or failed, 2 misused, 3 done in part, 4 not ready or damaged.`

// run is the program without the process: it parses, runs the verb and gives the exit code.
func run(ctx context.Context, args []string, c *console) int {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	c.out = &output{Writer: c.out, end: end}
	defer func() {
		if c.last != nil {
			c.last()
		}
	}()
	code := c.run(ctx, args)
	if err := c.unseen(); err != nil {
		fmt.Fprintf(c.err, "sundial: %v: %v\n  fix: make room for it, or read it to its end\n", errUnseen, err)
		if c.after != "" {
			fmt.Fprintln(c.err, " ", c.after)
		}
		return exitFailed
	}
	return code
}

// run is run, but for whether it was seen what was said.
func (c *console) run(ctx context.Context, args []string) (code int) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case ended:
			code = int(r)
		default:
			panic(r)
		}
	}()
	parser, err := c.parser(ctx, asked(args))
	if err != nil {
		fmt.Fprintln(c.err, "sundial:", err)
		return exitFailed
	}
	verb, err := parser.Parse(args)
	if err != nil {
		return c.fail(misusedVerb(err, args))
	}
	err = verb.Run()
	switch {
	case errors.Is(err, context.Canceled) && errors.Is(context.Cause(ctx), errUnseen):
		err = errSilent
	case err != nil && ctx.Err() != nil && !errors.Is(err, errSilent):
		err = fmt.Errorf("interrupted (%w)", err)
	}
	return c.fail(err)
}

// ended is what kong's wish to end the program, as after it has printed help, ends run with: an exit code.
type ended int

// parser makes the parser of a grammar.
func (c *console) parser(ctx context.Context, grammar any) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("sundial"), kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 110}),
		kong.Writers(c.out, c.err), kong.Exit(func(code int) { panic(ended(code)) }),
		kong.Bind(c), kong.BindTo(ctx, (*context.Context)(nil)),
	)
}

// asked is the grammar of the verb that the arguments begin with, and the whole one where that is none: kong reads the
// tags of every verb of a grammar before it looks at an argument, which takes longer than most verbs do.
func asked(args []string) any {
	whole := reflect.TypeFor[commandLine]()
	for i := range whole.NumField() {
		if field := whole.Field(i); len(args) > 0 && strings.EqualFold(field.Name, strings.ReplaceAll(args[0], "-", "")) {
			field.Offset, field.Index = 0, nil
			return reflect.New(reflect.StructOf([]reflect.StructField{field})).Interface()
		}
	}
	return &commandLine{}
}

// misuse is an error of whoever wrote the command line: exit code 2.
type misuse struct{ error }

// partly is the error of what was done in part: exit code 3.
type partly struct{ error }

func (p partly) Unwrap() error { return p.error }

// damaged is an error of what is kept, or of an engine that is not ready: exit code 4.
type damaged struct{ error }

func (d damaged) Unwrap() error { return d.error }

func misused(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

// misusedVerb adds to what kong says where to read on.
func misusedVerb(err error, args []string) error {
	verb := "sundial"
	for _, a := range args {
		if strings.HasPrefix(a, "-") {
			break
		}
		verb += " " + a
		if len(strings.Fields(verb)) == 3 {
			break
		}
	}
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context != nil {
		verb = "sundial"
		for _, p := range parse.Context.Path {
			if p.Command != nil {
				verb += " " + p.Command.Name
			}
		}
	}
	return misused("%w\n  fix: see %s --help", err, verb)
}

// silent is a failure that was explained already, on the way.
var errSilent = errors.New("failed")

// fail reports how a verb ended and gives the exit code for it.
func (c *console) fail(err error) int {
	if err == nil {
		return exitDone
	}
	if !errors.Is(err, errSilent) {
		fmt.Fprintln(c.err, "sundial:", err)
	}
	switch {
	case errors.As(err, new(misuse)):
		return exitMisused
	case errors.As(err, new(partly)):
		return exitPartly
	case errors.As(err, new(damaged)), server.Damaged(err):
		return exitDamaged
	}
	return exitFailed
}

// versionCmd prints what this binary is.
type versionCmd struct {
	JSON bool `help:"Print JSON." name:"json"`
}

// Run prints the version.
func (v *versionCmd) Run(c *console) error {
	if v.JSON {
		fmt.Fprintf(c.out, "{\"version\":%q}\n", version)
		return nil
	}
	fmt.Fprintln(c.out, "sundial", version)
	return nil
}
