package manifest

import (
	"cmp"
	"iter"
	"slices"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Piece is a part of a chunk and its place on the disk. Bytes of a chunk that no piece covers are holes: zeros, hashed
// but neither read nor written.
type Piece struct {
	At     uint32 // offset in the chunk's content, bytes
	Length uint32 // bytes
	Offset int64  // bytes from the start of the disk
}

// Entry is one chunk of one stream and where it goes.
type Entry struct {
	ID     chunk.ID
	Length uint32  // bytes of content, padding and holes included
	Stream uint32  // stream number
	Index  uint32  // position in the stream / chunk.MaxSize
	Pieces []Piece // in stream order
}

// Table holds entries in columns: 48 bytes an entry and 16 a piece. The zero value is empty and ready.
type Table struct {
	ids     []chunk.ID
	lengths []uint32
	streams []uint32
	indexes []uint32
	ends    []uint32 // end of the entry's pieces in pieces; it starts at the end of the one before
	pieces  []Piece
	order   []uint32 // nil while entries lie in the order they were appended
}

// Len returns the number of entries.
func (t *Table) Len() int { return len(t.ids) }

// Append adds an entry at the end. The pieces are copied.
func (t *Table) Append(e Entry) {
	if t.order != nil {
		t.order = append(t.order, uint32(len(t.ids)))
	}
	t.ids = append(t.ids, e.ID)
	t.lengths = append(t.lengths, e.Length)
	t.streams = append(t.streams, e.Stream)
	t.indexes = append(t.indexes, e.Index)
	t.pieces = append(t.pieces, e.Pieces...)
	t.ends = append(t.ends, uint32(len(t.pieces)))
}

// Grow makes room for so many more entries and pieces, so that appending them leaves no garbage.
func (t *Table) Grow(entries, pieces int) {
	t.ids = slices.Grow(t.ids, entries)
	t.lengths = slices.Grow(t.lengths, entries)
	t.streams = slices.Grow(t.streams, entries)
	t.indexes = slices.Grow(t.indexes, entries)
	t.ends = slices.Grow(t.ends, entries)
	t.pieces = slices.Grow(t.pieces, pieces)
}

// At returns entry i. Its pieces are shared with the table: do not change them.
func (t *Table) At(i int) Entry {
	i = t.appended(i)
	return Entry{ID: t.ids[i], Length: t.lengths[i], Stream: t.streams[i], Index: t.indexes[i],
		Pieces: t.pieces[t.start(i):t.ends[i]:t.ends[i]]}
}

// appended returns the number under which entry i was appended: its place in the columns.
func (t *Table) appended(i int) int {
	if t.order == nil {
		return i
	}
	return int(t.order[i])
}

// start returns where the pieces of appended entry i begin.
func (t *Table) start(i int) uint32 {
	if i == 0 {
		return 0
	}
	return t.ends[i-1]
}

// All walks the entries in order.
func (t *Table) All() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		for i := range t.Len() {
			if !yield(i, t.At(i)) {
				return
			}
		}
	}
}

// Sort orders the entries by their first place on the disk; those without one come first, by stream and index.
func (t *Table) Sort() {
	if t.order == nil {
		if slices.IsSortedFunc(t.natural(), t.compare) {
			return
		}
		t.order = t.natural()
	}
	slices.SortFunc(t.order, t.compare)
}

// natural returns the numbers of the entries in the order they were appended.
func (t *Table) natural() []uint32 {
	order := make([]uint32, t.Len())
	for i := range order {
		order[i] = uint32(i)
	}
	return order
}

// first returns the first place of appended entry i on the disk, -1 if it has none.
func (t *Table) first(i uint32) int64 {
	start := t.start(int(i))
	if start == t.ends[i] {
		return -1
	}
	return t.pieces[start].Offset
}

func (t *Table) compare(a, b uint32) int {
	return cmp.Or(cmp.Compare(t.first(a), t.first(b)), cmp.Compare(t.streams[a], t.streams[b]),
		cmp.Compare(t.indexes[a], t.indexes[b]))
}
