package multicast_test

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// bytesOf hands out the fuzzer's bytes, zeros at their end.
type bytesOf struct{ b []byte }

func (f *bytesOf) byte() byte {
	if len(f.b) == 0 {
		return 0
	}
	v := f.b[0]
	f.b = f.b[1:]
	return v
}

func (f *bytesOf) number() uint64 {
	var v [8]byte
	size := int(f.byte()%8) + 1
	n := copy(v[:size], f.b)
	f.b = f.b[n:]
	return binary.LittleEndian.Uint64(v[:])
}

func (f *bytesOf) runs() wire.Runs {
	var runs wire.Runs
	for range f.byte() % 6 {
		runs = append(runs, wire.Run{Count: uint32(f.number()), Value: f.byte()})
	}
	return runs
}

// generations are two small ones.
func generations() []wire.Generation {
	return []wire.Generation{{Index: 2000}, {Number: 1, Index: 500_000, Data: 4_000_000}}
}

// FuzzSender feeds a session with whatever members may say, in any order: it never panics, never sends what is not
// announced, and comes to an end.
func FuzzSender(f *testing.F) {
	f.Add([]byte("\x00\x01\x05\x02\x09\x07seven members and a report or two\xff\xff\xff\xff\x02\x03\x04\x80\x80"))
	f.Add([]byte{1, 2, 1, 2, 3, 4, 4, 4, 4, 2, 2, 255, 255, 255, 255, 255, 128, 9, 5, 5, 5, 5, 0, 0, 0, 1, 1, 1})
	f.Fuzz(runSender)
}

// runSender is one run of FuzzSender.
func runSender(t *testing.T, b []byte) {
	in := &bytesOf{b}
	now := time.Unix(1_800_000_000, 0)
	s := multicast.NewSender(multicast.SenderOptions{Expected: int(in.byte() % 4), Cap: int64(in.byte()) * 100_000})
	of := map[uint16]wire.Generation{}
	sequence := map[uint8]uint64{}
	for step := 0; len(in.b) > 0 && step < 400; step++ {
		now = now.Add(time.Duration(in.byte()) * 20 * time.Millisecond)
		member := uint32(in.byte() % 5)
		switch in.byte() % 7 {
		case 0:
			for _, g := range generations() {
				of[g.Number] = g
				s.Announce(now, g)
			}
		case 1:
			s.Join(now, member, multicast.Member{Multicast: in.byte()%4 > 0, Link: int64(in.byte()) * 1e7})
		case 2:
			s.Leave(now, member)
		case 3:
			s.Finish(now)
			s.Done(now)
		case 4, 5:
			r := wire.Report{Member: member, Stream: in.byte(), Sequence: in.number(), Packets: in.number(), Buffer: in.byte(),
				DiskRate: int64(in.number()), Done: in.byte()%8 == 0}
			r.Window = wire.Span{First: in.number(), Last: in.number(), Packets: in.number()}
			for range in.byte() % 4 {
				r.Deficits = append(r.Deficits, wire.GenerationRuns{Generation: uint16(in.byte() % 3), Runs: in.runs()})
			}
			o := s.Report(now, r)
			if o.Stream >= wire.Streams || o.Interval <= 0 || o.Phase >= o.Interval {
				t.Fatalf("orders %+v", o)
			}
		default:
			drive(t, s, now, of, sequence, int(in.byte())*8)
		}
		s.Status(now)
	}
	drive(t, s, now.Add(time.Hour), of, sequence, 400_000)
	if _, _, ok := s.Next(now.Add(2 * time.Hour)); ok {
		t.Fatal("the session does not come to an end although nobody reports")
	}
}

// drive takes symbols and checks them.
func drive(t *testing.T, s *multicast.Sender, now time.Time, of map[uint16]wire.Generation, sequence map[uint8]uint64, n int) {
	t.Helper()
	for range n {
		sym, at, ok := s.Next(now)
		if !ok {
			return
		}
		if at.Before(now) {
			t.Fatal("to be sent in the past")
		}
		sequence[sym.Stream]++
		g, known := of[sym.Generation]
		if k := g.Symbols(sym.Block); !known || k == 0 || int(sym.Sources) != k || sym.Index == 255 ||
			int(sym.Index) >= k && sym.Index < wire.BlockSymbols || sym.Sequence != sequence[sym.Stream] {
			t.Fatalf("symbol %+v", sym)
		}
		now = at
	}
}

// FuzzReceiver feeds a computer with whatever somebody in the session may send, and with whatever orders: it keeps no
// more than its memory, asks for nothing that is not, and reports what it keeps.
func FuzzReceiver(f *testing.F) {
	f.Add([]byte("\x01\x00\x01\x02\x03\x04\x05\x06\x07\x08 packets of an insider \x00\x00\x01\x7f\x80\xfe\xff"))
	f.Add([]byte{0, 0, 1, 0, 0, 3, 128, 5, 0, 1, 1, 3, 129, 5, 9, 9, 9, 4, 2, 1, 4, 5, 6, 6, 6, 6, 1, 3, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := &bytesOf{b}
		now := time.Unix(1_800_000_000, 0)
		r := multicast.NewReceiver(now, multicast.ReceiverOptions{Memory: 6 << 20}, wire.Orders{Generations: generations()})
		held := map[[2]uint32]int{}
		most := 6 << 20 / wire.SymbolSize
		keep := func(v multicast.Verdict, at [2]uint32) {
			if v.Dropped {
				delete(held, [2]uint32{uint32(v.DropGeneration), v.DropBlock})
			}
			if v.Keep {
				held[at]++
			}
			total := 0
			for _, n := range held {
				total += n
			}
			if total > most {
				t.Fatalf("%d symbols are held, more than %d", total, most)
			}
			if g := generations()[at[0]]; v.Complete && held[at] != g.Symbols(at[1]) {
				t.Fatalf("complete with %d of %d symbols", held[at], g.Symbols(at[1]))
			}
		}
		for step := 0; len(in.b) > 0 && step < 3000; step++ {
			now = now.Add(time.Duration(in.byte()) * time.Millisecond)
			generation, block := uint16(in.byte()%2), uint32(in.byte()%30)
			at := [2]uint32{uint32(generation), block}
			switch in.byte() % 10 {
			case 0, 1, 2:
				keep(r.Receive(now, wire.Header{Kind: in.byte() % 3, Stream: in.byte(), Generation: generation, Block: block,
					Symbol: in.byte(), Sources: in.byte(), Interval: uint16(in.byte()), Sequence: in.number()}), at)
			case 3, 4: // many good ones
				first := in.byte()
				for i := range in.byte() {
					keep(r.Receive(now, wire.Header{Generation: generation, Block: block, Symbol: first + i,
						Sources: uint8(generations()[generation].Symbols(block)), Sequence: uint64(step*256 + int(i))}), at)
				}
			case 5:
				r.Want(generation, block, multicast.Need(in.byte()%4))
				delete(held, at) // forgotten, or the count below starts again
				if in.byte()%2 == 0 {
					r.Want(generation, block, multicast.Held)
					r.Want(generation, block, multicast.Missing)
				} else {
					r.Want(generation, block, multicast.Held)
				}
			case 6:
				r.Obey(now, wire.Orders{Interval: time.Duration(in.number()), Phase: time.Duration(in.number()), Stream: in.byte(),
					HTTPS: in.byte()%2 == 0, End: in.byte()%2 == 0, Generations: []wire.Generation{{Number: 9, Index: -1}},
					Rescue: []wire.GenerationRuns{{Generation: generation, Runs: in.runs()}}})
				checkAsk(t, r, now)
			case 7:
				keep(r.Rescued(now, generation, block, in.byte()), at)
			case 8:
				if held[at] > 0 && held[at] == generations()[generation].Symbols(block) {
					r.Written(generation, block)
					delete(held, at)
				}
			default:
				if report := r.Report(now, multicast.Disk{}); report.Check() != nil {
					t.Fatalf("%+v: %v", report, report.Check())
				}
				r.ReportAt()
				r.Lacks()
			}
		}
	})
}

// checkAsk checks that what the receiver asks for is there.
func checkAsk(t *testing.T, r *multicast.Receiver, now time.Time) {
	t.Helper()
	ask, ok := r.Rescue(now)
	if !ok {
		return
	}
	if err := ask.Check(generations()[ask.Generation]); err != nil || len(ask.Blocks) == 0 {
		t.Fatalf("%v: %+v", err, ask)
	}
}
