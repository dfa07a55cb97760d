package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestASessionBringsTheMasterInAnyOrderAndASecondRunWritesNothing(t *testing.T) {
	for _, kind := range []manifest.TableKind{manifest.GPT, manifest.MBR} {
		for _, size := range []int64{8 * mib, 400 * mib} {
			for name, rotates := range map[string]bool{"still": false, "turning": true} {
				t.Run(fmt.Sprintf("%s/%d/%s", kind, size/mib, name), func(t *testing.T) {
					tm := town(t, 8*mib, kind, 7)
					d := newDisk(size)
					for seed := range uint64(3) {
						o := receiving(options(tm, d, true), tm, seed)
						o.Rotates = rotates
						if seed > 0 {
							work(d)
						}
						r := mustRun(t, o)
						if tm.source.given > 0 || r.FetchedChunks > 0 || r.CarouselChunks == 0 || r.CarouselBytes == 0 {
							t.Errorf("fetched %d chunks, and %d came", r.FetchedChunks, r.CarouselChunks)
						}
						if held := tm.m.Chunks.Len() - r.ChangedChunks; r.HeldChunks != held || (held > 0) != (seed > 0) {
							t.Errorf("%d of %d were held, and %d differed", r.HeldChunks, tm.m.Chunks.Len(), r.ChangedChunks)
						}
						if diff := mustVerify(t, options(tm, d, false)); !diff.None() {
							t.Fatalf("after a proven run: %s", diff.Summary())
						}
					}
					before := d.clone()
					marker := &memMarker{}
					o := receiving(options(tm, d, true), tm, 9)
					o.Marker = marker
					r := mustRun(t, o)
					if r.WrittenBytes != 0 || len(marker.sets) > 0 || r.CarouselChunks > 0 || !d.same(before, 0, size) {
						t.Errorf("a second run wrote %d bytes, marks %v, took %d chunks", r.WrittenBytes, marker.sets, r.CarouselChunks)
					}
					if r.HeldChunks != tm.m.Chunks.Len() {
						t.Errorf("%d of %d were held", r.HeldChunks, tm.m.Chunks.Len())
					}
				})
			}
		}
	}
}

func TestABlankDiskIsNotReadForComparison(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	c := &merryGoRound{frames: tm.source.frames}
	c.begin = func(r restore.Receiver) {
		if _, held, unknown := left(r); held+unknown > 0 {
			t.Errorf("after the probe of a blank disk %d are held and %d unknown", held, unknown)
		}
		d.unread = func(off int64, n int) bool {
			if n >= page { // heads are read to be kept
				t.Errorf("%d bytes read at %d", n, off)
			}
			return false
		}
	}
	c.end = func(restore.Receiver) { d.unread = nil }
	o := turning(options(tm, d, false), c)
	o.Progress = func(p restore.Progress) {
		if p.Phase == restore.PhaseReceive && (p.Done > p.Total || p.Total == 0) {
			t.Errorf("progress %+v", p)
		}
	}
	mustRun(t, o)
}

func TestWhatComesDamagedIsRefusedAndCounted(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	c := &merryGoRound{frames: tm.source.frames, callers: 1}
	r := mustRun(t, turning(options(tm, newDisk(8*mib), false), c))
	// One that comes behind its chunk is not looked at.
	if c.damaged == 0 || r.CarouselDamaged != c.damaged || c.damaged > len(c.frames) {
		t.Errorf("%d of %d damaged frames were refused, %d counted", c.damaged, len(c.frames), r.CarouselDamaged)
	}
}

func TestACarouselThatStopsEarlyLeavesTheRestToTheSource(t *testing.T) {
	for stop := 1; stop < 500; stop += 71 {
		tm := town(t, 8*mib, manifest.GPT, 7)
		d := newDisk(400 * mib)
		c := &merryGoRound{frames: tm.source.frames, seed: uint64(stop), stop: stop, err: errors.New("the switch eats it")}
		r := mustRun(t, turning(options(tm, d, true), c))
		if r.CarouselError != "the switch eats it" || r.FetchedChunks != tm.source.given || r.FetchedChunks+r.CarouselChunks != len(c.frames) {
			t.Errorf("stopped after %d: %+v", stop, r)
		}
		for id, n := range tm.source.asked {
			if n != 1 {
				t.Errorf("chunk %s was fetched %d times", id, n)
			}
		}
	}
}

func TestWithoutASourceWhatDidNotComeFailsAndTheNextRunGoesOn(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(400 * mib)
	o := turning(options(tm, d, true), &merryGoRound{frames: tm.source.frames, seed: 5, stop: 200, err: errors.New("gone")})
	o.Source = nil
	_, err := restore.Run(context.Background(), o)
	var source *restore.SourceError
	if !errors.As(err, &source) || !source.Written {
		t.Fatalf("error %v", err)
	}
	if mark := mustMark(t, d); mark == nil || mark.Phase != restore.PhaseData {
		t.Fatalf("mark %+v", mark)
	}
	o = receiving(options(tm, d, true), tm, 6)
	o.Source = nil
	if mustRun(t, o); mustMark(t, d) != nil {
		t.Error("the mark stands after a proven run")
	}
	work(d)
	o = turning(options(tm, d, true), &merryGoRound{frames: nil, err: errors.New("no multicast here")})
	o.Source = nil
	before := d.clone()
	if _, err := restore.Run(context.Background(), o); !errors.As(err, &source) || source.Written {
		t.Errorf("error %v", err)
	}
	if !d.same(before, 0, d.size) {
		t.Error("something was written although nothing could come")
	}
}

func TestTakeReturnsOnlyWhenItsChunkIsOnTheDisk(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	e := tm.m.Chunks.At(tm.m.Chunks.Len() - 1)
	c := &merryGoRound{frames: tm.source.frames}
	c.begin = func(r restore.Receiver) {
		reached, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		d.fail = func(off int64, n int) error {
			if off <= e.Pieces[0].Offset && e.Pieces[0].Offset < off+int64(n) {
				once.Do(func() { close(reached) })
				<-release
			}
			return nil
		}
		done := make(chan error, 2)
		for range 2 {
			go func() { done <- r.Take(context.Background(), tm.source.frames[e.ID]) }()
		}
		<-reached
		missing, _, _ := left(r)
		_, was := r.Needs(nil, 0)
		select {
		case err := <-done:
			t.Errorf("Take returned %v while its write was under way", err)
		default:
		}
		if r.DiskRate() != 0 {
			t.Errorf("a rate of %d before the first write is over", r.DiskRate())
		}
		close(release)
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if now, _, _ := left(r); now != missing-1 {
			t.Errorf("%d were missing, %d are", missing, now)
		}
		needs, is := r.Needs(nil, was)
		if is <= was || len(needs) == 0 {
			t.Errorf("changes %d, then %d", was, is)
		}
		if needs[0] = 7; r.DiskRate() == 0 {
			t.Error("no rate after a write")
		}
		if same, again := r.Needs(needs, is); again != is || &same[0] != &needs[0] || same[0] != 7 {
			t.Error("nothing changed, and a copy was made")
		}
	}
	o := turning(options(tm, d, false), c)
	clock := time.Unix(0, 0)
	var mu sync.Mutex
	o.Now = func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		clock = clock.Add(time.Second)
		return clock
	}
	mustRun(t, o)
}

func TestAFaultOfTheDiskEndsTheRunWhateverTheCarouselSays(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d, bad := newDisk(8*mib), 3*mib+640*kib
	d.fail = func(off int64, n int) error {
		if off <= bad && bad < off+int64(n) {
			return errors.New("input/output error")
		}
		return nil
	}
	o := options(tm, d, false)
	o.Carousel = deaf{&merryGoRound{frames: tm.source.frames}}
	_, err := restore.Run(context.Background(), o)
	var w *restore.WriteError
	if !errors.As(err, &w) || w.Offset != bad || w.Sector != bad/512 {
		t.Errorf("error %v, want sector %d", err, bad/512)
	}
}

// deaf is a carousel that does not say what went wrong.
type deaf struct{ restore.Carousel }

func (c deaf) Run(ctx context.Context, r restore.Receiver) error {
	_ = c.Carousel.Run(ctx, r)
	return nil
}

func TestCancelWhileReceiving(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	cancelled := func(d *memDisk, when func(p restore.Progress) bool) {
		t.Helper()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		o := receiving(options(tm, d, true), tm, 1)
		o.Progress = func(p restore.Progress) {
			if when(p) {
				cancel()
			}
		}
		if _, err := restore.Run(ctx, o); !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v", err)
		}
	}
	d := newDisk(400 * mib)
	cancelled(d, func(p restore.Progress) bool { return p.Phase == restore.PhaseReceive && p.Written == 0 })
	if len(d.pages) > 0 {
		t.Error("cancelled before the first write, and something was written")
	}
	cancelled(d, func(p restore.Progress) bool { return p.Phase == restore.PhaseReceive && p.Written > 0 })
	if mark := mustMark(t, d); mark == nil || mark.Phase != restore.PhaseData {
		t.Errorf("mark %+v", mark)
	}
	mustRun(t, receiving(options(tm, d, true), tm, 2))
}

// refusing is a server that says no to the first mark: the task was cancelled.
type refusing struct{ memMarker }

var errRefused = errors.New("cancelled")

func (*refusing) Set(context.Context, job.Mark) error { return errRefused }

func TestAMarkThatIsRefusedEndsTheRunBeforeTheFirstWrite(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	o := receiving(options(tm, d, false), tm, 1)
	o.Marker = &refusing{}
	if _, err := restore.Run(context.Background(), o); !errors.Is(err, errRefused) || len(d.pages) > 0 {
		t.Errorf("error %v, %d pages written", err, len(d.pages))
	}
}

func TestThePhasesOfTheMarkAreThoseOfARestore(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d, marker := newDisk(8*mib), &memMarker{}
	o := receiving(options(tm, d, false), tm, 1)
	o.Marker = marker
	d.fail = func(int64, int) error {
		if marker.mark == nil {
			return errors.New("written without a mark")
		}
		return nil
	}
	mustRun(t, o)
	want := []string{restore.PhaseBreak, restore.PhaseData, restore.PhaseMetadata, restore.PhaseHeads, restore.PhaseVerify}
	if !slices.Equal(marker.sets, want) || marker.mark != nil {
		t.Errorf("phases %v, mark %v", marker.sets, marker.mark)
	}
}

// heldBack makes the scanner of a run wait at its first read until the returned function is called: it is the only one
// that reads more than two pages at once behind the last probe, which is of a small file.
func heldBack(d *memDisk, o *restore.Options) (release func()) {
	var draws atomic.Int64
	gate := make(chan struct{})
	o.Draw = func(n int) int { draws.Add(1); return n - 1 }
	d.slow = func(_ int64, n int) {
		if draws.Load() == 64 && n > 2*page {
			<-gate
		}
	}
	return func() { close(gate) }
}

// smallOnes are the frames of the small files of a town, and where one of them lies.
func smallOnes(tm *testMaster) (map[chunk.ID]chunk.Frame, manifest.Entry) {
	frames := map[chunk.ID]chunk.Frame{}
	var one manifest.Entry
	for _, e := range tm.m.Chunks.All() {
		if e.Length == page && e.Pieces[0].Offset >= 3*mib+2304*kib {
			frames[e.ID] = tm.source.frames[e.ID]
			one = e
		}
	}
	return frames, one
}

func TestWhatIsNotKnownYetIsJudgedOnTheSpot(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	frames, one := smallOnes(tm)
	d.put(one.Pieces[0].Offset-8*kib, []byte("damage"))
	c := &merryGoRound{frames: frames, seed: 3}
	o := turning(options(tm, d, false), c)
	o.Source = nil
	release := heldBack(d, &o)
	var before int
	c.begin = func(r restore.Receiver) { _, _, before = left(r) }
	c.end = func(r restore.Receiver) {
		missing, _, unknown := left(r)
		if missing > 0 || unknown == 0 || unknown > before-len(frames)/2 {
			t.Errorf("%d chunks came, %d are missing and %d unknown, of %d", len(frames), missing, unknown, before)
		}
		release()
	}
	if r := mustRun(t, o); r.CarouselChunks != 1 || r.ChangedChunks != 1 || r.HeldChunks != tm.m.Chunks.Len()-1 {
		t.Errorf("one place was damaged: %+v", r)
	}
}

func TestHeadsThatAreBrokenAreReadAsWhatTheyWillBe(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	_, one := smallOnes(tm)
	d.put(one.Pieces[0].Offset, []byte("damage"))
	c := &merryGoRound{}
	o := turning(options(tm, d, false), c)
	o.Source = nil
	release := heldBack(d, &o)
	c.begin = func(r restore.Receiver) {
		if err := r.Take(context.Background(), tm.source.frames[one.ID]); err != nil {
			t.Error(err)
		}
		head := make([]byte, 512)
		if _, _ = d.ReadAt(head, 3*mib+1024); !bytes.Equal(head, make([]byte, 512)) {
			t.Error("the head of a volume that changes is still there")
		}
		_, _, unknown := left(r)
		if unknown < 50 {
			t.Errorf("%d are not known before the scanner is let go", unknown)
		}
		release()
		for unknown > 0 {
			_, _, unknown = left(r)
		}
	}
	if r := mustRun(t, o); r.CarouselChunks != 1 || r.ChangedChunks != 1 {
		t.Errorf("one chunk was damaged: %+v", r)
	}
}

func TestAChunkThatLiesElsewhereOnTheDiskNeedNotCome(t *testing.T) {
	same := func(off int64, seed uint64) file { f := at(off, 256*kib); f.seed = seed; return f }
	tm := build(t, 6*mib, manifest.GPT, 3, []vol{{kind: "ext4", heads: []manifest.Extent{ext(1024, 1024)},
		part:  manifest.Partition{Number: 1, Start: mib, Length: 4 * mib, Type: typeLinux, GUID: guidRoot},
		files: []file{same(0, 9), same(256*kib, 5), same(512*kib, 5), same(mib, 5), same(2*mib, 6)}}})
	d := newDisk(6 * mib)
	mustRun(t, receiving(options(tm, d, false), tm, 1))
	d.put(mib+300*kib, []byte("damage"))
	d.put(mib+600*kib, []byte("damage"))
	c := &merryGoRound{}
	c.end = func(r restore.Receiver) {
		for {
			if missing, _, unknown := left(r); missing > 0 {
				t.Errorf("%d chunks are said to be missing", missing)
			} else if unknown == 0 {
				return
			}
		}
	}
	o := turning(options(tm, d, false), c)
	o.Source = nil
	o.Draw = func(int) int { return 0 }
	if r := mustRun(t, o); r.CopiedChunks != 2 || r.FetchedChunks+r.CarouselChunks > 0 {
		t.Errorf("report %+v", r)
	}
}

func TestExceptionsAreLaidOverWhatASessionBrings(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	root := 3 * mib
	exceptions := []job.Exception{
		exceptionAt(root+600*kib, "POSTE-17"), exceptionAt(root+1024+200, "uuid"), exceptionAt(root+2*mib+100*kib, "in a journal"),
		exceptionAt(root+3*mib+900*kib, "free space"), exceptionAt(root+772*kib-3, "across"),
	}
	d := newDisk(8 * mib)
	for seed := range uint64(4) {
		o := receiving(options(tm, d, false), tm, seed)
		o.Exceptions = exceptions
		if seed > 0 {
			work(d)
			d.put(root+600*kib, []byte("Q"))
		}
		mustRun(t, o)
		for _, x := range exceptions {
			have := make([]byte, x.Length)
			if _, _ = d.ReadAt(have, x.Offset); string(have) != string(x.Content) {
				t.Errorf("exception at %d is %q", x.Offset, have)
			}
		}
		if second := mustRun(t, o); second.WrittenBytes != 0 {
			t.Errorf("a second run wrote %d bytes", second.WrittenBytes)
		}
	}
	o := receiving(options(tm, d, false), tm, 1)
	o.Exceptions, o.Source = exceptions, nil
	var source *restore.SourceError
	if _, err := restore.Run(context.Background(), o); !errors.As(err, &source) || source.Written {
		t.Errorf("without a source: %v", err)
	}
}

func TestAfterTheCarouselNothingIsTaken(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	var kept restore.Receiver
	c := &merryGoRound{frames: tm.source.frames, end: func(r restore.Receiver) { kept = r }}
	mustRun(t, turning(options(tm, newDisk(8*mib), false), c))
	e := tm.m.Chunks.At(0)
	if err := kept.Take(context.Background(), tm.source.frames[e.ID]); err == nil {
		t.Error("a frame was taken from a carousel that is over")
	}
}

func TestNeedsAreOfDistinctChunksInTheOrderOfTheManifest(t *testing.T) {
	tm := town(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	last := tm.m.Chunks.At(tm.m.Chunks.Len() - 1)
	d.put(last.Pieces[0].Offset, []byte("damage"))
	number := map[chunk.ID]int{}
	for _, e := range tm.m.Chunks.All() {
		if _, ok := number[e.ID]; !ok {
			number[e.ID] = len(number)
		}
	}
	c := &merryGoRound{}
	c.end = func(r restore.Receiver) {
		for {
			needs, _ := r.Needs(nil, 0)
			if len(needs) != len(number) {
				t.Fatalf("%d needs of %d chunks", len(needs), len(number))
			}
			if slices.Contains(needs, restore.NeedUnknown) {
				continue
			}
			for id, n := range number {
				if (needs[n] == restore.NeedMissing) != (id == last.ID) {
					t.Errorf("need of chunk %d is %d", n, needs[n])
				}
			}
			return
		}
	}
	mustRun(t, turning(options(tm, d, false), c))
}

func TestABoundedNumberOfChunksIsInMemory(t *testing.T) {
	const callers = 96
	tm := build(t, 26*mib, manifest.GPT, 3, []vol{{kind: "ext4", heads: []manifest.Extent{ext(1024, 1024)}, files: []file{at(0, 24*mib)},
		part: manifest.Partition{Number: 1, Start: mib, Length: 24 * mib, Type: typeLinux, GUID: guidRoot}}})
	d := newDisk(26 * mib)
	release, reached := make(chan struct{}), make(chan struct{})
	var once sync.Once
	d.fail = func(_ int64, n int) error {
		if n >= chunk.MaxSize {
			once.Do(func() { close(reached) })
			<-release
		}
		return nil
	}
	c := &merryGoRound{frames: tm.source.frames, callers: callers, clean: true}
	var before int64
	c.begin = func(restore.Receiver) {
		before = heapAtRest()
		go func() {
			<-reached
			// 32 contents, one more to compare with where nothing is known, and 4 buffers of 4 MiB.
			if grown := heapAtRest() - before; grown < 4*mib || grown > 28*mib {
				t.Errorf("%d callers took %d KiB", callers, grown/kib)
			}
			close(release)
		}()
	}
	mustRun(t, turning(options(tm, d, false), c))
}

// heapAtRest returns the bytes in use once nobody takes more.
func heapAtRest() int64 {
	var now, was runtime.MemStats
	for still := 0; still < 20; {
		time.Sleep(time.Millisecond)
		runtime.ReadMemStats(&now)
		if still++; now.Mallocs > was.Mallocs+10 {
			still = 0
		}
		was = now
	}
	runtime.GC()
	runtime.ReadMemStats(&now)
	return int64(now.HeapAlloc)
}
