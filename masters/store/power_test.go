package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// patient is a work on a store that something is wrong with: how it came so, and what is done then.
type patient struct {
	name  string
	spoil func(t *testing.T, d *storetest.Disk) // after it, the store is closed and the disk has power
	work  func(s *store.Store) error
}

// sickbed is a disk with a store in which a third of the chunks are needed.
type sickbed struct {
	whole  *storetest.Disk
	live   []chunk.ID // what is needed, the first of them at the beginning of the first pack
	frames []chunk.Frame
	all    replica       // of every frame
	more   []chunk.Frame // that are not here
}

func newSickbed(t *testing.T, seed uint64) sickbed {
	t.Helper()
	ids, frames := storetest.Frames(t, 12, seed)
	b := sickbed{frames: frames, all: replica{}}
	b.whole, b.live = powerStore(t, ids, frames)
	for i, id := range ids {
		b.all[id] = frames[i]
	}
	_, b.more = storetest.Frames(t, 4, seed+1000)
	return b
}

// patients are the works that quarantine, heal and clear away, and those that only write what can be found again.
func (b sickbed) patients() []patient {
	ctx, live, all := context.Background(), b.live, b.all
	flip := func(t *testing.T, d *storetest.Disk) {
		t.Helper()
		if err := d.Flip(onlyPack, 16+57); err != nil {
			t.Fatal(err)
		}
	}
	scrubbed := func(o store.Scrub) func(t *testing.T, d *storetest.Disk) {
		return func(t *testing.T, d *storetest.Disk) {
			flip(t, d)
			s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
			scrub(t, s, o)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	crowd := func(left int) func(t *testing.T, d *storetest.Disk) {
		return func(_ *testing.T, d *storetest.Disk) { d.Room(d.Used() + left) }
	}
	run := func(o store.Scrub) func(s *store.Store) error {
		o.Whole = true
		return func(s *store.Store) error {
			_, err := s.Scrub(ctx, o)
			return err
		}
	}
	gc := func(s *store.Store) error {
		for range 2 {
			if _, err := s.Collect(ctx, needs(live...), store.Work{}); err != nil {
				return err
			}
		}
		return nil
	}
	capture := func(s *store.Store) error {
		n := s.Begin()
		defer n.Close()
		return errors.Join(n.Put(ctx, b.frames), n.Flush(ctx))
	}
	return []patient{
		{"quarantining what a reader found", flip, func(s *store.Store) error {
			_, err := s.Get(live[0])
			var damaged *chunk.DamagedError
			if errors.As(err, &damaged) { // told, whether or not it could be written down
				return nil
			}
			return err
		}},
		{"quarantining what a scrub found", flip, run(store.Scrub{})},
		{"healing in the scrub that found it", flip, run(store.Scrub{Healer: all, Needed: needs(live...)})},
		{"healing what is in quarantine", scrubbed(store.Scrub{}), run(store.Scrub{Healer: all})},
		{"healing by a capture", scrubbed(store.Scrub{}), capture},
		{"letting out of quarantine", func(t *testing.T, d *storetest.Disk) {
			scrubbed(store.Scrub{})(t, d)
			flip(t, d) // as it was
		}, run(store.Scrub{Content: true})},
		{"healing a pack that is gone", func(t *testing.T, d *storetest.Disk) {
			if err := errors.Join(d.FS().Remove(onlyPack), d.FS().SyncDir("/")); err != nil {
				t.Fatal(err)
			}
		}, run(store.Scrub{Healer: all, Needed: needs(live...)})},
		{"removing packs with frames in quarantine", scrubbed(store.Scrub{Healer: all}), gc},
		{"keeping a pack with a frame that is nowhere else", scrubbed(store.Scrub{}), gc},
		{"rewriting a pack cut short", func(t *testing.T, d *storetest.Disk) {
			if err := d.Truncate(onlyPack, d.Size(onlyPack)-1); err != nil {
				t.Fatal(err)
			}
		}, gc},
		{"collecting with room for a pack or two", crowd(smallPack + 64<<10), gc},
		{"collecting on a full disk", crowd(0), gc},
		{"rebuilding the index around what is damaged", scrubbed(store.Scrub{}), func(s *store.Store) error {
			_, err := s.Rebuild(ctx, store.Work{})
			return err
		}},
		{"recompressing around what is damaged", flip, func(s *store.Store) error {
			_, err := s.Recompress(ctx, 3, store.Work{})
			return err
		}},
		{"writing the index while it runs, and closing", func(*testing.T, *storetest.Disk) {}, func(s *store.Store) error {
			n := s.Begin()
			defer n.Close()
			if err := n.Put(ctx, b.more); err != nil {
				return err
			}
			return errors.Join(s.Checkpoint(), s.Close()) // what was put and not flushed is kept, too
		}},
	}
}

// recovers proves the invariants of a damaged store whose work was cut off or failed: what was sound is served, what was
// damaged is right or lost and never wrong, and a scrub with a replica makes all of it whole for good.
func (b sickbed) recovers(t *testing.T, d *storetest.Disk, when string) {
	t.Helper()
	live, all := b.live, b.all
	d.Room(-1)
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	for _, err := range s.Damaged() {
		if strings.Contains(err.Error(), "damaged frames") {
			t.Errorf("%s: the quarantine is torn: %v", when, err)
		}
	}
	inFirst := 0
	for _, id := range live {
		_, err := s.Get(id)
		var damaged *chunk.DamagedError
		var missing *store.NotFoundError
		switch {
		case err == nil:
			storetest.Prove(t, s, []chunk.ID{id})
		case errors.As(err, &damaged), errors.As(err, &missing):
			inFirst++
		default:
			t.Errorf("%s: Get = %v", when, err)
		}
	}
	if inFirst > 1 && d.Size(onlyPack) > 0 { // one byte was damaged, in a pack that is there
		t.Errorf("%s: %d chunks are lost", when, inFirst)
	}
	if r := scrub(t, s, store.Scrub{Healer: all, Needed: needs(live...), Content: true}); s.Stats().Lost != 0 {
		t.Errorf("%s: not healed: %+v, %+v", when, r, s.Stats())
	}
	storetest.Prove(t, s, live)
	for range 2 {
		collect(t, s, needs(live...))
	}
	if err := s.Close(); err != nil {
		t.Errorf("%s: %v", when, err)
	}
	s = open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	storetest.Prove(t, s, live)
	if t.Failed() {
		t.Fatalf("%s", when)
	}
}

// operations counts what a work changes on the disk.
func operations(t *testing.T, p patient, whole *storetest.Disk) int {
	t.Helper()
	d := whole.Clone()
	p.spoil(t, d)
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	before := d.Ops()
	if err := p.work(s); err != nil {
		t.Fatal(err)
	}
	ops := d.Ops() - before
	if ops == 0 {
		t.Fatal("this work writes nothing")
	}
	t.Logf("%d operations", ops)
	return ops
}

func TestPowerCutWhileADamagedStoreIsTended(t *testing.T) {
	t.Parallel()
	b := newSickbed(t, 41)
	for _, p := range b.patients() {
		t.Run(p.name, func(t *testing.T) {
			ops := operations(t, p, b.whole)
			for _, kind := range storetest.Kinds() {
				for n := range ops {
					d := b.whole.Clone()
					p.spoil(t, d)
					s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
					d.CutAfter(n)
					if err := p.work(s); err != nil && !errors.Is(err, storetest.ErrPowerCut) {
						t.Errorf("%s, after operation %d: %v, want a power cut", kind, n, err)
					}
					d.Restart(kind)
					b.recovers(t, d, fmt.Sprintf("%s, after operation %d", kind, n))
				}
			}
		})
	}
}

func TestADiskThatFailsWhileADamagedStoreIsTended(t *testing.T) {
	t.Parallel()
	b := newSickbed(t, 42)
	for _, p := range b.patients() {
		t.Run(p.name, func(t *testing.T) {
			ops := operations(t, p, b.whole)
			for _, wrong := range []error{syscall.ENOSPC, syscall.EIO} {
				for n := range ops {
					d := b.whole.Clone()
					p.spoil(t, d)
					s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
					d.FailAt(n, wrong)
					if err := p.work(s); err != nil && !errors.Is(err, wrong) {
						t.Errorf("operation %d fails with %v: %v", n, wrong, err)
					}
					d.Restart(storetest.LoseUnsynced)
					b.recovers(t, d, fmt.Sprintf("operation %d fails with %v", n, wrong))
				}
			}
		})
	}
}

// TestPowerCutWhileOpening cuts off the only work of an open that writes: it clears away, and writes an index that is
// missing where many footers were read.
func TestPowerCutWhileOpening(t *testing.T) {
	t.Parallel()
	ids, frames := storetest.Frames(t, 70, 43)
	whole := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: whole.FS()})
	n := s.Begin()
	for i := range frames { // a pack each
		if err := errors.Join(n.Put(context.Background(), frames[i:i+1]), n.Flush(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
	n.Close()
	for _, left := range []string{"/0000000999.pack.tmp", "/index.tmp", "/quarantine.tmp"} {
		f, err := whole.FS().Create(left)
		if err == nil {
			_, err = f.Write([]byte("half"))
		}
		if err = errors.Join(err, f.Sync(), whole.FS().SyncDir("/")); err != nil {
			t.Fatal(err)
		}
	}
	proof := whole.Clone()
	open(t, "/", store.Options{FS: proof.FS()})
	if proof.Size("/index") < 0 || proof.Size("/index.tmp") >= 0 || proof.Size("/0000000999.pack.tmp") >= 0 {
		t.Fatal("opening leaves what a crash left, or writes no index")
	}
	t.Logf("%d operations", proof.Ops())
	for _, kind := range storetest.Kinds() {
		for n := range proof.Ops() {
			d := whole.Clone()
			d.CutAfter(n)
			if _, err := store.Open("/", store.Options{FS: d.FS()}); err != nil && !errors.Is(err, storetest.ErrPowerCut) {
				t.Errorf("%s, after operation %d: %v", kind, n, err)
			}
			d.Restart(kind)
			s := open(t, "/", store.Options{FS: d.FS()})
			storetest.Prove(t, s, ids)
			if got := s.Damaged(); len(got) != 0 || s.Stats().Chunks != len(ids) {
				t.Errorf("%s, after operation %d: damaged are %v, %+v", kind, n, got, s.Stats())
			}
		}
	}
}
