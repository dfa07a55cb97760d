package masters_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// published is publish that must succeed.
func published(t testing.TB, lib *masters.Library, name string, frames []chunk.Frame) masters.Version {
	t.Helper()
	v, err := publish(t, lib, name, frames)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestForgettingAndCollectingGiveSpaceBack(t *testing.T) {
	ids, frames := storetest.Frames(t, 40, 41)
	lib := open(t, t.TempDir())
	old := published(t, lib, "m", frames[:30])
	kept := published(t, lib, "m", frames[25:])
	if _, err := lib.Forget(old.String(), "marie", nil); err != nil {
		t.Fatal(err)
	}
	before, err := lib.StoreStats(ctx, store.Work{})
	if err != nil || before.LiveChunks != 15 || before.OrphanChunks != 25 || before.MissingChunks != 0 {
		t.Errorf("StoreStats = %+v, %v", before, err)
	}
	for cycle, removed := range []bool{false, true} {
		c, err := lib.Collect(ctx, store.Work{})
		if err != nil || c.LiveChunks != 15 || (c.RemovedPacks > 0) != removed {
			t.Errorf("collection %d = %+v, %v", cycle+1, c, err)
		}
		prove(t, lib, kept)
	}
	after, err := lib.StoreStats(ctx, store.Work{})
	if err != nil || after.Bytes >= before.Bytes {
		t.Errorf("StoreStats = %+v, %v, before %+v", after, err, before)
	}
	var missing *store.NotFoundError
	if err := lib.Fetch(ctx, ids[:1], func(chunk.Frame) error { return nil }); !errors.As(err, &missing) {
		t.Errorf("Fetch of a forgotten chunk = %v", err)
	}
	if f, err := lib.Check(ctx, store.Work{}); err != nil || !f.Sound() || f.Versions != 1 {
		t.Errorf("Check = %+v, %v", f, err)
	}
	again := published(t, lib, "m", frames)
	prove(t, lib, again)
}

func TestNothingIsCollectedWhileAVersionCannotBeRead(t *testing.T) {
	_, frames := storetest.Frames(t, 20, 42)
	for _, file := range []string{"manifest", "signature.json"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			lib := open(t, dir)
			lost := published(t, lib, "m", frames[:10])
			kept := published(t, lib, "m", frames[10:])
			if err := lib.Close(); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "masters", "m", "000001", file)
			whole, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, whole[:len(whole)/2], 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			lib = open(t, dir)
			for range 3 {
				var uncountable *masters.UncountableError
				if _, err := lib.Collect(ctx, store.Work{}); !errors.As(err, &uncountable) || uncountable.Version != lost.String() {
					t.Errorf("Collect = %v, want *UncountableError of %s", err, lost)
				}
			}
			f, err := lib.Check(ctx, store.Work{})
			if err != nil || f.Sound() || len(f.Damaged) != 1 || f.Damaged[0].Version != lost.String() {
				t.Errorf("Check = %+v, %v", f, err)
			}
			if err := errors.Join(lib.Close(), os.WriteFile(path, whole, 0o600)); err != nil { // from a backup
				t.Fatal(err)
			}
			lib = open(t, dir)
			prove(t, lib, lost)
			prove(t, lib, kept)
			if _, err := lib.Collect(ctx, store.Work{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	ids, frames := storetest.Frames(t, 20, 43)
	dir := t.TempDir()
	lib := open(t, dir)
	v := published(t, lib, "m", frames)
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	first := filepath.Join(dir, "store", "0000000001.pack")
	content, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	content[16+100] ^= 1
	if err := os.WriteFile(first, content, 0o600); err != nil {
		t.Fatal(err)
	}
	lib = open(t, dir)
	if f, err := lib.Check(ctx, store.Work{}); err != nil || !f.Sound() {
		t.Errorf("Check, which reads no frames, = %+v, %v", f, err)
	}
	r, err := lib.Scrub(ctx, store.Scrub{Whole: true})
	if err != nil || len(r.Bad) != 1 || r.Bad[0].ID != ids[0] {
		t.Errorf("Scrub = %+v, %v", r, err)
	}
	f, err := lib.Check(ctx, store.Work{})
	if err != nil || len(f.Lacking) != 1 || f.Lacking[0] != (masters.Lacking{Version: v.String(), Chunks: 1, First: ids[0]}) {
		t.Errorf("Check = %+v, %v", f, err)
	}
	again := published(t, lib, "m", frames) // a capture heals the first version too
	prove(t, lib, v)
	prove(t, lib, again)
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if f, err = lib.Check(ctx, store.Work{}); err != nil || len(f.Packs) != 1 || len(f.Lacking) != 2 {
		t.Errorf("Check without a pack = %+v, %v", f, err)
	}
	if r, err := lib.RebuildIndex(ctx, store.Work{}); err != nil || r.Packs == 0 {
		t.Errorf("RebuildIndex = %+v, %v", r, err)
	}
}

// TestUpkeepWhileMastersComeAndGo lets the daemon's own work run without rest between captures, deployments and
// forgetting: every version that is there stays whole.
func TestUpkeepWhileMastersComeAndGo(t *testing.T) {
	_, frames := storetest.Frames(t, 40, 44)
	lib := open(t, t.TempDir())
	keep := published(t, lib, "m", frames[:10])
	running, stop := context.WithCancel(ctx)
	var work sync.WaitGroup
	var looks atomic.Int64
	work.Go(func() {
		err := lib.RunUpkeep(running, masters.Upkeep{Rate: 1 << 40, Every: time.Second, Sleep: func(ctx context.Context, _ time.Duration) error {
			looks.Add(1)
			return ctx.Err()
		}})
		if err != nil {
			t.Errorf("RunUpkeep = %v", err)
		}
	})
	var captures sync.WaitGroup
	for worker := range 2 {
		captures.Go(func() {
			name := fmt.Sprintf("m%d", worker)
			for i := range 8 {
				v := published(t, lib, name, frames[i*3:i*3+12])
				prove(t, lib, v)
				prove(t, lib, keep)
				if _, err := lib.Forget(v.String(), "marie", nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	captures.Wait()
	stop()
	work.Wait()
	if looks.Load() < 3 {
		t.Error("upkeep never looked")
	}
	for range 2 {
		if _, err := lib.Collect(ctx, store.Work{}); err != nil {
			t.Error(err)
		}
	}
	prove(t, lib, keep)
	if f, err := lib.Check(ctx, store.Work{}); err != nil || !f.Sound() || f.Versions != 1 {
		t.Errorf("Check = %+v, %v", f, err)
	}
}
