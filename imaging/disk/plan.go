package disk

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Write is bytes and where they go on the disk.
type Write struct {
	Offset int64 // bytes from the start of the disk
	Bytes  []byte
}

// TablePlan says how one disk is to be divided for one master.
type TablePlan struct {
	// First makes a table that holds our partitions alone, or nothing: it stands while the disk is being written.
	First []Write
	// Tables makes the final table. Written in order, each flushed: backup before primary, boot records before the MBR.
	Tables []Write
	// Ardoise is our partition on this disk; nil when none was wanted or there is no room.
	Ardoise *manifest.Partition
	// WhyNot is a sentence for a person when ARDOISE was wanted and has no room; else "".
	WhyNot string
	// Cache is our second partition on this disk, behind ARDOISE; nil when none was wanted or there is no room.
	Cache *manifest.Partition
	// WhyNoCache is a sentence for a person when the cache was wanted and has no room; else "".
	WhyNoCache string

	disk    manifest.Disk
	entries []manifest.Partition // ours included
}

// TooSmallError says that a disk is too small for a master.
type TooSmallError struct {
	Need, Have int64 // bytes
}

// Error implements error.
func (e *TooSmallError) Error() string {
	return fmt.Sprintf("disk of %d bytes is too small: the master needs %d", e.Have, e.Need)
}

// SectorSizeError says that a disk and a master have logical sectors of different sizes. No partition table and few file
// systems can be carried over.
type SectorSizeError struct {
	Need, Have int // bytes; Need is 0 when Have is a size that nobody supports
}

// Error implements error.
func (e *SectorSizeError) Error() string {
	if e.Need == 0 {
		return fmt.Sprintf("disk has sectors of %d bytes, supported are 512 and 4096", e.Have)
	}
	return fmt.Sprintf("disk has sectors of %d bytes, the master has sectors of %d", e.Have, e.Need)
}

// Ours says which partitions of ours a disk shall get. The zero value: none but those that are there.
type Ours struct {
	Ardoise bool  // ARDOISE
	Cache   int64 // bytes of the cache behind it, as CacheWanted says; less where there is less room; 0 = none
}

// Plan says how an empty disk of size bytes with the given logical sector size is to be divided for master m, with the
// partitions of ours that are wanted. It fails with *TooSmallError, *SectorSizeError, *TableError.
func Plan(m *manifest.Manifest, size int64, sector int, wanted Ours) (*TablePlan, error) {
	return PlanOver(nil, m, size, sector, wanted)
}

// PlanOver is Plan for a disk that has the table have (nil: none). Partitions of ours that lie behind the master's last
// one stay where they are, wanted or not. The cache grows at its place when it has less than three quarters of what is
// wanted, and never shrinks.
func PlanOver(have *Table, m *manifest.Manifest, size int64, sector int, wanted Ours) (*TablePlan, error) {
	d := m.Disk
	if sector != d.SectorSize {
		return nil, &SectorSizeError{Need: d.SectorSize, Have: sector}
	}
	if sector != 512 && sector != 4096 {
		return nil, &SectorSizeError{Have: sector}
	}
	if err := checkMaster(m); err != nil {
		return nil, err
	}
	d.Size = size / int64(sector) * int64(sector)
	need := Needs(m)
	if d.Size < need {
		return nil, &TooSmallError{Need: need, Have: size}
	}
	p := &TablePlan{disk: d, entries: slices.Clone(m.Partitions)}
	p.place(have, wanted)
	var err error
	if p.Tables, err = p.encode(p.entries, m); err != nil {
		return nil, err
	}
	if p.First, err = p.encode(p.entries[len(m.Partitions):], nil); err != nil {
		return nil, err
	}
	p.clearOld(have, m)
	return p, nil
}

// Needs returns the bytes that a disk must have for m: the end of its last partition (or volume) and, on GPT, the backup
// table (33 sectors of 512 bytes).
func Needs(m *manifest.Manifest) int64 {
	end := lastEnd(m.Partitions)
	for _, v := range m.Volumes {
		end = max(end, v.Start+v.Length)
	}
	if m.Disk.Table == manifest.GPT {
		sector := int64(m.Disk.SectorSize)
		arrays := int64(gptArraySectors(m.Disk))
		end = max((end+sector-1)/sector, 2+arrays) * sector
		end += (arrays + 1) * sector
	}
	return max(end, int64(m.Disk.SectorSize))
}

func lastEnd(parts []manifest.Partition) int64 {
	var end int64
	for _, p := range parts {
		end = max(end, p.Start+p.Length)
	}
	return end
}

// checkMaster refuses partitions that no table of the manifest's kind can hold.
func checkMaster(m *manifest.Manifest) error {
	d, sector := m.Disk, int64(m.Disk.SectorSize)
	switch d.Table {
	case manifest.NoTable:
		if len(m.Partitions) > 0 {
			return &TableError{d.Table, "partitions on a disk without a table"}
		}
	case manifest.GPT:
		if d.Entries == 0 || d.Entries > gptMaxEntries {
			return &TableError{d.Table, fmt.Sprintf("%d entries", d.Entries)}
		}
	case manifest.MBR:
	default:
		return &TableError{d.Table, "kind is not known"}
	}
	first := sector
	if d.Table == manifest.GPT {
		first = int64(2+gptArraySectors(d)) * sector
	}
	seen := map[int]bool{}
	for _, p := range m.Partitions {
		bad := p.Start < first || p.Start%sector != 0 || p.Length <= 0 || p.Length%sector != 0 ||
			p.Start > (1<<62)-p.Length || p.Number < 1 || seen[p.Number]
		if bad {
			return &TableError{d.Table, fmt.Sprintf("partition %d (%d bytes at %d) cannot be", p.Number, p.Length, p.Start)}
		}
		seen[p.Number] = true
	}
	return nil
}

// encode makes the writes of a table. m, where not nil, tells which bytes of the protective MBR its chunks hold.
func (p *TablePlan) encode(parts []manifest.Partition, m *manifest.Manifest) ([]Write, error) {
	sector := int64(p.disk.SectorSize)
	sectors := uint64(p.disk.Size / sector)
	switch p.disk.Table {
	case manifest.MBR:
		return encodeMBR(p.disk, parts)
	case manifest.GPT:
		g, err := encodeGPT(p.disk, parts, sectors)
		if err != nil {
			return nil, err
		}
		return []Write{
			{int64(g.backupLBA) * sector, g.array},
			{int64(sectors-1) * sector, g.backup},
			protectiveWrite(sectors, m),
			{2 * sector, g.array},
			{sector, g.primary},
		}, nil
	}
	return nil, nil
}

// protectiveWrite makes the protective MBR (UEFI 5.2.3), or its size alone where the rest comes from chunks.
func protectiveWrite(sectors uint64, m *manifest.Manifest) Write {
	size := uint32(min(sectors-1, 0xFFFFFFFF))
	if m != nil && coversProtective(m) {
		return Write{446 + 12, binary.LittleEndian.AppendUint32(nil, size)}
	}
	b := make([]byte, 66)
	copy(b, []byte{0x00, 0x00, 0x02, 0x00, 0xEE, 0xFF, 0xFF, 0xFF, 0x01})
	binary.LittleEndian.PutUint32(b[12:], size)
	b[64], b[65] = 0x55, 0xAA
	return Write{446, b}
}

func coversProtective(m *manifest.Manifest) bool {
	for _, e := range m.Chunks.All() {
		for _, p := range e.Pieces {
			if p.Offset <= 446 && p.Offset+int64(p.Length) >= 446+12 {
				return true
			}
		}
	}
	return false
}

// clearOld takes away what an older GPT would leave behind on a disk that gets another kind of table: a backup header
// that tools would find and offer to restore. It is left alone where a partition of the master covers it.
func (p *TablePlan) clearOld(have *Table, m *manifest.Manifest) {
	if have == nil || have.Disk.Table == manifest.NoTable || p.disk.Table == have.Disk.Table {
		return
	}
	sector := int64(p.disk.SectorSize)
	last := p.disk.Size - sector
	if p.disk.Table == manifest.NoTable {
		p.First = append(p.First, Write{0, make([]byte, min(2*sector, p.disk.Size))})
	}
	for _, v := range m.Volumes {
		if v.Start+v.Length > last {
			return
		}
	}
	if have.Disk.Table == manifest.GPT && lastEnd(p.entries) <= last {
		p.Tables = append(p.Tables, Write{last, make([]byte, sector)})
	}
}

// Holds tells whether the disk in r is already divided as planned, and if not, why. The table is compared by what it
// says, not byte by byte: other tools fill fields that nobody reads differently.
func (p *TablePlan) Holds(r io.ReaderAt) (bool, string) {
	t, err := ReadTable(r, p.disk.Size, p.disk.SectorSize)
	if err != nil {
		return false, err.Error()
	}
	have, want := t.Disk, p.disk
	switch {
	case have.Table != want.Table:
		return false, fmt.Sprintf("the table is %s, not %s", have.Table, want.Table)
	case t.unsound:
		return false, t.Warnings[len(t.Warnings)-1]
	case want.Table == manifest.NoTable:
		return true, ""
	case have.GUID != want.GUID || have.Signature != want.Signature:
		return false, "the disk's identity differs"
	case want.Table == manifest.GPT && have.Entries != want.Entries:
		return false, "the size of the table differs"
	}
	return sameEntries(t.entries, p.entries)
}

func sameEntries(have, want []manifest.Partition) (bool, string) {
	byNumber := map[int]manifest.Partition{}
	for _, h := range have {
		byNumber[h.Number] = h
	}
	for _, w := range want {
		if h, ok := byNumber[w.Number]; !ok || h != w {
			return false, fmt.Sprintf("partition %d differs", w.Number)
		}
		delete(byNumber, w.Number)
	}
	for n := range byNumber {
		return false, fmt.Sprintf("partition %d is not the master's", n)
	}
	return true, ""
}
