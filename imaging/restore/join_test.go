package restore

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// slate is a target that remembers its writes. The first one waits for gate.
type slate struct {
	mu     sync.Mutex
	writes []part // without data, but its length
	gate   chan struct{}
	fail   error
}

func (s *slate) ReadAt([]byte, int64) (int, error) { return 0, errors.New("not read") }
func (s *slate) Flush() error                      { return nil }
func (s *slate) Drop() error                       { return nil }
func (s *slate) Size() int64                       { return 1 << 30 }

func (s *slate) WriteAt(p []byte, off int64) (int, error) {
	s.mu.Lock()
	s.writes = append(s.writes, part{off, make([]byte, len(p))})
	first := len(s.writes) == 1
	s.mu.Unlock()
	if first {
		<-s.gate
	}
	return len(p), s.fail
}

// gathered lets callers bring neighbours of 256 KiB while the first write of a disk that turns is held up.
func gathered(t *testing.T, s *slate, callers int64) (failed int) {
	t.Helper()
	s.gate = make(chan struct{})
	r := &run{t: s}
	r.w = &writer{r: r, sector: 512}
	j := newJoiner(r.w, true, time.Now)
	errs := make(chan error, callers)
	bring := func(n int64) { errs <- j.write(context.Background(), []part{{n << 18, make([]byte, 1<<18)}}) }
	until := func(reached func() bool) {
		for !reached() {
			time.Sleep(time.Millisecond)
		}
	}
	go bring(callers / 2)
	until(func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.writes) == 1 })
	for n := range callers {
		if n != callers/2 {
			go bring(n)
		}
	}
	until(func() bool { j.mu.Lock(); defer j.mu.Unlock(); return int64(len(j.waiting)) == callers-1 })
	close(s.gate)
	for range callers {
		if <-errs != nil {
			failed++
		}
	}
	return failed
}

func TestWhatSeveralBringIsWrittenTogetherInDiskOrder(t *testing.T) {
	s := &slate{}
	if failed := gathered(t, s, 16); failed > 0 {
		t.Fatalf("%d failed", failed)
	}
	var got [][2]int64
	for _, w := range s.writes {
		got = append(got, [2]int64{w.off >> 18, int64(len(w.data)) >> 18})
	}
	// One alone, then at once what lies below it and above it.
	if want := [][2]int64{{8, 1}, {0, 8}, {9, 7}}; !slices.Equal(got, want) {
		t.Errorf("places and lengths of the writes, in 256 KiB: %v, want %v", got, want)
	}
}

func TestAFaultIsToldToAllWhoseBytesWereInTheWrite(t *testing.T) {
	s := &slate{fail: errors.New("input/output error")}
	if failed := gathered(t, s, 8); failed != 8 {
		t.Errorf("%d of 8 were told", failed)
	}
}

// A disk that hangs must not be told of as fast as it was: the session would wait for it.
func TestTheMeterSeesADiskThatHangs(t *testing.T) {
	now := time.Unix(0, 0)
	m := &meter{now: func() time.Time { return now }}
	if m.rate() != 0 {
		t.Error("a rate before the first write")
	}
	for range 100 { // 50 MB/s, one write after the other
		m.begin()
		now = now.Add(100 * time.Millisecond)
		m.end(5_000_000)
	}
	m.begin()
	now = now.Add(1900 * time.Millisecond)
	if got := m.rate(); got < 49_000_000 || got > 51_000_000 {
		t.Errorf("%d in a long write", got)
	}
	now = now.Add(10 * time.Second)
	if got := m.rate(); got < leastRate || got > 1_000_000 {
		t.Errorf("%d after 12 s without the end of a write", got)
	}
	now = now.Add(time.Hour)
	if got := m.rate(); got != leastRate {
		t.Errorf("%d after an hour", got)
	}
	m.end(5_000_000)
	for range 100 {
		m.begin()
		now = now.Add(100 * time.Millisecond)
		m.end(5_000_000)
	}
	now = now.Add(time.Hour) // nothing to write is no hang
	if got := m.rate(); got < 49_000_000 || got > 51_000_000 {
		t.Errorf("%d when it is well again", got)
	}
	first := &meter{now: m.now}
	first.begin()
	now = now.Add(5 * time.Second)
	if got := first.rate(); got != leastRate {
		t.Errorf("%d in the first write, which hangs", got)
	}
}
