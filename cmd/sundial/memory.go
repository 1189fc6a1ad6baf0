package main

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"runtime/debug"

	"github.com/KimMachineGun/automemlimit/memlimit"
)

const (
	// roomiest is the heap floor where memory is not short: the collector lets some half of it gather as garbage, where the
	// heap is small. After every 20 MB, as it would be without, a sixth of the processor's time went to collecting.
	roomiest = 256 << 20

	// floorShare is the part of a container's memory that the heap floor takes at most.
	floorShare = 8

	// beside is what the program takes that is not Go's, at most, in bytes: SQLite's caches and statements, measured as
	// 50 MB under load, threads, and the pages of files that it works on.
	beside = 72 << 20

	// leastHeap is what Go may take in any case: with less it would collect without end, rather than be killed for once.
	leastHeap = 64 << 20
)

// tuneMemory has the collector run when the heap has grown by half rather than doubled, unless the environment says
// otherwise (GOGC): with a million apps most of the heap is the NATS server's index, which lives long, so that doubling it
// would be waste. In a container it collects more as the container's limit comes near, unless the environment sets another
// (GOMEMLIMIT).
//
// What it gives is to be kept alive: the heap floor is nothing but addresses, to which nobody writes, so that the system
// gives it no memory. The collector counts it as heap, and so lets more garbage gather where the heap is small.
func tuneMemory(log *slog.Logger) (heapFloor []byte) {
	limit := containerLimit(log)
	limited := os.Getenv("GOMEMLIMIT") != ""
	if limited {
		limit = min(limit, debug.SetMemoryLimit(-1))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
		heapFloor = make([]byte, floorOf(limit))
	}
	if !limited && limit < math.MaxInt64 {
		debug.SetMemoryLimit(heapOf(limit) + int64(len(heapFloor)))
		log.Info("memory is limited, and more is collected as the limit comes near", "limit_mb", limit>>20, "heap_mb", heapOf(limit)>>20)
	}
	return heapFloor
}

// containerLimit is what the process may take where it runs (cgroups of both versions), in bytes; MaxInt64 for no limit.
func containerLimit(log *slog.Logger) int64 {
	limit, err := memlimit.FromCgroup()
	switch {
	case errors.Is(err, memlimit.ErrNoLimit), errors.Is(err, memlimit.ErrNoCgroup), errors.Is(err, memlimit.ErrCgroupsNotSupported):
	case err != nil:
		log.Warn("it cannot be read how much memory this process may take: if there is a limit, set GOMEMLIMIT to half of it", "error", err)
	case limit < math.MaxInt64:
		return int64(limit)
	}
	return math.MaxInt64
}

// floorOf is the heap floor where the process may take so much.
func floorOf(limit int64) int64 { return min(roomiest, limit/floorShare) }

// heapOf is what Go's heap may grow to where the process may take so much.
func heapOf(limit int64) int64 { return max(limit-beside-limit/16, leastHeap) }
