package main

import "errors"

// benchCmd measures the engine.
type benchCmd struct{}

// Run measures.
func (b *benchCmd) Run() error { return errors.New("bench: not built in yet") }
