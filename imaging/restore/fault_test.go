package restore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestADiskThatDropsAnyOneWriteFailsTheDeploy(t *testing.T) {
	t.Run("fetched", func(t *testing.T) {
		dropEach(t, nil, func(o restore.Options, _ *testMaster) restore.Options { return o })
	})
	t.Run("received", func(t *testing.T) {
		// One caller, so that the writes are the same in each run.
		dropEach(t, nil, func(o restore.Options, tm *testMaster) restore.Options {
			return turning(o, &merryGoRound{frames: tm.source.frames, callers: 1})
		})
	})
	t.Run("quick", func(t *testing.T) {
		// Everything was read before: what is written is all that is read back.
		wrong := map[int]bool{}
		dropEach(t, func(tm *testMaster, d *memDisk) {
			for i, e := range tm.m.Chunks.All() {
				if wrong[i] = i%3 == 0 && len(e.Pieces) > 0; wrong[i] {
					d.put(e.Pieces[0].Offset, []byte("differs"))
				}
			}
			for _, f := range tm.m.Fills {
				d.put(f.Offset+f.Length/2, []byte("dirt"))
			}
		}, func(o restore.Options, tm *testMaster) restore.Options {
			w := word{m: tm.m, read: map[int]bool{}}
			for i := range tm.m.Chunks.All() {
				w.read[i] = !wrong[i]
			}
			o.Vouched = w
			return o
		})
	})
}

// dropEach drops each write of a run in turn. dirty, where it is not nil, changes a disk that holds the master; else the
// disk is empty. how changes the options of each run.
func dropEach(t *testing.T, dirty func(*testMaster, *memDisk), how func(restore.Options, *testMaster) restore.Options) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	fresh := func() *memDisk {
		d := newDisk(8 * mib)
		if dirty != nil {
			mustRun(t, options(tm, d, false))
			dirty(tm, d)
		}
		return d
	}
	count := 0
	whole := fresh()
	whole.drop = func(int64, int) bool { count++; return false }
	mustRun(t, how(options(tm, whole, false), tm))
	caught := 0
	for lost := 1; lost <= count; lost++ {
		d, n := fresh(), 0
		d.drop = func(int64, int) bool { n++; return n == lost }
		marker := &memMarker{}
		o := how(options(tm, d, false), tm)
		o.Marker = marker
		report, err := restore.Run(context.Background(), o)
		if err == nil {
			// A write whose place is written again later may be lost: then the disk must hold the master all the same.
			if diff := mustVerify(t, options(tm, d, false)); !report.Proven || !diff.None() {
				t.Errorf("write %d of %d was dropped and nobody noticed: %s", lost, count, diff.Summary())
			}
			continue
		}
		var bad *restore.MismatchError
		if !errors.As(err, &bad) || report.Proven || marker.mark == nil || marker.mark.Phase != restore.PhaseVerify {
			t.Errorf("write %d of %d dropped: %v, mark %v", lost, count, err, marker.mark)
			continue
		}
		for _, s := range bad.Differences.Streams {
			if len(s.Extents) == 0 || s.Chunks == 0 {
				t.Errorf("stream %d has no extents", s.Stream)
			}
		}
		caught++
	}
	if caught < count/2 {
		t.Errorf("%d of %d dropped writes were caught", caught, count)
	}
}

func TestAWriteErrorNamesTheSector(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d, bad := newDisk(8*mib), 3*mib+640*kib
	d.fail = func(off int64, n int) error {
		if off <= bad && bad < off+int64(n) {
			return errors.New("input/output error")
		}
		return nil
	}
	_, err := restore.Run(context.Background(), options(tm, d, false))
	var w *restore.WriteError
	if !errors.As(err, &w) || w.Offset != bad || w.Sector != bad/512 {
		t.Errorf("error %v, want sector %d", err, bad/512)
	}
}

func TestAWriteThatSucceedsInSmallStepsIsNoError(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	d.fail = func(_ int64, n int) error {
		if n > 64<<10 {
			return errors.New("too long for this bridge")
		}
		return nil
	}
	mustRun(t, options(tm, d, false))
}

func TestASectorThatCannotBeReadIsWrittenAnew(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	bad := 3*mib + 640*kib
	d.unread = func(off int64, n int) bool { return off <= bad && bad < off+int64(n) }
	diff := mustVerify(t, options(tm, d, false))
	if len(diff.Streams) != 1 || !diff.Streams[0].Unreadable {
		t.Fatalf("differences %+v", diff)
	}
	_, err := restore.Run(context.Background(), options(tm, d, false))
	var still *restore.MismatchError
	if !errors.As(err, &still) {
		t.Fatalf("a disk that cannot be read back was reported as %v", err)
	}
	d.drop = func(off int64, n int) bool {
		if off <= bad && bad < off+int64(n) {
			d.unread = nil // the drive puts another sector in its place
		}
		return false
	}
	mustRun(t, options(tm, d, false))
}

func TestALostServerLeavesTheMarkAndTheNextRunGoesOn(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	for lost := 1; lost < 14; lost += 4 {
		d := newDisk(400 * mib)
		tm.source.lost, tm.source.given = lost, 0
		_, err := restore.Run(context.Background(), options(tm, d, true))
		var source *restore.SourceError
		if !errors.As(err, &source) || !source.Written {
			t.Fatalf("lost after %d chunks: %v", lost, err)
		}
		mark, err := openArdoise(t, d).Mark().Load()
		if err != nil || mark == nil || mark.Master != "salle" || mark.Version != 3 || mark.Task != "t1" {
			t.Fatalf("mark %+v: %v", mark, err)
		}
		tm.source.lost, tm.source.given = 0, 0
		tm.source.asked = map[chunk.ID]int{}
		report := mustRun(t, options(tm, d, true))
		if report.FetchedChunks != tm.source.given || mustMark(t, d) != nil {
			t.Errorf("resumed: fetched %d, given %d", report.FetchedChunks, tm.source.given)
		}
	}
}

// What the only source cannot give, or not as it should be, is known before anything is written.
func TestWhatCannotBeEndedIsNotBegun(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	prove := func(d *memDisk) restore.Options {
		o := options(tm, d, true)
		o.Prove = true
		return o
	}
	refused := func(why string) {
		t.Helper()
		d := newDisk(400 * mib)
		_, err := restore.Run(context.Background(), prove(d))
		var source *restore.SourceError
		if !errors.As(err, &source) || source.Written || len(d.pages) > 0 {
			t.Errorf("%s: %v, %d pages written", why, err, len(d.pages))
		}
	}
	for lost := 1; lost < 14; lost += 4 {
		tm.source.lost, tm.source.given = lost, 0
		refused("a source that ends early")
	}
	tm.source.lost = 0
	id := tm.m.Chunks.At(tm.m.Chunks.Len() - 1).ID
	good := tm.source.frames[id]
	tm.source.frames[id] = chunk.Frame{ID: id, Length: 1, Payload: []byte{1}}
	refused("a rotten frame")
	tm.source.frames[id], tm.source.given = good, 0
	d := newDisk(400 * mib)
	if report := mustRun(t, prove(d)); 2*report.FetchedChunks != tm.source.given {
		t.Errorf("fetched %d chunks to write them, the source gave %d", report.FetchedChunks, tm.source.given)
	}
	tm.source.given = 0
	if report := mustRun(t, prove(d)); report.WrittenBytes != 0 || tm.source.given != 0 {
		t.Errorf("a disk that is right: %d bytes written, %d chunks fetched", report.WrittenBytes, tm.source.given)
	}
}

func mustMark(t *testing.T, d *memDisk) *job.Mark {
	t.Helper()
	mark, err := openArdoise(t, d).Mark().Load()
	if err != nil {
		t.Fatal(err)
	}
	return mark
}

func TestADamagedChunkNeverReachesTheDisk(t *testing.T) {
	for why, spoil := range map[string]func(chunk.Frame) chunk.Frame{
		"another chunk under its name": func(f chunk.Frame) chunk.Frame { f.Payload = []byte{1}; f.Codec = 0; f.Length = 1; return f },
		"another name":                 func(f chunk.Frame) chunk.Frame { f.ID[0]++; return f },
	} {
		tm := school(t, 8*mib, manifest.GPT, 7)
		id := tm.m.Chunks.At(tm.m.Chunks.Len() - 1).ID
		tm.source.frames[id] = spoil(tm.source.frames[id])
		var source *restore.SourceError
		if _, err := restore.Run(context.Background(), options(tm, newDisk(8*mib), false)); !errors.As(err, &source) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestCancelStopsBetweenWritesAndLeavesTheMark(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	for _, phase := range []string{restore.PhaseScan, restore.PhaseData, restore.PhaseMetadata, restore.PhaseVerify} {
		ctx, cancel := context.WithCancel(context.Background())
		d := newDisk(400 * mib)
		o := options(tm, d, true)
		o.Progress = func(p restore.Progress) {
			if p.Phase == phase {
				cancel()
			}
		}
		_, err := restore.Run(ctx, o)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("%s: %v", phase, err)
		}
		if phase == restore.PhaseScan {
			if len(d.pages) > 0 {
				t.Error("a cancelled scan wrote to the disk")
			}
		} else if mark := mustMark(t, d); mark == nil || mark.Phase != phase {
			t.Errorf("%s: mark %+v", phase, mark)
		}
		cancel()
		mustRun(t, options(tm, d, true))
	}
}

func TestTheServerIsToldBeforeTheFirstWriteAndNotWhenNothingDiffers(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d, marker := newDisk(8*mib), &memMarker{}
	o := options(tm, d, false)
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
	marker.sets = nil
	mustRun(t, o)
	if len(marker.sets) > 0 || marker.mark != nil {
		t.Errorf("nothing to write, and marked %v", marker.sets)
	}
}

func TestAMarkOfAnEarlierRunGoesWhenTheDiskIsFoundRight(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d := newDisk(400 * mib)
	mustRun(t, options(tm, d, true))
	if err := openArdoise(t, d).Mark().Set(context.Background(), job.Mark{Phase: restore.PhaseVerify}); err != nil {
		t.Fatal(err)
	}
	mustRun(t, options(tm, d, true))
	if mark := mustMark(t, d); mark != nil {
		t.Errorf("mark %+v stands", mark)
	}
}

func TestWhatCannotBeDoneIsRefusedBeforeAnythingIsWritten(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	small := new(*disk.TooSmallError)
	sector := new(*disk.SectorSizeError)
	invalid := new(*restore.InvalidError)
	exception := func(x ...job.Exception) func(*restore.Options) {
		return func(o *restore.Options) { o.Exceptions = x }
	}
	good := exceptionAt(3*mib+600*kib, "x")
	for why, c := range map[string]struct {
		size   int64
		change func(*restore.Options)
		want   any
	}{
		"a disk one sector too small":            {7*mib + 33*512 - 512, func(*restore.Options) {}, small},
		"a disk of larger sectors":               {8 * mib, func(o *restore.Options) { o.SectorSize = 4096 }, sector},
		"an exception with the wrong hash":       {8 * mib, exception(job.Exception{Offset: 3 * mib, Length: 1, Hash: good.Hash, Content: []byte("y")}), invalid},
		"an exception with too little content":   {8 * mib, exception(job.Exception{Offset: 3 * mib, Length: 2, Hash: good.Hash, Content: []byte("x")}), invalid},
		"two exceptions at one place":            {8 * mib, exception(good, good), invalid},
		"an exception outside every volume":      {8 * mib, exception(exceptionAt(7*mib+100, "x")), invalid},
		"an exception in the partition table":    {8 * mib, exception(exceptionAt(600, "x")), invalid},
		"a manifest whose chunk is in the table": {8 * mib, intoTable, invalid},
	} {
		d := newDisk(c.size)
		o := options(tm, d, true)
		c.change(&o)
		_, err := restore.Run(context.Background(), o)
		if !errors.As(err, c.want) {
			t.Errorf("%s: %v", why, err)
		}
		if len(d.pages) > 0 {
			t.Errorf("%s: something was written", why)
		}
	}
}

// intoTable gives the manifest a chunk that lies on the primary header.
func intoTable(o *restore.Options) {
	m := *o.Manifest
	m.Chunks = manifest.Table{}
	for i, e := range o.Manifest.Chunks.All() {
		if i == 0 {
			e.Pieces = []manifest.Piece{{Length: e.Length, Offset: 512}}
		}
		m.Chunks.Append(e)
	}
	o.Manifest = &m
}

func exceptionAt(off int64, content string) job.Exception {
	return job.Exception{Offset: off, Length: int64(len(content)), Hash: fmt.Sprint(chunk.Of([]byte(content))),
		Content: []byte(content), Why: "computer name"}
}
