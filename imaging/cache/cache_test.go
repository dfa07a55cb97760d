package cache_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestWhatIsPutIsFetchedInTheOrderAsked(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	contents := map[chunk.ID][]byte{}
	var ids []chunk.ID
	for i := range 120 { // more than a segment
		b := noise(i, 1+i*2000)
		if i%3 == 0 {
			b = bytes.Repeat([]byte{byte(i)}, 1+i*2000)
		}
		f := frame(t, b)
		contents[f.ID] = b
		ids = append(ids, f.ID)
		if err := c.Put(f); err != nil {
			t.Fatal(err)
		}
	}
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(ids), func(i, k int) { ids[i], ids[k] = ids[k], ids[i] })
	if n, err := proveAll(t, c, contents); n != 120 || err != nil {
		t.Fatalf("before the flush: %d, %v", n, err)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*cache.Cache{c, r.open(t)} {
		var got []chunk.ID
		err := c.Fetch(context.Background(), ids, func(f chunk.Frame) error { got = append(got, f.ID); return nil })
		if err != nil || !slices.Equal(got, ids) {
			t.Errorf("%d of %d frames in order, %v", len(got), len(ids), err)
		}
		if s := c.Stats(); s.Chunks != 120 || s.Damaged+s.Lost != 0 || s.Segments != 15 || s.Size != 64*mib {
			t.Errorf("stats %+v", s)
		}
		if n, err := c.Check(context.Background()); n != 0 || err != nil {
			t.Errorf("Check = %d, %v", n, err)
		}
	}
}

func TestAMissingChunkEndsFetchBehindThoseBeforeIt(t *testing.T) {
	c := newRig(64 * mib).make(t)
	var ids []chunk.ID
	for i := range 3 {
		f := frame(t, noise(i, 1000))
		ids = append(ids, f.ID)
		if i != 1 {
			if err := c.Put(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := c.Missing(ids); !slices.Equal(got, ids[1:2]) {
		t.Errorf("Missing = %v", got)
	}
	n := 0
	err := c.Fetch(context.Background(), ids, func(chunk.Frame) error { n++; return nil })
	var missing *cache.ChunkError
	if !errors.As(err, &missing) || missing.ID != ids[1] || missing.Damaged || n != 1 {
		t.Errorf("Fetch = %v after %d", err, n)
	}
}

func TestAFrameThatIsNotItsChunkIsNotTaken(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, 1)
	wrong := frame(t, noise(1, 1000))
	wrong.ID = v.ids()[0]
	var damaged *chunk.DamagedError
	if err := c.Put(wrong); !errors.As(err, &damaged) {
		t.Errorf("Put = %v", err)
	}
	if err := c.Staging(v.m, nil).Take(context.Background(), wrong); !errors.As(err, &damaged) {
		t.Errorf("Take = %v", err)
	}
	if len(c.Missing(v.ids())) != 1 {
		t.Error("it is there")
	}
}

func TestAManifestComesBackWithItsSignatureAndNames(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 5)...)
	names := noise(7, 700_000)
	if err := c.PutManifest(v.hash, v.encoded, v.sig, bytes.NewReader(names)); err != nil {
		t.Fatal(err)
	}
	// Nothing new: nothing is written.
	r.disk.record = true
	if err := c.PutManifest(v.hash, v.encoded, v.sig, nil); err != nil || len(r.disk.ops) != 0 {
		t.Errorf("storing it again: %v, %d operations", err, len(r.disk.ops))
	}
	for try, writes := range []int{2, 0} { // a superblock and its flush, once
		before := len(r.disk.ops)
		if err := c.KeepFor(v.hash); err != nil || len(r.disk.ops)-before != writes {
			t.Errorf("KeepFor, try %d: %v, %d operations", try, err, len(r.disk.ops)-before)
		}
	}
	for _, c := range []*cache.Cache{c, r.open(t)} {
		encoded, sig, err := c.Manifest(v.hash)
		if err != nil || !bytes.Equal(encoded, v.encoded) || sig.Key != "key" || sig.Hash != v.hash || string(sig.Signature) != "signature" {
			t.Errorf("Manifest = %d bytes, %+v, %v", len(encoded), sig, err)
		}
		n, err := c.Names(v.hash)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(n); err != nil || !bytes.Equal(got, names) {
			t.Errorf("Names = %d bytes, %v", len(got), err)
		}
	}
	// Another signature, as after a new key: the names stay.
	if err := c.PutManifest(v.hash, v.encoded, manifest.Signature{Key: "new", Hash: v.hash}, nil); err != nil {
		t.Fatal(err)
	}
	if _, sig, err := r.open(t).Manifest(v.hash); err != nil || sig.Key != "new" {
		t.Errorf("signed anew: %+v, %v", sig, err)
	}
	if _, err := r.open(t).Names(v.hash); err != nil {
		t.Errorf("names after it was signed anew: %v", err)
	}
	if err := c.PutManifest(manifest.Hash{1}, v.encoded, v.sig, nil); err == nil {
		t.Error("a manifest is taken under another hash")
	}
	var no *cache.NoManifestError
	if _, _, err := c.Manifest(manifest.Hash{1}); !errors.As(err, &no) {
		t.Errorf("Manifest of another = %v", err)
	}
	if err := c.KeepFor(manifest.Hash{1}); !errors.As(err, &no) {
		t.Errorf("KeepFor another = %v", err)
	}
}

func TestFillReadsTheDiskAndLeavesWhatItDoesNotHold(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 50)...)
	keep(t, c, v)
	spoilt := v.m.Chunks.At(20)
	r.disk.put(spoilt.Pieces[0].Offset+77, []byte("exception"))
	var told cache.Progress
	report, err := c.Fill(context.Background(), v.m, r.disk, func(p cache.Progress) { told = p })
	if err != nil || report.Chunks != 49 || !slices.Equal(report.Left, []chunk.ID{spoilt.ID}) || told.Done != told.Total || told.Total == 0 {
		t.Fatalf("Fill = %+v, %v, told %+v", report, err, told)
	}
	if got := c.Covers(v.m); got.Complete() || got.Missing != 1 || got.Chunks != 50 || got.MissingBytes != 256*kib {
		t.Errorf("Covers = %+v", got)
	}
	from := source{v.content}
	if report, err := c.FillFrom(context.Background(), v.ids(), from, nil); err != nil || report.Chunks != 1 {
		t.Errorf("FillFrom = %+v, %v", report, err)
	}
	for _, c := range []*cache.Cache{c, r.open(t)} {
		if n, err := proveAll(t, c, v.content); n != 50 || err != nil || !c.Covers(v.m).Complete() {
			t.Errorf("%d of 50 chunks, %v", n, err)
		}
	}
	if report := fill(t, c, v, r.disk); report.Chunks != 0 {
		t.Errorf("filling again stored %d", report.Chunks)
	}
}

// source gives frames of contents.
type source struct{ contents map[chunk.ID][]byte }

func (s source) Fetch(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	c, err := chunk.NewCodec(1)
	if err != nil {
		return err
	}
	for _, id := range ids {
		b, ok := s.contents[id]
		if !ok {
			return errors.New("not here")
		}
		f := c.Seal(id, b)
		if err := yield(f); err != nil {
			return err
		}
		clear(f.Payload) // it was valid until yield returned
	}
	return nil
}

func TestFillStopsAtOnceAndGoesOn(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 150)...)
	keep(t, c, v)
	ctx, stop := context.WithCancel(context.Background())
	report, err := c.Fill(ctx, v.m, r.disk, func(cache.Progress) { stop() })
	if !errors.Is(err, context.Canceled) || report.Chunks == 0 || report.Chunks == 150 {
		t.Fatalf("Fill = %d chunks, %v", report.Chunks, err)
	}
	rest := fill(t, c, v, r.disk)
	if rest.Chunks+report.Chunks != 150 || !r.open(t).Covers(v.m).Complete() {
		t.Errorf("%d and %d of 150 chunks", report.Chunks, rest.Chunks)
	}
}

func TestOldVersionsMakeRoomAndKeptOnesDoNot(t *testing.T) {
	r := newRig(64 * mib)
	r.make(t)
	r.part.Length = 29 * mib // seven segments of 4 MiB
	c := r.open(t)
	old := r.write(t, numbers(0, 80)...)
	keep(t, c, old)
	fill(t, c, old, r.disk)
	// The next one shares half of its chunks; both together do not fit.
	next := r.write(t, slices.Concat(numbers(0, 40), numbers(1000, 35))...)
	if err := c.PutManifest(next.hash, next.encoded, next.sig, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.KeepFor(old.hash, next.hash); err != nil {
		t.Fatal(err)
	}
	var full *cache.FullError
	if _, err := c.Fill(context.Background(), next.m, r.disk, nil); !errors.As(err, &full) {
		t.Fatalf("two versions that do not fit: %v", err)
	}
	if !c.Covers(old.m).Complete() {
		t.Error("a version that is kept has lost chunks")
	}
	if err := c.KeepFor(next.hash); err != nil {
		t.Fatal(err)
	}
	if report := fill(t, c, next, r.disk); len(report.Left) > 0 {
		t.Errorf("%d chunks are left", len(report.Left))
	}
	for _, c := range []*cache.Cache{c, r.open(t)} {
		if n, err := proveAll(t, c, next.content); n != len(next.content) || err != nil {
			t.Errorf("%d of %d chunks, %v", n, len(next.content), err)
		}
		if c.Covers(old.m).Complete() {
			t.Error("the old version is whole still: nothing had to make room")
		}
		if got := c.Stats().Kept; !slices.Equal(got, []manifest.Hash{next.hash}) {
			t.Errorf("kept for %v", got)
		}
	}
	// And on, with versions of which each replaces a part of the one before.
	for i := range 6 {
		v := r.write(t, slices.Concat(numbers(10*i, 40), numbers(1000+10*i, 40))...)
		if err := c.PutManifest(v.hash, v.encoded, v.sig, nil); err != nil {
			t.Fatal(err)
		}
		if err := c.KeepFor(v.hash); err != nil {
			t.Fatal(err)
		}
		fill(t, c, v, r.disk)
		if n, err := proveAll(t, r.open(t), v.content); n != 80 || err != nil {
			t.Fatalf("version %d: %d chunks, %v", i, n, err)
		}
	}
}

func TestFlushesDoNotWasteTheCache(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	contents := map[chunk.ID][]byte{}
	for i := range 60 {
		b := noise(i, 20_000)
		f := frame(t, b)
		contents[f.ID] = b
		if err := errors.Join(c.Put(f), c.Flush()); err != nil {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Free < 13 || s.Chunks != 60 {
		t.Errorf("stats %+v", s)
	}
	if n, err := proveAll(t, r.open(t), contents); n != 60 || err != nil {
		t.Errorf("%d of 60, %v", n, err)
	}
}

func TestBothAsksTheOtherForWhatTheCacheCannotGive(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 60)...)
	keep(t, c, v)
	all := v.ids()
	half := map[chunk.ID][]byte{}
	for i, id := range all {
		if i%2 == 0 || i > 40 {
			half[id] = v.content[id]
			if err := c.Put(frame(t, v.content[id])); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	// Two frames are damaged behind the cache's back.
	for _, id := range []chunk.ID{all[4], all[50]} {
		damage(t, r, v.content[id])
	}
	ids := slices.Concat(all, all[:5]) // some twice
	for why, other := range map[string]source{"which has all": {v.content}, "which has nothing": {nil}} {
		b := cache.Sources(r.open(t), other)
		n, open := 0, codec(t)
		err := b.Fetch(context.Background(), ids, func(f chunk.Frame) error {
			got, err := open.Open(nil, f)
			if err != nil || f.ID != ids[n] || !bytes.Equal(got, v.content[f.ID]) {
				t.Fatalf("frame %d: %v", n, err)
			}
			n++
			return nil
		})
		if other.contents == nil {
			if err == nil || !strings.Contains(err.Error(), "not here") {
				t.Errorf("%s: %v", why, err)
			}
			continue
		}
		if err != nil || n != len(ids) || b.FromCache() == 0 || b.FromOther() < 23*256*kib {
			t.Errorf("%s: %d of %d, %v; %d and %d bytes", why, n, len(ids), err, b.FromCache(), b.FromOther())
		}
	}
	var missing *cache.ChunkError
	err := cache.Sources(c, nil).Fetch(context.Background(), all, func(chunk.Frame) error { return nil })
	if !errors.As(err, &missing) || missing.ID != all[1] {
		t.Errorf("without another: %v", err)
	}
}

// damage changes a byte of a content that does not compress, wherever the partition holds it.
func damage(t testing.TB, r *rig, content []byte) {
	t.Helper()
	b := make([]byte, r.part.Length)
	if _, err := r.disk.ReadAt(b, r.part.Start); err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, content[:64])
	if at < 0 {
		t.Fatal("it is not there")
	}
	r.disk.put(r.part.Start+int64(at)+1000, []byte{content[1000] ^ 1})
}

func TestASessionFillsTheCache(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 60)...)
	keep(t, c, v)
	if err := c.Put(frame(t, v.content[v.ids()[3]])); err != nil {
		t.Fatal(err)
	}
	clock := newClock()
	s := c.Staging(v.m, clock.now)
	needs, changes := s.Needs(nil, 0)
	if len(needs) != 60 || needs[3] != 0 || needs[2] != 1 || changes == 0 || s.Missing() != 59 || s.DiskRate() != 0 {
		t.Fatalf("needs %v, %d changes, %d missing", needs, changes, s.Missing())
	}
	if same, again := s.Needs(needs, changes); again != changes || &same[0] != &needs[0] {
		t.Error("what was seen is copied again")
	}
	if err := s.Take(context.Background(), frame(t, noise(77, 100))); err != nil {
		t.Errorf("a chunk of another master: %v", err)
	}
	done := make(chan error)
	ids := v.ids()
	for g := range 4 {
		go func() {
			var err error
			for i := g; i < len(ids); i += 2 { // each twice
				err = errors.Join(err, s.Take(context.Background(), frame(t, v.content[ids[i%len(ids)]])))
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	needs, again := s.Needs(nil, changes)
	if s.Missing() != 0 || slices.Contains(needs, 1) || again == changes || s.DiskRate() <= 0 {
		t.Errorf("%d missing, %d changes, rate %d", s.Missing(), again, s.DiskRate())
	}
	if n, err := proveAll(t, r.open(t), v.content); n != 60 || err != nil {
		t.Errorf("%d of 60, %v", n, err)
	}
}

func TestACacheGrowsWithItsPartition(t *testing.T) {
	r := newRig(200 * mib)
	whole := r.part
	r.part.Length = 64 * mib
	c := r.make(t)
	v := r.write(t, numbers(0, 100)...)
	keep(t, c, v)
	fill(t, c, v, r.disk)
	r.part = whole
	c = r.open(t)
	if s := c.Stats(); s.Segments != 49 || !c.Covers(v.m).Complete() {
		t.Errorf("stats %+v", s)
	}
	r.part.Length = 20 * mib // cut short
	c = r.open(t)
	if n, err := proveAll(t, c, v.content); n == 0 || n == 100 || err != nil {
		t.Errorf("cut short: %d of 100, %v", n, err)
	}
	if got := c.Covers(v.m); got.Complete() {
		t.Errorf("cut short: %+v", got)
	}
}

func TestDropForgetsAllAndAnOldCacheIsNotTakenForANewOne(t *testing.T) {
	r := newRig(64 * mib)
	c := r.make(t)
	v := r.write(t, numbers(0, 30)...)
	keep(t, c, v)
	fill(t, c, v, r.disk)
	if err := cache.Drop(r.disk, r.part); err != nil {
		t.Fatal(err)
	}
	var none *cache.NoCacheError
	if _, err := cache.Open(r.disk, r.part); !errors.As(err, &none) {
		t.Errorf("Open after Drop = %v", err)
	}
	c, err := cache.Make(r.disk, r.part, identity(2))
	if err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.Chunks != 0 || s.Damaged != 0 || len(c.Missing(v.ids())) != 30 {
		t.Errorf("a new cache has %+v", s)
	}
	small := r.part
	small.Length = 63 * mib
	if _, err := cache.Make(r.disk, small, identity(3)); err == nil {
		t.Error("a cache of less than 64 MiB is made")
	}
}

func TestAManifestThatDoesNotFitBesideWhatIsKeptIsRefused(t *testing.T) {
	r := newRig(64 * mib)
	r.make(t)
	r.part.Length = 17 * mib // four segments
	c := r.open(t)
	v := r.write(t, numbers(0, 28)...)
	keep(t, c, v)
	fill(t, c, v, r.disk)
	next := r.write(t, numbers(100, 3)...)
	var full *cache.FullError
	if err := c.PutManifest(next.hash, next.encoded, next.sig, bytes.NewReader(noise(1, 12<<20))); !errors.As(err, &full) {
		t.Errorf("PutManifest = %v", err)
	}
	for _, c := range []*cache.Cache{c, r.open(t)} {
		if !c.Covers(v.m).Complete() {
			t.Error("the kept version has made room")
		}
	}
}
