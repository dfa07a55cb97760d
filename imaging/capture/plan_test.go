package capture

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// want is a chunk as a plan should give it back.
type want struct {
	planned
	pieces []manifest.Piece
}

// scattered makes a stream whose pieces lie anywhere on a volume of size bytes, with holes between some, and tells what
// it should become.
func scattered(r *rand.Rand, number uint32, start, size int64) (volume.Stream, []want) {
	const unit = 512
	var s volume.Stream
	var out []want
	for range 1 + r.IntN(6) {
		p := volume.Piece{At: s.Length, Offset: r.Int64N(size/unit) * unit, Length: (1 + r.Int64N(2000)) * unit}
		if r.IntN(3) == 0 {
			p.At += (1 + r.Int64N(1500)) * unit // a hole
		}
		p.Length = min(p.Length, size-p.Offset)
		s.Pieces, s.Length = append(s.Pieces, p), p.At+p.Length
		for at := p.At; at < s.Length; {
			index := at / chunk.MaxSize
			end := min(s.Length, (index+1)*chunk.MaxSize)
			if k := len(out) - 1; k < 0 || out[k].index != uint32(index) {
				out = append(out, want{planned: planned{stream: number, index: uint32(index)}})
			}
			c := &out[len(out)-1]
			c.pieces = append(c.pieces, manifest.Piece{At: uint32(at % chunk.MaxSize), Length: uint32(end - at),
				Offset: start + p.Offset + at - p.At})
			at = end
		}
	}
	s.Size, s.ZeroTail = s.Length-r.Int64N(unit), r.IntN(2) == 0
	if r.IntN(4) == 0 {
		s.Valid = 1 + r.Int64N(s.Size)
	}
	for i := range out {
		c := &out[i]
		from := int64(c.index) * chunk.MaxSize
		c.length = int(min(chunk.MaxSize, s.Length-from))
		c.zeroFrom = int(min(max(0, s.ZeroFrom()-from), int64(c.length)))
	}
	return s, out
}

func TestAPlanGivesBackEveryChunkInTheOrderOfTheDisk(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	const start, size = 1 << 20, 5 << 30
	var l plan
	var all []want
	number := uint32(0)
	for range 3000 {
		s, chunks := scattered(r, number, start, size)
		if err := l.cut(number, found{start: start, length: size}, s); err != nil {
			t.Fatal(err)
		}
		all = append(all, chunks...)
		number += 1 + uint32(r.IntN(3))
	}
	parts := 0
	for _, w := range all {
		parts += len(w.pieces)
	}
	if l.chunks != len(all) || l.parts != parts {
		t.Errorf("%d chunks of %d pieces are counted, want %d of %d", l.chunks, l.parts, len(all), parts)
	}
	isFar := func(w want) int {
		if spread(w.pieces) > nearBytes {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b want) int {
		return cmp.Or(cmp.Compare(isFar(a), isFar(b)), cmp.Compare(a.pieces[0].Offset, b.pieces[0].Offset))
	})
	var chunks []planned
	var pieces []manifest.Piece
	next, far := 0, 0
	for _, w := range []windows{l.near, l.far} {
		for n := range w {
			chunks, pieces = w.take(n, chunks, pieces)
			if w[n].packed != nil {
				t.Fatal("a window is kept after it was read")
			}
			for _, got := range chunks {
				i := next // chunks of one place may come in any order
				for i < len(all) && (all[i].stream != got.stream || all[i].index != got.index) {
					i++
				}
				if i == len(all) || all[i].pieces[0].Offset != all[next].pieces[0].Offset {
					t.Fatalf("chunk %d of stream %d comes as number %d", got.index, got.stream, next)
				}
				all[i], all[next] = all[next], all[i]
				w := all[next]
				if got.length != w.length || got.zeroFrom != w.zeroFrom || got.offset != w.pieces[0].Offset ||
					!slices.Equal(pieces[got.first:got.end], w.pieces) {
					t.Fatalf("got %+v with %v, want %+v", got, pieces[got.first:got.end], w)
				}
				far += isFar(w)
				next++
			}
		}
	}
	if next != len(all) || far < 100 || next-far < 100 {
		t.Errorf("%d chunks of %d came back, %d of them in pieces far apart", next, len(all), far)
	}
}

func TestAPlanIsSmall(t *testing.T) {
	var l plan
	bytes := func() (n int) {
		for _, w := range l.near {
			n += len(w.packed)
		}
		return n
	}
	const chunks = 1 << 20
	f := found{length: 1 << 40}
	whole := volume.Stream{Size: chunks * chunk.MaxSize, Length: chunks * chunk.MaxSize}
	whole.Pieces = []volume.Piece{{Length: whole.Length}}
	if err := l.cut(0, f, whole); err != nil {
		t.Fatal(err)
	}
	if n := bytes(); n > 9*chunks {
		t.Errorf("a file of %d chunks takes %d bytes", chunks, n)
	}
	l = plan{}
	for i := range uint32(chunks) { // of 4 KiB, one after the other
		s := volume.Stream{Size: 1000, Length: 4096, ZeroTail: true, Pieces: []volume.Piece{{Offset: int64(i) * 8192, Length: 4096}}}
		if err := l.cut(i, f, s); err != nil {
			t.Fatal(err)
		}
	}
	if n := bytes(); n > 14*chunks {
		t.Errorf("%d small files take %d bytes", chunks, n)
	}
}

func TestStreamsThatCannotBeAreRefused(t *testing.T) {
	f := found{length: 1 << 20}
	for name, p := range map[string][]volume.Piece{
		"nothing":           {{}},
		"behind the stream": {{At: 1 << 19, Length: 1 << 19}},
		"behind the volume": {{Offset: 1 << 20, Length: 1}},
		"before the volume": {{Offset: -1, Length: 1}},
		"backwards":         {{At: 300_000, Length: 10}, {At: 0, Length: 10, Offset: 100}},
	} {
		if err := (&plan{}).cut(0, f, volume.Stream{Length: 400_000, Pieces: p}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAdviceBecomesAWarning(t *testing.T) {
	l := &volume.Layout{Kind: "ntfs", Advice: []string{"switch it off"}}
	got := volumeWarnings(&disk.Table{}, []found{{partition: 3, layout: l}, {partition: 4, layout: &volume.Layout{}}})
	if want := "Partition 3 (ntfs): switch it off."; strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
