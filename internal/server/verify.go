package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"

	"sundial/eventstore"
	"sundial/internal/auth"
	"sundial/internal/damage"
	"sundial/internal/datadir"
	"sundial/internal/natsd"
	"sundial/internal/vault"
	"sundial/internal/verify"
)

// The codes of what is found before owners are asked, stable.
const (
	rootKeyUnreadable   = "root_key_unreadable"  // the file of a root key holds none, or others can read it
	streamUnrecoverable = "stream_unrecoverable" // the NATS server does not come back on it
)

// Verify goes through everything that a data directory keeps, on one that no process serves from: what is damaged, with its place
// and what to do. An error says that it could not be looked, or not to the end. Of Config it takes Dir, Outside, Replicas,
// RootKeys, Rehearsal and Logger. Progress is told in commits.
func Verify(ctx context.Context, config Config, progress func(done, total uint64)) ([]damage.Finding, error) {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if _, started, err := survey(config.Dir); err != nil || !started {
		return nil, fmt.Errorf("%s holds no engine's data\n  fix: name its data directory with --data", config.Dir)
	}
	dir, err := openDirectory(config.Dir, config.Logger)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	s, err := connect(ctx, &config, dir)
	if fault := new(natsd.RecoveryError); errors.As(err, &fault) {
		return unrecoverable(err, fault), nil // without the server nothing can be read
	}
	if err != nil {
		return nil, err
	}
	defer s.close()
	var found []damage.Finding
	s.log, err = dir.openLog(ctx, s, false)
	if of := new(datadir.DamageError); errors.As(err, &of) {
		// Then the rest is looked at all the same.
		found = append(found, findingsOf(of)...)
		s.log, err = eventstore.Open(ctx, s.nc, s.logConfig)
	}
	switch {
	case err == nil:
		if err = s.heldToMarks(ctx, true); errors.As(err, new(*datadir.DamageError)) {
			err = nil // of the marks, which are looked at below
		}
	case Damaged(err):
		found, err = append(found, verify.OfLog(err)), nil
	}
	if err != nil {
		return nil, err
	}
	more, err := s.verify(ctx, false, progress)
	return append(found, more...), err
}

// unrecoverable tells of the streams that the server does not come back on. What to do stands behind the error.
func unrecoverable(err error, fault *natsd.RecoveryError) (found []damage.Finding) {
	_, fix, _ := strings.Cut(err.Error(), "\n  fix: ")
	for _, name := range fault.Streams {
		found = append(found, damage.Finding{Code: streamUnrecoverable, Where: NATSDir + "/" + name, Problem: fault.Problem, Fix: fix})
	}
	if len(found) == 0 {
		found = append(found, damage.Finding{Code: streamUnrecoverable, Where: NATSDir, Problem: fault.Problem, Fix: fix})
	}
	return found
}

// findingsOf tells what is wrong with the directory's record, or its marks.
func findingsOf(e *datadir.DamageError) (found []damage.Finding) {
	for _, f := range e.Findings {
		found = append(found, damage.Finding{Code: f.Code, Where: f.Where, Problem: f.Problem, Fix: e.Fix})
	}
	return found
}

// verify goes through everything; beside says that it does so beside what is served.
func (s *storage) verify(ctx context.Context, beside bool, progress func(done, total uint64)) (found []damage.Finding, err error) {
	config := verify.Config{
		JetStream: s.js, Log: s.log, ArchiveDir: s.dir.file(archiveDir), SandboxFile: s.dir.file(SandboxFile),
		Ledger: s.dir.file(auth.LedgerFile), TokenFile: s.dir.file(auth.TokenFile), Leases: leases, Beside: beside,
	}
	identity := ""
	if s.log != nil {
		config.Projections = s.projections()
		identity = s.log.Identity()
	}
	if of := new(datadir.DamageError); errors.As(datadir.VerifyMarks(s.dir.file(datadir.MarksFile), identity), &of) {
		found = append(found, findingsOf(of)...)
	}
	if s.marks != nil {
		err := s.marks.Check(ctx)
		if of := new(datadir.DamageError); errors.As(err, &of) {
			found = append(found, findingsOf(of)...)
		} else if err != nil {
			return nil, err
		}
	}
	names, named := s.config.RootKeys, len(s.config.RootKeys) > 0
	if !named {
		names = []string{s.dir.file(RootFile), s.dir.file(nextRootFile)}
	}
	for _, name := range names {
		root, err := vault.ReadRootFile(name)
		switch {
		case err == nil:
			config.Roots = append(config.Roots, root)
		case !named && errors.Is(err, fs.ErrNotExist): // it is kept elsewhere
		default:
			found = append(found, damage.Finding{
				Code: rootKeyUnreadable, Where: filepath.Base(name), Problem: err.Error(),
				Fix: "put the file back from its safe copy, readable by its owner alone; without it no secret can be read",
			})
		}
	}
	more, err := verify.All(ctx, config, progress)
	return append(found, more...), err
}
