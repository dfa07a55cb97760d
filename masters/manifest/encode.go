package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
)

const manifestMagic = "ARDMANIF"

// header is what section HEAD holds, in this order.
type header struct {
	Name       string
	Version    int
	Created    time.Time
	Author     string
	Note       string
	Parent     Hash
	Disk       Disk
	Partitions []Partition
	Volumes    []Volume
	Names      Hash
	NameCount  int
	Entries    int
	Pieces     int
	Fills      int
	DontCare   int
}

// Encode writes the manifest's one encoding to w and returns its hash. It first puts m in order (entries, fills and
// don't-care extents by place, partitions by number, volumes by start; Created in UTC and whole seconds) and refuses,
// with *InvalidError, what Decode would refuse.
func (m *Manifest) Encode(w io.Writer) (Hash, error) {
	m.normalise()
	if err := m.validate(); err != nil {
		return Hash{}, err
	}
	head, err := json.Marshal(header{Name: m.Name, Version: m.Version, Created: m.Created, Author: m.Author,
		Note: m.Note, Parent: m.Parent, Disk: m.Disk, Partitions: m.Partitions, Volumes: m.Volumes, Names: m.Names,
		NameCount: m.NameCount, Entries: m.Chunks.Len(), Pieces: len(m.Chunks.pieces), Fills: len(m.Fills),
		DontCare: len(m.DontCare)})
	if err != nil {
		return Hash{}, fmt.Errorf("encoding the head of a manifest: %w", err)
	}
	if len(head) > maxHead {
		return Hash{}, invalid("section HEAD", "%d bytes are more than %d", len(head), maxHead)
	}
	b := newBlockWriter(w, manifestMagic)
	b.section("HEAD", func() { b.write(head) })
	m.Chunks.encode(b)
	b.section("FILL", func() {
		var end int64
		for _, f := range m.Fills {
			b.uvarint(uint64(f.Offset - end))
			b.uvarint(uint64(f.Length))
			b.write([]byte{f.Byte})
			b.uvarint(uint64(f.Stream))
			end = f.End()
		}
	})
	b.section("DONT", func() {
		var end int64
		for _, e := range m.DontCare {
			b.uvarint(uint64(e.Offset - end))
			b.uvarint(uint64(e.Length))
			end = e.End()
		}
	})
	if b.err != nil {
		return Hash{}, fmt.Errorf("writing a manifest: %w", b.err)
	}
	return b.hash(), nil
}

func (b *blockWriter) section(tag string, content func()) {
	b.begin(tag)
	content()
	b.end()
}

// normalise gives m the order and the precision that its encoding has.
func (m *Manifest) normalise() {
	m.Created = m.Created.UTC().Truncate(time.Second)
	slices.SortStableFunc(m.Partitions, func(a, b Partition) int { return cmp.Compare(a.Number, b.Number) })
	slices.SortStableFunc(m.Volumes, func(a, b Volume) int { return cmp.Compare(a.Start, b.Start) })
	slices.SortStableFunc(m.Fills, func(a, b Fill) int { return cmp.Compare(a.Offset, b.Offset) })
	slices.SortStableFunc(m.DontCare, func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	m.Chunks.Sort()
}

func (t *Table) encode(b *blockWriter) {
	column := func(tag string, put func(i int)) {
		b.section(tag, func() {
			for i := range t.ids {
				put(t.appended(i))
			}
		})
	}
	column("IDS_", func(i int) { b.write(t.ids[i][:]) })
	column("LENG", func(i int) { b.uvarint(uint64(chunk.MaxSize - t.lengths[i])) })
	var stream, index int64
	column("STRM", func(i int) { b.varint(int64(t.streams[i]) - stream); stream = int64(t.streams[i]) })
	column("INDX", func(i int) { b.varint(int64(t.indexes[i]) - index); index = int64(t.indexes[i]) + 1 })
	column("PCNT", func(i int) { b.uvarint(uint64(t.ends[i] - t.start(i))) })
	var end int64
	column("PIEC", func(i int) {
		var at uint32
		for _, p := range t.pieces[t.start(i):t.ends[i]] {
			b.uvarint(uint64(p.At - at))
			b.uvarint(uint64(t.lengths[i] - p.At - p.Length))
			b.varint(p.Offset - end)
			at, end = p.At+p.Length, p.Offset+int64(p.Length)
		}
	})
}
