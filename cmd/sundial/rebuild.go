package main

type rebuildCmd struct{}
func (*rebuildCmd) Run() error { return nil }
