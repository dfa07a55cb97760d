package restore_test

import (
	"bytes"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// withCache asks for a cache too.
func withCache(tm *testMaster, d *memDisk, bytes int64) restore.Options {
	o := options(tm, d, true)
	o.Cache = bytes
	return o
}

// cacheOf returns the cache partition of a disk.
func cacheOf(t *testing.T, d *memDisk) *manifest.Partition {
	t.Helper()
	table, err := disk.ReadTable(d, d.size, 512)
	if err != nil {
		t.Fatal(err)
	}
	return table.Cache
}

func TestTheCacheIsOursAndWhatItHoldsGoesOn(t *testing.T) {
	t.Parallel()
	for _, kind := range []manifest.TableKind{manifest.GPT, manifest.MBR} {
		tm, d := school(t, 8*mib, kind, 7), newDisk(600*mib)
		first := mustRun(t, withCache(tm, d, 100*mib))
		part := cacheOf(t, d)
		if part == nil || first.Cache == nil || *part != *first.Cache || part.Length != 100*mib || first.WhyNoCache != "" {
			t.Fatalf("%s: cache %+v, %+v, %q", kind, part, first.Cache, first.WhyNoCache)
		}
		content := bytes.Repeat([]byte("frames of a master. "), 50_000)
		d.put(part.Start+12345, content)
		keeps := func(when string) {
			t.Helper()
			got := make([]byte, len(content))
			if _, err := d.ReadAt(got, part.Start+12345); err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: the cache lost its content %s", kind, when)
			}
			if now := cacheOf(t, d); now == nil || now.Start != part.Start {
				t.Errorf("%s: %s the cache is %+v, it was %+v", kind, when, now, part)
			}
		}
		if diff := mustVerify(t, options(tm, d, false)); !diff.None() {
			t.Errorf("%s: a disk with a cache differs: %s", kind, diff.Summary())
		}
		work(d)
		d.put(440, []byte("pupil")) // the table's own fields too
		mustRun(t, options(tm, d, false))
		keeps("in a reset")
		if again := mustRun(t, withCache(tm, d, 100*mib)); again.WrittenBytes != 0 {
			t.Errorf("%s: a deployment of the same wrote %d bytes", kind, again.WrittenBytes)
		}
		next := school(t, 8*mib, kind, 8)
		mustRun(t, withCache(next, d, 180*mib))
		keeps("in a deployment of another version")
		if now := cacheOf(t, d); now.Length != 180*mib {
			t.Errorf("%s: it did not grow: %+v", kind, now)
		}
	}
}

func TestACacheGoesWhereTheMasterNeedsItsRoom(t *testing.T) {
	tm, d := school(t, 8*mib, manifest.GPT, 7), newDisk(600*mib)
	mustRun(t, withCache(tm, d, disk.CacheAll))
	far := build(t, 600*mib, manifest.GPT, 5, []vol{{kind: "ext4", files: []file{at(0, 64*kib), at(64*kib, mib)},
		heads: []manifest.Extent{ext(1024, 512)}, part: manifest.Partition{Number: 1, Start: mib, Length: 250 * mib,
			Type: typeLinux, GUID: guidRoot, Name: "root"}}})
	report := mustRun(t, withCache(far, d, disk.CacheAll))
	if report.Cache != nil || report.WhyNoCache == "" || report.Ardoise == nil || cacheOf(t, d) != nil {
		t.Errorf("cache %+v, %q, ARDOISE %+v", report.Cache, report.WhyNoCache, report.Ardoise)
	}
	if diff := mustVerify(t, options(far, d, false)); !diff.None() {
		t.Errorf("after a proven run: %s", diff.Summary())
	}
}

func TestAManifestThatWritesIntoTheCacheIsRefused(t *testing.T) {
	tm, d := school(t, 8*mib, manifest.GPT, 7), newDisk(600*mib)
	mustRun(t, withCache(tm, d, disk.CacheAll))
	at := cacheOf(t, d).Start + mib
	tm.m.Disk.Size = d.size
	tm.m.Fills = append(tm.m.Fills, manifest.Fill{Extent: manifest.Extent{Offset: at, Length: 4096}})
	if _, err := restore.Run(t.Context(), options(tm, d, true)); err == nil {
		t.Error("it is written to")
	}
}

func TestAPowerCutWhileACacheIsMadeOrStays(t *testing.T) {
	for _, c := range []crash{
		{"an empty disk that gets a cache", manifest.GPT, true, 500 * mib,
			func(*testing.T, *testMaster) *memDisk { return newDisk(500 * mib) }, false},
		{"a used disk that gets a cache", manifest.MBR, true, 500 * mib, func(t *testing.T, tm *testMaster) *memDisk {
			d := newDisk(500 * mib)
			mustRun(t, options(tm, d, true))
			storeKey(t, d)
			work(d)
			return d
		}, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			cutEverywhere(t, c, 0, func(o restore.Options, _ *testMaster, _ int) restore.Options {
				o.Cache = disk.CacheAll
				return o
			})
		})
	}
}
