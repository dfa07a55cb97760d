package capture

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// windowBytes is how much of the disk one window of a plan covers: at most 65,536 files of one block of 4 KiB each, which
// take 5 MiB while the window is being read, and 8192 windows of 48 bytes for 2 TiB.
const windowBytes = 256 << 20

// nearBytes is how far the pieces of a chunk may lie from each other to be read on the way. Others wait for the end: one
// of them in each batch would send the disk's arm to its other end and back each time.
const nearBytes = 8 << 20

// plan is what there is to read: every chunk that has a place, under the window of the disk that its first piece lies in,
// packed, in the order of the streams. A chunk that lies behind the one before takes 8 bytes, a small file about 12: less
// than a fifth of what the manifest keeps of it.
type plan struct {
	near, far     windows
	chunks, parts int              // how many there are, and their pieces
	pieces        []manifest.Piece // of the chunk that is being cut
}

// windows cover the disk up to the last chunk.
type windows []window

// window is the packed chunks of windowBytes of the disk. Each begins with what it has less or more than the one before.
type window struct {
	packed []byte
	stream uint32 // of the last chunk
	index  uint32
	end    int64 // of its last piece
}

// planned is a chunk of a plan.
type planned struct {
	stream, index uint32
	length        int   // bytes of content
	zeroFrom      int   // bytes from here on are zeros whatever the disk holds
	offset        int64 // of its first piece on the disk
	first, end    int   // its pieces, in those of its window
}

// cut adds the chunks of one stream that have a place on the disk.
func (l *plan) cut(stream uint32, f found, s volume.Stream) error {
	open := int64(-1) // index of the chunk that is being cut
	for _, p := range s.Pieces {
		if p.Length <= 0 || p.At < 0 || p.At+p.Length > s.Length || p.Offset < 0 || p.Offset+p.Length > f.length {
			return fmt.Errorf("stream %d: a piece of %d bytes at %d lies outside it or the volume", stream, p.Length, p.At)
		}
		for p.Length > 0 {
			index := p.At / chunk.MaxSize
			if index != open {
				if index < open || index > int64(^uint32(0)) {
					return fmt.Errorf("stream %d: pieces are out of order", stream)
				}
				l.add(stream, open, &s)
				open = index
			}
			n := min(p.Length, (index+1)*chunk.MaxSize-p.At)
			l.piece(manifest.Piece{At: uint32(p.At % chunk.MaxSize), Length: uint32(n), Offset: f.start + p.Offset})
			p.At, p.Offset, p.Length = p.At+n, p.Offset+n, p.Length-n
		}
	}
	l.add(stream, open, &s)
	return nil
}

// piece gives the chunk that is being cut another piece, joined with the one before where both places touch.
func (l *plan) piece(p manifest.Piece) {
	if k := len(l.pieces) - 1; k >= 0 {
		last := &l.pieces[k]
		if last.At+last.Length == p.At && last.Offset+int64(last.Length) == p.Offset {
			last.Length += p.Length
			return
		}
	}
	l.pieces = append(l.pieces, p)
}

// add puts the chunk that was cut into its window.
func (l *plan) add(stream uint32, index int64, s *volume.Stream) {
	if len(l.pieces) == 0 {
		return
	}
	length := min(chunk.MaxSize, s.Length-index*chunk.MaxSize)
	zeros := min(max(0, length-(s.ZeroFrom()-index*chunk.MaxSize)), length)
	to := &l.near
	if spread(l.pieces) > nearBytes {
		to = &l.far
	}
	w := to.at(l.pieces[0].Offset)
	b := w.packed
	if stream != w.stream {
		w.index = 0
	}
	b = binary.AppendUvarint(b, uint64(stream-w.stream))
	b = binary.AppendUvarint(b, uint64(uint32(index)-w.index))
	b = binary.AppendUvarint(b, uint64(chunk.MaxSize-length))
	b = binary.AppendUvarint(b, uint64(zeros))
	b = binary.AppendUvarint(b, uint64(len(l.pieces)-1))
	w.stream, w.index = stream, uint32(index)
	at := uint32(0)
	for _, p := range l.pieces {
		b = binary.AppendUvarint(b, uint64(p.At-at))
		b = binary.AppendUvarint(b, uint64(uint32(length)-p.At-p.Length))
		b = binary.AppendVarint(b, p.Offset-w.end)
		at, w.end = p.At+p.Length, p.Offset+int64(p.Length)
	}
	l.chunks, l.parts = l.chunks+1, l.parts+len(l.pieces)
	w.packed, l.pieces = b, l.pieces[:0]
}

// spread is how many bytes of the disk lie between the start of the first and the end of the last piece.
func spread(pieces []manifest.Piece) int64 {
	from, to := pieces[0].Offset, int64(0)
	for _, p := range pieces {
		from, to = min(from, p.Offset), max(to, p.Offset+int64(p.Length))
	}
	return to - from
}

// at returns the window that an offset of the disk lies in.
func (w *windows) at(offset int64) *window {
	n := int(offset / windowBytes)
	for len(*w) <= n {
		*w = append(*w, window{end: int64(len(*w)) * windowBytes})
	}
	return &(*w)[n]
}

// take unpacks window n into chunks and pieces, which it overwrites, in the order of their first place on the disk, and
// forgets the window.
func (w windows) take(n int, chunks []planned, pieces []manifest.Piece) ([]planned, []manifest.Piece) {
	chunks, pieces = chunks[:0], pieces[:0]
	b := w[n].packed
	w[n].packed = nil
	next := func() int {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return int(v)
	}
	var c planned
	end := int64(n) * windowBytes
	for len(b) > 0 {
		if more := next(); more > 0 {
			c.stream, c.index = c.stream+uint32(more), 0
		}
		c.index += uint32(next())
		c.length = chunk.MaxSize - next()
		c.zeroFrom = c.length - next()
		c.first = len(pieces)
		at := 0
		for range next() + 1 {
			at += next()
			length := c.length - at - next()
			far, n := binary.Varint(b)
			b = b[n:]
			pieces = append(pieces, manifest.Piece{At: uint32(at), Length: uint32(length), Offset: end + far})
			at, end = at+length, end+far+int64(length)
		}
		c.end, c.offset = len(pieces), pieces[c.first].Offset
		chunks = append(chunks, c)
	}
	slices.SortFunc(chunks, func(x, y planned) int { return cmp.Compare(x.offset, y.offset) })
	return chunks, pieces
}
