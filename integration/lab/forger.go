package lab

import (
	"math/rand/v2"
	"sync"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Forger makes packets that look like those of a session but are none. It may learn and forge at the same time.
type Forger struct {
	mu     sync.Mutex
	known  [][]byte // genuine packets, the last ones, in a ring
	next   int
	random *rand.ChaCha8
	turn   int
}

// learned is how many genuine packets a Forger remembers.
const learned = 4096

// NewForger makes a Forger that forges the same of the same packets.
func NewForger() *Forger {
	return &Forger{random: rand.NewChaCha8([32]byte{'f', 'o', 'r', 'g', 'e', 'r'})}
}

// Learn keeps a genuine packet. It fits Watch and WatchServer, and always wants more.
func (f *Forger) Learn(d Datagram) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := append([]byte(nil), d.Payload...)
	if len(f.known) < learned {
		f.known = append(f.known, p)
	} else {
		f.known[f.next%learned] = p
	}
	f.next++
	return true
}

// Forge writes, in turn: a packet whose header is right and new with noise behind it, one that is cut, one that was sent
// before, and noise. Until it has learned something, all is noise. payload has 1,472 bytes; it fits Flood.
func (f *Forger) Forge(payload []byte) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.turn++
	if len(f.known) == 0 || f.turn%4 == 0 {
		_, _ = f.random.Read(payload[:wire.PacketSize]) // it never returns an error
		return wire.PacketSize
	}
	lot := f.random.Uint64()
	n := copy(payload, f.known[lot%uint64(len(f.known))])
	switch f.turn % 4 {
	case 1:
		if n > wire.HeaderSize {
			_, _ = f.random.Read(payload[wire.HeaderSize:n]) // as above
			payload[wire.HeaderSize-1] ^= byte(lot >> 40)    // the sequence: else it would be known as seen before
			payload[wire.HeaderSize-2] ^= byte(lot >> 48)
		}
	case 2:
		n = int(lot>>32) % max(n, 1)
	}
	return n
}
