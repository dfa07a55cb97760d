package multicast

import (
	"math"
	"testing"
	"time"
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
