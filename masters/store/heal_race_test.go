package store_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// everything is all work on a store that may go on at once, besides captures.
func everything(ctx context.Context, t *testing.T, s *store.Store, ids []chunk.ID, all replica) []func() error {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	reader := rand.New(rand.NewPCG(91, 1))
	return []func() error{
		func() error {
			f, err := s.Get(ids[reader.IntN(len(ids))])
			var damaged *chunk.DamagedError
			var missing *store.NotFoundError
			if errors.As(err, &damaged) || errors.As(err, &missing) {
				return nil
			}
			if err == nil {
				_, err = codec.Open(nil, f)
			}
			return err
		},
		func() error {
			_, err := s.Collect(ctx, needs(ids...), store.Work{})
			return err
		},
		func() error {
			_, err := s.Recompress(ctx, 2, store.Work{})
			return err
		},
		func() error {
			_, err := s.Scrub(ctx, store.Scrub{Content: true, Healer: all, Needed: needs(ids...)})
			return err
		},
		func() error {
			_, failed, err := s.Heal(ctx, all, s.Lost(3))
			return errors.Join(failed, err)
		},
		func() error {
			_, err := s.CheckPacks(ctx, store.Work{})
			return err
		},
	}
}

// rot flips a bit of any pack, and tells whether there was one.
func rot(t *testing.T, d *storetest.Disk, random *rand.Rand) bool {
	t.Helper()
	names, err := d.FS().ReadDir("/")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join("/", names[random.IntN(len(names))])
	size := d.Size(name)
	return strings.HasSuffix(name, ".pack") && size > 0 && d.Flip(name, random.IntN(size)) == nil
}

// TestAMediumThatRotsBesideEverything flips bits of packs while captures, readers, collections, recompressions, scrubs
// with a replica, computers that give back and checks go on. Nobody may be given wrong content, and in the end nothing may
// be lost.
func TestAMediumThatRotsBesideEverything(t *testing.T) {
	ids, frames := storetest.Frames(t, 40, 91)
	all := replica{}
	for i, id := range ids {
		all[id] = frames[i]
	}
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	put(t, s, frames)
	ctx, stop := context.WithCancel(context.Background())
	var others sync.WaitGroup
	for _, work := range everything(ctx, t, s, ids, all) {
		others.Go(func() {
			for ctx.Err() == nil {
				if err := work(); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
			}
		})
	}
	random := rand.New(rand.NewPCG(91, 2))
	flipped, quarantined := 0, 0
	for range 150 {
		if rot(t, d, random) {
			flipped++
		}
		quarantined = max(quarantined, s.Stats().Quarantined)
		at := random.IntN(len(frames) - 4)
		put(t, s, frames[at:at+4])
	}
	stop()
	others.Wait()
	t.Logf("%d bits flipped, at most %d frames in quarantine", flipped, quarantined)
	if flipped == 0 || quarantined == 0 {
		t.Error("nothing was damaged")
	}
	scrub(t, s, store.Scrub{Content: true, Healer: all, Needed: needs(ids...)})
	storetest.Prove(t, s, ids)
	for range 2 {
		collect(t, s, needs(ids...))
	}
	if got := s.Stats(); got.Lost != 0 || got.Damaged != 0 {
		t.Errorf("Stats = %+v", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	storetest.Prove(t, s, ids)
}
