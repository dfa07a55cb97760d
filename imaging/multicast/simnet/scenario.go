package simnet

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Sizes on the wire, in bytes: what every UDP payload costs beside itself, and what the largest one is.
const (
	overhead   = 8 + 20 + 14 + 4 + 8 + 12
	packetWire = wire.PacketSize + overhead
	mostUDP    = 1472
)

// PC is one computer of a room.
type PC struct {
	Port      float64       // bit/s of its switch port; 0: 100e6
	Buffer    int           // bytes that the switch holds for the port; 0: 192 KiB
	Loss      float64       // share of the packets that are lost behind the port
	Burst     int           // mean length of a loss, in packets of a full port; 0: 1
	Reorder   float64       // share of the packets that come up to eight packets late
	Duplicate float64       // share of the packets that come twice
	Disk      float64       // bytes/s; 0: never in the way
	Memory    int64         // bytes; 0: 256 MiB
	Control   float64       // share of the reports that are lost
	Busy      time.Duration // its reports come up to so much late: who carries them has no processor for it
	Starved   Starved       // it has none itself: packets are not read, reports not made
	Scan      time.Duration
	Holds     func(block int) bool // what its disk holds from the start; nil: nothing
	Join      time.Duration        // after the others, who join at 0
	Late      float64              // or: when so much of the first passes was sent, 0..1
	Dies      float64              // switched off when so much was sent; 0: never
	Restarts  time.Duration        // comes back so long after it died; 0: never
	Deaf      bool                 // multicast does not reach it
	Mute      time.Duration        // its reports do not reach the server from then on; 0: they do
	WiFi      bool
	Lies      func(*wire.Report) // changes what it reports
}

// Starved says how a machine is kept from running its program by others: again and again, after Every on average, for up
// to Most. The zero value is a machine of its own.
type Starved struct{ Every, Most time.Duration }

// Scenario is a room and what happens in it.
type Scenario struct {
	Bytes       int64 // of frames that an empty PC lacks
	PCs         []PC
	Uplink      float64 // bit/s of the server; 0: 1e9
	Options     multicast.SenderOptions
	Generations int           // the content comes in so many; 0: 1
	Ahead       time.Duration // how late the server's card may be before the driver waits for it; 0: 2 ms
	Starved     Starved       // the server does not get to run
	ServerDies  float64       // when so much was sent; 0: never
	ServerBack  time.Duration // how long it is away
	Seed        uint64
	Limit       time.Duration // of virtual time; 0: an hour
	Trace       func(at time.Duration, s multicast.Status)
	Meter       *Meter // nil: what the server's part costs is not measured
}

// Meter measures what the server's part of a run costs.
type Meter struct {
	Processor func() time.Duration      // that the calling thread has used so far
	Half      func(s *multicast.Sender) // called when half of the content was sent; nil: not
}

// Outcome is what became of one PC.
type Outcome struct {
	Complete bool
	Joined   time.Duration // since the first packet of data
	Seconds  float64       // from the first packet of data to its last write
	HTTPS    int64         // bytes of symbols that came by HTTPS
	Dropped  int           // blocks that were forgotten for want of memory
}

// Result is what became of a room.
type Result struct {
	PCs      []Outcome
	OnAir    int64 // bytes of UDP payload sent in streams
	HTTPS    int64 // bytes of symbols sent over TLS
	Reports  int
	Seconds  float64 // until the last PC that could be was complete
	Status   multicast.Status
	Restarts int

	// With a Meter, processor time of the server's state machine: to decide what is sent, and for reports and orders, their
	// JSON included.
	Sending, Reporting time.Duration
}

// Last returns the seconds of the last of some PCs to be complete, and whether all of them are.
func (r Result) Last(pcs ...int) (seconds float64, all bool) {
	all = true
	for _, i := range pcs {
		seconds = max(seconds, r.PCs[i].Seconds)
		all = all && r.PCs[i].Complete
	}
	return seconds, all
}

// WireLimit returns the seconds that bytes need through a port at least, in the largest UDP payloads that there are:
// the figure that every engine is divided by.
func WireLimit(bytes int64, port float64) float64 {
	return float64(bytes) / (port / 8 * mostUDP / (mostUDP + overhead))
}

// Ideal returns the seconds that bytes need through a port as symbols of our packets, with nothing lost or repeated.
func Ideal(bytes int64, port float64) float64 {
	return float64(bytes) / (port / 8 * wire.SymbolSize / packetWire)
}

// Point is one row of the cost curve.
type Point struct {
	PCs     int
	Seconds float64 // first packet of data to the last write of the last PC
	Limit   float64 // WireLimit of the same
	OnAir   int64   // bytes of UDP payload
	HTTPS   int64   // bytes
	Reports float64 // a second

	Sending, Reporting time.Duration // processor time of the server's state machine, as a Result has it
	PerReport          time.Duration // of Reporting
}

// Curve runs rooms of each size, 100 Mb/s ports, with the loss given at each PC: what a room costs as it grows. meter gives
// the Meter of a run, nil measures nothing.
func Curve(bytes int64, loss float64, sizes []int, seed uint64, meter func(pcs int) *Meter) []Point {
	points := make([]Point, 0, len(sizes))
	for _, n := range sizes {
		sc := Scenario{Bytes: bytes, PCs: Room(n, PC{Loss: loss}), Seed: seed}
		if meter != nil {
			sc.Meter = meter(n)
		}
		r := Run(sc)
		points = append(points, Point{
			PCs: n, Seconds: r.Seconds, Limit: WireLimit(bytes, 100e6), OnAir: r.OnAir, HTTPS: r.HTTPS,
			Reports: float64(r.Reports) / r.Seconds,
			Sending: r.Sending, Reporting: r.Reporting, PerReport: r.Reporting / time.Duration(max(r.Reports, 1)),
		})
	}
	return points
}

// Room returns n equal PCs.
func Room(n int, pc PC) []PC {
	room := make([]PC, n)
	for i := range room {
		room[i] = pc
	}
	return room
}
