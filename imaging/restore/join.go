package restore

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
)

// writersAtOnce keeps the queue of a disk without moving heads filled; one that turns has one writer, so that what comes
// meanwhile is joined.
const writersAtOnce = 4

// joiner writes what several callers bring at the same time: who finds a writer free writes for all who wait.
type joiner struct {
	w       *writer
	meter   *meter
	buffers chan []byte // one per writer; nil until it is used

	mu      sync.Mutex
	waiting []*bundle
}

// bundle is what one caller wants to have written.
type bundle struct {
	parts []part
	done  chan error // told once
}

func newJoiner(w *writer, rotates bool, now func() time.Time) *joiner {
	writers := writersAtOnce
	if rotates {
		writers = 1
	}
	j := &joiner{w: w, meter: &meter{now: now}, buffers: make(chan []byte, writers)}
	for range writers {
		j.buffers <- nil
	}
	return j
}

// write returns when parts are written, whoever did it. Their bytes must not change until then.
func (j *joiner) write(ctx context.Context, parts []part) error {
	if len(parts) == 0 {
		return nil // all of it fell on heads
	}
	b := &bundle{parts: parts, done: make(chan error, 1)}
	j.mu.Lock()
	j.waiting = append(j.waiting, b)
	j.mu.Unlock()
	// Whose bundle waits asks for a writer, so none is forgotten.
	select {
	case buf := <-j.buffers:
		if buf == nil {
			buf = disk.Aligned(joinBytes)
		}
		j.writeWaiting(ctx, buf)
		j.buffers <- buf
		return <-b.done
	case err := <-b.done:
		return err
	}
}

// writeWaiting writes all bundles that wait.
func (j *joiner) writeWaiting(ctx context.Context, buf []byte) {
	j.mu.Lock()
	taken := j.waiting
	j.waiting = nil
	j.mu.Unlock()
	if len(taken) == 0 {
		return
	}
	parts := taken[0].parts
	var n int64
	for k, b := range taken {
		if k > 0 {
			parts = append(parts, b.parts...)
		}
		for _, p := range b.parts {
			n += int64(len(p.data))
		}
	}
	j.meter.begin()
	err := j.w.writeParts(ctx, parts, buf)
	j.meter.end(n)
	for _, b := range taken {
		b.done <- err
	}
}

// memory of the meter: what was longer ago than this counts less than a third.
const meterSeconds = 2

const (
	hangSeconds = 2    // that no write ends, and the disk hangs
	leastRate   = 1000 // bytes a second that a disk is said to take that hangs: 0 would say that nothing is known
)

// meter measures how fast writes are while there are any: bytes over the time in which at least one is under way.
type meter struct {
	now func() time.Time

	mu       sync.Mutex
	underway int
	since    time.Time
	bytes    float64
	busy     float64 // seconds
}

func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.underway == 0 {
		m.since = m.now()
	}
	m.underway++
}

func (m *meter) end(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	passed := max(0, now.Sub(m.since).Seconds())
	m.since = now
	m.underway--
	fade := math.Exp(-passed / meterSeconds)
	lately := meterSeconds * (1 - fade) // of passed, as its beginning is long ago too
	m.busy = m.busy*fade + lately
	if m.bytes *= fade; passed > 0 {
		m.bytes += float64(n) * lately / passed
	} else {
		m.bytes += float64(n)
	}
}

// rate returns bytes a second, 0 before the first write has ended. While none ends for long the disk hangs, and its rate
// falls.
func (m *meter) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	bytes, busy := m.bytes, m.busy
	if hung := m.now().Sub(m.since).Seconds() - hangSeconds; m.underway > 0 && hung > 0 {
		fade := math.Exp(-hung / meterSeconds)
		bytes, busy = bytes*fade, busy*fade+meterSeconds*(1-fade)
	}
	if busy == 0 {
		return 0
	}
	return max(int64(bytes/busy), leastRate)
}
