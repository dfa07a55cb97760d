package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

const smallPack = 300 << 10 // a few frames a pack, so that tests fill several

func open(t testing.TB, dir string, o store.Options) *store.Store {
	t.Helper()
	s, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s *store.Store, frames []chunk.Frame) {
	t.Helper()
	session := s.Begin()
	defer session.Close()
	if err := session.Put(context.Background(), frames); err != nil {
		t.Fatal(err)
	}
	if err := session.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestLocalStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) (storetest.Session, storetest.Source) {
		s := open(t, t.TempDir(), store.Options{PackSize: smallPack})
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
		return s.Begin(), s
	})
}

func TestIndexIsOnlyACache(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 1)
	for name, spoil := range map[string]func(t *testing.T, index string){
		"index as it was left": func(*testing.T, string) {},
		"index removed": func(t *testing.T, index string) {
			if err := os.Remove(index); err != nil {
				t.Fatal(err)
			}
		},
		"index cut short": func(t *testing.T, index string) {
			if err := os.Truncate(index, 100); err != nil {
				t.Fatal(err)
			}
		},
		"index with a flipped bit": func(t *testing.T, index string) { flip(t, index, 300) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, store.Options{PackSize: smallPack})
			put(t, s, frames)
			before := s.Stats()
			if before.Packs < 3 || before.Chunks != len(ids) {
				t.Fatalf("Stats = %+v, want several packs and %d chunks", before, len(ids))
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			spoil(t, filepath.Join(dir, "index"))
			s = open(t, dir, store.Options{})
			if got := s.Stats(); got != before {
				t.Errorf("Stats after opening again = %+v, want %+v", got, before)
			}
			storetest.Prove(t, s, ids)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, "index")); err != nil {
				t.Errorf("index after closing: %v", err)
			}
		})
	}
}

func TestIndexOfPacksThatAreGone(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 2)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "0000000001.pack")); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, store.Options{})
	_, err := s.Get(ids[0])
	var missing *store.NotFoundError
	if !errors.As(err, &missing) || missing.ID != ids[0] {
		t.Errorf("Get of a chunk whose pack is gone = %v, want *store.NotFoundError", err)
	}
	put(t, s, frames)
	storetest.Prove(t, s, ids)
}

func flip(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x10
	if _, err := f.WriteAt(b[:], offset); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestDamage(t *testing.T) {
	ids, frames := storetest.Frames(t, 6, 3)
	size := func(n int) (total int64) {
		for _, f := range frames[:n] {
			total += int64(f.Size())
		}
		return total + 16
	}
	for name, c := range map[string]struct {
		at    int64 // byte of the pack that is damaged
		keeps bool  // the index file
		lost  map[int]bool
		packs int // damaged as a whole
	}{
		"a byte of a payload":                                  {at: size(2) + 60, keeps: true, lost: map[int]bool{2: true}},
		"a byte of a frame's id":                               {at: size(2) + 20, keeps: true, lost: map[int]bool{2: true}},
		"a byte of the footer, without index":                  {at: size(6) + 50, packs: 1},
		"a byte of the trailer, without index":                 {at: size(6) + 6*44 + 3, packs: 1},
		"a byte of the preamble's magic, without index":        {at: 2, packs: 1},
		"a byte of the preamble's version, without index":      {at: 8, packs: 1},
		"a byte of a payload, found by content, without index": {at: size(4) + 70, lost: map[int]bool{4: true}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, store.Options{})
			put(t, s, frames)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			flip(t, filepath.Join(dir, "0000000001.pack"), c.at)
			if !c.keeps {
				if err := os.Remove(filepath.Join(dir, "index")); err != nil {
					t.Fatal(err)
				}
			}
			s = open(t, dir, store.Options{})
			if got := s.Damaged(); len(got) != c.packs {
				t.Errorf("Damaged = %v, want %d packs", got, c.packs)
			}
			for i, id := range ids {
				_, err := s.Get(id)
				var damaged *chunk.DamagedError
				var missing *store.NotFoundError
				named := errors.As(err, &damaged) && damaged.ID == id || errors.As(err, &missing) && missing.ID == id
				if (err != nil) != c.lost[i] || err != nil && !named {
					t.Errorf("Get(chunk %d) = %v, want lost: %v", i, err, c.lost[i])
				}
			}
		})
	}
}

func TestADamagedFrameIsHealedByTheNextCapture(t *testing.T) {
	ids, frames := storetest.Frames(t, 1, 9)
	for name, between := range map[string]func(t *testing.T, dir string){
		"index as it was left": func(*testing.T, string) {},
		"index lost after healing": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, "index")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, store.Options{})
			put(t, s, frames)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			flip(t, filepath.Join(dir, "0000000001.pack"), 100)
			s = open(t, dir, store.Options{})
			if _, err := s.Get(ids[0]); err == nil {
				t.Fatal("Get gives a damaged frame")
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, store.Options{})
			if wanted, err := s.Begin().Missing(context.Background(), ids); err != nil || !wanted[0] {
				t.Errorf("Missing = %v, %v, want the damaged chunk wanted", wanted, err)
			}
			put(t, s, frames)
			storetest.Prove(t, s, ids)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			between(t, dir)
			s = open(t, dir, store.Options{})
			storetest.Prove(t, s, ids)
		})
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	pack := append([]byte("ARDPACK0"), 9, 0, 0, 0, 0, 0, 0, 0)
	if err := os.WriteFile(filepath.Join(dir, "0000000001.pack"), pack, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(dir, store.Options{})
	var other *store.FormatError
	if !errors.As(err, &other) || other.Version != 9 || other.Pack != 1 {
		t.Errorf("Open = %v, want *store.FormatError of version 9", err)
	}
}

func TestNothingIsKnownBeforeItIsDurable(t *testing.T) {
	ids, frames := storetest.Frames(t, 2, 4)
	s := open(t, t.TempDir(), store.Options{})
	a, b := s.Begin(), s.Begin()
	ctx := context.Background()
	if err := a.Put(ctx, frames); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Has(ids[0]); ok {
		t.Error("Has = true before Flush")
	}
	wanted, err := b.Missing(ctx, ids)
	if err != nil || wanted[0] || wanted[1] {
		t.Errorf("Missing of another session = %v, %v, want nothing wanted twice", wanted, err)
	}
	if err := b.Flush(ctx); err != nil { // b counts on what a has put: its Flush must make that durable
		t.Fatal(err)
	}
	if _, ok := s.Has(ids[0]); !ok {
		t.Error("Has = false after the Flush of a session that counts on the chunk")
	}
	if got := b.Added(); got.Frames != 0 {
		t.Errorf("Added of a session that put nothing = %+v", got)
	}
	if got := a.Added(); got.Frames != 2 || got.Bytes != int64(frames[0].Size()+frames[1].Size()) {
		t.Errorf("Added = %+v, want both frames", got)
	}
}

func TestManySessionsAndReadersAtOnce(t *testing.T) {
	ids, frames := storetest.Frames(t, 60, 5)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			session := s.Begin()
			defer session.Close()
			ctx := context.Background()
			for i := range frames {
				at := (i + worker*15) % len(frames)
				if err := session.Put(ctx, frames[at:at+1]); err != nil {
					t.Error(err)
				}
				if _, ok := s.Has(ids[i]); ok {
					storetest.Prove(t, s, ids[i:i+1])
				}
			}
			if err := session.Flush(ctx); err != nil {
				t.Error(err)
			}
			storetest.Prove(t, s, ids)
		})
	}
	all.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, store.Options{})
	var want int64
	for _, f := range frames {
		want += int64(f.Size() + 44)
	}
	got := s.Stats()
	if want += int64(got.Packs) * 80; got.Bytes != want {
		t.Errorf("the store holds %d bytes, want %d: every frame once", got.Bytes, want)
	}
}

// work puts frames in two sessions and tells which of them were durable when the power went.
func work(d *storetest.Disk, frames []chunk.Frame) (durable []chunk.ID, err error) {
	s, err := store.Open("/", store.Options{FS: d.FS(), PackSize: smallPack})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	half := len(frames) / 2
	for _, part := range [][]chunk.Frame{frames[:half], frames[half:]} {
		session := s.Begin()
		defer session.Close()
		for i := range part {
			if err := session.Put(ctx, part[i:i+1]); err != nil {
				return durable, err
			}
		}
		if err := session.Flush(ctx); err != nil {
			return durable, err
		}
		for _, f := range part {
			durable = append(durable, f.ID)
		}
	}
	return durable, s.Close()
}

func TestPowerCutAfterEveryOperation(t *testing.T) {
	ids, frames := storetest.Frames(t, 8, 6)
	whole := storetest.NewDisk()
	if _, err := work(whole, frames); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations, %d kinds of cut", whole.Ops(), len(storetest.Kinds()))
	for _, kind := range storetest.Kinds() {
		for n := range whole.Ops() {
			t.Run(fmt.Sprintf("%s, after operation %d", kind, n), func(t *testing.T) {
				d := storetest.NewDisk()
				d.CutAfter(n)
				kept, err := work(d, frames)
				if !errors.Is(err, storetest.ErrPowerCut) {
					t.Fatalf("work = %v, want a power cut", err)
				}
				d.Restart(kind)
				s := open(t, "/", store.Options{FS: d.FS()})
				storetest.Prove(t, s, kept)
				for _, id := range ids {
					if _, known := s.Has(id); known {
						storetest.Prove(t, s, []chunk.ID{id})
					}
				}
				if got := s.Damaged(); len(got) != 0 {
					t.Errorf("Damaged = %v", got)
				}
				if again, err := work(d, frames); err != nil || len(again) != len(ids) {
					t.Errorf("the same work again = %d chunks, %v", len(again), err)
				}
			})
		}
	}
}

func TestFullDiskAtEveryOperation(t *testing.T) {
	_, frames := storetest.Frames(t, 8, 8)
	whole := storetest.NewDisk()
	if _, err := work(whole, frames); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Ops() {
		d := storetest.NewDisk()
		d.FailAt(n, syscall.ENOSPC)
		kept, err := work(d, frames)
		if err == nil && len(kept) != len(frames) || err != nil && !errors.Is(err, syscall.ENOSPC) { // an index is written again
			t.Errorf("operation %d fails: work = %d chunks, %v, want ENOSPC", n, len(kept), err)
		}
		s := open(t, "/", store.Options{FS: d.FS()})
		storetest.Prove(t, s, kept)
		put(t, s, frames)
		for _, f := range frames {
			storetest.Prove(t, s, []chunk.ID{f.ID})
		}
	}
}
