package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// TestAMediumThatDoesNotReadAnyPartOfAPack lets the medium refuse some bytes, anywhere in a pack, from before the store is
// opened. The rest is served, what is lost is named, and no work comes to a stop at it.
func TestAMediumThatDoesNotReadAnyPartOfAPack(t *testing.T) {
	t.Parallel()
	ids, frames := storetest.Frames(t, 10, 83)
	others, more := storetest.Frames(t, 3, 81)
	whole := smallStore(t, frames)
	s := open(t, "/", store.Options{FS: whole.FS()})
	put(t, s, more) // a second pack, which is sound
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	all := replica{}
	ends := []int{16}
	for i, id := range ids {
		all[id] = frames[i]
		ends = append(ends, ends[i]+frames[i].Size())
	}
	const sector = 4096 // what cannot be read of a pack that nobody knows is given up in such parts
	size := whole.Size(onlyPack)
	for _, index := range []string{"with", "without"} {
		for at := 0; at < size; at += 8191 { // the beginnings and ends of all parts, in turn
			at = min(at, size-20)
			if size-at < 8191 {
				at = size - 20 // the trailer
			}
			t.Run(fmt.Sprintf("%s index, byte %d", index, at), func(t *testing.T) {
				most := 0
				for i := range frames {
					if ends[i] < (at+16+sector)/sector*sector && at/sector*sector < ends[i+1] {
						most++
					}
				}
				d := whole.Clone()
				if index == "without" {
					if err := errors.Join(d.FS().Remove("/index"), d.FS().SyncDir("/")); err != nil {
						t.Fatal(err)
					}
				}
				if err := d.Rot(onlyPack, at, at+16); err != nil {
					t.Fatal(err)
				}
				s := open(t, "/", store.Options{FS: d.FS()})
				storetest.Prove(t, s, others)
				for _, id := range ids {
					var damaged *chunk.DamagedError
					var missing *store.NotFoundError
					if _, err := s.Get(id); err != nil && !errors.As(err, &damaged) && !errors.As(err, &missing) {
						t.Errorf("Get = %v", err)
					}
				}
				if lost := lostOf(t, s, ids); lost > most {
					t.Errorf("%d chunks are lost, want at most %d", lost, most)
				}
				r := scrub(t, s, store.Scrub{})
				if r.Packs != 2 || len(s.Quarantine())+len(s.Damaged()) == 0 {
					t.Errorf("Scrub = %+v, want both packs read and the damage named", r)
				}
				if _, err := s.Rebuild(context.Background(), store.Work{}); err != nil {
					t.Errorf("Rebuild = %v", err)
				}
				if _, err := s.Recompress(context.Background(), 5, store.Work{}); err != nil {
					t.Errorf("Recompress = %v", err)
				}
				scrub(t, s, store.Scrub{Healer: all, Needed: needs(ids...)})
				for range 2 {
					collect(t, s, needs(append(ids[:len(ids):len(ids)], others...)...))
				}
				storetest.Prove(t, s, append(ids[:len(ids):len(ids)], others...))
			})
		}
	}
}

// TestAReaderGetsTheNeighboursOfWhatCannotBeRead reads many frames at once, of which the medium refuses one.
func TestAReaderGetsTheNeighboursOfWhatCannotBeRead(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	second := 16 + frames[0].Size()
	if err := d.Rot(onlyPack, second+3, second+4); err != nil {
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: d.FS()})
	var got []chunk.ID
	err := s.Fetch(context.Background(), ids, func(f chunk.Frame) error {
		got = append(got, f.ID)
		return nil
	})
	var damaged *chunk.DamagedError
	if !errors.As(err, &damaged) || damaged.ID != ids[1] || len(got) != 1 {
		t.Errorf("Fetch = %v after %v, want the second chunk named", err, got)
	}
	storetest.Prove(t, s, []chunk.ID{ids[0], ids[2]})
	if bad := s.Quarantine(); len(bad) != 1 || bad[0].ID != ids[1] {
		t.Errorf("Quarantine = %+v", bad)
	}
}

// unopened is a file system on which the medium refuses to open one file.
type unopened struct {
	durable.Files
	end string
}

// Open implements durable.Files.
func (u unopened) Open(name string) (durable.File, error) {
	if strings.HasSuffix(name, u.end) {
		return nil, syscall.EIO
	}
	return u.Files.Open(name)
}

func TestAPackThatCannotEvenBeOpened(t *testing.T) {
	ids, frames := storetest.Frames(t, 30, 82)
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files := d.FS()
	files.Files = unopened{files.Files, onlyPack}
	s = open(t, "/", store.Options{FS: files, PackSize: smallPack})
	var pack *store.PackError
	if bad := s.Damaged(); len(bad) != 1 || !errors.As(bad[0], &pack) || pack.Pack != 1 {
		t.Errorf("Damaged = %v, want the first pack", bad)
	}
	if lost := lostOf(t, s, ids); lost == 0 || lost == len(ids) {
		t.Errorf("%d of %d chunks are lost", lost, len(ids))
	}
	put(t, s, frames)
	storetest.Prove(t, s, ids)
	if r := scrub(t, s, store.Scrub{Content: true}); len(r.Bad) != 0 {
		t.Errorf("Scrub = %+v", r)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack}) // the medium has come back
	storetest.Prove(t, s, ids)
	collect(t, s, needs(ids...))
	storetest.Prove(t, s, ids)
}
