package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// replica is a healer that has some frames.
type replica map[chunk.ID]chunk.Frame

func (r replica) Heal(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for _, id := range ids {
		if f, ok := r[id]; ok {
			if err := yield(f); err != nil {
				return err
			}
		}
	}
	return nil
}

func scrub(t testing.TB, s *store.Store, o store.Scrub) store.Scrubbed {
	t.Helper()
	o.Whole = true
	r, err := s.Scrub(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// short are frames of few bytes, so that every byte can be tried.
func short(t testing.TB) ([]chunk.ID, []chunk.Frame) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var ids []chunk.ID
	var frames []chunk.Frame
	for _, content := range []string{"one", strings.Repeat("two ", 20), "the third chunk"} {
		ids = append(ids, chunk.Of([]byte(content)))
		frames = append(frames, codec.Seal(ids[len(ids)-1], []byte(content)))
	}
	return ids, frames
}

// smallStore is a disk with a store of three short frames.
func smallStore(t testing.TB, frames []chunk.Frame) *storetest.Disk {
	t.Helper()
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS()})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// lostOf fails the test unless each chunk is given back right or named as lost, and returns how many are lost.
func lostOf(t *testing.T, s *store.Store, ids []chunk.ID) (lost int) {
	t.Helper()
	for _, id := range ids {
		_, err := s.Get(id)
		var missing *store.NotFoundError
		switch {
		case err == nil:
			storetest.Prove(t, s, []chunk.ID{id})
		case errors.As(err, &missing) && missing.ID == id:
			lost++
		default:
			t.Errorf("Get = %v", err)
		}
	}
	return lost
}

const onlyPack = "/0000000001.pack"

func TestAFlippedBitInAnyByteOfAPackIsNamedAndHealed(t *testing.T) {
	t.Parallel()
	ids, frames := short(t)
	whole := smallStore(t, frames)
	all := replica{}
	for i, id := range ids {
		all[id] = frames[i]
	}
	frameBytes := 16
	for _, f := range frames {
		frameBytes += f.Size()
	}
	for _, index := range []string{"with", "without"} {
		for at := range whole.Size(onlyPack) {
			if index == "without" && at >= 16 && at < frameBytes {
				continue // what lies in frames is read with an index or without
			}
			d := whole.Clone()
			if err := d.Flip(onlyPack, at); err != nil {
				t.Fatal(err)
			}
			if index == "without" {
				if err := d.FS().Remove("/index"); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, "/", store.Options{FS: d.FS()})
			r := scrub(t, s, store.Scrub{Content: true})
			if len(r.Bad)+len(s.Damaged())+s.Stats().Lost == 0 {
				t.Errorf("%s index, byte %d: nothing is named: %+v", index, at, r)
			}
			lost := lostOf(t, s, ids)
			if lost > 1 || lost != s.Stats().Lost && s.Stats().Damaged == 0 {
				t.Errorf("%s index, byte %d: %d chunks are lost, Stats = %+v", index, at, lost, s.Stats())
			}
			if r := scrub(t, s, store.Scrub{Healer: all}); r.Healed != s.Stats().Quarantined {
				t.Errorf("%s index, byte %d: %+v, want what is in quarantine healed", index, at, r)
			}
			put(t, s, frames) // a capture heals the rest
			storetest.Prove(t, s, ids)
			collect(t, s, needs(ids...))
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, "/", store.Options{FS: d.FS()})
			storetest.Prove(t, s, ids)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

func TestAFlippedBitInAnyOtherFileLosesNothing(t *testing.T) {
	t.Parallel()
	ids, frames := short(t)
	whole := smallStore(t, frames)
	if err := whole.Flip(onlyPack, 20); err != nil { // so that there is a quarantine file
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: whole.FS()})
	scrub(t, s, store.Scrub{})
	put(t, s, frames)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name, step := range map[string]int{"/index": 11, "/quarantine": 1, "/scrub": 1} {
		if whole.Size(name) < 5 {
			t.Fatalf("%s has %d bytes", name, whole.Size(name))
		}
		for at := 0; at < whole.Size(name); at += step {
			d := whole.Clone()
			if err := d.Flip(name, at); err != nil {
				t.Fatal(err)
			}
			s := open(t, "/", store.Options{FS: d.FS()})
			scrub(t, s, store.Scrub{})
			if lost := lostOf(t, s, ids); lost > 0 {
				t.Errorf("byte %d of %s: %d chunks are lost", at, name, lost)
			}
		}
	}
}

func TestAPackCutShortKeepsItsWholeFrames(t *testing.T) {
	t.Parallel()
	ids, frames := short(t)
	whole := smallStore(t, frames)
	ends := []int{16}
	for _, f := range frames {
		ends = append(ends, ends[len(ends)-1]+f.Size())
	}
	for size := range whole.Size(onlyPack) {
		d := whole.Clone()
		if err := d.Truncate(onlyPack, size); err != nil {
			t.Fatal(err)
		}
		s := open(t, "/", store.Options{FS: d.FS()})
		kept := 0
		for kept < len(frames) && ends[kept+1] <= size {
			kept++
		}
		if lost := lostOf(t, s, ids); lost != len(frames)-kept {
			t.Errorf("%d bytes: %d chunks are lost, want %d kept", size, lost, kept)
		}
		var damage *store.PackError
		if got := s.Damaged(); len(got) != 1 || !errors.As(got[0], &damage) || damage.Pack != 1 {
			t.Errorf("%d bytes: Damaged = %v, want pack 1", size, got)
		}
		r, err := s.Rebuild(context.Background(), store.Work{})
		if err != nil || r.Chunks != kept || len(r.Damaged) != 1 {
			t.Errorf("%d bytes: Rebuild = %+v, %v", size, r, err)
		}
		storetest.Prove(t, s, ids[:kept])
		put(t, s, frames)
		collect(t, s, needs(ids...)) // rewrites what is sound in the damaged pack
		if got := s.Damaged(); len(got) != 0 {
			t.Errorf("%d bytes: after collecting, Damaged = %v", size, got)
		}
		storetest.Prove(t, s, ids)
	}
}

func TestAFrameBehindADamagedOneIsFound(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	if err := errors.Join(d.FS().Remove("/index"), d.Flip(onlyPack, 16), d.Truncate(onlyPack, d.Size(onlyPack)-1)); err != nil {
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: d.FS()})
	storetest.Prove(t, s, ids[1:])
	gone(t, s, ids[:1])
}

func TestQuarantineOutlivesTheIndex(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	if err := d.Flip(onlyPack, 16+57); err != nil {
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: d.FS()})
	if r := scrub(t, s, store.Scrub{}); len(r.Bad) != 1 || r.Bad[0].ID != ids[0] || r.Bad[0].Pack != 1 {
		t.Errorf("Scrub = %+v, want the first chunk named", r)
	}
	if err := errors.Join(s.Close(), d.FS().Remove("/index")); err != nil {
		t.Fatal(err)
	}
	s = open(t, "/", store.Options{FS: d.FS()})
	if wanted, err := s.Begin().Missing(context.Background(), ids); err != nil || !wanted[0] || wanted[1] {
		t.Errorf("Missing = %v, %v, want the damaged chunk", wanted, err)
	}
	if _, err := s.Rebuild(context.Background(), store.Work{}); err != nil {
		t.Fatal(err)
	}
	gone(t, s, ids[:1])
	if got := s.Stats(); got.Lost != 1 || got.Quarantined != 1 {
		t.Errorf("Stats = %+v", got)
	}
}

func TestWrongContentUnderARightChecksumIsFoundByContent(t *testing.T) {
	ids, frames := short(t)
	forged := frames[0]
	forged.Payload = []byte("uno")
	d := smallStore(t, frames)
	pack := []byte("ARDPACK0\x01\x00\x00\x00\x00\x00\x00\x00")
	for _, f := range []chunk.Frame{forged, frames[1], frames[2]} {
		pack = f.AppendTo(pack)
	}
	if err := d.FS().Remove(onlyPack); err != nil {
		t.Fatal(err)
	}
	f, err := d.FS().Create(onlyPack)
	if err == nil {
		_, err = f.Write(pack)
	}
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: d.FS()})
	if r := scrub(t, s, store.Scrub{}); len(r.Bad) != 0 {
		t.Errorf("a scrub of checksums found %+v", r.Bad)
	}
	for range 2 {
		if r := scrub(t, s, store.Scrub{}); len(r.Bad) != 0 {
			t.Errorf("round %d found %+v", r.Round, r.Bad)
		}
	}
	if r := scrub(t, s, store.Scrub{}); r.Round != 4 || !r.Content || len(r.Bad) != 1 || r.Bad[0].ID != ids[0] {
		t.Errorf("the fourth round = %+v, want the forged chunk named", r)
	}
}

func TestAMediumThatDoesNotReadSomeBytes(t *testing.T) {
	ids, frames := storetest.Frames(t, 12, 21)
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS()})
	put(t, s, frames)
	at := 16
	for _, f := range frames[:3] {
		at += f.Size()
	}
	if err := d.Rot(onlyPack, at, at+10); err != nil {
		t.Fatal(err)
	}
	r := scrub(t, s, store.Scrub{})
	if len(r.Bad) != 1 || r.Bad[0].ID != ids[3] {
		t.Errorf("Scrub = %+v, want the one frame that cannot be read", r)
	}
	storetest.Prove(t, s, append(ids[:3:3], ids[4:]...))
	_, more := storetest.Frames(t, 1, 22)
	put(t, s, more) // the newest pack is never removed: let it be another one
	for range 3 {   // a pack with a frame that is needed and nowhere else is kept
		collect(t, s, needs(ids[3]))
	}
	if d.Size(onlyPack) < 0 {
		t.Error("the pack was removed though a chunk that is needed lies in it alone")
	}
	if err := d.Rot(onlyPack, 0, 0); err != nil { // another cable
		t.Fatal(err)
	}
	if r := scrub(t, s, store.Scrub{}); r.Sound != 1 {
		t.Errorf("Scrub = %+v, want the frame sound again", r)
	}
	storetest.Prove(t, s, ids[3:4])
}

func TestAHealerThatLies(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	if err := d.Flip(onlyPack, 16+57); err != nil {
		t.Fatal(err)
	}
	s := open(t, "/", store.Options{FS: d.FS()})
	lie := frames[1]
	lie.ID = ids[0]
	for i, r := range []replica{{}, {ids[0]: frames[1]}, {ids[0]: lie}} {
		if got := scrub(t, s, store.Scrub{Healer: r}); got.Healed != 0 || s.Stats().Lost != 1 {
			t.Errorf("healer %d: %+v", i, got)
		}
	}
	if got := scrub(t, s, store.Scrub{Healer: replica{ids[0]: frames[0]}}); got.Healed != 1 || s.Stats().Lost != 0 {
		t.Errorf("a healer that has it: %+v", got)
	}
	storetest.Prove(t, s, ids)
}

func TestAHealerGivesTheChunksOfAPackThatIsGone(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	s := open(t, "/", store.Options{FS: d.FS()})
	if err := d.FS().Remove(onlyPack); err != nil {
		t.Fatal(err)
	}
	r := scrub(t, s, store.Scrub{Healer: replica{ids[0]: frames[0], ids[1]: frames[1], ids[2]: frames[2]}, Needed: needs(ids[:2]...)})
	if r.Healed != 2 || len(r.Damaged) != 1 {
		t.Errorf("Scrub = %+v, want pack 1 named and the two chunks that are needed healed", r)
	}
	storetest.Prove(t, s, ids[:2])
}

func TestScrubGoesOnWhereItStopped(t *testing.T) {
	_, frames := storetest.Frames(t, 40, 22)
	d := storetest.NewDisk()
	s := open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	put(t, s, frames)
	packs := s.Stats().Packs
	ctx, cancel := context.WithCancel(context.Background())
	first, err := s.Scrub(ctx, store.Scrub{Work: store.Work{Progress: func(_ string, done, total int64) {
		if done > total/3 {
			cancel()
		}
	}}})
	if !errors.Is(err, context.Canceled) || first.Packs == 0 || first.Packs >= packs {
		t.Fatalf("Scrub = %+v, %v", first, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, "/", store.Options{FS: d.FS(), PackSize: smallPack})
	second, err := s.Scrub(context.Background(), store.Scrub{})
	if err != nil || second.Round != 1 || first.Packs+second.Packs < packs || second.Packs == packs {
		t.Errorf("the second part = %+v, %v, after %+v of %d packs", second, err, first, packs)
	}
	if third, err := s.Scrub(context.Background(), store.Scrub{}); err != nil || third.Round != 2 || third.Packs != packs {
		t.Errorf("the next round = %+v, %v", third, err)
	}
}

func TestAReadOnlyFolderIsRead(t *testing.T) {
	ids, frames := short(t)
	d := smallStore(t, frames)
	if err := d.Flip(onlyPack, 16+57); err != nil {
		t.Fatal(err)
	}
	for _, index := range []string{"/scrub", "/index"} {
		_ = d.FS().Remove(index) // the second time the footers must do
		d.ReadOnly(true)
		s := open(t, "/", store.Options{FS: d.FS()})
		storetest.Prove(t, s, ids[1:])
		var damaged *chunk.DamagedError
		if _, err := s.Get(ids[0]); !errors.As(err, &damaged) {
			t.Errorf("Get of a damaged frame = %v", err)
		}
		n := s.Begin()
		if err := n.Put(context.Background(), frames[:1]); err == nil {
			t.Error("a read-only folder takes frames")
		}
		if _, err := s.Collect(context.Background(), needs(ids...), store.Work{}); err == nil {
			t.Error("a collection on a read-only folder says that all is well")
		}
		storetest.Prove(t, s, ids[1:])
		d.ReadOnly(false)
	}
}

func TestRecompressedFramesAreTheSameChunks(t *testing.T) {
	t.Parallel()
	const level = store.IdleLevel
	ids, frames := compressible(t)
	dir := t.TempDir()
	s := open(t, dir, store.Options{PackSize: smallPack})
	put(t, s, frames[:3])
	put(t, s, frames[3:])
	before := s.Stats()
	r, err := s.Recompress(context.Background(), level, store.Work{})
	after := s.Stats()
	if err != nil || r.Packs != before.Packs || after.Bytes >= before.Bytes || before.Bytes-after.Bytes != r.FreedBytes ||
		after.Recompressed != after.Packs || after.Chunks != before.Chunks {
		t.Errorf("Recompress = %+v, %v; before %+v, after %+v", r, err, before, after)
	}
	storetest.Prove(t, s, ids)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, store.Options{PackSize: smallPack})
	if again, err := s.Recompress(context.Background(), level, store.Work{}); err != nil || again.Packs != 0 {
		t.Errorf("Recompress again = %+v, %v, want nothing to do", again, err)
	}
	put(t, s, frames[:0])
	storetest.Prove(t, s, ids)
}

// compressible are frames that a higher level makes smaller.
func compressible(t testing.TB) ([]chunk.ID, []chunk.Frame) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var ids []chunk.ID
	var frames []chunk.Frame
	for i := range 5 {
		var text strings.Builder
		for j := range 6000 {
			fmt.Fprintf(&text, "line %d of file %d has the number %x\n", j, i, j*j*(i+3))
		}
		content := []byte(text.String())[:100<<10]
		ids = append(ids, chunk.Of(content))
		frames = append(frames, codec.Seal(ids[i], content))
	}
	return ids, frames
}
