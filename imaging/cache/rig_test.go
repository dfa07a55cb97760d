package cache_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	kib = int64(1 << 10)
	mib = int64(1 << 20)
)

// ram is a sparse disk that can record what is done to it. Pages are replaced, never changed, so that copies are cheap.
type ram struct {
	mu     sync.Mutex
	size   int64
	pages  map[int64][]byte // 4 KiB each
	record bool
	ops    []op
	fail   func(off, n int64) error // what a write is answered; nil: success
	bad    func(off, n int64) error // what a read is answered
}

// op is a write, or a flush (no bytes).
type op struct {
	off   int64
	bytes []byte
}

func newRAM(size int64) *ram { return &ram{size: size, pages: map[int64][]byte{}} }

func (r *ram) clone() *ram {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &ram{size: r.size, pages: maps.Clone(r.pages)}
}

func (r *ram) ReadAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.bad != nil {
		if err := r.bad(off, int64(len(p))); err != nil {
			return 0, err
		}
	}
	if off < 0 || off > r.size-int64(len(p)) {
		return 0, io.EOF
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		n := min(len(p)-done, int(4096-at%4096))
		if page := r.pages[at/4096]; page != nil {
			copy(p[done:done+n], page[at%4096:])
		} else {
			clear(p[done : done+n])
		}
		done += n
	}
	return len(p), nil
}

func (r *ram) WriteAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if off < 0 || off > r.size-int64(len(p)) {
		return 0, io.ErrShortWrite
	}
	if r.fail != nil {
		if err := r.fail(off, int64(len(p))); err != nil {
			return 0, err
		}
	}
	if r.record {
		r.ops = append(r.ops, op{off, slices.Clone(p)})
	}
	r.put(off, p)
	return len(p), nil
}

func (r *ram) put(off int64, p []byte) {
	for done := 0; done < len(p); {
		at := off + int64(done)
		n := min(len(p)-done, int(4096-at%4096))
		page := make([]byte, 4096)
		copy(page, r.pages[at/4096])
		copy(page[at%4096:], p[done:done+n])
		r.pages[at/4096] = page
		done += n
	}
}

func (r *ram) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.record {
		r.ops = append(r.ops, op{})
	}
	return nil
}

// cuts walks the states in which a power cut after each operation leaves a disk: all writes have come, and then again with
// any of the sectors since the last flush, as chance has it.
func (r *ram) cuts(ops []op, chance *rand.Rand, yield func(n int, state *ram)) {
	flushed := r.clone()
	from := 0 // operations before this one are on the medium
	for n := 0; n <= len(ops); n++ {
		if n > 0 && ops[n-1].bytes == nil {
			for _, o := range ops[from:n] {
				flushed.put(o.off, o.bytes)
			}
			from = n
		}
		whole, torn := flushed.clone(), flushed.clone()
		for _, o := range ops[from:n] {
			whole.put(o.off, o.bytes)
			keep := chance.IntN(4) // 0 nothing, 1 all, else by sector
			for at := 0; at < len(o.bytes); at += 512 {
				if keep == 1 || keep > 1 && chance.IntN(2) == 0 {
					torn.put(o.off+int64(at), o.bytes[at:min(at+512, len(o.bytes))])
				}
			}
		}
		yield(n, whole)
		if from < n {
			yield(n, torn)
		}
	}
}

// rig is a disk with volumes of noise and, behind them, the partition of a cache.
type rig struct {
	disk *ram
	part manifest.Partition
}

func newRig(length int64) *rig {
	return &rig{disk: newRAM(128*mib + length), part: manifest.Partition{Number: 5, Start: 128 * mib, Length: length}}
}

func identity(n byte) [16]byte { return [16]byte{n, 1, 2, 3} }

func (r *rig) make(t testing.TB) *cache.Cache {
	t.Helper()
	c, err := cache.Make(r.disk, r.part, identity(1))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (r *rig) open(t testing.TB) *cache.Cache {
	t.Helper()
	c, err := cache.Open(r.disk, r.part)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// noise is a content that does not compress; numbers tell them apart.
func noise(number, n int) []byte {
	random := rand.New(rand.NewPCG(uint64(number), uint64(n)))
	b := make([]byte, n)
	for i := 0; i < n; i += 8 {
		v := random.Uint64()
		for k := i; k < min(i+8, n); k++ {
			b[k] = byte(v >> (8 * (k - i)))
		}
	}
	return b
}

func frame(t testing.TB, content []byte) chunk.Frame {
	t.Helper()
	return codec(t).Seal(chunk.Of(content), content)
}

func codec(t testing.TB) *chunk.Codec {
	t.Helper()
	c, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// version is a master whose chunks lie on a rig's disk.
type version struct {
	m       *manifest.Manifest
	hash    manifest.Hash
	encoded []byte
	sig     manifest.Signature
	content map[chunk.ID][]byte
}

func (v *version) ids() []chunk.ID {
	var out []chunk.ID
	for _, e := range v.m.Chunks.All() {
		out = append(out, e.ID)
	}
	return out
}

// write makes a version of chunks of 256 KiB with these numbers, the last one shorter and in two pieces, and puts it on
// the disk from 1 MiB on.
func (r *rig) write(t testing.TB, numbers ...int) *version {
	t.Helper()
	v := &version{m: &manifest.Manifest{Name: "m", Version: len(numbers), Created: time.Unix(0, 0).UTC(), NameCount: 1,
		Disk: manifest.Disk{Size: r.disk.size, SectorSize: 512, Table: manifest.NoTable}}, content: map[chunk.ID][]byte{}}
	at, used := mib, int64(0)
	for i, number := range numbers {
		b := noise(number, int(256*kib))
		e := manifest.Entry{Stream: 0, Index: uint32(i)}
		if i == len(numbers)-1 {
			b = noise(number, 200_000)
			clear(b[100_000:120_000]) // a hole
			e.Pieces = []manifest.Piece{{At: 0, Length: 100_000, Offset: at}, {At: 120_000, Length: 80_000, Offset: at + 200_000}}
		} else {
			e.Pieces = []manifest.Piece{{At: 0, Length: uint32(len(b)), Offset: at}}
		}
		e.ID, e.Length = chunk.Of(b), uint32(len(b))
		for _, p := range e.Pieces {
			r.disk.put(p.Offset, b[p.At:p.At+p.Length])
			used += int64(p.Length)
			at = max(at, p.Offset+int64(p.Length))
		}
		v.content[e.ID] = b
		v.m.Chunks.Append(e)
	}
	v.m.Volumes = []manifest.Volume{{Length: r.disk.size, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: used}}
	var b bytes.Buffer
	var err error
	if v.hash, err = v.m.Encode(&b); err != nil {
		t.Fatal(err)
	}
	v.encoded, v.sig = b.Bytes(), manifest.Signature{Key: "key", Signature: []byte("signature"), Hash: v.hash}
	return v
}

func numbers(from, n int) []int {
	var out []int
	for i := range n {
		out = append(out, from+i)
	}
	return out
}

// keep stores a version's manifest and keeps the cache for these.
func keep(t testing.TB, c *cache.Cache, versions ...*version) {
	t.Helper()
	var hashes []manifest.Hash
	for _, v := range versions {
		if err := c.PutManifest(v.hash, v.encoded, v.sig, nil); err != nil {
			t.Fatal(err)
		}
		hashes = append(hashes, v.hash)
	}
	if err := c.KeepFor(hashes...); err != nil {
		t.Fatal(err)
	}
}

func fill(t testing.TB, c *cache.Cache, v *version, from io.ReaderAt) cache.FillReport {
	t.Helper()
	r, err := c.Fill(context.Background(), v.m, from, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// proveAll fetches what a cache says it holds of some contents and says what is wrong: a frame whose content differs, or
// one that it does not give. It returns how many came.
func proveAll(t testing.TB, c *cache.Cache, contents map[chunk.ID][]byte) (int, error) {
	t.Helper()
	var ids []chunk.ID
	for id := range contents {
		ids = append(ids, id)
	}
	missing := map[chunk.ID]bool{}
	for _, id := range c.Missing(ids) {
		missing[id] = true
	}
	ids = slices.DeleteFunc(ids, func(id chunk.ID) bool { return missing[id] })
	n := 0
	err := c.Fetch(context.Background(), ids, func(f chunk.Frame) error {
		if f.ID != ids[n] {
			return fmt.Errorf("frame %d is of another chunk", n)
		}
		got, err := f.Payload, error(nil)
		if f.Codec != 0 {
			got, err = codec(t).Open(nil, f)
		}
		if err != nil || !bytes.Equal(got, contents[f.ID]) {
			t.Fatalf("the cache gave a wrong frame of %s: %v", f.ID, err)
		}
		n++
		return nil
	})
	return n, err
}
