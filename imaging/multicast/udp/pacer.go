package udp

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Burst is the largest number of datagrams that leave in one go. 16 of them are 190 us of a 1 Gb/s line, and 24 KB of
// the buffer of a switch whose port is slower.
const Burst = 16

const (
	catchUp = 4 * time.Millisecond   // sent at once by a thread that woke up late
	maxOwed = 100 * time.Millisecond // of lateness beyond that, made good slowly
	repay   = 8                      // by sending 1/8 faster
	nap     = 10 * time.Millisecond  // longest sleep before the rate is looked at again
	niceOf  = -10                    // of the thread that paces
)

// Clock is the time that a Pacer lives by: the system's, or a test's.
type Clock interface {
	// Now returns the time since some fixed moment.
	Now() time.Duration
	// SleepUntil returns at the given time or somewhat later.
	SleepUntil(time.Duration)
}

// Pacer lets bytes pass at an even rate: a bucket that holds nothing but 4 ms of lateness. What a busy machine makes
// it later than that, up to 100 ms, it makes good by running 1/8 faster, so that the mean is kept without a burst that
// a slow port's buffer would not hold.
//
// Wait and Rest belong to one goroutine, SetRate to everyone.
type Pacer struct {
	clock Clock
	rate  atomic.Uint64 // bits of a float64, bytes per second

	next time.Duration // when the next byte may go
	owed time.Duration // lateness to be made good
}

// NewPacer makes a pacer of a rate in bytes per second; see SetRate. A nil clock is the system's.
func NewPacer(rate float64, clock Clock) *Pacer {
	if clock == nil {
		clock = monotonic{}
	}
	p := &Pacer{clock: clock, next: clock.Now()}
	p.SetRate(rate)
	return p
}

// SetRate changes the rate, in bytes per second, at once and from any goroutine. Zero, or what is no positive number,
// stops: Wait then waits until the rate is changed again.
func (p *Pacer) SetRate(rate float64) {
	if !(rate > 0) || math.IsInf(rate, 0) {
		rate = 0
	}
	p.rate.Store(math.Float64bits(rate))
}

// Rate returns the rate in bytes per second.
func (p *Pacer) Rate() float64 { return math.Float64frombits(p.rate.Load()) }

// Wait returns when that many bytes may be sent. It returns ctx's error when ctx ends first; the bytes then do not
// count. Callers keep to Burst datagrams a call.
func (p *Pacer) Wait(ctx context.Context, bytes int) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		now, rate := p.clock.Now(), p.Rate()
		switch {
		case rate == 0:
			p.next, p.owed = now, 0
			p.clock.SleepUntil(now + nap)
		case p.next > now:
			p.clock.SleepUntil(min(p.next, now+nap))
		default:
			p.take(now, float64(bytes)/rate)
			return nil
		}
	}
}

// take books bytes that need some seconds at the present rate.
func (p *Pacer) take(now time.Duration, seconds float64) {
	if late := now - p.next; late > catchUp {
		p.owed = min(p.owed+late-catchUp, maxOwed)
		p.next = now - catchUp
	}
	// A day stands for any longer time: floats beyond the range of a Duration have no defined conversion
	cost := time.Duration(min(seconds, 86400) * float64(time.Second))
	back := min(p.owed, cost/repay)
	p.owed -= back
	p.next += cost - back
}

// Rest forgets lateness: the sender had nothing to send, and the time must not be made good.
func (p *Pacer) Rest() {
	p.next, p.owed = max(p.next, p.clock.Now()), 0
}

// BindThread makes the calling goroutine fit for pacing: it gets a thread of its own with exact timers (a sleep of 200
// us lasts 1,073 us in a goroutine, 213 us in such a thread) and, where the process may, precedence over other work.
// The thread ends with the goroutine, so that nothing of this stays behind: do not call runtime.UnlockOSThread.
func BindThread() error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("setting the timer slack of the sending thread: %w", err)
	}
	_ = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), niceOf) // without CAP_SYS_NICE bursts get longer, no more
	return nil
}

// monotonic is the system's clock.
type monotonic struct{}

// Now implements Clock.
func (monotonic) Now() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic("CLOCK_MONOTONIC: " + err.Error()) // it exists since Linux 2.6
	}
	return time.Duration(t.Nano())
}

// SleepUntil implements Clock.
func (monotonic) SleepUntil(at time.Duration) {
	t := unix.NsecToTimespec(int64(at))
	// A signal ends the sleep early; who waits looks at the time again
	_ = unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &t, nil)
}
