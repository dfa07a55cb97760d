package manifest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	maxDisk = 1 << 60 // bytes: sums of two places on a disk never overflow
	maxUnit = 1 << 30 // bytes
	maxText = 4096    // bytes of a label, a reason, an author
	maxNote = 64 << 10
)

// validate tells what is inconsistent in m, as *InvalidError.
func (m *Manifest) validate() error {
	if err := m.validateHead(); err != nil {
		return err
	}
	if err := m.validateEntries(); err != nil {
		return err
	}
	for i, f := range m.Fills {
		if int64(f.Stream) >= int64(m.NameCount) {
			return invalid(fmt.Sprintf("fill %d", i), "stream %d is not below %d", f.Stream, m.NameCount)
		}
	}
	return m.validatePlaces()
}

func (m *Manifest) validateHead() error {
	if err := m.Disk.validate(); err != nil {
		return err
	}
	switch {
	case m.Version < 0:
		return invalid("section HEAD", "version %d is negative", m.Version)
	case m.NameCount < 0 || int64(m.NameCount) > math.MaxUint32:
		return invalid("section HEAD", "number of streams %d is out of range", m.NameCount)
	case len(m.Name) > maxText || len(m.Author) > maxText || len(m.Note) > maxNote:
		return invalid("section HEAD", "name, author or note is too long")
	}
	if err := m.validatePartitions(); err != nil {
		return err
	}
	return m.validateVolumes()
}

func (d Disk) validate() error {
	switch {
	case d.Size <= 0 || d.Size > maxDisk:
		return invalid("disk", "size %d is out of range", d.Size)
	case d.SectorSize != 512 && d.SectorSize != 4096:
		return invalid("disk", "sector size %d is neither 512 nor 4096", d.SectorSize)
	case d.Table != GPT && d.Table != MBR && d.Table != NoTable:
		return invalid("disk", "partition table %q is unknown", d.Table)
	case d.Table == GPT && (d.Entries == 0 || d.Entries > 16384):
		return invalid("disk", "partition table of %d entries", d.Entries)
	case d.Table == GPT && d.FirstLBA > uint64(d.Size)/uint64(d.SectorSize):
		return invalid("disk", "first usable sector %d lies outside the disk", d.FirstLBA)
	case len(d.GUID) > maxText:
		return invalid("disk", "GUID is too long")
	}
	return nil
}

// Extended tells whether a partition of an MBR is a container of logical ones: types 05, 0F and Linux's 85.
func (p Partition) Extended() bool {
	t, err := strconv.ParseUint(p.Type, 16, 8)
	return err == nil && len(p.Type) == 2 && (t == 0x05 || t == 0x0f || t == 0x85)
}

// End returns the offset of the first byte after the partition.
func (p Partition) End() int64 { return p.Start + p.Length }

func (m *Manifest) validatePartitions() error {
	if m.Disk.Table == NoTable && len(m.Partitions) > 0 {
		return invalid("partitions", "%d on a disk without table", len(m.Partitions))
	}
	before := 0
	for _, p := range m.Partitions {
		where := fmt.Sprintf("partition %d", p.Number)
		switch sector := int64(m.Disk.SectorSize); {
		case p.Number <= before:
			return invalid(where, "is not after partition %d", before)
		case m.Disk.Table == GPT && int64(p.Number) > int64(m.Disk.Entries):
			return invalid(where, "table has %d entries", m.Disk.Entries)
		case p.Start <= 0 || p.Length <= 0 || p.Start > m.Disk.Size || p.Length > m.Disk.Size-p.Start:
			return invalid(where, "lies outside the disk")
		case p.Start%sector != 0 || p.Length%sector != 0:
			return invalid(where, "does not begin and end on a sector")
		case len(p.Name) > maxText || len(p.GUID) > maxText || len(p.Type) > maxText:
			return invalid(where, "name, type or GUID is too long")
		}
		before = p.Number
	}
	return m.validateOverlap()
}

// validateOverlap lets nothing overlap but the logical partitions of an MBR (from 5) and the container they lie in.
func (m *Manifest) validateOverlap() error {
	var first, logical, container []Partition
	for _, p := range m.Partitions {
		switch {
		case m.Disk.Table == MBR && p.Number > 4:
			logical = append(logical, p)
		case m.Disk.Table == MBR && p.Extended():
			container = append(container, p)
			first = append(first, p)
		default:
			first = append(first, p)
		}
	}
	for _, p := range logical {
		if !slices.ContainsFunc(container, func(c Partition) bool { return c.Start < p.Start && p.End() <= c.End() }) {
			return invalid(fmt.Sprintf("partition %d", p.Number), "lies in no extended partition")
		}
	}
	for _, list := range [][]Partition{first, logical} {
		slices.SortFunc(list, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
		for i := 1; i < len(list); i++ {
			if list[i].Start < list[i-1].End() {
				return invalid(fmt.Sprintf("partition %d", list[i].Number), "overlaps partition %d", list[i-1].Number)
			}
		}
	}
	return nil
}

func (m *Manifest) validateVolumes() error {
	partitions := make(map[int]Partition, len(m.Partitions))
	for _, p := range m.Partitions {
		partitions[p.Number] = p
	}
	var end int64
	for i, v := range m.Volumes {
		where := fmt.Sprintf("volume %d", i)
		p, known := partitions[v.Partition]
		switch {
		case v.Start < end:
			return invalid(where, "overlaps the one before or is out of order")
		case v.Length <= 0 || v.Start > m.Disk.Size || v.Length > m.Disk.Size-v.Start:
			return invalid(where, "lies outside the disk")
		case v.Partition != 0 && !known:
			return invalid(where, "partition %d does not exist", v.Partition)
		case v.Partition != 0 && (v.Start < p.Start || v.Start+v.Length > p.End()):
			return invalid(where, "lies outside partition %d", v.Partition)
		case v.Order != ByFile && v.Order != ByPosition && v.Order != Raw:
			return invalid(where, "order %q is unknown", v.Order)
		case v.Unit < 1 || v.Unit > maxUnit:
			return invalid(where, "allocation unit of %d bytes", v.Unit)
		case v.Used < 0 || v.Used > v.Length:
			return invalid(where, "uses %d of %d bytes", v.Used, v.Length)
		case int64(v.Meta) >= int64(m.NameCount):
			return invalid(where, "stream %d is not below %d", v.Meta, m.NameCount)
		case v.Kind == "" || len(v.Kind) > maxText || len(v.Reason) > maxText || len(v.Label) > maxText || len(v.UUID) > maxText:
			return invalid(where, "kind, reason, label or UUID is empty or too long")
		}
		for _, h := range v.Heads {
			if h.Offset < v.Start || h.Length <= 0 || h.Length > v.Length || h.Offset > v.Start+v.Length-h.Length {
				return invalid(where, "head at %d lies outside it", h.Offset)
			}
		}
		end = v.Start + v.Length
		if strings.ContainsRune(v.Kind, 0) {
			return invalid(where, "kind has a zero byte")
		}
	}
	return nil
}

// validateEntries looks at each entry by itself: lengths, streams, pieces in order and in one volume.
func (m *Manifest) validateEntries() error {
	before := int64(-1)
	for i, e := range m.Chunks.All() {
		if reason := m.entryReason(e); reason != "" {
			return invalid(fmt.Sprintf("entry %d", i), "%s", reason)
		}
		if len(e.Pieces) > 0 {
			if e.Pieces[0].Offset <= before {
				return invalid(fmt.Sprintf("entry %d", i), "is out of order")
			}
			before = e.Pieces[0].Offset
		} else if before >= 0 {
			return invalid(fmt.Sprintf("entry %d", i), "without a place on the disk is out of order")
		}
	}
	return m.Chunks.validateUnique()
}

func (m *Manifest) entryReason(e Entry) string {
	if e.Length == 0 || e.Length > chunk.MaxSize {
		return fmt.Sprintf("length %d is out of range", e.Length)
	}
	if int64(e.Stream) >= int64(m.NameCount) {
		return fmt.Sprintf("stream %d is not below %d", e.Stream, m.NameCount)
	}
	var at uint32
	for _, p := range e.Pieces {
		if p.At < at || p.Length == 0 || p.At > e.Length || p.Length > e.Length-p.At {
			return fmt.Sprintf("piece at %d lies outside the chunk or out of order", p.At)
		}
		if p.Offset < 0 || p.Offset > m.Disk.Size-int64(p.Length) {
			return fmt.Sprintf("piece at %d lies outside the disk", p.At)
		}
		at = p.At + p.Length
	}
	if len(e.Pieces) == 0 {
		return ""
	}
	v := m.volumeAt(e.Pieces[0].Offset)
	if v == nil {
		return "lies in no volume"
	}
	for _, p := range e.Pieces {
		if p.Offset < v.Start || p.Offset+int64(p.Length) > v.Start+v.Length {
			return "lies in more than one volume"
		}
	}
	return ""
}

// volumeAt returns the volume that holds the disk's byte at offset, nil if none does.
func (m *Manifest) volumeAt(offset int64) *Volume {
	i := sort.Search(len(m.Volumes), func(i int) bool { return m.Volumes[i].Start > offset }) - 1
	if i < 0 || offset >= m.Volumes[i].Start+m.Volumes[i].Length {
		return nil
	}
	return &m.Volumes[i]
}

// validateUnique makes sure that no two entries are the same part of the same stream.
func (t *Table) validateUnique() error {
	order := make([]uint32, len(t.ids))
	sorted := true
	key := func(i uint32) uint64 { return uint64(t.streams[i])<<32 | uint64(t.indexes[i]) }
	for i := range order {
		order[i] = uint32(i)
		sorted = sorted && (i == 0 || key(uint32(i-1)) < key(uint32(i)))
	}
	if sorted {
		return nil
	}
	slices.SortFunc(order, func(a, b uint32) int { return cmp.Compare(key(a), key(b)) })
	for i := 1; i < len(order); i++ {
		if key(order[i]) == key(order[i-1]) {
			return invalid(fmt.Sprintf("stream %d", t.streams[order[i]]), "chunk %d occurs twice", t.indexes[order[i]])
		}
	}
	return nil
}

// validatePlaces walks all pieces, fills and don't-care extents in disk order: none may overlap another, each must lie
// in one volume, and together they must be what the volumes say they use.
func (m *Manifest) validatePlaces() error {
	t := &m.Chunks
	pieces := make([]uint32, len(t.pieces))
	for i := range pieces {
		pieces[i] = uint32(i)
	}
	slices.SortFunc(pieces, func(a, b uint32) int { return cmp.Compare(t.pieces[a].Offset, t.pieces[b].Offset) })
	w := places{m: m, used: make([]int64, len(m.Volumes))}
	p, f, d := 0, 0, 0
	for {
		next, kind := Extent{Offset: math.MaxInt64}, ""
		if p < len(pieces) {
			piece := t.pieces[pieces[p]]
			next, kind = Extent{piece.Offset, int64(piece.Length)}, "piece"
		}
		if f < len(m.Fills) && m.Fills[f].Offset < next.Offset {
			next, kind = m.Fills[f].Extent, "fill"
		}
		if d < len(m.DontCare) && m.DontCare[d].Offset < next.Offset {
			next, kind = m.DontCare[d], "don't-care extent"
		}
		switch kind {
		case "":
			return w.finish()
		case "piece":
			p++
		case "fill":
			f++
		default:
			d++
		}
		if err := w.add(kind, next); err != nil {
			return err
		}
	}
}

// places is the state of a walk over everything that lies on the disk, in disk order.
type places struct {
	m      *Manifest
	volume int
	used   []int64 // per volume, bytes
	end    int64
}

func (w *places) add(kind string, e Extent) error {
	refuse := func(reason string) error { return invalid(fmt.Sprintf("%s at %d", kind, e.Offset), "%s", reason) }
	if e.Length <= 0 || e.Offset < 0 || e.Length > w.m.Disk.Size || e.Offset > w.m.Disk.Size-e.Length {
		return refuse("lies outside the disk")
	}
	if e.Offset < w.end {
		return refuse("overlaps what lies before it")
	}
	w.end = e.End()
	for w.volume < len(w.m.Volumes) && e.Offset >= w.m.Volumes[w.volume].Start+w.m.Volumes[w.volume].Length {
		w.volume++
	}
	if w.volume == len(w.m.Volumes) || e.Offset < w.m.Volumes[w.volume].Start ||
		e.End() > w.m.Volumes[w.volume].Start+w.m.Volumes[w.volume].Length {
		return refuse("lies in no volume")
	}
	w.used[w.volume] += e.Length
	return nil
}

func (w *places) finish() error {
	for i, v := range w.m.Volumes {
		if w.used[i] != v.Used {
			return invalid(fmt.Sprintf("volume %d", i), "uses %d bytes, its chunks, fills and don't-care extents %d",
				v.Used, w.used[i])
		}
	}
	return nil
}
