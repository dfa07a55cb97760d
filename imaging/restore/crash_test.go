package restore_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// crash is a disk before a restore, and the restore.
type crash struct {
	why     string
	kind    manifest.TableKind
	ardoise bool
	size    int64
	before  func(t *testing.T, tm *testMaster) *memDisk
	key     bool // the key in ARDOISE must be there at every moment
}

func crashes() []crash {
	blank := func(size int64) func(*testing.T, *testMaster) *memDisk {
		return func(*testing.T, *testMaster) *memDisk { return newDisk(size) }
	}
	return []crash{
		{"an empty disk without room for ARDOISE", manifest.GPT, false, 8 * mib, blank(8 * mib), false},
		{"an empty disk with an MBR", manifest.MBR, true, 400 * mib, blank(400 * mib), false},
		{"an empty disk with room for ARDOISE", manifest.GPT, true, 400 * mib, blank(400 * mib), false},
		{"a reset of a used disk", manifest.GPT, true, 400 * mib, used, true},
		{"a reset of a used disk without ARDOISE", manifest.GPT, false, 8 * mib, usedWithout, false},
		{"another system that fills the disk", manifest.GPT, true, 400 * mib, foreign, false},
		{"an older master whose ARDOISE has to move", manifest.GPT, true, 800 * mib, older, true},
	}
}

// used is a disk that was deployed and then worked on.
func used(t *testing.T, tm *testMaster) *memDisk {
	d := newDisk(400 * mib)
	mustRun(t, options(tm, d, true))
	storeKey(t, d)
	work(d)
	return d
}

func usedWithout(t *testing.T, tm *testMaster) *memDisk {
	d := newDisk(8 * mib)
	mustRun(t, options(tm, d, false))
	work(d)
	return d
}

// work changes files, heads, metadata and a journal in both volumes.
func work(d *memDisk) {
	for _, off := range []int64{mib + 100*kib, 3*mib + 600*kib, 3*mib + 1024, 3*mib + 1100*kib, 5*mib + 50*kib} {
		d.put(off, []byte("pupil was here"))
	}
}

// foreign is a disk with one big partition of somebody else.
func foreign(t *testing.T, _ *testMaster) *memDisk {
	return build(t, 400*mib, manifest.GPT, 99, []vol{{kind: "ext4", files: []file{at(0, mib), at(9*mib, mib)}, part: manifest.Partition{
		Number: 1, Start: mib, Length: 398 * mib, Type: typeLinux, GUID: guidRoot, Name: "other"}}}).disk
}

// older is a disk with a smaller master, whose ARDOISE lies where the new one has its second volume.
func older(t *testing.T, _ *testMaster) *memDisk {
	tm := build(t, 800*mib, manifest.GPT, 98, []vol{{kind: "ext4", files: []file{at(0, mib)}, part: manifest.Partition{
		Number: 1, Start: mib, Length: mib, Type: typeLinux, GUID: guidRoot, Name: "other"}}})
	d := tm.disk.clone()
	mustRun(t, options(tm, d, true))
	storeKey(t, d)
	return d
}

func storeKey(t *testing.T, d *memDisk) {
	t.Helper()
	if err := openArdoise(t, d).Key().Store([]byte("private key")); err != nil {
		t.Fatal(err)
	}
}

func openArdoise(t testing.TB, d *memDisk) *disk.Ardoise {
	t.Helper()
	table, err := disk.ReadTable(d, d.size, 512)
	if err != nil || table.Ardoise == nil {
		return nil
	}
	a, err := disk.OpenArdoise(d, *table.Ardoise)
	if err != nil {
		t.Fatalf("ARDOISE is recognised and not whole: %v", err)
	}
	return a
}

// crashMaster is the master of a case: for "older" it is larger than what was there.
func crashMaster(t *testing.T, c crash, small int) *testMaster {
	if c.size < 800*mib {
		return schoolWith(t, 8*mib, c.kind, 7, small)
	}
	far := vol{kind: "ext4", files: []file{at(0, 64*kib), at(64*kib, mib)}, heads: []manifest.Extent{ext(1024, 512)},
		part: manifest.Partition{Number: 1, Start: mib, Length: 350 * mib, Type: typeLinux, GUID: guidRoot, Name: "root"}}
	return build(t, 400*mib, manifest.GPT, 5, []vol{far})
}

func TestAPowerCutAtAnyWriteLeavesAMarkOrNothingThatStarts(t *testing.T) {
	for _, c := range crashes() {
		t.Run(c.why, func(t *testing.T) {
			t.Parallel()
			cutEverywhere(t, c, 0, func(o restore.Options, _ *testMaster, _ int) restore.Options { return o })
		})
		for seed := range 2 {
			t.Run(fmt.Sprintf("%s, while receiving, order %d", c.why, seed), func(t *testing.T) {
				t.Parallel()
				cutEverywhere(t, c, 60, func(o restore.Options, tm *testMaster, n int) restore.Options {
					// Some stop early, so that the source brings the rest.
					stops := []int{0, 90, 200}
					return turning(o, &merryGoRound{frames: tm.source.frames, seed: uint64(seed + 3*n), stop: stops[(seed+n)%3]})
				})
			})
		}
	}
}

// cutEverywhere cuts a run off at each of its operations, and runs again from some. The master has small files besides
// the usual ones. how changes the options of run n.
func cutEverywhere(t *testing.T, c crash, small int, how func(o restore.Options, tm *testMaster, n int) restore.Options) {
	tm := crashMaster(t, c, small)
	base := c.before(t, tm)
	d := base.clone()
	d.record = true
	mustRun(t, how(options(tm, d, c.ardoise), tm, 0))
	ops := d.ops
	chance := rand.New(rand.NewPCG(1, 2))
	for n := 0; n <= len(ops); n++ {
		for try := range 4 {
			state := base.after(ops, n, chance)
			if try == 0 {
				state = base.after(ops, n, nil)
			}
			if why := started(t, c, tm, base, state); why != "" {
				t.Fatalf("after %d of %d operations (try %d): %s", n, len(ops), try, why)
			}
			if try == 1 && n%(5+small/6) == 0 {
				resume(t, tm, state, d, c, how(options(tm, state, c.ardoise), tm, n))
			}
		}
	}
}

// resume runs again on a state and compares with the disk of the run that was not interrupted.
func resume(t *testing.T, tm *testMaster, state, want *memDisk, c crash, o restore.Options) {
	t.Helper()
	mustRun(t, o)
	for _, e := range tm.m.Chunks.All() {
		for _, p := range e.Pieces {
			if !state.same(want, p.Offset, int64(p.Length)) {
				t.Fatalf("resumed disk differs at byte %d", p.Offset)
			}
		}
	}
	if c.ardoise && c.size > 350*mib {
		if mark, err := openArdoise(t, state).Mark().Load(); mark != nil || err != nil {
			t.Fatalf("mark %v stands after a resumed run: %v", mark, err)
		}
	}
}

// started says why a disk may start something that is neither the old system nor the master; "" if it cannot.
func started(t *testing.T, c crash, tm *testMaster, base, state *memDisk) string {
	a := openArdoise(t, state)
	if c.key {
		if a == nil {
			return "ARDOISE is gone, and the key with it"
		}
		if key, err := a.Key().Load(); err != nil || string(key) != "private key" {
			return fmt.Sprintf("the key is %q: %v", key, err)
		}
	}
	if a != nil {
		mark, err := a.Mark().Load()
		var damaged *disk.DamagedSlotError
		if mark != nil || errors.As(err, &damaged) {
			return ""
		}
	}
	d, _, err := restore.Verify(context.Background(), options(tm, state, false))
	if err == nil && d.None() {
		return ""
	}
	for _, v := range tm.m.Volumes {
		if len(v.Heads) > 0 && !headBroken(state, v) && !state.same(base, v.Start, v.Length) && !holds(tm, state, v) {
			return fmt.Sprintf("volume at byte %d is neither old, new nor broken", v.Start)
		}
	}
	was, errWas := disk.ReadTable(base, base.size, 512)
	is, errIs := disk.ReadTable(state, state.size, 512)
	if errWas != nil || errIs != nil {
		return ""
	}
	for _, p := range is.Partitions {
		for _, q := range was.Partitions {
			if p == q && p.Name == "other" && !state.same(base, p.Start, min(p.Length, 400*mib)) {
				return "the old system is damaged and can be started"
			}
		}
	}
	return ""
}

func headBroken(d *memDisk, v manifest.Volume) bool {
	for _, h := range v.Heads {
		b := make([]byte, min(h.Length, 512))
		_, _ = d.ReadAt(b, h.Offset)
		for i, c := range b {
			if c != 0 {
				break
			}
			if i == len(b)-1 {
				return true
			}
		}
	}
	return false
}

// holds tells whether a volume is the master's in every kept and fill byte.
func holds(tm *testMaster, d *memDisk, v manifest.Volume) bool {
	for _, e := range tm.m.Chunks.All() {
		for _, p := range e.Pieces {
			if p.Offset >= v.Start && p.Offset < v.Start+v.Length && !d.same(tm.disk, p.Offset, int64(p.Length)) {
				return false
			}
		}
	}
	for _, f := range tm.m.Fills {
		if f.Offset >= v.Start && f.End() <= v.Start+v.Length && !d.same(tm.disk, f.Offset, f.Length) {
			return false
		}
	}
	return true
}
