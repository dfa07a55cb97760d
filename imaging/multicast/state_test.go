package multicast_test

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

func start() time.Time { return time.Unix(1_800_000_000, 0) }

// small is a generation of one block of index and three of data, the last of two symbols.
func small() wire.Generation {
	return wire.Generation{Number: 1, Index: 1409, Data: 2*wire.BlockSize + wire.SymbolSize + 1}
}

func receiver(memory int64) *multicast.Receiver {
	orders := wire.Orders{Interval: 100 * time.Millisecond, Generations: []wire.Generation{small()}}
	return multicast.NewReceiver(start(), multicast.ReceiverOptions{Member: 4, Memory: memory}, orders)
}

// send gives a receiver the symbols from first to last of a block, and returns the last verdict.
func send(r *multicast.Receiver, block uint32, first, last int, sequence *uint64) (v multicast.Verdict) {
	for s := first; s <= last; s++ {
		*sequence++
		v = r.Receive(start(), wire.Header{Generation: 1, Block: block, Symbol: uint8(s), Sources: uint8(small().Symbols(block)),
			Sequence: *sequence})
	}
	return v
}

func TestReceiverReportsWhatItLacks(t *testing.T) {
	r := receiver(64 << 20)
	sequence := uint64(10)
	if v := send(r, 0, 0, 1, &sequence); !v.Keep || !v.Complete {
		t.Fatalf("the index is not complete: %+v", v)
	}
	if r.Has(1) {
		t.Error("the index is had before it was written")
	}
	r.Written(1, 0)
	if !r.Has(1) {
		t.Error("the index is not had")
	}
	r.Want(1, 1, multicast.Missing)
	r.Want(1, 2, multicast.Held)
	if v := send(r, 1, 0, 99, &sequence); !v.Keep || v.Complete {
		t.Errorf("%+v", v)
	}
	sequence += 5 // lost
	if v := send(r, 1, 130, 130, &sequence); !v.Keep {
		t.Errorf("parity is not kept: %+v", v)
	}
	if v := send(r, 1, 130, 130, &sequence); v.Keep {
		t.Error("a symbol is kept twice")
	}
	if v := send(r, 2, 0, 0, &sequence); v.Keep {
		t.Error("a symbol of a block that is held is kept")
	}
	report := r.Report(start(), multicast.Disk{})
	want := wire.Runs{{Count: 1, Value: 0}, {Count: 1, Value: 27}, {Count: 1, Value: 0}, {Count: 1, Value: wire.Unknown}}
	if len(report.Deficits) != 1 || !slices.Equal(report.Deficits[0].Runs, want) {
		t.Errorf("deficits %v, want %v", report.Deficits, want)
	}
	if report.Packets != 105 || report.Lost != 5 || report.Sequence != sequence || report.Member != 4 {
		t.Errorf("report %+v", report)
	}
	if missing, unknown := r.Lacks(); missing != 1 || unknown != 1 {
		t.Errorf("%d missing, %d unknown", missing, unknown)
	}
}

func TestPollutedBlocksComeByHTTPSAlone(t *testing.T) {
	r := receiver(64 << 20)
	sequence := uint64(0)
	r.Want(1, 3, multicast.Missing)
	if v := send(r, 3, 0, 1, &sequence); !v.Complete {
		t.Fatal("not complete")
	}
	r.Polluted(1, 3)
	if v := send(r, 3, 0, 0, &sequence); v.Keep {
		t.Error("multicast is believed again")
	}
	ask, ok := r.Rescue(start())
	if !ok || len(ask.Blocks) != 1 || ask.Blocks[0].Block != 3 || !slices.Equal(ask.Blocks[0].Symbols, []byte{0, 1}) || ask.Member != 4 {
		t.Fatalf("asked for %+v", ask)
	}
	r.Rescued(start(), 1, 3, 0)
	if v := r.Rescued(start(), 1, 3, 1); !v.Complete {
		t.Error("not complete after the rescue")
	}
	r.Written(1, 3)
	if _, ok := r.Rescue(start()); ok {
		t.Error("asks again for what was written")
	}
}

func TestRescueFollowsOrders(t *testing.T) {
	r := receiver(64 << 20)
	sequence := uint64(0)
	r.Want(1, 1, multicast.Missing)
	send(r, 1, 3, 127, &sequence)
	if _, ok := r.Rescue(start()); ok {
		t.Error("asks without orders")
	}
	r.Obey(start(), wire.Orders{Rescue: []wire.GenerationRuns{{Generation: 1, Runs: wire.Runs{{Count: 1}, {Count: 1, Value: 1}}}}})
	ask, ok := r.Rescue(start())
	if !ok || len(ask.Blocks) != 1 || !slices.Equal(ask.Blocks[0].Symbols, []byte{0, 1, 2}) {
		t.Errorf("asked for %+v", ask)
	}
	r.Obey(start(), wire.Orders{HTTPS: true})
	if ask, _ = r.Rescue(start()); len(ask.Blocks) != 2 {
		t.Errorf("with everything by HTTPS it asked for %+v, not for the index and block 1", ask)
	}
	if _, listen := r.Stream(); listen {
		t.Error("it listens")
	}
}

func TestReportsOutOfTurnWhenPacketsEnd(t *testing.T) {
	r := receiver(64 << 20)
	r.Report(start(), multicast.Disk{})
	r.Report(start(), multicast.Disk{})
	if at := r.ReportAt(); at != start().Add(100*time.Millisecond) {
		t.Errorf("due after %v", at.Sub(start()))
	}
	sequence := uint64(0)
	send(r, 1, 0, 5, &sequence)
	if at := r.ReportAt(); at != start().Add(20*time.Millisecond) {
		t.Errorf("with packets that ended, due after %v", at.Sub(start()))
	}
	r.Report(start().Add(20*time.Millisecond), multicast.Disk{})
	if at := r.ReportAt(); at != start().Add(120*time.Millisecond) {
		t.Errorf("after one silence, due after %v", at.Sub(start()))
	}
}

// A session of many generations in pieces must not make a report that the server refuses.
func TestReportsStayShort(t *testing.T) {
	orders := wire.Orders{Interval: time.Second}
	for n := range uint16(12) {
		orders.Generations = append(orders.Generations, wire.Generation{Number: n + 1, Index: 1, Data: 40_000 * wire.BlockSize})
	}
	r := multicast.NewReceiver(start(), multicast.ReceiverOptions{}, orders)
	for n := range uint16(12) {
		for b := uint32(1); b < 40_000; b += 2 {
			r.Want(n+1, b, multicast.Held)
		}
	}
	report := r.Report(start(), multicast.Disk{})
	raw, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := wire.ParseReport(raw); err != nil || len(raw) > wire.MaxReport/2 {
		t.Errorf("%d bytes: %v", len(raw), err)
	}
	if len(report.Deficits) != 12 {
		t.Errorf("%d generations", len(report.Deficits))
	}
}

// One packet of an insider with a sequence of the far future must not spoil for good what a PC and the server count.
func TestCountsSurviveAnInsider(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{Rate: 10_000_000})
	big := wire.Generation{Number: 1, Index: 1, Data: 400 * wire.BlockSize}
	s.Announce(start(), big)
	now := start()
	r := multicast.NewReceiver(now, multicast.ReceiverOptions{Member: 1}, s.Join(now, 1, multicast.Member{Multicast: true}))
	report := func() wire.Report {
		t.Helper()
		report := r.Report(now, multicast.Disk{})
		r.Obey(now, s.Report(now, report))
		return report
	}
	var last uint64
	hear := func(n int) {
		for range n {
			sym, at, ok := s.Next(now)
			if !ok {
				t.Fatal("nothing is sent")
			}
			now, last = at, sym.Sequence
			r.Receive(now, sym.Header(7))
		}
	}
	report()
	hear(1000)
	r.Receive(now, wire.Header{Generation: 9, Sequence: 1 << 63, Sources: 1, Interval: 77})
	if got := report(); got.Sequence != 1<<63 {
		t.Fatalf("the packet did not count: %d", got.Sequence)
	}
	hear(2000)
	got := report()
	if got.Sequence != last || got.Packets != 2000 || got.Lost != 0 || got.Window.First <= 1000 || got.Window.Last > last {
		t.Errorf("after it, %+v; the last packet was %d", got, last)
	}
	if o := s.Report(now, got); o.Ahead || o.Sequences[0] != last {
		t.Errorf("orders %+v", o)
	}
}

// Who says that it lacks everything, as often as it can, must not have the sender look at each block each time.
func TestWhoLacksMuchIsHeardRarely(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{})
	now := start()
	s.Announce(now, wire.Generation{Number: 1, Index: 1, Data: 500_000 * wire.BlockSize})
	s.Join(now, 1, multicast.Member{Multicast: true})
	lacks := func(deficit uint8) int64 {
		s.Report(now, wire.Report{Member: 1, Buffer: 100, Sequence: math.MaxUint64, Deficits: []wire.GenerationRuns{{Generation: 1,
			Runs: wire.Runs{{Count: math.MaxUint32, Value: deficit}}}}})
		return s.Status(now).Members[0].Lacks
	}
	lacks(0)
	for { // the first pass goes over all blocks, as nobody needs one
		sym, _, ok := s.Next(now)
		if !ok {
			break
		}
		s.Left(sym.Stream, sym.Sequence, now)
	}
	now = now.Add(time.Second)
	if got := lacks(2); got != 2*500_001*wire.SymbolSize-wire.SymbolSize {
		t.Fatalf("it lacks %d bytes", got)
	}
	now = now.Add(time.Second)
	if got := lacks(1); got < 2*500_000*wire.SymbolSize {
		t.Errorf("it was heard after a second: %d", got)
	}
	now = now.Add(2 * time.Second)
	if got := lacks(1); got != 500_001*wire.SymbolSize {
		t.Errorf("it was not heard after three: %d", got)
	}
}

// Who has left after it was done is not forgotten: people are told of everybody.
func TestWhoLeftDoneIsSeen(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{})
	for id := range uint32(3) {
		s.Join(start(), id+1, multicast.Member{Name: "pc", Multicast: true})
	}
	s.Report(start(), wire.Report{Member: 1, Done: true})
	s.Leave(start(), 1)
	s.Leave(start(), 2) // it was not done
	s.Leave(start(), 2)
	status := s.Status(start())
	if len(status.Members) != 2 || status.Members[0].Member != 3 || status.Members[1].Member != 1 ||
		status.Members[1].State != multicast.StateDone || status.Members[1].Name != "pc" || status.Members[1].Reports != 1 {
		t.Errorf("%+v", status.Members)
	}
	s.Join(start(), 1, multicast.Member{Name: "pc", Multicast: true}) // switched on again
	if status = s.Status(start()); len(status.Members) != 2 || status.Members[1].State != multicast.StateFast {
		t.Errorf("%+v", status.Members)
	}
	if s.Report(start(), wire.Report{Member: 3, Done: true}); status.ReportsPer > 30 {
		t.Errorf("who has left reports: %f", status.ReportsPer)
	}
	for id := range uint32(10_000) {
		s.Join(start(), id+10, multicast.Member{})
		s.Report(start(), wire.Report{Member: id + 10, Done: true})
		s.Leave(start(), id+10)
	}
	if n := len(s.Status(start()).Members); n > 5000 {
		t.Errorf("%d are remembered", n)
	}
}

func TestHoldOff(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{Expected: 2, HoldOff: 5 * time.Second})
	ready := func(after time.Duration) bool { return s.Ready(start().Add(after)) }
	if ready(time.Hour) {
		t.Error("ready without members")
	}
	s.Join(start(), 1, multicast.Member{Multicast: true})
	s.Join(start(), 2, multicast.Member{Multicast: true})
	needs := []wire.MasterRuns{{Runs: wire.Runs{{Count: 1, Value: wire.Missing}}}}
	s.Report(start(), wire.Report{Member: 1, Needs: needs})
	if ready(time.Second) || !ready(5*time.Second) {
		t.Error("the hold-off is not 5 s")
	}
	s.Report(start(), wire.Report{Member: 2, Needs: needs})
	if !ready(time.Second) {
		t.Error("not ready although everyone expected has spoken")
	}
	if s.Leave(start(), 2); !ready(time.Second) {
		t.Error("not ready although the one who is missing has left")
	}
	if s.Join(start(), 2, multicast.Member{Multicast: true}); ready(time.Second) {
		t.Error("ready although one who has come again has not spoken")
	}
}

func TestSenderSkipsWhatNobodyNeeds(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{})
	s.Announce(start(), small())
	s.Join(start(), 1, multicast.Member{Multicast: true})
	s.Report(start(), wire.Report{Member: 1, Buffer: 100, Deficits: []wire.GenerationRuns{{Generation: 1,
		Runs: wire.Runs{{Count: 1, Value: 2}, {Count: 1, Value: 0}, {Count: 2, Value: 128}}}}})
	seen := map[uint32]int{}
	now := start()
	for {
		sym, at, ok := s.Next(now)
		if !ok {
			break
		}
		now = at
		if sym.Index < sym.Sources {
			seen[sym.Block]++
		}
	}
	if seen[0] != 2 || seen[1] != 0 || seen[2] != 128 || seen[3] != 2 {
		t.Errorf("source symbols sent: %v", seen)
	}
	if bytes, _ := s.Demand(); bytes != 0 {
		t.Errorf("%d bytes of first pass are left", bytes)
	}
}

func TestStatusNamesTheReason(t *testing.T) {
	s := multicast.NewSender(multicast.SenderOptions{})
	s.Join(start(), 1, multicast.Member{Name: "pc-01", Multicast: false})
	s.Join(start(), 2, multicast.Member{Name: "pc-02", Multicast: true})
	s.Report(start(), wire.Report{Member: 2, Buffer: 10, DiskRate: 3_800_000})
	now := start().Add(100 * time.Millisecond)
	status := s.Status(now)
	if m := status.Members[0]; m.State != multicast.StateHTTPS || m.Reason != "no multicast over its link" {
		t.Errorf("%+v", m)
	}
	if m := status.Members[1]; m.State != multicast.StateFast || m.Reason != "disk 4 MB/s" {
		t.Errorf("%+v", m)
	}
	s.Next(now.Add(10 * time.Second))
	if m := s.Status(now).Members[1]; m.State != multicast.StateSilent || m.Reason != "no report" {
		t.Errorf("%+v", m)
	}
	if o := s.Report(now, wire.Report{Member: 9}); !o.HTTPS {
		t.Error("a stranger is not told to fetch by HTTPS")
	}
	s.Report(now, wire.Report{Member: 2, Done: true})
	s.Leave(now, 1)
	if s.Done(now) {
		t.Error("done before Finish")
	}
	if s.Finish(now); !s.Done(now) {
		t.Error("not done")
	}
}

// What waits in a PC's socket is on its way: no parity is sent for it, however long the stream is quiet.
func TestWhatIsNotReadYetIsNotLost(t *testing.T) {
	for name, queued := range map[string]int64{"all was read": 0, "most waits to be read": 30 << 20} {
		t.Run(name, func(t *testing.T) {
			now := time.Unix(1, 0)
			s := multicast.NewSender(multicast.SenderOptions{Rate: 100e6})
			g := wire.Generation{Number: 1, Index: 1, Data: 40 * wire.BlockSize}
			for id := range uint32(2) {
				s.Join(now, id+1, multicast.Member{Multicast: true})
			}
			s.Announce(now, g)
			var sent uint64
			drain := func() (rounds int) {
				for range 100_000 {
					sym, at, ok := s.Next(now)
					if !ok && at.IsZero() {
						return rounds
					}
					if now = later(now, at); ok {
						s.Left(sym.Stream, sym.Sequence, now)
						if sent = sym.Sequence; sym.Index >= wire.BlockSymbols+8 {
							rounds++
						}
					}
				}
				return rounds
			}
			drain()
			rounds := 0
			for range 20 {
				now = now.Add(200 * time.Millisecond)
				for id := range uint32(2) {
					s.Report(now, wire.Report{Member: id + 1, Interval: 1, Sequence: sent / 4, Packets: sent / 4, Buffer: 100, Queued: queued,
						Deficits: []wire.GenerationRuns{{Generation: 1, Runs: wire.Runs{{Count: 11, Value: 0}, {Count: 30, Value: 20}}}}})
				}
				rounds += drain()
			}
			if (rounds > 0) != (queued == 0) {
				t.Errorf("%d symbols were sent in rounds", rounds)
			}
		})
	}
}

// What all lack is repaired while the first pass goes on: kept for the end, it makes every PC rebuild, check and write its
// blocks at one time, then. One that has not told yet may lack more: a round before it does is sent again for it.
func TestRepairDoesNotWaitForTheEnd(t *testing.T) {
	for name, told := range map[string]uint32{"all have told": 3, "one has not": 2} {
		t.Run(name, func(t *testing.T) {
			now := start()
			s := multicast.NewSender(multicast.SenderOptions{Rate: 10e6})
			for id := range uint32(3) {
				s.Join(now, id+1, multicast.Member{Multicast: true})
			}
			s.Announce(now, wire.Generation{Number: 1, Index: 1, Data: 200 * wire.BlockSize})
			var sent uint64
			send := func(until time.Time) {
				for now.Before(until) {
					sym, at, ok := s.Next(now)
					if !ok && at.IsZero() {
						t.Fatal("nothing is sent")
					}
					if now = later(now, at); ok {
						s.Left(sym.Stream, sym.Sequence, now)
						sent = sym.Sequence
					}
				}
			}
			report := func(id uint32, sequence uint64, lacks wire.Runs) {
				s.Report(now, wire.Report{Member: id, Interval: 1, Sequence: sequence, Packets: sequence, Buffer: 100,
					Deficits: []wire.GenerationRuns{{Generation: 1, Runs: lacks}}})
			}
			for id := range uint32(3) {
				report(id+1, 0, wire.Runs{{Count: 1}, {Count: 200, Value: 128}})
			}
			send(now.Add(time.Second)) // 54 blocks
			for id := range uint32(3) {
				if id >= told { // it goes on reporting
					report(id+1, 1000, wire.Runs{{Count: 1}, {Count: 200, Value: 128}})
				} else {
					report(id+1, sent, wire.Runs{{Count: 1}, {Count: 16, Value: 10}, {Count: 32}, {Count: 152, Value: 128}})
				}
			}
			send(now.Add(400 * time.Millisecond))
			if rounds := s.Status(now).Rounds; (rounds > 0) != (told == 3) {
				t.Errorf("%d bytes were sent in rounds", rounds)
			}
			if bytes, _ := s.Demand(); bytes == 0 {
				t.Error("the first pass is over")
			}
		})
	}
}

// A PC that takes long to open its group reports when it is open: what was sent before says nothing about its network.
func TestWhoOpensItsGroupLateIsNotDeaf(t *testing.T) {
	now := start()
	s := multicast.NewSender(multicast.SenderOptions{Rate: 1e6})
	for id := range uint32(1000) { // so that a second passes between reports, and nobody is silent before five
		s.Join(now, id, multicast.Member{Multicast: true})
	}
	s.Announce(now, wire.Generation{Number: 1, Index: 1, Data: 1000 * wire.BlockSize})
	send := func(until time.Time) {
		for {
			sym, at, ok := s.Next(now)
			if !ok && at.IsZero() {
				t.Fatal("nothing is sent")
			}
			if now = later(now, at); now.After(until) {
				now = until
				return
			}
			if ok {
				s.Left(sym.Stream, sym.Sequence, now)
			}
		}
	}
	state := func() multicast.State {
		s.Report(now, wire.Report{Member: 1, Buffer: 100})
		return s.Status(now).Members[1].State
	}
	send(start().Add(4900 * time.Millisecond))
	if got := state(); got != multicast.StateFast {
		t.Errorf("when its group is open it is %q", got)
	}
	for range 7 {
		send(now.Add(400 * time.Millisecond))
		if got := state(); got != multicast.StateFast {
			t.Errorf("within 3 s of that it is %q", got)
		}
	}
	send(now.Add(400 * time.Millisecond))
	if got := state(); got != multicast.StateHTTPS {
		t.Errorf("without a packet for 3 s it is %q", got)
	}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Who missed the index cannot write what he has got since: his memory fills up, and only the index empties it.
func TestAFullMemoryStillTakesTheIndex(t *testing.T) {
	g := wire.Generation{Number: 1, Index: 1409, Data: 100 * wire.BlockSize}
	orders := wire.Orders{Interval: 100 * time.Millisecond, Generations: []wire.Generation{g}}
	r := multicast.NewReceiver(start(), multicast.ReceiverOptions{Member: 4}, orders)
	sequence := uint64(0)
	packet := func(block uint32, symbol int) multicast.Verdict {
		sequence++
		return r.Receive(start(), wire.Header{Generation: 1, Block: block, Symbol: uint8(symbol), Sources: uint8(g.Symbols(block)), Sequence: sequence})
	}
	full := false
	for block := uint32(1); block < g.Blocks() && !full; block++ {
		for s := range g.Symbols(block) {
			full = !packet(block, s).Keep
		}
	}
	if !full {
		t.Fatal("the memory has no end")
	}
	r.Obey(start(), wire.Orders{HTTPS: true})
	ask, ok := r.Rescue(start())
	if !ok || len(ask.Blocks) != 1 || ask.Blocks[0].Block != 0 {
		t.Fatalf("asked for %+v, not for the index alone", ask)
	}
	if !packet(0, 0).Keep || !r.Rescued(start(), 1, 0, 1).Complete {
		t.Error("the index finds no place")
	}
}
