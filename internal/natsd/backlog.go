package natsd

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// blockSize is the unit in which memory is taken for what a client has not read yet: some events, and a batch for
	// one write to its connection.
	blockSize = 16 << 10

	// blocksAtOnce bounds what one write takes, so that a slow reader that does read has the time for it.
	blocksAtOnce = 16

	// maxBacklog is what may wait for one connection: the largest message twice, or some thousand events.
	maxBacklog = 4 << 20

	// maxTokenBacklog is what may wait for all connections of one token.
	maxTokenBacklog = 8 << 20

	// maxBacklogs is what may wait for all clients together, a sixth of the memory that the program should stay under.
	maxBacklogs = 256 << 20

	// writePatience is how long a client may take to read blocksAtOnce of blocks.
	writePatience = 10 * time.Second
)

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// backlog is what waits to be sent to a client, in the order in which it came. The server would hold it as well, but its
// limit is one for all connections, the program's own among them, which need a large one.
type backlog struct {
	mu     sync.Mutex
	more   sync.Cond
	blocks []*[blockSize]byte
	filled int  // bytes in the last block
	ended  bool // nothing more comes

	held atomic.Int64 // bytes of memory, those being written included
}

func newBacklog() *backlog {
	b := &backlog{}
	b.more.L = &b.mu
	return b
}

// put appends and gives by how much the memory that is held has grown.
func (b *backlog) put(p []byte) (grown int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return 0
	}
	for len(p) > 0 {
		if len(b.blocks) == 0 || b.filled == blockSize {
			b.blocks = append(b.blocks, blocks.Get().(*[blockSize]byte))
			b.filled = 0
			grown += blockSize
		}
		n := copy(b.blocks[len(b.blocks)-1][b.filled:], p)
		b.filled += n
		p = p[n:]
	}
	b.held.Add(grown)
	b.more.Signal()
	return grown
}

// end lets what is there be sent, and nothing after it.
func (b *backlog) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.more.Signal()
}

// take waits for something to send; nothing comes any more where it gives nothing.
func (b *backlog) take() (taken []*[blockSize]byte, last int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.blocks) == 0 && !b.ended {
		b.more.Wait()
	}
	n := min(len(b.blocks), blocksAtOnce)
	taken, last = b.blocks[:n:n], blockSize
	b.blocks = b.blocks[n:]
	if len(b.blocks) == 0 {
		b.blocks, last = nil, b.filled
	}
	return taken, last
}

// send writes to a client whatever comes until the backlog has ended or the client does not read. It waits until so many
// bytes may be sent, and tells by how much the memory that is held shrinks.
func (b *backlog) send(to net.Conn, wait func(bytes int), shrunk func(int64)) {
	var failed error
	for {
		taken, last := b.take()
		if len(taken) == 0 {
			return
		}
		if failed == nil {
			buffers := make(net.Buffers, len(taken))
			for i, block := range taken {
				buffers[i] = block[:]
			}
			buffers[len(taken)-1] = buffers[len(taken)-1][:last]
			wait((len(taken)-1)*blockSize + last)
			if failed = to.SetWriteDeadline(time.Now().Add(writePatience)); failed == nil {
				_, failed = buffers.WriteTo(to)
			}
			if failed != nil {
				b.end()
				to.Close()
			}
		}
		for _, block := range taken {
			blocks.Put(block)
		}
		n := int64(len(taken)) * blockSize
		b.held.Add(-n)
		shrunk(n)
	}
}
