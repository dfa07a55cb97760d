package simnet_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/simnet"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

const (
	mib  = 1 << 20
	port = 100e6
)

// bar is what some PCs of a scenario must reach: their last one, in multiples of the raw wire limit.
type bar struct {
	from, to int // PCs
	most     float64
	of       float64 // the port whose limit is meant; 0: 100 Mb/s
}

// scenario is a sentence, the room that it is about, and what must come of it.
type scenario struct {
	sentence string
	room     simnet.Scenario
	bars     []bar
	seeds    uint64  // from 1 to this one; 0: the first
	lost     int     // PCs that cannot become complete
	air      float64 // bytes on air at most, in multiples of the content; 0: not asked
	check    func(t *testing.T, r simnet.Result)
}

// change changes some PCs of a room.
func change(room []simnet.PC, from, to int, do func(*simnet.PC)) []simnet.PC {
	for i := from; i < to; i++ {
		do(&room[i])
	}
	return room
}

func room(n int, loss float64) []simnet.PC { return simnet.Room(n, simnet.PC{Loss: loss}) }

// big is the acceptance room: 300 PCs, 0.1 % loss, three on a tenth of the speed, three deaths, five late.
func big() []simnet.PC {
	pcs := change(room(300, 0.001), 0, 3, func(pc *simnet.PC) { pc.Port = 10e6 })
	change(pcs, 3, 6, func(pc *simnet.PC) { pc.Dies = 0.5 })
	return change(pcs, 6, 11, func(pc *simnet.PC) { pc.Late = 0.4 })
}

func scenarios() []scenario {
	return []scenario{
		{sentence: "one PC, nothing lost: the wire's limit but for the packets' own overhead",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(1, 0)}, bars: []bar{{0, 1, 1.05, 0}}, air: 1.04},
		{sentence: "16 PCs that lose 0.1 % each take 1.10",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(16, 0.001)}, bars: []bar{{0, 16, 1.10, 0}}, air: 1.08},
		{sentence: "16 PCs that lose 1 % each take 1.12",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(16, 0.01)}, bars: []bar{{0, 16, 1.12, 0}}, air: 1.10},
		{sentence: "32 PCs that lose 1 % each take 1.15, all of them",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(32, 0.01)}, bars: []bar{{0, 32, 1.15, 0}}, air: 1.12},
		{sentence: "one PC on a 20 Mb/s port costs the 15 others nothing, and has what its port can carry",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(16, 0), 0, 1, func(pc *simnet.PC) { pc.Port = 20e6 })},
			bars: []bar{{1, 16, 1.12, 0}, {0, 1, 1.2, 20e6}}},
		{sentence: "one PC on a 20 Mb/s port costs the 15 others little, too, where these are too busy to report in time",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(simnet.Room(16, simnet.PC{Busy: 400 * time.Millisecond}), 0, 1,
				func(pc *simnet.PC) { pc.Port, pc.Busy = 20e6, 0 })},
			bars: []bar{{1, 16, 1.15, 0}, {0, 1, 1.2, 20e6}}, air: 1.15, seeds: 5},
		{sentence: "three PCs on 20 Mb/s ports share a slow stream",
			room: simnet.Scenario{Bytes: 256 * mib, PCs: change(room(16, 0), 0, 3, func(pc *simnet.PC) { pc.Port = 20e6 })},
			bars: []bar{{3, 16, 1.12, 0}, {0, 3, 1.2, 20e6}},
			check: func(t *testing.T, r simnet.Result) {
				if r.HTTPS > 450*mib { // of the 768 that the three lack; by seed it is 12 to 399
					t.Errorf("%d MiB came by HTTPS: the slow stream does not serve them", r.HTTPS/mib)
				}
			}},
		{sentence: "one PC is killed: nobody waits for it",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(16, 0), 0, 1, func(pc *simnet.PC) { pc.Dies = 0.5 })},
			bars: []bar{{1, 16, 1.10, 0}}, lost: 1},
		{sentence: "three PCs come when 40 % is sent: the punctual ones do not notice, the late ones take one more pass",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: change(room(16, 0), 0, 3, func(pc *simnet.PC) { pc.Late = 0.4 })},
			bars: []bar{{3, 16, 1.10, 0}, {0, 3, 1.5, 0}}, air: 1.5},
		{sentence: "one PC alone comes late: HTTPS brings what it missed",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(8, 0), 0, 1, func(pc *simnet.PC) { pc.Late = 0.3 })},
			bars: []bar{{1, 8, 1.10, 0}, {0, 1, 1.6, 0}}, air: 1.08},
		{seeds: 2, sentence: "300 PCs, three of them ten times slower, three dead, five late: the healthy take 1.10",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: big()},
			bars: []bar{{11, 300, 1.10, 0}, {6, 11, 1.6, 0}, {0, 3, 1.2, 10e6}}, lost: 3},
		{sentence: "1,000 PCs that lose 1 % each take 1.10 of what our packets could do at best",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(1000, 0.01)},
			bars: []bar{{0, 1000, 1.14, 0}}, air: 1.12,
			check: func(t *testing.T, r simnet.Result) {
				if ratio := r.Seconds / simnet.Ideal(128*mib, port); ratio > 1.10 {
					t.Errorf("%.3f of the ideal", ratio)
				}
			}},
		{sentence: "losses come twenty packets at a time",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: simnet.Room(16, simnet.PC{Loss: 0.01, Burst: 20})},
			bars: []bar{{0, 16, 1.15, 0}}, air: 1.12, seeds: 10},
		{sentence: "losses come twenty packets at a time in a large room",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: simnet.Room(64, simnet.PC{Loss: 0.01, Burst: 20})},
			bars: []bar{{0, 64, 1.15, 0}}, air: 1.14, seeds: 3},
		{sentence: "packets overtake each other and come twice",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: simnet.Room(16, simnet.PC{Loss: 0.001, Reorder: 0.02, Duplicate: 0.01})},
			bars: []bar{{0, 16, 1.12, 0}}, air: 1.10},
		{sentence: "a PC hears everything but its reports never arrive: it is dropped from demand, and still completes most",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(8, 0), 0, 1, func(pc *simnet.PC) { pc.Mute = time.Second }),
				Limit: time.Minute}, bars: []bar{{1, 8, 1.10, 0}}, lost: 1},
		{sentence: "every tenth report is lost",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: simnet.Room(16, simnet.PC{Loss: 0.001, Control: 0.1})},
			bars: []bar{{0, 16, 1.14, 0}}},
		{sentence: "the reports of the only PC come up to 2 s late: the first pass does not pass over what it needs",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: simnet.Room(1, simnet.PC{Busy: 2 * time.Second})},
			bars: []bar{{0, 1, 1.45, 0}}, air: 1.05, seeds: 3,
			check: func(t *testing.T, r simnet.Result) {
				if r.HTTPS > 64*mib/4 {
					t.Errorf("%d MiB came by HTTPS", r.HTTPS/mib)
				}
			}},
		{sentence: "multicast does not reach one PC: it has everything by HTTPS, 3 s later",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(8, 0), 0, 1, func(pc *simnet.PC) { pc.Deaf = true })},
			bars: []bar{{1, 8, 1.10, 0}, {0, 1, 1.8, 0}}},
		{sentence: "the switch eats all multicast: HTTPS for everyone, after 3 s",
			room: simnet.Scenario{Bytes: 16 * mib, PCs: simnet.Room(4, simnet.PC{Deaf: true})},
			bars: []bar{{0, 4, 4, 0}}},
		{sentence: "a PC on Wi-Fi never hears the streams",
			room: simnet.Scenario{Bytes: 32 * mib, PCs: change(room(4, 0), 0, 1, func(pc *simnet.PC) { pc.WiFi, pc.Port = true, 50e6 })},
			bars: []bar{{1, 4, 1.2, 0}, {0, 1, 1.3, 50e6}}},
		{sentence: "disks of 20 MB/s behind gigabit ports: the rate follows the disks",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: simnet.Room(8, simnet.PC{Port: 1e9, Disk: 20e6, Memory: 32 * mib})},
			bars: []bar{{0, 8, 1.05, 20e6 * 8}},
			check: func(t *testing.T, r simnet.Result) {
				for i, pc := range r.PCs {
					if pc.Dropped > 0 {
						t.Errorf("PC %d dropped %d blocks", i, pc.Dropped)
					}
				}
			}},
		{sentence: "a gigabit port is found in little time",
			room: simnet.Scenario{Bytes: 512 * mib, PCs: simnet.Room(2, simnet.PC{Port: 1e9})},
			bars: []bar{{0, 2, 1.12, 1e9}}},
		{sentence: "a server behind 100 Mb/s serves gigabit ports at its own rate",
			room: simnet.Scenario{Bytes: 32 * mib, PCs: simnet.Room(4, simnet.PC{Port: 1e9}), Uplink: 100e6},
			bars: []bar{{0, 4, 1.12, 0}}},
		{sentence: "a server sends up to 0.4 s later than it plans: the rate is that of what leaves, and nothing on its way is repaired",
			room: simnet.Scenario{Bytes: 13 * mib, PCs: room(16, 0), Uplink: 80e6, Ahead: 400 * time.Millisecond},
			bars: []bar{{0, 16, 1.08, 80e6}}, air: 1.05, seeds: 3},
		{sentence: "the same where its ports are in the way, too",
			room: simnet.Scenario{Bytes: 13 * mib, PCs: room(16, 0), Uplink: 110e6, Ahead: 400 * time.Millisecond},
			bars: []bar{{0, 16, 1.2, 0}}, air: 1.13, seeds: 3},
		{sentence: "a limit of 4 MB/s during lessons is kept",
			room: simnet.Scenario{Bytes: 16 * mib, PCs: room(4, 0), Options: multicast.SenderOptions{Cap: 4_000_000}},
			bars: []bar{{0, 4, 1.08, 4e6 * 8 * 1538 / 1472}},
			check: func(t *testing.T, r simnet.Result) {
				if least := 16 * mib / 4e6; r.Seconds < least {
					t.Errorf("%.2f s, faster than the %.2f s that the limit allows", r.Seconds, least)
				}
			}},
		{sentence: "the server is killed at half and comes back a second later: PCs keep what they have",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(8, 0), ServerDies: 0.5, ServerBack: time.Second},
			bars: []bar{{0, 8, 1.45, 0}}, air: 1.35},
		{sentence: "a PC is switched off and on again: what it had written it has",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(8, 0), 0, 1, func(pc *simnet.PC) {
				pc.Dies, pc.Restarts = 0.5, time.Second
			})}, bars: []bar{{1, 8, 1.10, 0}, {0, 1, 1.8, 0}}},
		{sentence: "the content comes in four generations, without a gap between them",
			room: simnet.Scenario{Bytes: 128 * mib, PCs: room(8, 0.001), Generations: 4}, bars: []bar{{0, 8, 1.10, 0}}, air: 1.08},
		{sentence: "PCs hold nine tenths: only what is new is on air",
			room: simnet.Scenario{Bytes: 320 * mib, PCs: simnet.Room(16, simnet.PC{Holds: func(b int) bool { return b%10 != 0 }})},
			bars: []bar{{0, 16, 0.13, 0}}, air: 0.11},
		{sentence: "13 MiB are new: the rate is not doubled any more when a second of it is left",
			room: simnet.Scenario{Bytes: 13 * mib, PCs: room(16, 0)}, bars: []bar{{0, 16, 1.2, 0}}, air: 1.06, seeds: 5},
		{sentence: "PCs hold different halves, and one looks at its disk while it receives",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(change(room(8, 0), 0, 4, func(pc *simnet.PC) {
				pc.Holds = func(b int) bool { return b%2 == 0 }
			}), 7, 8, func(pc *simnet.PC) { pc.Scan = 3 * time.Second }), Options: multicast.SenderOptions{Expected: 7}},
			bars: []bar{{0, 7, 1.12, 0}, {7, 8, 1.5, 0}}},
		{sentence: "PCs of little memory drop blocks and still complete",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(6, 0.001), 0, 2, func(pc *simnet.PC) {
				pc.Memory, pc.Loss = 8*mib, 0.1
			})}, bars: []bar{{0, 6, 2.6, 0}, {2, 6, 1.25, 0}}},
		{sentence: "two insiders say that they lack everything, always: the others do not wait",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(12, 0.001), 0, 2, func(pc *simnet.PC) { pc.Lies = greedy }),
				Limit: time.Minute}, bars: []bar{{2, 12, 1.15, 0}}, lost: 0},
		{sentence: "an insider says that it hears next to nothing: the rate follows the others",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(12, 0), 0, 1, func(pc *simnet.PC) { pc.Lies = deafish })},
			bars: []bar{{1, 12, 1.12, 0}}},
		{sentence: "an insider of a small room says that its disk takes a little over half of what comes, again and again",
			room: simnet.Scenario{Bytes: 64 * mib, PCs: change(room(6, 0), 0, 1, func(pc *simnet.PC) { pc.Lies = braking() })},
			bars: []bar{{1, 6, 2.3, 0}}},
	}
}

// braking reports a disk that takes a little more than half of what came since the last report, whatever that is.
func braking() func(*wire.Report) {
	var before uint64
	return func(r *wire.Report) {
		came := r.Bytes - before
		before = r.Bytes
		r.Buffer, r.DiskRate = 30, int64(float64(came)*10*0.55)
	}
}

// greedy reports whole blocks as lacking, whatever came.
func greedy(r *wire.Report) {
	r.Done = false
	for i := range r.Deficits {
		r.Deficits[i].Runs = wire.Runs{{Count: math.MaxUint32, Value: wire.BlockSymbols}}
	}
}

// deafish reports that nine of ten packets are lost, and a disk that stands still.
func deafish(r *wire.Report) {
	r.Packets /= 10
	r.Window.Packets /= 10
	r.Buffer, r.DiskRate = 0, 1
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.sentence, func(t *testing.T) {
			for seed := range max(s.seeds, 1) {
				s.room.Seed = seed + 1
				s.play(t)
			}
		})
	}
}

// play runs the scenario with its seed and judges what came of it.
func (s *scenario) play(t *testing.T) {
	r := simnet.Run(s.room)
	incomplete := 0
	for _, pc := range r.PCs {
		if !pc.Complete {
			incomplete++
		}
	}
	if incomplete > s.lost {
		t.Errorf("seed %d: %d PCs are not complete, %d may be", s.room.Seed, incomplete, s.lost)
	}
	for _, b := range s.bars {
		of := b.of
		if of == 0 {
			of = port
		}
		var last float64
		for _, pc := range r.PCs[b.from:b.to] {
			last = max(last, pc.Seconds)
		}
		ratio := last / simnet.WireLimit(s.room.Bytes, of)
		t.Logf("PCs %d to %d: %.2f s, %.3f of the wire limit, at most %.2f; on air %.3f", b.from, b.to-1, last, ratio,
			b.most, float64(r.OnAir)/float64(s.room.Bytes))
		if ratio > b.most {
			t.Errorf("seed %d: PCs %d to %d took %.3f of the wire limit, more than %.2f", s.room.Seed, b.from, b.to-1, ratio, b.most)
		}
	}
	if air := float64(r.OnAir) / float64(s.room.Bytes); s.air > 0 && air > s.air {
		t.Errorf("seed %d: %.3f of the content was on air, more than %.2f", s.room.Seed, air, s.air)
	}
	if s.check != nil {
		s.check(t, r)
	}
}

func TestOneSeedOneRun(t *testing.T) {
	play := func(seed uint64) simnet.Result {
		return simnet.Run(simnet.Scenario{Bytes: 8 * mib, PCs: room(5, 0.02), Seed: seed})
	}
	first, again, other := play(7), play(7), play(8)
	if !reflect.DeepEqual(first, again) {
		t.Error("the same seed runs differently")
	}
	if reflect.DeepEqual(first, other) {
		t.Error("another seed runs the same")
	}
}

func TestCurve(t *testing.T) {
	sizes := []int{1, 2, 4, 8, 16, 32}
	looked := 0
	half := func(s *multicast.Sender) {
		if bytes, _ := s.Demand(); bytes > 8*mib && bytes < 24*mib {
			looked++
		}
	}
	var ticks time.Duration
	clock := func() time.Duration { ticks += time.Microsecond; return ticks } // each thing that is measured takes one
	points := simnet.Curve(32*mib, 0.01, sizes, 1, func(int) *simnet.Meter { return &simnet.Meter{Processor: clock, Half: half} })
	for i, p := range points {
		t.Logf("%4d PCs: %6.2f s (%.3f of the wire limit), %.1f MB on air, %.1f MB by HTTPS, %.0f reports/s", p.PCs, p.Seconds,
			p.Seconds/p.Limit, float64(p.OnAir)/1e6, float64(p.HTTPS)/1e6, p.Reports)
		if p.PerReport < 900*time.Nanosecond || p.PerReport > time.Microsecond || p.Sending <= 0 { // the last ones may not arrive
			t.Errorf("%d PCs: the meter says %v a report, %v to send", p.PCs, p.PerReport, p.Sending)
		}
		if p.PCs != sizes[i] || p.Seconds > 1.25*p.Limit || p.Reports > 1100 {
			t.Errorf("%+v", p)
		}
	}
	if looked != len(sizes) {
		t.Errorf("the sender was shown %d times at half of the content, in %d rooms", looked, len(sizes))
	}
}
