package sessions

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"
)

// uplink spreads what is sent by HTTPS over time, so that it keeps a rate however many fetch. The zero value has none.
type uplink struct {
	mu    sync.Mutex
	rate  int64     // bytes a second, 0 no limit
	free  time.Time // when what was let through has left
	taken int64     // bytes since used was asked
}

const (
	piece     = 64 << 10               // bytes that are let through together: many that fetch take turns
	atOnce    = 100 * time.Millisecond // of the rate, that may leave at once after a rest
	sliceTime = time.Minute            // for one piece to be taken by its reader
)

// set changes the rate, in bytes a second; 0 is no limit.
func (u *uplink) set(rate int64) {
	u.mu.Lock()
	u.rate = max(rate, 0)
	u.mu.Unlock()
}

// used returns how many bytes were let through since it was asked last.
func (u *uplink) used() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	taken := u.taken
	u.taken = 0
	return taken
}

// take lets n bytes through, and returns how long they have to wait.
func (u *uplink) take(now time.Time, n int) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.taken += int64(n)
	if u.rate == 0 {
		u.free = time.Time{}
		return 0
	}
	if rested := now.Add(-atOnce); u.free.Before(rested) {
		u.free = rested
	}
	u.free = u.free.Add(time.Duration(float64(n) / float64(u.rate) * float64(time.Second)))
	return max(u.free.Sub(now), 0)
}

// paced is a writer that keeps to the rate of an uplink.
type paced struct {
	io.Writer
	ctx context.Context
	u   *uplink
	now func() time.Time
}

var _ io.Writer = paced{}

// Write implements io.Writer.
func (p paced) Write(b []byte) (written int, err error) {
	for written < len(b) && err == nil {
		part := b[written:min(written+piece, len(b))]
		if pause := p.u.take(p.now(), len(part)); pause > 0 {
			if err := rest(p.ctx, pause); err != nil {
				return written, err
			}
		}
		var n int
		n, err = p.Writer.Write(part)
		written += n
	}
	return written, err
}

// rest sleeps, unless ctx ends before.
func rest(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pacedAnswer is an answer that keeps to the rate of an uplink. Each piece has its time: that a room waits for its turn is
// no reason to break off.
type pacedAnswer struct {
	http.ResponseWriter
	paced
}

// Write implements io.Writer.
func (p pacedAnswer) Write(b []byte) (int, error) { return p.paced.Write(b) }

// Unwrap gives http.ResponseController what it controls.
func (p pacedAnswer) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// patient is an answer of which each write has its time. With HTTP/1.1 a deadline for reading that passes meanwhile would
// end the request, too.
type patient struct{ http.ResponseWriter }

// Write implements io.Writer.
func (p patient) Write(b []byte) (int, error) {
	control, deadline := http.NewResponseController(p.ResponseWriter), time.Now().Add(sliceTime) // of the connection, hence the machine's own clock
	_ = control.SetReadDeadline(deadline)
	_ = control.SetWriteDeadline(deadline)
	return p.ResponseWriter.Write(b)
}

// Pace returns w such that what is written to it keeps to the part of the uplink that multicast leaves.
func (m *Manager) Pace(ctx context.Context, w io.Writer) io.Writer {
	return paced{w, ctx, &m.https, m.o.Now}
}

// answering is Pace for an answer.
func (m *Manager) answering(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	return pacedAnswer{w, paced{patient{w}, r.Context(), &m.https, m.o.Now}}
}

// halves divides a limit of the uplink, in bytes a second, between multicast and what is fetched by HTTPS, given what both
// take: each may have what the other leaves, and half in any case. 0 is no limit.
func halves(limit, multicast, https int64) (ofMulticast, ofHTTPS int64) {
	if limit <= 0 {
		return 0, 0
	}
	half := limit / 2
	return limit - min(https, half), limit - min(multicast, half)
}
