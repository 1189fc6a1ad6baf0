package projections

import "runtime/debug"

const (
	// wholeBuild is from how much memory for Go (runtime/debug.SetMemoryLimit) on a build takes what its limits say, some
	// 600 MB with SQLite's cache, in bytes. With less it takes a like part of them, and longer.
	wholeBuild = 1 << 30

	// leastBuild is the part that it takes in any case.
	leastBuild = wholeBuild / 32
)

// share is the part of a build's limit that fits into the memory that there is.
func share(limit int) int {
	return int(int64(limit) * min(max(debug.SetMemoryLimit(-1), leastBuild), wholeBuild) / wholeBuild)
}
