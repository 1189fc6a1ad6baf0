//go:build !race

package main

const raceEnabled = false

const appsByTurns = 1
