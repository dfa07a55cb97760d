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
	m.bytes = m.bytes*fade + float64(n)
	m.busy = m.busy*fade + passed
}

func (m *meter) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.busy == 0 {
		return 0
	}
	return int64(m.bytes / m.busy)
}
