package sweep_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// medium is a disk in memory with places that cannot be read.
type medium struct {
	b   []byte
	bad map[int64]bool // pages
}

var errBad = errors.New("bad page")

func (m medium) read(p []byte, off int64) error {
	for at := off / 4096; at*4096 < off+int64(len(p)); at++ {
		if m.bad[at] {
			return errBad
		}
	}
	copy(p, m.b[off:])
	return nil
}

// draw makes a table of entries of all shapes over a disk of noise and zeros, and returns each one's content.
func draw(r *rand.Rand, m medium, entries int) (*manifest.Table, [][]byte) {
	t := &manifest.Table{}
	var contents [][]byte
	at := int64(0)
	for range entries {
		e := manifest.Entry{Length: 1 + r.Uint32N(chunk.MaxSize)}
		if r.IntN(2) == 0 {
			e.Length = chunk.MaxSize
		}
		content := make([]byte, e.Length)
		for in := r.Uint32N(e.Length); in < e.Length && len(e.Pieces) < 5; {
			n := 1 + r.Uint32N(min(e.Length-in, uint32(1)<<(4+r.IntN(15))))
			if at += r.Int64N(40 << 10); at+int64(n) > int64(len(m.b)) {
				break
			}
			e.Pieces = append(e.Pieces, manifest.Piece{At: in, Length: n, Offset: at})
			copy(content[in:in+n], m.b[at:])
			at, in = at+int64(n), in+n
			if in < e.Length {
				in += r.Uint32N(e.Length - in)
			}
		}
		e.ID = chunk.Of(content)
		t.Append(e)
		contents = append(contents, content)
	}
	return t, contents
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for at := 0; at < n; at += 4096 {
		if r.IntN(3) > 0 {
			for i := 0; i+8 <= min(4096, n-at); i += 8 {
				binary.LittleEndian.PutUint64(b[at+i:], r.Uint64())
			}
		}
	}
	return b
}

func TestEveryEntryIsJudgedOnceAndRight(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := medium{b: noise(r, 24<<20+511), bad: map[int64]bool{}}
		table, contents := draw(r, m, 400)
		if seed%2 == 1 {
			for range 20 {
				m.bad[r.Int64N(int64(len(m.b)/4096))] = true
			}
		}
		d := sweep.Disk{Table: table, Size: int64(len(m.b)), Read: m.read, InTurn: seed%4 > 1}
		skip := func(i uint32) bool { return i%7 == 3 }
		var mu sync.Mutex
		seen := map[uint32]int{}
		err := d.Sweep(context.Background(), 1+int(seed), skip, func() func(*sweep.Batch) error {
			into := make([]byte, chunk.MaxSize)
			return func(b *sweep.Batch) error {
				mu.Lock()
				defer mu.Unlock()
				var bytes int64
				for i := range b.Found {
					f := &b.Found[i]
					seen[f.Index]++
					bytes += f.Bytes()
					if f.Unread != m.touches(f.Entry) {
						return fmt.Errorf("entry %d: unread is %v", f.Index, f.Unread)
					}
					if f.Unread {
						continue
					}
					if id := f.ID(); id != f.Entry.ID || string(f.Content(into)) != string(contents[f.Index]) {
						return fmt.Errorf("entry %d, %d bytes in %v: %s", f.Index, f.Entry.Length, f.Entry.Pieces, id)
					}
				}
				if bytes != b.Bytes {
					return fmt.Errorf("%d bytes, not %d", b.Bytes, bytes)
				}
				return nil
			}
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		for i, e := range table.All() {
			if want := len(e.Pieces) > 0 && !skip(uint32(i)); (seen[uint32(i)] == 1) != want || seen[uint32(i)] > 1 {
				t.Errorf("seed %d: entry %d was judged %d times", seed, i, seen[uint32(i)])
			}
		}
	}
}

// touches tells whether a piece of e lies on a page that cannot be read.
func (m medium) touches(e manifest.Entry) bool {
	for _, p := range e.Pieces {
		for at := p.Offset / 4096; at*4096 < p.Offset+int64(p.Length); at++ {
			if m.bad[at] {
				return true
			}
		}
	}
	return false
}

func TestASweepEndsWithItsContextAndWithTheFirstFault(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	m := medium{b: noise(r, 16<<20)}
	table, _ := draw(r, m, 300)
	d := sweep.Disk{Table: table, Size: int64(len(m.b)), Read: m.read}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	none := func() func(*sweep.Batch) error {
		return func(*sweep.Batch) error { return errors.New("judged") }
	}
	if err := d.Sweep(ctx, 3, nil, none); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	wrong := errors.New("wrong")
	fails := func() func(*sweep.Batch) error { return func(*sweep.Batch) error { return wrong } }
	if err := d.Sweep(context.Background(), 3, nil, fails); !errors.Is(err, wrong) {
		t.Errorf("a judge that fails: %v", err)
	}
	var b sweep.Batch
	for i, e := range table.All() {
		if got := d.One(&b, uint32(i)); got != (len(e.Pieces) > 0) || got && b.Found[0].Index != uint32(i) {
			t.Fatalf("entry %d alone: %v", i, got)
		}
	}
}

// FuzzID compares the ids of contents that are mostly holes with those of the library.
func FuzzID(f *testing.F) {
	f.Add(uint32(chunk.MaxSize), uint32(4096), uint32(4096), []byte("a block"))
	f.Add(uint32(chunk.MaxSize), uint32(0), uint32(1), []byte{1})
	f.Add(uint32(1), uint32(0), uint32(1), []byte{1})
	f.Add(uint32(5*1024+1), uint32(1023), uint32(2), []byte{1, 2})
	f.Add(uint32(129*1024), uint32(128*1024-1), uint32(3), []byte{0, 1})
	f.Fuzz(func(t *testing.T, length, at, n uint32, b []byte) {
		length = 1 + length%chunk.MaxSize
		at %= length
		n = 1 + n%min(length-at, 16<<10)
		content, on := make([]byte, length), make([]byte, n)
		copy(on, b)
		copy(content[at:], on)
		table := &manifest.Table{}
		table.Append(manifest.Entry{Length: length, Pieces: []manifest.Piece{{At: at, Length: n}}})
		d := sweep.Disk{Table: table, Size: int64(n), Read: medium{b: on}.read}
		var batch sweep.Batch
		d.One(&batch, 0)
		if got := batch.Found[0].ID(); got != chunk.Of(content) {
			t.Errorf("%d bytes at %d of %d: %s", n, at, length, got)
		}
	})
}

// A disk may be smaller than the master's: what would lie behind its end cannot be read, and costs its neighbours nothing.
func TestWhatLiesBehindTheEndOfTheDiskIsUnread(t *testing.T) {
	on := noise(rand.New(rand.NewPCG(2, 2)), 10_000)
	table := &manifest.Table{}
	entry := func(offsets ...int64) {
		e := manifest.Entry{Length: 4096 * uint32(len(offsets))}
		for k, off := range offsets {
			e.Pieces = append(e.Pieces, manifest.Piece{At: 4096 * uint32(k), Length: 4096, Offset: off})
		}
		table.Append(e)
	}
	entry(100)
	entry(5000, 1<<40)   // half of it
	entry(10_000 - 4096) // ends where the disk does
	entry(10_000 - 4095) // a byte behind it
	entry(12_288)        // the next page
	entry(1<<40, 10_000) // far away
	want := []bool{false, true, false, true, true, true}
	d := sweep.Disk{Table: table, Size: int64(len(on)), Read: medium{b: on}.read}
	var mu sync.Mutex
	judged := 0
	err := d.Sweep(context.Background(), 2, nil, func() func(*sweep.Batch) error {
		return func(b *sweep.Batch) error {
			mu.Lock()
			defer mu.Unlock()
			for _, f := range b.Found {
				judged++
				if f.Unread != want[f.Index] {
					t.Errorf("entry %d: unread %t", f.Index, f.Unread)
				}
				if at := f.Entry.Pieces[0].Offset; !f.Unread && f.ID() != chunk.Of(on[at:at+4096]) {
					t.Errorf("entry %d is not what the disk holds", f.Index)
				}
			}
			return nil
		}
	})
	if err != nil || judged != len(want) {
		t.Errorf("%d of %d entries were judged: %v", judged, len(want), err)
	}
}

func BenchmarkABlockInAHole(b *testing.B) {
	table := &manifest.Table{}
	on := noise(rand.New(rand.NewPCG(1, 1)), 4096)
	on[0] = 1
	table.Append(manifest.Entry{Length: chunk.MaxSize, Pieces: []manifest.Piece{{At: 64 << 10, Length: 4096}}})
	d := sweep.Disk{Table: table, Size: 4096, Read: medium{b: on}.read}
	var batch sweep.Batch
	d.One(&batch, 0)
	for b.Loop() {
		batch.Found[0].ID()
	}
}
