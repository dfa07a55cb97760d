package restore_test

import (
	"context"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestExceptionsAreWrittenKeptAndChecked(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	root := 3 * mib
	exceptions := []job.Exception{
		exceptionAt(root+600*kib, "POSTE-17"),           // inside one chunk
		exceptionAt(root+1024+200, "uuid"),              // in a head
		exceptionAt(root+2*mib+100*kib, "in a journal"), // in a fill
		exceptionAt(root+3*mib+900*kib, "free space"),   // in nothing
		exceptionAt(root+772*kib-3, "across"),           // over the end of a file
	}
	d := newDisk(8 * mib)
	o := options(tm, d, false)
	o.Exceptions = exceptions
	mustRun(t, o)
	check := func(when string) {
		t.Helper()
		for _, x := range exceptions {
			have := make([]byte, x.Length)
			_, _ = d.ReadAt(have, x.Offset)
			if string(have) != string(x.Content) {
				t.Errorf("%s: exception at %d is %q", when, x.Offset, have)
			}
		}
	}
	check("after a deploy")
	if second := mustRun(t, o); second.WrittenBytes != 0 {
		t.Errorf("a second run wrote %d bytes", second.WrittenBytes)
	}
	if diff := mustVerify(t, o); !diff.None() {
		t.Errorf("differs: %s", diff.Summary())
	}
	d.put(root+601*kib, []byte("beside the name"))
	d.put(root+600*kib, []byte("Q"))
	if diff := mustVerify(t, o); len(diff.Streams) != 1 || len(diff.Exceptions) != 1 {
		t.Errorf("differences %+v", diff)
	}
	mustRun(t, o)
	check("after a repair")

	without := o
	without.Source = nil
	diff := mustVerify(t, without)
	if len(diff.Streams) > 0 || len(diff.Exceptions) > 0 || len(diff.Unproven) != 4 || diff.None() {
		t.Errorf("without a source: %s", diff.Summary())
	}
	plain := mustVerify(t, options(tm, d, false))
	if len(plain.Streams) == 0 || len(plain.Fills) != 1 {
		t.Errorf("the exceptions are no difference to the master itself: %s", plain.Summary())
	}
}

func TestWhatTheDiskHoldsIsNotFetchedAndDuplicatesOnce(t *testing.T) {
	same := func(off int64, seed uint64) file { f := at(off, 256*kib); f.seed = seed; return f }
	vols := []vol{{kind: "ext4", part: manifest.Partition{Number: 1, Start: mib, Length: 4 * mib, Type: typeLinux, GUID: guidRoot},
		files: []file{same(0, 9), same(256*kib, 5), same(512*kib, 5), same(mib, 5), same(2*mib, 6)}}}
	tm := build(t, 6*mib, manifest.GPT, 3, vols)
	d := newDisk(6 * mib)
	mustRun(t, options(tm, d, false))
	for id, n := range tm.source.asked {
		if n != 1 {
			t.Errorf("chunk %s was fetched %d times", id, n)
		}
	}
	given := tm.source.given
	d.put(mib+300*kib, []byte("damage"))
	d.put(mib+600*kib, []byte("damage"))
	report := mustRun(t, options(tm, d, false))
	if tm.source.given != given || report.CopiedChunks != 2 {
		t.Errorf("fetched %d chunks, copied %d, though a third place held them", tm.source.given-given, report.CopiedChunks)
	}
}

func TestLookSaysWhatARunWouldDoAndWritesNothing(t *testing.T) {
	tm := school(t, 8*mib, manifest.GPT, 7)
	d := newDisk(400 * mib)
	mustRun(t, options(tm, d, true))
	look := func() restore.Preview {
		p, err := restore.Look(context.Background(), options(tm, d, true))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if p := look(); p.WriteBytes != 0 || len(p.Ranges) > 0 || p.MakeArdoise || p.Table != "" {
		t.Errorf("nothing differs: %+v", p)
	}
	d.put(3*mib+600*kib, []byte("x"))
	d.put(5*mib, []byte("x"))
	before := d.clone()
	p := look()
	if p.WriteBytes != 256*kib+64*kib || p.FetchChunks != 1 || len(p.Volumes) != 1 || p.Volumes[0] != 2 || len(p.Ranges) != 2 {
		t.Errorf("preview %+v", p)
	}
	if !d.same(before, 0, d.size) {
		t.Error("looking has written")
	}
}

func TestStreamsThatDifferAreNamed(t *testing.T) {
	d := restore.Differences{Streams: []restore.StreamDifference{{Stream: 2}, {Stream: 5}}}
	names := func(yield func(manifest.Name, error) bool) {
		for i := range uint32(9) {
			if !yield(manifest.Name{Stream: i, Path: string(rune('a' + i))}, nil) {
				return
			}
		}
	}
	got := ""
	if err := restore.NameStreams(&d, names, func(n manifest.Name, _ restore.StreamDifference) { got += n.Path }); err != nil || got != "cf" {
		t.Errorf("named %q: %v", got, err)
	}
}

func TestADiskWithoutATableReplacesOneWithATable(t *testing.T) {
	vols := []vol{{kind: "raw", part: manifest.Partition{Length: 2 * mib}, files: []file{at(0, 2*mib)}}}
	tm := build(t, 2*mib, manifest.NoTable, 3, vols)
	d := newDisk(3 * mib)
	was := build(t, 3*mib, manifest.GPT, 4, nil)
	d.pages = was.disk.pages
	if report := mustRun(t, options(tm, d, true)); report.Ardoise != nil || report.WhyNot == "" {
		t.Errorf("ARDOISE %v, %q", report.Ardoise, report.WhyNot)
	}
	if table, err := disk.ReadTable(d, d.size, 512); err != nil || table.Disk.Table != manifest.NoTable {
		t.Errorf("table %v: %v", table, err)
	}
	if chunk.Of(nil) == tm.m.Chunks.At(0).ID {
		t.Error("the master is empty")
	}
}
