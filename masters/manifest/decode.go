package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"

	"github.com/ardoise/ardoise/masters/chunk"
)

// DefaultLimit is the limit in bytes for callers without a reason for another: 32 million chunks, 8 TB of disk.
const DefaultLimit = 1 << 30

const (
	maxHead   = 4 << 20  // bytes of section HEAD
	firstStep = 64 << 10 // elements made before their number is proven by bytes that were read
)

// Decode reads one encoded manifest, to the end of r, validates everything and returns it with its hash. It reads no
// more than limit bytes (0: DefaultLimit) and decompresses no more than that. What is wrong is an *InvalidError that
// names the structure, or a *FormatError; errors of r are passed on.
func Decode(r io.Reader, limit int64) (*Manifest, Hash, error) {
	b, head, err := open(r, limit)
	if err != nil {
		return nil, Hash{}, err
	}
	defer b.close()
	m := head.manifest()
	if err := m.Chunks.decode(b, head.Entries, head.Pieces, m.Disk.Size); err != nil {
		return nil, Hash{}, err
	}
	if m.Fills, err = decodeFills(b, head.Fills, m.Disk.Size); err != nil {
		return nil, Hash{}, err
	}
	if m.DontCare, err = decodeExtents(b, head.DontCare, m.Disk.Size); err != nil {
		return nil, Hash{}, err
	}
	hash, err := b.eof()
	if err != nil {
		return nil, Hash{}, err
	}
	if err := m.validate(); err != nil {
		return nil, Hash{}, err
	}
	return m, hash, nil
}

// DecodeHead reads only the head of an encoded manifest: all but chunks, fills and don't-care extents. It is quick, for
// listings; nothing that it returns is proven. The number of chunks is returned beside it.
func DecodeHead(r io.Reader) (*Manifest, int, error) {
	b, head, err := open(r, DefaultLimit)
	if err != nil {
		return nil, 0, err
	}
	defer b.close()
	return head.manifest(), head.Entries, nil
}

func open(r io.Reader, limit int64) (*blockReader, header, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	var head header
	b, err := newBlockReader(r, manifestMagic, "manifest", limit)
	if err != nil {
		return nil, head, err
	}
	if head, err = decodeHead(b); err == nil {
		err = head.manifest().validateHead()
	}
	if err == nil && !head.fits(limit) {
		err = invalid("section HEAD", "declares more than the limit of %d bytes can hold", limit)
	}
	if err != nil {
		b.close()
		return nil, head, err
	}
	return b, head, nil
}

func decodeHead(b *blockReader) (header, error) {
	var head header
	if err := b.begin("HEAD"); err != nil {
		return head, err
	}
	var raw []byte
	for {
		more, err := b.next()
		if err != nil {
			return head, err
		}
		if !more {
			break
		}
		if raw = append(raw, b.content...); len(raw) > maxHead {
			return head, invalid(b.section, "more than %d bytes", maxHead)
		}
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return head, invalid(b.section, "%v", err)
	}
	again, err := json.Marshal(head)
	if err != nil || !bytes.Equal(again, raw) {
		return head, invalid(b.section, "is not canonical")
	}
	return head, nil
}

// fits tells whether the declared numbers can be true: each element takes bytes of content.
func (h header) fits(limit int64) bool {
	for _, c := range []struct{ count, bytes int }{{h.Entries, 36}, {h.Pieces, 3}, {h.Fills, 4}, {h.DontCare, 2}} {
		if c.count < 0 || int64(c.count) > limit/int64(c.bytes) || int64(c.count) > math.MaxUint32 {
			return false
		}
	}
	return true
}

func (h header) manifest() *Manifest {
	return &Manifest{Name: h.Name, Version: h.Version, Created: h.Created, Author: h.Author, Note: h.Note,
		Parent: h.Parent, Disk: h.Disk, Partitions: h.Partitions, Volumes: h.Volumes, Names: h.Names,
		NameCount: h.NameCount}
}

// section reads one section with read and makes sure that it ends where read does.
func (b *blockReader) read(tag string, read func() error) error {
	if err := b.begin(tag); err != nil {
		return err
	}
	if err := read(); err != nil {
		return err
	}
	return b.finish()
}

// grow makes room for one more of at most most elements: doubled, so that a declared number costs memory only as it is
// proven, and never beyond most, so that nothing is wasted at the end.
func grow[T any](s []T, most int) []T {
	if len(s) < cap(s) {
		return s
	}
	bigger := make([]T, len(s), min(most, max(firstStep, 2*len(s))))
	copy(bigger, s)
	return bigger
}

func (t *Table) decode(b *blockReader, entries, pieces int, size int64) error {
	err := b.read("IDS_", func() error {
		for range entries {
			t.ids = grow(t.ids, entries)
			t.ids = append(t.ids, chunk.ID{})
			if err := b.full(t.ids[len(t.ids)-1][:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	column := func(tag string, to *[]uint32, next func() (uint32, error)) error {
		*to = make([]uint32, entries)
		return b.read(tag, func() error {
			for i := range *to {
				v, err := next()
				if err != nil {
					return err
				}
				(*to)[i] = v
			}
			return nil
		})
	}
	if err := column("LENG", &t.lengths, func() (uint32, error) {
		v, err := b.uvarint(chunk.MaxSize - 1)
		return chunk.MaxSize - uint32(v), err
	}); err != nil {
		return err
	}
	if err := column("STRM", &t.streams, b.delta(0)); err != nil {
		return err
	}
	if err := column("INDX", &t.indexes, b.delta(1)); err != nil {
		return err
	}
	var end uint64
	if err := column("PCNT", &t.ends, func() (uint32, error) {
		v, err := b.uvarint(uint64(pieces) - end)
		end += v
		return uint32(end), err
	}); err != nil {
		return err
	}
	if end != uint64(pieces) {
		return invalid("section PCNT", "%d pieces, the head declares %d", end, pieces)
	}
	return b.read("PIEC", func() error { return t.decodePieces(b, pieces, size) })
}

// delta returns a function that reads numbers, each stored as the difference to the one before plus step.
func (b *blockReader) delta(step int64) func() (uint32, error) {
	var before int64
	return func() (uint32, error) {
		d, err := b.varint()
		if err != nil {
			return 0, err
		}
		if d < -math.MaxUint32-1 || d > math.MaxUint32 || before+d < 0 || before+d > math.MaxUint32 {
			return 0, invalid(b.section, "number is out of range")
		}
		v := before + d
		before = v + step
		return uint32(v), nil
	}
}

func (t *Table) decodePieces(b *blockReader, pieces int, size int64) error {
	if pieces <= len(t.ids) {
		t.pieces = make([]Piece, 0, pieces)
	}
	var before int64
	var start uint32
	for i, end := range t.ends {
		var at uint32
		for range end - start {
			p, err := decodePiece(b, at, t.lengths[i], before, size)
			if err != nil {
				return fmt.Errorf("reading entry %d: %w", i, err)
			}
			at, before = p.At+p.Length, p.Offset+int64(p.Length)
			t.pieces = append(grow(t.pieces, pieces), p)
		}
		start = end
	}
	return nil
}

func decodePiece(b *blockReader, at, length uint32, before, size int64) (Piece, error) {
	if at >= length {
		return Piece{}, invalid(b.section, "piece begins at the end of its chunk")
	}
	skip, err := b.uvarint(uint64(length - at - 1))
	if err != nil {
		return Piece{}, err
	}
	at += uint32(skip)
	rest, err := b.uvarint(uint64(length - at - 1))
	if err != nil {
		return Piece{}, err
	}
	d, err := b.varint()
	if err != nil {
		return Piece{}, err
	}
	p := Piece{At: at, Length: length - at - uint32(rest)}
	if d < -size || d > size || before+d < 0 || before+d > size-int64(p.Length) {
		return Piece{}, invalid(b.section, "piece lies outside the disk")
	}
	p.Offset = before + d
	return p, nil
}

func decodeExtent(b *blockReader, end, size int64) (Extent, error) {
	gap, err := b.uvarint(uint64(size - end))
	if err != nil {
		return Extent{}, err
	}
	length, err := b.uvarint(uint64(size-end) - gap)
	if err != nil {
		return Extent{}, err
	}
	return Extent{Offset: end + int64(gap), Length: int64(length)}, nil
}

func decodeFills(b *blockReader, count int, size int64) ([]Fill, error) {
	var fills []Fill
	err := b.read("FILL", func() error {
		var end int64
		for range count {
			e, err := decodeExtent(b, end, size)
			if err != nil {
				return err
			}
			value, err := b.ReadByte()
			if err != nil {
				return err
			}
			stream, err := b.uvarint(math.MaxUint32)
			if err != nil {
				return err
			}
			fills = append(grow(fills, count), Fill{Extent: e, Byte: value, Stream: uint32(stream)})
			end = e.End()
		}
		return nil
	})
	return fills, err
}

func decodeExtents(b *blockReader, count int, size int64) ([]Extent, error) {
	var extents []Extent
	err := b.read("DONT", func() error {
		var end int64
		for range count {
			e, err := decodeExtent(b, end, size)
			if err != nil {
				return err
			}
			extents = append(grow(extents, count), e)
			end = e.End()
		}
		return nil
	})
	return extents, err
}
