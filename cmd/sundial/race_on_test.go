//go:build race

package main

const raceEnabled = true

// appsByTurns is of how many single apps one is asked at each instant of the example feed: it costs ten times as much here.
const appsByTurns = 4
