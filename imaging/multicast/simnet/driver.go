package simnet

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// How the server drives its state machine: as the product does (imaging/multicast/session).
const (
	atOnce  = 16                            // packets of a burst
	batch   = 4 * atOnce                    // planned together
	horizon = 30 * time.Millisecond         // ahead of their time
	behind  = 24 * time.Millisecond         // of their time, and nothing more is planned
	tooSoon = nanos(300 * time.Microsecond) // less than this before its time a burst leaves
	blocked = nanos(2 * time.Millisecond)   // what the server's card holds before a write waits
)

// driver is the server's program around the state machine.
type driver struct {
	naps    naps
	planAt  nanos // when evPlan is due, 0 never
	idle    bool  // it waits for news, too
	ring    []*burst
	spare   []*burst
	paced   bool // due is that of the first of the ring
	due     nanos
	pacer   multicast.Pacer
	upFree  nanos // when the card has sent what it holds
	leaving []departure
}

// burst is packets of one stream that leave together.
type burst struct {
	at      time.Time
	symbols []multicast.Symbol
}

// departure is the last packet of a burst on its way through the server's card.
type departure struct {
	at       nanos
	stream   uint8
	sequence uint64
}

// naps are the times when a machine does not run its program.
type naps struct {
	rng      *rand.Rand
	starved  Starved
	from, to nanos // the present one, or the next
}

// awake returns when the machine runs at or after a time. Times never go back.
func (n *naps) awake(at nanos) nanos {
	if n.starved.Most <= 0 {
		return at
	}
	for at >= n.to {
		n.from = n.to + nanos(n.rng.ExpFloat64()*float64(n.starved.Every))
		n.to = n.from + 1 + nanos(n.rng.Int64N(int64(n.starved.Most)))
	}
	if at >= n.from {
		return n.to
	}
	return at
}

// begin starts the program.
func (d *driver) begin() {
	d.ring, d.leaving, d.paced, d.planAt, d.idle = nil, nil, false, 0, true
}

// transmit passes a frame through the server's card and tells when it has left.
func (w *world) transmit(at nanos, bytes int) nanos {
	w.driver.upFree = max(w.driver.upFree, at) + nanos(float64(bytes)*8e9/w.Uplink)
	return w.driver.upFree
}

// kick lets the planner look for something to send, if it waits for that.
func (w *world) kick() {
	if w.driver.idle {
		w.planned(w.now, false)
	}
}

// planned sets when the planner goes on.
func (w *world) planned(at nanos, idle bool) {
	d := &w.driver
	d.planAt, d.idle = max(at, w.now), idle
	w.agenda.add(event{at: d.planAt, kind: evPlan, life: w.life})
}

// plan asks the state machine what to send soon.
func (w *world) plan() {
	d := &w.driver
	now := w.time(w.now)
	for {
		w.depart()
		if len(d.ring) > 0 && now.Sub(d.ring[0].at) > behind {
			w.planned(w.now+nanos(time.Millisecond), false)
			return
		}
		last, wait, n := w.batch(now)
		if n == 0 {
			d.planAt, d.idle = 0, true
			if !wait.IsZero() {
				w.planned(nanos(wait.Sub(w.start)), true)
			}
			return
		}
		if last.After(now.Add(horizon)) {
			w.planned(nanos(last.Sub(w.start)-horizon/2), false)
			return
		}
	}
}

// answer hands a report to the state machine, as it comes: encoded, where that is measured.
func (w *world) answer(r wire.Report) wire.Orders {
	now := w.time(w.now)
	if w.Meter == nil {
		return w.s.Report(now, r)
	}
	encoded := encode(r)
	began := w.Meter.Processor()
	var came wire.Report
	if err := json.Unmarshal(encoded, &came); err != nil {
		panic(err)
	}
	orders := w.s.Report(now, came)
	encode(orders)
	w.result.Reporting += w.Meter.Processor() - began
	return orders
}

// encode is a message as it travels. Every message has an encoding; one that had none would spoil what is measured.
func encode(message any) []byte {
	encoded, err := json.Marshal(message)
	if err != nil {
		panic(err)
	}
	return encoded
}

// batch plans some bursts. wait is when to look again where there is nothing; zero is at news.
func (w *world) batch(now time.Time) (last, wait time.Time, n int) {
	d := &w.driver
	if w.Meter != nil {
		began := w.Meter.Processor()
		defer func() { w.result.Sending += w.Meter.Processor() - began }()
	}
	var b *burst
	for ; n < batch; n++ {
		sym, at, ok := w.s.Next(now)
		if !ok {
			wait = at
			break
		}
		if b == nil || len(b.symbols) == atOnce || b.symbols[0].Stream != sym.Stream {
			if b = (&burst{}); len(d.spare) > 0 {
				b, d.spare = d.spare[len(d.spare)-1], d.spare[:len(d.spare)-1]
			}
			b.at, b.symbols = at, b.symbols[:0]
			if d.ring = append(d.ring, b); len(d.ring) == 1 {
				d.paced = false
				w.agenda.add(event{at: w.now, kind: evLeave, life: w.life})
			}
		}
		b.symbols = append(b.symbols, sym)
		if last = at; last.After(now.Add(horizon)) {
			n++
			break
		}
	}
	return last, wait, n
}

// leave sends the first burst of the ring when it is due and the card has room.
func (w *world) leave() {
	d := &w.driver
	if len(d.ring) == 0 {
		return
	}
	again := func(at nanos) { w.agenda.add(event{at: at, kind: evLeave, life: w.life}) }
	if !d.paced {
		d.paced = true
		d.due = nanos(d.pacer.Due(w.time(w.now), d.ring[0].at).Sub(w.start))
	}
	if d.due-w.now > tooSoon {
		again(d.due)
		return
	}
	if ahead := max(blocked, nanos(w.Ahead)); d.upFree-w.now > ahead {
		again(d.upFree - ahead)
		return
	}
	b := d.ring[0]
	for _, sym := range b.symbols {
		w.packet(sym)
	}
	last := b.symbols[len(b.symbols)-1]
	d.leaving = append(d.leaving, departure{d.upFree, last.Stream, last.Sequence})
	d.ring = append(d.ring[:0], d.ring[1:]...)
	d.spare = append(d.spare, b)
	d.paced = false
	if len(d.ring) > 0 {
		again(w.now)
	}
}

// depart tells the sender what has left.
func (w *world) depart() {
	d := &w.driver
	n := 0
	for ; n < len(d.leaving) && d.leaving[n].at <= w.now+nanos(time.Millisecond); n++ {
		w.s.Left(d.leaving[n].stream, d.leaving[n].sequence, w.time(d.leaving[n].at))
	}
	d.leaving = append(d.leaving[:0], d.leaving[n:]...)
}

// packet sends one packet.
func (w *world) packet(sym multicast.Symbol) {
	if len(w.headers) == cap(w.headers) {
		w.headers = make([]wire.Header, 0, 4096)
	}
	w.headers = append(w.headers, sym.Header(w.session))
	h := &w.headers[len(w.headers)-1]
	w.result.OnAir += wire.PacketSize
	if sym.Generation > 0 {
		if !w.begun {
			w.begun, w.first = true, w.now
		}
		w.passed++
		w.pass()
	}
	at := w.transmit(w.now, packetWire)
	for _, c := range w.listening[sym.Stream] {
		c.multicast(at, h)
	}
}
