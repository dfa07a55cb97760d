package lab_test

import (
	"bytes"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/integration/lab"
)

// A flood of nothing but noise would be dropped at the first look, and prove little.
func TestForgerMakesAllKinds(t *testing.T) {
	f := lab.NewForger()
	genuine := map[uint64][]byte{}
	for i := range uint64(5000) {
		h := wire.Header{Generation: 1, Session: 7, Block: uint32(i / 128), Symbol: uint8(i % 128), Sources: 128, Sequence: i + 1}
		p := h.AppendTo(nil)
		p = append(p, bytes.Repeat([]byte{byte(i)}, wire.PacketSize-len(p))...)
		genuine[h.Sequence] = p
		f.Learn(lab.Datagram{Payload: p})
	}
	var noise, cut, again, forged int
	payload := make([]byte, 1472)
	for range 4000 {
		n := f.Forge(payload)
		h, err := wire.Parse(payload[:n])
		switch {
		case n < wire.PacketSize:
			cut++
		case err != nil || h.Session != 7:
			noise++
		case bytes.Equal(payload[:n], genuine[h.Sequence]):
			again++
		default:
			forged++
		}
	}
	for what, n := range map[string]int{"noise": noise, "cut": cut, "seen before": again, "forged": forged} {
		if n < 800 {
			t.Errorf("%d of 4,000 are %s", n, what)
		}
	}
}
