package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// The signals, but for those that do nothing by themselves. SIGKILL and SIGSTOP cannot be caught, and those of the C library
// (32 to 34) not by Go.
var (
	// ending end a verb in order; a second one ends it at once, with SIGQUIT and those behind it the way Go has it, which
	// says what each goroutine was at. The faults of a program are among them as somebody else may send them: one of our
	// own is told apart, and crashes.
	ending = signals("SIGINT", "SIGTERM", "SIGPWR",
		"SIGQUIT", "SIGABRT", "SIGILL", "SIGTRAP", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS", "SIGSTKFLT")

	// unheeded would end the engine at once, or halt it, or are meant for it by those who think that it does something then.
	unheeded = signals("SIGHUP", "SIGTSTP", "SIGUSR1", "SIGUSR2")

	// halting come from a terminal that the engine does not have to itself. They are sent for each try to write there, and
	// again if they are caught, so that they are ignored by the system.
	halting = signals("SIGTTIN", "SIGTTOU")
)

// signals gives those of these names that this system has.
func signals(names ...string) []os.Signal {
	var all []os.Signal
	for _, name := range names {
		if s := unix.SignalNum(name); s != 0 {
			all = append(all, s)
		}
	}
	return all
}

// untilSignalled gives the context of a verb, which the first signal ends.
func untilSignalled() context.Context {
	signal.Ignore(syscall.SIGPIPE) // a write to a closed pipe fails, and is reported, instead
	ctx, stop := signal.NotifyContext(context.Background(), ending...)
	context.AfterFunc(ctx, stop)
	return ctx
}

// goOn has what should not end an engine do nothing, but for a line in the log, until the function that it gives is called.
func goOn(log *slog.Logger) (stop func()) {
	signal.Ignore(halting...)
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, unheeded...)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range heard {
			log.Warn("a signal that does nothing here: flags, certificates and keys are read at the start; SIGTERM ends the engine",
				"signal", unix.SignalName(s.(syscall.Signal))) //nolint:forcetypeassert // os has no other
		}
	}()
	return func() {
		signal.Stop(heard)
		close(heard)
		<-done
		signal.Reset(halting...)
	}
}
