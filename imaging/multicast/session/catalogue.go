package session

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// catalogue is the distinct chunks of a manifest, in the order in which its table first names them. It takes 16 bytes a
// chunk besides the manifest.
type catalogue struct {
	table    *manifest.Table
	entries  []uint32 // by place in the catalogue: the entry that first names the chunk
	prefixes []uint64 // first 8 bytes of the ids, sorted
	places   []uint32 // of the same chunk in the catalogue
}

// newCatalogue finds the distinct chunks of a table.
func newCatalogue(t *manifest.Table) *catalogue {
	byID := make([]uint32, t.Len())
	for i := range byID {
		byID[i] = uint32(i)
	}
	slices.SortFunc(byID, func(a, b uint32) int {
		ida, idb := t.At(int(a)).ID, t.At(int(b)).ID
		return cmp.Or(bytes.Compare(ida[:], idb[:]), cmp.Compare(a, b))
	})
	first := byID[:0]
	for _, e := range byID {
		if n := len(first); n == 0 || t.At(int(first[n-1])).ID != t.At(int(e)).ID {
			first = append(first, e)
		}
	}
	c := &catalogue{table: t, entries: slices.Clone(first)}
	slices.Sort(c.entries)
	place := func(entry uint32) uint32 {
		at, _ := slices.BinarySearch(c.entries, entry)
		return uint32(at)
	}
	for _, e := range first { // ordered by id
		id := t.At(int(e)).ID
		c.prefixes = append(c.prefixes, binary.BigEndian.Uint64(id[:]))
		c.places = append(c.places, place(e))
	}
	return c
}

// size returns how many distinct chunks there are.
func (c *catalogue) size() int { return len(c.entries) }

// id returns the chunk at a place.
func (c *catalogue) id(place uint32) chunk.ID { return c.table.At(int(c.entries[place])).ID }

// find returns the place of the chunk whose id begins so. Of two that begin alike it finds the first: the other one
// never fits what comes, and is left to other sources.
func (c *catalogue) find(prefix [8]byte) (place uint32, ok bool) {
	want := binary.BigEndian.Uint64(prefix[:])
	at := sort.Search(len(c.prefixes), func(i int) bool { return c.prefixes[i] >= want })
	if at == len(c.prefixes) || c.prefixes[at] != want {
		return 0, false
	}
	return c.places[at], true
}
