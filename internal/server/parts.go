package server

import (
	"github.com/nats-io/nats.go/jetstream"

	"sundial/eventstore"
	"sundial/internal/archive"
	"sundial/internal/auth"
	"sundial/internal/engine"
	"sundial/internal/ingest"
	"sundial/projections"
	"sundial/scheduler"
)

// Parts are what a server has open, for whoever measures or examines it from within the process. They are the server's to
// close.
type Parts struct {
	Log       *eventstore.Log
	LogConfig eventstore.Config // how the log was opened, for another one on the same NATS server
	JetStream jetstream.JetStream

	Store     *projections.Store
	Engine    *engine.Engine
	Intake    *ingest.Intake
	Scheduler *scheduler.Scheduler
	Archive   *archive.Archive
	Tokens    *auth.Store
}

// Parts gives what is open now; what a server that was started anew in the process has open is other parts. ok is false
// while nothing serves.
func (s *Server) Parts() (parts Parts, ok bool) {
	l := s.socket.attended()
	if l == nil {
		return Parts{}, false
	}
	parts = l.storage.parts()
	parts.Store, parts.Engine, parts.Intake, parts.Scheduler = l.store, l.engine, l.intake, l.scheduler
	parts.Archive, parts.Tokens = l.archive, l.access
	return parts, true
}

func (s *storage) parts() Parts { return Parts{Log: s.log, LogConfig: s.logConfig, JetStream: s.js} }
