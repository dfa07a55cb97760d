package simnet

import (
	"math/rand/v2"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// Delays of the room.
const (
	delay   = nanos(200 * time.Microsecond) // from a port to a receiver
	control = nanos(2 * time.Millisecond)   // a message of the control channel, one way, and its handling
	poll    = 20 * time.Millisecond         // between two looks of a PC whether its report is due
)

// generation is an announced one with the blocks of the content that it carries.
type generation struct {
	wire.Generation
	content []int // nil: manifests
}

// world is a running scenario.
type world struct {
	Scenario
	start       time.Time
	now         nanos
	agenda      agenda
	pcs         []*computer
	listening   [wire.Streams][]*computer
	blocks      int // of the content
	s           *multicast.Sender
	life        int32 // of the server
	session     uint32
	generations []generation
	carried     []bool // blocks of the content that a generation carries
	composed    int
	driver      driver
	first       nanos // of the first packet of data
	begun       bool
	passed      float64 // packets of data
	headers     []wire.Header
	reports     store[wire.Report]
	orders      store[wire.Orders]
	needs       []wire.MasterRuns
	open        int // PCs that may still become complete
	result      Result
	milestones  []milestone
}

// milestone is something that happens when a share of the data was sent.
type milestone struct {
	share float64
	do    func()
}

// store keeps messages while they travel.
type store[T any] struct {
	list []T
	free []int
}

func (s *store[T]) put(v T) int {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.list[i] = v
		return i
	}
	s.list = append(s.list, v)
	return len(s.list) - 1
}

func (s *store[T]) take(i int) T {
	var none T
	v := s.list[i]
	s.list[i] = none
	s.free = append(s.free, i)
	return v
}

// Run plays a scenario to its end.
func Run(sc Scenario) Result {
	w := newWorld(sc)
	limit := nanos(w.Limit)
	for len(w.agenda.list) > 0 && w.open > 0 {
		e := w.agenda.take()
		if e.at > limit {
			break
		}
		w.now = max(w.now, e.at)
		w.happen(e)
	}
	if w.s != nil {
		w.result.Status = w.s.Status(w.time(w.now))
	}
	for _, c := range w.pcs {
		w.result.PCs = append(w.result.PCs, c.out)
		w.result.Seconds = max(w.result.Seconds, c.out.Seconds)
	}
	return w.result
}

// newWorld fills in what a scenario leaves out and puts its events on the agenda.
func newWorld(sc Scenario) *world {
	w := &world{Scenario: sc, start: time.Unix(1_800_000_000, 0), needs: []wire.MasterRuns{{Runs: wire.Runs{{Count: 1, Value: wire.Missing}}}}}
	if w.Uplink == 0 {
		w.Uplink = 1e9
	}
	if w.Limit == 0 {
		w.Limit = time.Hour
	}
	w.Scenario.Generations = max(1, w.Scenario.Generations)
	w.driver.naps = naps{rng: rand.New(rand.NewPCG(sc.Seed, 1<<33)), starved: sc.Starved}
	w.blocks = int((w.Bytes + wire.BlockSize - 1) / wire.BlockSize)
	for i, pc := range sc.PCs {
		c := &computer{PC: pc, index: i, rng: rand.New(rand.NewPCG(sc.Seed, uint64(i)))}
		if c.Port == 0 {
			c.Port = 100e6
		}
		if c.Buffer == 0 {
			c.Buffer = 192 << 10
		}
		if c.Memory == 0 {
			c.Memory = 256 << 20
		}
		c.naps = naps{rng: rand.New(rand.NewPCG(sc.Seed, uint64(i)+1<<32)), starved: pc.Starved}
		c.untilBad = c.gap()
		c.have = make([]bool, w.blocks)
		for b := range c.have {
			if c.have[b] = c.Holds != nil && c.Holds(b); !c.have[b] {
				c.lacks++
			}
		}
		w.pcs = append(w.pcs, c)
		w.open++
		join := func() { w.add(evJoin, c, nanos(c.rng.Int64N(int64(20*time.Millisecond)))) }
		if c.Late > 0 {
			w.milestones = append(w.milestones, milestone{c.Late, join})
		} else {
			w.agenda.add(event{at: nanos(c.Join) + nanos(c.rng.Int64N(int64(20*time.Millisecond))), kind: evJoin, pc: int32(i)})
		}
		if c.Dies > 0 {
			w.milestones = append(w.milestones, milestone{c.Dies, func() { w.die(c) }})
		}
	}
	if w.Meter != nil && w.Meter.Half != nil {
		w.milestones = append(w.milestones, milestone{0.5, func() { w.Meter.Half(w.s) }})
	}
	if w.ServerDies > 0 {
		w.milestones = append(w.milestones, milestone{w.ServerDies, w.serverDies})
	}
	w.serve()
	if w.Trace != nil {
		w.agenda.add(event{at: 1, kind: evTrace})
	}
	return w
}

// serve starts the server.
func (w *world) serve() {
	options := w.Options
	if options.Expected == 0 {
		for _, c := range w.pcs {
			if c.Late == 0 && c.Join == 0 && c.out.Seconds == 0 && (w.life == 0 || c.alive) {
				options.Expected++
			}
		}
	}
	w.s = multicast.NewSender(options)
	w.driver.begin()
	w.session = uint32(w.life) + 1
	w.generations, w.composed = nil, 0
	w.carried = make([]bool, w.blocks)
	w.announce(max(1000, w.Bytes/1500), nil)
}

// announce adds a generation.
func (w *world) announce(index int64, content []int) {
	g := generation{wire.Generation{Number: uint16(len(w.generations)), Index: index}, content}
	for _, id := range content {
		g.Data += min(wire.BlockSize, w.Bytes-int64(id)*wire.BlockSize)
	}
	w.generations = append(w.generations, g)
	w.s.Announce(w.time(w.now), g.Generation)
	w.kick()
}

// compose makes the next generation of what is lacked and not carried, when it is due.
func (w *world) compose() {
	now := w.time(w.now)
	if !w.s.Ready(now) {
		return
	}
	if _, left := w.s.Demand(); left > time.Second && w.composed > 0 {
		return
	}
	most := (w.blocks + w.Scenario.Generations - 1) / w.Scenario.Generations
	var content []int
	for id := 0; id < w.blocks && len(content) < most; id++ {
		if !w.carried[id] && w.missed(id) {
			w.carried[id] = true
			content = append(content, id)
		}
	}
	if content != nil {
		w.composed++
		w.announce(int64(len(content))*64+10, content)
	} else if w.composed > 0 {
		w.s.Finish(now)
	}
}

// missed tells whether a member of the session lacks a block.
func (w *world) missed(id int) bool {
	for _, c := range w.pcs {
		if c.r != nil && c.alive && c.scanned && !c.have[id] {
			return true
		}
	}
	return false
}

func (w *world) time(at nanos) time.Time { return w.start.Add(time.Duration(at)) }

// add puts an event of a computer on the agenda, after a while.
func (w *world) add(k kind, c *computer, after nanos) {
	w.agenda.add(event{at: w.now + after, kind: k, pc: int32(c.index), life: c.life})
}

// happen does what an event says.
func (w *world) happen(e event) {
	c := w.pcs[e.pc]
	if w.sleeps(e, c) {
		return
	}
	switch e.kind {
	case evPlan:
		if e.life == w.life && w.s != nil && w.driver.planAt == e.at {
			w.plan()
		}
		return
	case evLeave:
		if e.life == w.life && w.s != nil {
			w.leave()
		}
		return
	case evReport:
		r := w.reports.take(e.arg)
		if e.life != w.life || w.s == nil {
			return
		}
		w.depart()
		o := w.answer(r)
		w.agenda.add(event{at: w.now + control, kind: evOrders, pc: e.pc, life: c.life, arg: w.orders.put(o)})
		w.compose()
		w.kick()
		return
	case evOrders:
		o := w.orders.take(e.arg)
		if e.life == c.life && c.r != nil {
			w.drain(c, w.now)
			w.follow(c, o)
		}
		return
	case evServer:
		w.serve()
		for _, c := range w.pcs {
			if c.alive && !c.out.Complete {
				w.add(evJoin, c, nanos(c.rng.Int64N(int64(100*time.Millisecond))))
			}
		}
		return
	case evTrace:
		if w.s != nil {
			w.Trace(time.Duration(w.now), w.s.Status(w.time(w.now)))
		}
		w.agenda.add(event{at: w.now + nanos(100*time.Millisecond), kind: evTrace})
		return
	}
	if e.life != c.life {
		return
	}
	switch e.kind {
	case evJoin:
		w.join(c)
	case evBack:
		w.join(c)
	case evTurn:
		if c.turn == e.at {
			c.turn = 0
			w.report(c)
		}
	case evPush:
		w.push(c)
	case evArrives:
		w.arrives(c, e.arg)
	case evScanned:
		c.scanned = true
		w.drain(c, w.now)
		w.readIndexes(c)
		w.finish(c, w.now)
	}
}

// sleeps tells whether the machine that an event is for does not run now; the event comes again when it does.
func (w *world) sleeps(e event, c *computer) bool {
	var up nanos
	switch e.kind {
	case evPlan, evLeave, evReport:
		up = w.driver.naps.awake(w.now)
	case evTurn, evOrders, evArrives:
		up = c.naps.awake(w.now)
	default:
		return false
	}
	if up <= w.now {
		return false
	}
	if e.kind == evPlan && w.driver.planAt == e.at {
		w.driver.planAt = up
	}
	if e.kind == evTurn && c.turn == e.at {
		c.turn = up
	}
	e.at = up
	w.agenda.add(e)
	return true
}

// follow lets a computer obey its orders.
func (w *world) follow(c *computer, o wire.Orders) {
	c.r.Obey(w.time(w.now), o)
	w.readIndexes(c)
	w.tune()
	w.ask(c)
}

// tune finds out which computers hear which stream.
func (w *world) tune() {
	for i := range w.listening {
		w.listening[i] = w.listening[i][:0]
	}
	for _, c := range w.pcs {
		if c.r == nil || !c.alive || c.Deaf || c.WiFi {
			continue
		}
		if stream, listen := c.r.Stream(); listen {
			w.listening[stream] = append(w.listening[stream], c)
		}
	}
}

// join brings a computer into the session, for the first time or again.
func (w *world) join(c *computer) {
	if w.s == nil {
		w.add(evJoin, c, nanos(200*time.Millisecond))
		return
	}
	c.life++
	c.alive, c.flow, c.told, c.turn = true, flow{}, false, 0
	c.queue, c.head, c.writes, c.late = c.queue[:0], 0, c.writes[:0], nil
	c.highest, c.seen = 0, [16]uint64{}
	c.diskFree = w.now
	c.mapped = map[uint16]bool{}
	o := w.s.Join(w.time(w.now), uint32(c.index), multicast.Member{Link: int64(c.Port), Multicast: !c.WiFi})
	c.r = multicast.NewReceiver(w.time(w.now), multicast.ReceiverOptions{Member: uint32(c.index), Memory: c.Memory}, o)
	if w.begun {
		c.out.Joined = time.Duration(w.now - w.first)
	}
	c.scanned = c.Scan == 0
	if !c.scanned {
		w.add(evScanned, c, nanos(c.Scan))
	}
	w.tune()
	w.schedule(c, w.now)
	w.kick()
}

// die switches a computer off.
func (w *world) die(c *computer) {
	w.drain(c, w.now)
	c.alive, c.r = false, nil
	c.life++
	w.tune()
	if c.Restarts > 0 {
		w.add(evBack, c, nanos(c.Restarts))
	} else if !c.out.Complete {
		w.open--
	}
}

// serverDies stops the server.
func (w *world) serverDies() {
	w.s = nil
	w.life++
	w.result.Restarts++
	for _, c := range w.pcs {
		w.drain(c, w.now)
		c.flow.asking = true // what was asked for never comes
	}
	w.agenda.add(event{at: w.now + nanos(w.ServerBack), kind: evServer})
}

// pass lets happen what is due when so much was sent.
func (w *world) pass() {
	share := w.passed * wire.SymbolSize / float64(w.Bytes)
	kept := w.milestones[:0]
	for _, m := range w.milestones {
		if share >= m.share {
			m.do()
		} else {
			kept = append(kept, m)
		}
	}
	w.milestones = kept
}
