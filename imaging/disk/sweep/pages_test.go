package sweep_test

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
)

// What the sums of pages say is what the pages say.
func TestSumsTellPagesApart(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for _, size := range []int{1, 511, sweep.PageSize, sweep.PageSize + 1, 5*sweep.PageSize - 1, chunk.MaxSize - 1, chunk.MaxSize} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(r.Uint32())
		}
		for changes := range 4 {
			have := bytes.Clone(want)
			for range changes {
				have[r.IntN(size)] ^= 1
			}
			sums := sweep.SumsOf(have)
			if got, is := sums.Differing(want), sweep.Differing(have, want); got != is {
				t.Errorf("%d bytes, %d changes: pages %b differ by their sums, %b do", size, changes, got, is)
			}
		}
		last := bytes.Clone(want)
		last[size-1] ^= 0x80
		sums := sweep.SumsOf(last)
		if got := sums.Differing(want); got != 1<<((size-1)/sweep.PageSize) {
			t.Errorf("%d bytes: pages %b differ, the last byte does", size, got)
		}
	}
}

func TestWhoAttendsADiskGivesTheProcessorsBack(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	before := runtime.GOMAXPROCS(2)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
	back := sweep.Attend()
	if n := runtime.GOMAXPROCS(0); n != 4 {
		t.Errorf("%d run at once, want 4", n)
	}
	back()
	if n := runtime.GOMAXPROCS(0); n > max(runtime.NumCPU(), before) {
		t.Errorf("%d run at once when the disk is done with, on %d processors", n, runtime.NumCPU())
	}
	runtime.GOMAXPROCS(6)
	sweep.Attend()()
	if n := runtime.GOMAXPROCS(0); n != 6 {
		t.Errorf("%d run at once, want the 6 that there were", n)
	}
	runtime.GOMAXPROCS(2)
	t.Setenv("GOMAXPROCS", "2")
	sweep.Attend()
	if n := runtime.GOMAXPROCS(0); n != 2 {
		t.Errorf("%d run at once, though the environment says 2", n)
	}
}
