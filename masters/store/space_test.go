package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// fill puts frames, each made durable, until one is refused, and returns how many are kept and why no more.
func fill(t testing.TB, s *store.Store, frames []chunk.Frame) (kept int, err error) {
	t.Helper()
	n := s.Begin()
	defer n.Close()
	for i := range frames {
		if err = n.Put(context.Background(), frames[i:i+1]); err == nil {
			err = n.Flush(context.Background())
		}
		if err != nil {
			return i, err
		}
	}
	t.Fatal("everything fits: the disk is too large for this test")
	return 0, nil
}

// large are chunks that take their room: noise of 128 KiB and more.
func large(t testing.TB, n int, seed uint64) (ids []chunk.ID, frames []chunk.Frame) {
	t.Helper()
	allIDs, all := storetest.Frames(t, 8*n, seed)
	for i, f := range all {
		if f.Size() > 64<<10 {
			ids, frames = append(ids, allIDs[i]), append(frames, f)
		}
	}
	return ids, frames
}

func TestACaptureIsRefusedBeforeTheDiskIsFull(t *testing.T) {
	ids, frames := large(t, 60, 31)
	const room = 6 << 20
	d := storetest.NewDisk()
	d.Room(room)
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	kept, err := fill(t, s, frames)
	var full *store.SpaceError
	if !errors.As(err, &full) || !errors.Is(err, syscall.ENOSPC) || full.Lacking() <= 0 || full.Free != int64(room-d.Used()) {
		t.Fatalf("Put on a full disk = %v (%+v), want *store.SpaceError; %d of %d bytes are used", err, full, d.Used(), room)
	}
	if left := room - d.Used(); left < room/20 || left > room/2 {
		t.Errorf("%d of %d bytes are left free", left, room)
	}
	n := s.Begin()
	if _, err := n.Missing(context.Background(), ids[kept:kept+1]); err != nil {
		t.Errorf("Missing with the reserve untouched = %v", err)
	}
	d.Room(d.Used() + room/100) // somebody else has filled the disk
	if _, err := n.Missing(context.Background(), ids[kept-1:kept+1]); !errors.As(err, &full) {
		t.Errorf("Missing of what has no room = %v, want *store.SpaceError before it is sent", err)
	}
	if wanted, err := n.Missing(context.Background(), ids[:kept]); err != nil || wanted[0] {
		t.Errorf("Missing of what is here, on a full disk = %v", err)
	}
	n.Close()
	storetest.Prove(t, s, ids[:kept])
	d.Room(d.Used() + room/20) // what the reserve is for
	for range 2 {
		collect(t, s, needs(ids[:3]...))
	}
	d.Room(room)
	put(t, s, frames[kept:kept+3])
	storetest.Prove(t, s, append(ids[:3:3], ids[kept:kept+3]...))
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestCollectingWithLittleRoom collects on disks that have ever less room: nothing that is needed goes, what needs no
// room is freed always, and what was left is said.
func TestCollectingWithLittleRoom(t *testing.T) {
	ids, frames := large(t, 30, 32)
	var live []chunk.ID
	for i, id := range ids { // some packs go whole, some in part
		if i >= len(ids)/3 && i%2 == 0 {
			live = append(live, id)
		}
	}
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: 1 << 20})
	put(t, s, frames)
	put(t, s, frames[:0])
	collect(t, s, needs(live...))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, left := range []int{0, 1 << 20, 2 << 20, 1 << 30} {
		c := d.Clone()
		s := open(t, "/", store.Options{FS: c.FS(), PackSize: 1 << 20})
		c.Room(c.Used() + left)
		before := c.Used()
		got := collect(t, s, needs(live...))
		storetest.Prove(t, s, live)
		if got.RemovedPacks == 0 || c.Used() >= before {
			t.Errorf("%d bytes left: nothing was freed: %+v", left, got)
		}
		if (got.SkippedPacks > 0) != (got.LackingBytes > 0) || left == 1<<30 && got.SkippedPacks > 0 {
			t.Errorf("%d bytes left: %+v", left, got)
		}
		if freed := before - c.Used(); left == 1<<30 && freed < before/4 {
			t.Errorf("with all the room there is %d of %d bytes were freed", freed, before)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%d bytes left: %v", left, err)
		}
		c.Restart(storetest.LoseUnsynced)
		storetest.Prove(t, open(t, "/", store.Options{FS: c.FS()}), live)
	}
}

func TestWorkThatLacksRoomSaysSo(t *testing.T) {
	ids, frames := large(t, 10, 33)
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: 1 << 20})
	put(t, s, frames)
	d.Room(d.Used())
	r, err := s.Recompress(context.Background(), 3, store.Work{})
	if err != nil || r.Packs != 0 || r.SkippedPacks != s.Stats().Packs || r.LackingBytes <= 0 {
		t.Errorf("Recompress on a full disk = %+v, %v, want every pack left", r, err)
	}
	some, _ := every(2, ids)
	for range 2 {
		c := collect(t, s, needs(some...))
		if c.DeadChunks > 0 && (c.SkippedPacks == 0 || c.LackingBytes <= 0) {
			t.Errorf("Collect on a full disk, nothing of it dead as a whole = %+v, want packs left", c)
		}
	}
	storetest.Prove(t, s, ids)
	d.Room(d.Used() + int(r.LackingBytes) + 1<<20) // as was said
	if r, err := s.Recompress(context.Background(), 3, store.Work{}); err != nil || r.Packs == 0 {
		t.Errorf("Recompress with the room that was lacking = %+v, %v", r, err)
	}
}

// TestAFullFileSystem is a full disk as the kernel has it, with and without somebody who warns of it.
func TestAFullFileSystem(t *testing.T) {
	for name, warned := range map[string]bool{"that says how full it is": true, "that says so too late": false} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(storetest.Tmpfs(t, 24<<20), "store")
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			ids, frames := large(t, 100, 34)
			fs := durable.OS()
			if !warned {
				fs.Space = nil
			}
			o := store.Options{FS: fs, PackSize: 1 << 20}
			s := open(t, dir, o)
			kept, err := fill(t, s, frames)
			var early *store.SpaceError
			if !errors.Is(err, syscall.ENOSPC) || errors.As(err, &early) != warned {
				t.Fatalf("the disk is full: %v", err)
			}
			storetest.Prove(t, s, ids[:kept])
			if err := errors.Join(s.Checkpoint(), os.WriteFile(filepath.Join(dir, "..", "other"), make([]byte, 24<<20), 0o600)); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("somebody fills the rest: %v", err)
			}
			live := append([]chunk.ID(nil), ids[kept/2:kept]...)
			for range 2 { // not one byte is free
				collect(t, s, needs(live...))
				storetest.Prove(t, s, live)
			}
			put(t, s, frames[kept:kept+4])
			storetest.Prove(t, s, append(live, ids[kept:kept+4]...))
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			s = open(t, dir, o)
			storetest.Prove(t, s, append(live, ids[kept:kept+4]...))
			if got := s.Damaged(); len(got) != 0 {
				t.Errorf("Damaged = %v", got)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAFolderMountedReadOnly(t *testing.T) {
	ids, frames := storetest.Frames(t, 12, 35)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"index", "scrub"} { // at last the footers must do
		s = open(t, storetest.ReadOnly(t, dir), store.Options{PackSize: smallPack})
		storetest.Prove(t, s, ids)
		n := s.Begin()
		other, _ := storetest.Frames(t, 1, 36)
		_, more := storetest.Frames(t, 1, 36)
		if err := n.Put(context.Background(), more); !errors.Is(err, syscall.EROFS) {
			t.Errorf("Put = %v, want EROFS", err)
		}
		n.Close()
		if _, known := s.Has(other[0]); known {
			t.Error("a read-only folder took a frame")
		}
		if _, err := s.Collect(context.Background(), needs(ids...), store.Work{}); !errors.Is(err, syscall.EROFS) {
			t.Errorf("Collect = %v, want EROFS", err)
		}
		if _, err := s.Scrub(context.Background(), store.Scrub{Whole: true}); !errors.Is(err, syscall.EROFS) {
			t.Errorf("Scrub = %v, want EROFS", err)
		}
		storetest.Prove(t, s, ids)
		if err := os.Remove(filepath.Join(dir, index)); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}
