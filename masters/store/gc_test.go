package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// needs names chunks that are needed.
func needs(ids ...chunk.ID) store.Live {
	return func(_ context.Context, yield func(chunk.ID) error) error {
		for _, id := range ids {
			if err := yield(id); err != nil {
				return err
			}
		}
		return nil
	}
}

func collect(t testing.TB, s *store.Store, live store.Live) store.Collected {
	t.Helper()
	c, err := s.Collect(context.Background(), live, store.Work{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone fails the test unless none of the chunks is in the store.
func gone(t testing.TB, s *store.Store, ids []chunk.ID) {
	t.Helper()
	for _, id := range ids {
		var missing *store.NotFoundError
		if _, err := s.Get(id); !errors.As(err, &missing) {
			t.Errorf("Get of a chunk that was collected = %v, want *store.NotFoundError", err)
		}
	}
}

// every returns each n-th of list, and the others.
func every[T any](n int, list []T) (some, others []T) {
	for i, x := range list {
		if i%n == 0 {
			some = append(some, x)
		} else {
			others = append(others, x)
		}
	}
	return some, others
}

func folderSize(t testing.TB, dir string) (total int64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && filepath.Ext(e.Name()) == ".pack" {
			total += info.Size()
		}
	}
	return total
}

func TestCollectRemovesWhatTwoCyclesDoNotNeed(t *testing.T) {
	ids, frames := storetest.Frames(t, 60, 11)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames)
	live, dead := every(3, ids)
	before := folderSize(t, dir)
	first := collect(t, s, needs(live...))
	if first.LiveChunks != len(live) || first.WaitingChunks != len(dead) || first.DeadChunks != 0 || first.RemovedPacks != 0 {
		t.Errorf("the first collection = %+v", first)
	}
	storetest.Prove(t, s, ids)
	if err := s.Close(); err != nil { // two cycles count across restarts
		t.Fatal(err)
	}
	s = open(t, dir, store.Options{PackSize: smallPack})
	second := collect(t, s, needs(live...))
	if second.LiveChunks != len(live) || second.DeadChunks != len(dead) || second.RemovedPacks == 0 ||
		second.FreedBytes != before-folderSize(t, dir) {
		t.Errorf("the second collection = %+v, the folder shrank by %d", second, before-folderSize(t, dir))
	}
	storetest.Prove(t, s, live)
	for range 2 {
		if got := s.Stats(); got.Bytes != folderSize(t, dir) || got.Chunks >= len(ids) {
			t.Errorf("Stats = %+v, the folder has %d bytes", got, folderSize(t, dir))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir, store.Options{PackSize: smallPack})
		storetest.Prove(t, s, live)
	}
	put(t, s, frames) // what was collected is stored again
	storetest.Prove(t, s, ids)
}

func TestAPackOfNothingNeededGoesWhole(t *testing.T) {
	ids, frames := storetest.Frames(t, 40, 12)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames[:39])
	put(t, s, frames[39:]) // the newest pack stays, whatever it holds
	collect(t, s, needs())
	if c := collect(t, s, needs()); c.MovedBytes != 0 || c.RemovedPacks == 0 || s.Stats().Packs != 1 {
		t.Errorf("collected %+v, left %+v", c, s.Stats())
	}
	gone(t, s, ids)
	put(t, s, frames[:1])
	if s.Stats().Packs != 2 {
		t.Error("the number of a pack was given twice")
	}
}

func TestAPackThatIsMostlyNeededStays(t *testing.T) {
	ids, frames := storetest.Frames(t, 20, 13)
	s := open(t, t.TempDir(), store.Options{})
	put(t, s, frames)
	put(t, s, frames[:0])
	live, dead := append(ids[:18:18], ids[19]), ids[18:19]
	collect(t, s, needs(live...))
	c := collect(t, s, needs(live...))
	if c.DeadChunks != 1 || c.RewrittenPacks != 0 {
		t.Errorf("collected %+v, want one dead chunk that stays", c)
	}
	storetest.Prove(t, s, dead)
}

func TestWhatASessionIsToldStaysUntilItEnds(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 14)
	ctx := context.Background()
	ask := func(t *testing.T, n *store.Session) {
		if wanted, err := n.Missing(ctx, ids[5:10]); err != nil || wanted[0] {
			t.Errorf("Missing = %v, %v", wanted, err)
		}
	}
	for name, run := range map[string]func(t *testing.T, s *store.Store){
		"asked between the cycles": func(t *testing.T, s *store.Store) {
			collect(t, s, needs())
			n := s.Begin()
			ask(t, n)
			n.Close() // a capture that went away: what it asked for has a cycle more
			collect(t, s, needs())
		},
		"asked before the cycles and still open": func(t *testing.T, s *store.Store) {
			n := s.Begin()
			ask(t, n)
			for range 4 {
				collect(t, s, needs())
			}
		},
		"asked while the needed are named, and ended before they are removed": func(t *testing.T, s *store.Store) {
			collect(t, s, needs())
			collect(t, s, func(context.Context, func(chunk.ID) error) error {
				n := s.Begin()
				ask(t, n)
				n.Close()
				return nil
			})
		},
		"published after the needed were named": func(t *testing.T, s *store.Store) {
			n := s.Begin()
			ask(t, n)
			collect(t, s, needs())
			collect(t, s, func(context.Context, func(chunk.ID) error) error {
				n.Close() // it has published between our looking at the masters and now
				return nil
			})
			collect(t, s, needs(ids[5:10]...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, t.TempDir(), store.Options{PackSize: smallPack})
			put(t, s, frames)
			run(t, s)
			storetest.Prove(t, s, ids[5:10])
		})
	}
}

// What an open session has put is not pinned, nor what others put meanwhile: their packs are left alone as a whole.
func TestWhatIsYoungerThanASessionStaysUntilItEnds(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 19)
	ctx := context.Background()
	s := open(t, t.TempDir(), store.Options{PackSize: smallPack})
	n := s.Begin()
	if err := errors.Join(n.Put(ctx, frames[:10]), n.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	put(t, s, frames[10:20]) // by another session, which ends
	if wanted, err := n.Missing(ctx, ids[10:20]); err != nil || slices.Contains(wanted, true) {
		t.Fatalf("Missing = %v, %v", wanted, err)
	}
	if err := n.Put(ctx, frames[20:]); err != nil { // not durable yet
		t.Fatal(err)
	}
	for range 4 {
		collect(t, s, needs())
	}
	if err := n.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, ok := s.Has(id); !ok {
			t.Errorf("chunk %s of an open session is gone", id)
		}
	}
	collect(t, s, func(context.Context, func(chunk.ID) error) error {
		n.Close() // it has published between our looking at the masters and now
		return nil
	})
	for range 3 {
		collect(t, s, needs(ids...))
	}
	storetest.Prove(t, s, ids)
	for range 3 {
		collect(t, s, needs())
	}
	put(t, s, frames[:1]) // the newest pack stays
	for range 2 {
		collect(t, s, needs())
	}
	gone(t, s, ids[1:20])
}

func TestATombstoneThatIsAskedForLives(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 15)
	s := open(t, t.TempDir(), store.Options{})
	put(t, s, frames)
	put(t, s, frames[:0])
	for range 3 { // all but one chunk needed: the pack stays, that chunk is a tombstone
		collect(t, s, needs(ids[1:]...))
	}
	n := s.Begin()
	defer n.Close()
	if wanted, err := n.Missing(context.Background(), ids[:1]); err != nil || wanted[0] {
		t.Errorf("Missing of a tombstone = %v, %v, want it here", wanted, err)
	}
	for range 3 {
		collect(t, s, needs())
	}
	storetest.Prove(t, s, ids[:1])
}

func TestPacksOfAnOpenSessionAreNotTouched(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 16)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	n := s.Begin()
	put(t, s, frames) // by another session, which ends
	for range 3 {
		if c := collect(t, s, needs(ids[:3]...)); c.RewrittenPacks != 0 {
			t.Errorf("collected %+v from packs younger than an open session", c)
		}
	}
	n.Close()
	if c := collect(t, s, needs(ids[:3]...)); c.RewrittenPacks == 0 {
		t.Errorf("collected %+v once the session has ended", c)
	}
	storetest.Prove(t, s, ids[:3])
}

func TestACollectionThatCannotNameAllRemovesNothing(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 17)
	s := open(t, t.TempDir(), store.Options{PackSize: smallPack})
	put(t, s, frames)
	wrong := errors.New("a manifest is damaged")
	for range 5 {
		_, err := s.Collect(context.Background(), func(_ context.Context, yield func(chunk.ID) error) error {
			return errors.Join(yield(ids[0]), wrong)
		}, store.Work{})
		if !errors.Is(err, wrong) {
			t.Errorf("Collect = %v", err)
		}
	}
	if c := collect(t, s, needs(ids[0])); c.DeadChunks != 0 {
		t.Errorf("cycles that failed count: %+v", c)
	}
	storetest.Prove(t, s, ids)
}

// powerStore is a disk with a store of several packs, of which two thirds are needed by nothing for a cycle.
func powerStore(t testing.TB, ids []chunk.ID, frames []chunk.Frame) (*storetest.Disk, []chunk.ID) {
	t.Helper()
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	put(t, s, frames)
	live, _ := every(3, ids)
	collect(t, s, needs(live...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d, live
}

// upkeeps are all works that write to a store.
func upkeeps(live []chunk.ID, frames []chunk.Frame) map[string]func(s *store.Store) error {
	ctx := context.Background()
	return map[string]func(s *store.Store) error{
		"collecting": func(s *store.Store) error {
			_, err := s.Collect(ctx, needs(live...), store.Work{})
			return err
		},
		"collecting while a capture puts": func(s *store.Store) error {
			n := s.Begin()
			defer n.Close()
			_, err := s.Collect(ctx, func(ctx context.Context, yield func(chunk.ID) error) error {
				return errors.Join(needs(live...)(ctx, yield), n.Put(ctx, frames[:4]))
			}, store.Work{})
			return errors.Join(err, n.Flush(ctx))
		},
		"recompressing": func(s *store.Store) error {
			_, err := s.Recompress(ctx, 3, store.Work{})
			return err
		},
		"rebuilding the index": func(s *store.Store) error {
			_, err := s.Rebuild(ctx, store.Work{})
			return err
		},
		"scrubbing": func(s *store.Store) error {
			_, err := s.Scrub(ctx, store.Scrub{Content: true})
			return err
		},
	}
}

func TestPowerCutAtEveryOperationOfUpkeep(t *testing.T) {
	t.Parallel()
	ids, frames := storetest.Frames(t, 18, 18)
	whole, live := powerStore(t, ids, frames)
	for name, work := range upkeeps(live, frames) {
		t.Run(name, func(t *testing.T) {
			proof := whole.Clone()
			s := open(t, "/", store.Options{FS: proof.FS(), PackSize: smallPack})
			before := proof.Ops()
			if err := work(s); err != nil {
				t.Fatal(err)
			}
			ops := proof.Ops() - before
			t.Logf("%d operations", ops)
			for _, kind := range storetest.Kinds() {
				for n := range ops {
					d := whole.Clone()
					s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
					d.CutAfter(n)
					if err := work(s); !errors.Is(err, storetest.ErrPowerCut) {
						t.Errorf("%s, after operation %d: %v, want a power cut", kind, n, err)
					}
					d.Restart(kind)
					afterUpkeep(t, d, live, frames, fmt.Sprintf("%s, after operation %d", kind, n))
				}
			}
		})
	}
}

// afterUpkeep proves the invariants of a store whose upkeep was cut off or failed.
func afterUpkeep(t *testing.T, d *storetest.Disk, live []chunk.ID, frames []chunk.Frame, when string) {
	t.Helper()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	storetest.Prove(t, s, live)
	if got := s.Damaged(); len(got) != 0 || len(s.Quarantine()) != 0 {
		t.Errorf("%s: damaged are %v, %v", when, got, s.Quarantine())
	}
	for _, f := range frames {
		if _, known := s.Has(f.ID); known {
			storetest.Prove(t, s, []chunk.ID{f.ID})
		}
	}
	for range 2 {
		collect(t, s, needs(live...))
	}
	storetest.Prove(t, s, live)
	put(t, s, frames)
	for _, f := range frames {
		storetest.Prove(t, s, []chunk.ID{f.ID})
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: %v", when, err)
	}
	if t.Failed() {
		t.Fatalf("%s", when)
	}
}

func TestFullDiskAtEveryOperationOfUpkeep(t *testing.T) {
	t.Parallel()
	ids, frames := storetest.Frames(t, 18, 19)
	whole, live := powerStore(t, ids, frames)
	for name, work := range upkeeps(live, frames) {
		t.Run(name, func(t *testing.T) {
			proof := whole.Clone()
			s := open(t, "/", store.Options{FS: proof.FS(), PackSize: smallPack})
			before := proof.Ops()
			if err := work(s); err != nil {
				t.Fatal(err)
			}
			for n := range proof.Ops() - before {
				d := whole.Clone()
				s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
				d.FailAt(n, syscall.ENOSPC)
				if err := work(s); err != nil && !errors.Is(err, syscall.ENOSPC) {
					t.Errorf("operation %d fails: %v", n, err)
				}
				storetest.Prove(t, s, live)
				if err := work(s); err != nil { // with room again, the same store goes on
					t.Errorf("operation %d failed, then: %v", n, err)
				}
				storetest.Prove(t, s, live)
				d.Restart(storetest.LoseUnsynced)
				afterUpkeep(t, d, live, frames, fmt.Sprintf("operation %d failed", n))
			}
		})
	}
}
