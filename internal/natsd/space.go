package natsd

import (
	"fmt"
	"syscall"
)

const (
	// Below this much free space appends are refused before the server meets a full disk, because it does not
	// come back from that by itself. Enough for a round of group commit, twice (staged and stored), at its largest.
	reserveMax = uint64(64) << 20

	// On a small disk the reserve is this part of it.
	reserveShare = 20
)

// Space returns an error when the disk of the server's directory is nearly full.
func (s *Server) Space() error {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(s.config.Dir, &fs); err != nil {
		return fmt.Errorf("natsd: free space of the data directory: %w", err)
	}
	size := uint64(fs.Bsize) //nolint:gosec // a block size is positive
	free, total := fs.Bavail*size, fs.Blocks*size
	if reserve := min(reserveMax, total/reserveShare); free < reserve {
		return fmt.Errorf("natsd: the disk of the data directory has %d MB left, %d MB are kept free: make room", free>>20, reserve>>20)
	}
	return nil
}
