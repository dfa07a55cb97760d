package multicast

import (
	"math"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// A PC whose buffer is full although its disk takes more than is sent waits for its processor: that limits nothing.
func TestAQuickDiskIsNoLimit(t *testing.T) {
	s := NewSender(SenderOptions{Rate: 0})
	st := &s.streams[0]
	st.rate = 10e6
	for id := range uint32(4) {
		s.Join(time.Unix(1_800_000_000, 0), id, Member{Multicast: true})
		m := s.members[id]
		m.buffer, m.disk = 0, 300_000_000
		m.sample = sample{sent: 10e6, got: 10e6, from: 1, to: 100, fresh: true}
	}
	if limit, used := s.limitOf(st, 0, false); !used || !math.IsInf(limit, 1) {
		t.Errorf("PCs whose disks take 300 MB/s show a limit of %.0f at 10 MB/s", limit)
	}
	for _, m := range s.order {
		m.disk = 8_000_000
	}
	if limit, used := s.limitOf(st, 0, false); !used || limit > 8e6 {
		t.Errorf("PCs whose disks take 8 MB/s show a limit of %.0f", limit)
	}
}

// Bursts leave at the time of their first packet, so the time after one is its own. At 1 MB/s a whole one takes 23 ms: taken
// for the next one's, which is of one packet, it looked like a driver that stands still, and no member had a sample.
func TestASlowStreamIsNoDriverThatStandsStill(t *testing.T) {
	var h history
	const rate = 1e6
	at, sequence := time.Unix(1_800_000_000, 0), uint64(0)
	began := at
	for i := range 100 {
		n := uint64(16)
		if i%2 == 1 {
			n = 1
		}
		sequence += n
		h.note(sequence, at, false, rate)
		at = at.Add(time.Duration(float64(n) * wire.PacketSize / rate * float64(time.Second)))
	}
	if took := h.last.Sub(began); h.active < took*99/100 {
		t.Errorf("of %v in which it sent without a pause, %v count", took, h.active)
	}
	h.note(sequence+16, at.Add(time.Second), false, rate)
	if took := h.last.Sub(began); h.active > took-900*time.Millisecond {
		t.Errorf("a second in which it stood still counts: %v of %v", h.active, took)
	}
}
