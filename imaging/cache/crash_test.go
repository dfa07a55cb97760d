package cache_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// promise is what holds from an operation on, until it is taken back.
type promise struct {
	from, to int // operations; to 0 = to the end
	v        *version
}

func TestAPowerCutAtAnyWriteLosesNoMoreThanWasNotFlushed(t *testing.T) {
	t.Parallel()
	r := newRig(64 * mib)
	first := r.write(t, numbers(0, 20)...)
	base := r.disk.clone()
	r.disk.record = true
	r.make(t)
	made := len(r.disk.ops)
	r.part.Length = 29 * mib // seven segments are enough
	c := r.open(t)
	keep(t, c, first)
	fill(t, c, first, r.disk)
	promises := []promise{{from: len(r.disk.ops), v: first}}
	r.disk.record = false
	second := r.write(t, slices.Concat(numbers(0, 10), numbers(500, 25))...)
	r.disk.record = true
	keep(t, c, first, second)
	fill(t, c, second, r.disk)
	promises = append(promises, promise{from: len(r.disk.ops), v: second})
	// Only the second is kept from here on; what comes is more than there is room for.
	switching := len(r.disk.ops)
	keep(t, c, second)
	promises[0].to = switching
	r.disk.record = false
	third := r.write(t, numbers(900, 45)...)
	r.disk.record = true
	if err := c.PutManifest(third.hash, third.encoded, third.sig, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.KeepFor(second.hash, third.hash); err != nil {
		t.Fatal(err)
	}
	fill(t, c, third, r.disk)
	promises = append(promises, promise{from: len(r.disk.ops), v: third})
	contents := map[chunk.ID][]byte{}
	for _, v := range []*version{first, second, third} {
		for id, b := range v.content {
			contents[id] = b
		}
	}
	ops := r.disk.ops
	chance := rand.New(rand.NewPCG(3, 4))
	base.cuts(ops, chance, func(n int, disk *ram) {
		state := &rig{disk: disk, part: r.part}
		c, err := cache.Open(state.disk, state.part)
		if none := (*cache.NoCacheError)(nil); errors.As(err, &none) && n < made {
			return
		}
		if err != nil {
			t.Fatalf("after %d of %d operations: %v", n, len(ops), err)
		}
		// What the index names can be given: nothing was damaged by the cut.
		if lost, err := c.Check(context.Background()); lost > 0 || err != nil {
			t.Fatalf("after %d of %d operations: %d frames are named and not there, %v", n, len(ops), lost, err)
		}
		if n%10 == 0 {
			if _, err := proveAll(t, c, contents); err != nil {
				t.Fatalf("after %d of %d operations: %v", n, len(ops), err)
			}
		}
		for i, p := range promises {
			if n >= p.from && (p.to == 0 || n <= p.to) && !c.Covers(p.v.m).Complete() {
				t.Fatalf("after %d of %d operations: version %d lacks %+v", n, len(ops), i, c.Covers(p.v.m))
			}
			if _, _, err := c.Manifest(p.v.hash); n >= p.from && (p.to == 0 || n <= p.to) && err != nil {
				t.Fatalf("after %d of %d operations: version %d: %v", n, len(ops), i, err)
			}
		}
		checkKept(t, c, n, len(ops), first, second, third)
	})
	t.Logf("%d operations", len(ops))
}

// checkKept proves that a cache is kept for one of the lists that it was ever told.
func checkKept(t *testing.T, c *cache.Cache, n, of int, first, second, third *version) {
	t.Helper()
	for _, want := range [][]manifest.Hash{nil, {first.hash}, {first.hash, second.hash}, {second.hash}, {second.hash, third.hash}} {
		if slices.Equal(c.Stats().Kept, want) {
			return
		}
	}
	t.Fatalf("after %d of %d operations: kept for %v", n, of, c.Stats().Kept)
}

func TestDamageAnywhereNeverGivesAWrongFrame(t *testing.T) {
	t.Parallel()
	r := newRig(64 * mib)
	v := r.write(t, numbers(0, 3)...)
	c := r.make(t)
	keep(t, c, v)
	fill(t, c, v, r.disk)
	want := len(v.content)
	missed := 0
	for at := int64(0); at < 8*mib; at += 4096 {
		if r.disk.pages[(r.part.Start+at)/4096] == nil {
			continue
		}
		state := &rig{disk: r.disk.clone(), part: r.part}
		b := make([]byte, 4096)
		for i := range b {
			b[i] = byte(at>>12) + byte(i) | 1
		}
		state.disk.put(r.part.Start+at, b)
		c, err := cache.Open(state.disk, state.part)
		if err != nil {
			t.Fatalf("block at %d: %v", at, err) // there are two superblocks
		}
		got, err := proveAll(t, c, v.content)
		var damaged *cache.ChunkError
		for err != nil {
			if !errors.As(err, &damaged) || !damaged.Damaged {
				t.Fatalf("block at %d: %v", at, err)
			}
			got, err = proveAll(t, c, v.content) // without it
		}
		if got < want {
			missed++
			// What was found damaged is forgotten, and filling brings it back.
			if rest := fill(t, c, v, r.disk); rest.Chunks != want-got {
				t.Fatalf("block at %d: %d of %d chunks came, %d were filled in", at, got, want, rest.Chunks)
			}
		}
	}
	if missed < 120 {
		t.Errorf("%d damaged blocks cost a chunk: the test does not reach the frames", missed)
	}
}

func TestADeviceThatFailsIsNoWrongCache(t *testing.T) {
	r := newRig(64 * mib)
	v := r.write(t, numbers(0, 60)...)
	c := r.make(t)
	keep(t, c, v)
	bad := r.part.Start + mib + 5*mib // in the second segment
	r.disk.fail = func(off, n int64) error {
		if off <= bad && bad < off+n {
			return syscall.EIO
		}
		return nil
	}
	if _, err := c.Fill(context.Background(), v.m, r.disk, nil); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Fill = %v", err)
	}
	if _, err := proveAll(t, c, v.content); err != nil {
		t.Errorf("after a write that failed: %v", err)
	}
	// The rest goes elsewhere.
	for try := 0; !c.Covers(v.m).Complete() && try < 3; try++ {
		if _, err := c.Fill(context.Background(), v.m, r.disk, nil); err != nil && !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
	}
	r.disk.fail = nil
	if n, err := proveAll(t, r.open(t), v.content); n != 60 || err != nil {
		t.Errorf("%d of 60, %v", n, err)
	}
	// Sectors that cannot be read cost their frames.
	r.disk.bad = func(off, n int64) error {
		if at := r.part.Start + mib + 2*mib; off <= at && at < off+n {
			return syscall.EIO
		}
		return nil
	}
	c = r.open(t)
	lost, err := c.Check(context.Background())
	if n, again := proveAll(t, c, v.content); lost != 1 || err != nil || n != 59 || again != nil {
		t.Errorf("%d lost, %v; %d of 59, %v", lost, err, n, again)
	}
}
