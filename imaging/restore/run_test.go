package restore_test

import (
	"context"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

func options(tm *testMaster, d *memDisk, ardoise bool) restore.Options {
	return restore.Options{Manifest: tm.m, Target: d, Source: tm.source, MakeArdoise: ardoise,
		Mark: job.Mark{Task: "t1", Master: "salle", Version: 3}, Workers: 2}
}

func mustRun(t testing.TB, o restore.Options) restore.Report {
	t.Helper()
	report, err := restore.Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Proven {
		t.Fatal("a run without error has not proven the disk")
	}
	return report
}

func mustVerify(t testing.TB, o restore.Options) restore.Differences {
	t.Helper()
	d, _, err := restore.Verify(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestADiskBecomesTheMasterAndASecondRunWritesNothing(t *testing.T) {
	for _, kind := range []manifest.TableKind{manifest.GPT, manifest.MBR} {
		for _, ardoise := range []bool{false, true} {
			for _, size := range []int64{8 * mib, 400 * mib} {
				t.Run(string(kind), func(t *testing.T) {
					tm := school(t, 8*mib, kind, 7)
					d := newDisk(size)
					first := mustRun(t, options(tm, d, ardoise))
					if first.WrittenBytes < 2*mib {
						t.Errorf("wrote %d bytes to an empty disk", first.WrittenBytes)
					}
					if (first.Ardoise != nil) != (ardoise && size > 350*mib) || (first.WhyNot == "") != (!ardoise || first.Ardoise != nil) {
						t.Errorf("ARDOISE %v, why not %q", first.Ardoise, first.WhyNot)
					}
					for _, v := range tm.m.Volumes {
						for _, e := range tm.m.Chunks.All() {
							for _, p := range e.Pieces {
								if p.Offset >= v.Start && !d.same(tm.disk, p.Offset, int64(p.Length)) {
									t.Fatalf("byte %d differs", p.Offset)
								}
							}
						}
					}
					table, err := disk.ReadTable(d, size, 512)
					if err != nil || len(table.Warnings) > 0 || len(table.Partitions) != 2 {
						t.Fatalf("table %+v: %v", table, err)
					}
					given := tm.source.given
					second := mustRun(t, options(tm, d, ardoise))
					if second.WrittenBytes != 0 || tm.source.given != given {
						t.Errorf("a second run wrote %d bytes and fetched %d chunks", second.WrittenBytes, tm.source.given-given)
					}
				})
			}
		}
	}
}

func TestAnARDOISEThatHasToGoIsNotWrittenToOnceItsPlaceIsTheMasters(t *testing.T) {
	d := newDisk(400 * mib)
	old := build(t, 400*mib, manifest.GPT, 98, []vol{{kind: "ext4", files: []file{at(0, mib)}, part: manifest.Partition{
		Number: 1, Start: mib, Length: mib, Type: typeLinux, GUID: guidRoot, Name: "other"}}})
	mustRun(t, options(old, d, true))
	storeKey(t, d)
	// The new master fills the disk and has a file where the slots lie.
	tm := build(t, 400*mib, manifest.GPT, 5, []vol{{kind: "ext4", files: []file{at(0, 64*kib), at(mib, 5*mib)},
		heads: []manifest.Extent{ext(1024, 512)}, part: manifest.Partition{Number: 1, Start: mib, Length: 390 * mib,
			Type: typeLinux, GUID: guidRoot, Name: "root"}}})
	report := mustRun(t, options(tm, d, true))
	if report.Ardoise != nil || report.WhyNot == "" {
		t.Errorf("ARDOISE %v, why not %q", report.Ardoise, report.WhyNot)
	}
	if diff := mustVerify(t, options(tm, d, false)); !diff.None() {
		t.Errorf("after a proven run: %s", diff.Summary())
	}
}
