package disk

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/zeebo/blake3"
)

// Write is bytes and where they go on the disk.
type Write struct {
	Offset int64 // bytes from the start of the disk
	Bytes  []byte
}

// TablePlan says how one disk is to be divided for one master.
type TablePlan struct {
	// First makes a table that holds our partition alone, or nothing: it stands while the disk is being written.
	First []Write
	// Tables makes the final table. Written in order, each flushed: backup before primary, boot records before the MBR.
	Tables []Write
	// Ardoise is our partition on this disk; nil when none was wanted or there is no room.
	Ardoise *manifest.Partition
	// WhyNot is a sentence for a person when our partition was wanted and has no room; else "".
	WhyNot string

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

// Plan says how an empty disk of size bytes with the given logical sector size is to be divided for master m, with our
// partition if ardoise is true. It fails with *TooSmallError, *SectorSizeError, *TableError.
func Plan(m *manifest.Manifest, size int64, sector int, ardoise bool) (*TablePlan, error) {
	return PlanOver(nil, m, size, sector, ardoise)
}

// PlanOver is Plan for a disk that has the table have (nil: none). Our partition stays where it is when it lies behind
// the master's last one, even if ardoise is false.
func PlanOver(have *Table, m *manifest.Manifest, size int64, sector int, ardoise bool) (*TablePlan, error) {
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
	p.place(have, ardoise)
	if p.Ardoise != nil {
		p.entries = append(p.entries, *p.Ardoise)
	}
	var err error
	if p.Tables, err = p.encode(p.entries, m); err != nil {
		return nil, err
	}
	var ours []manifest.Partition
	if p.Ardoise != nil {
		ours = append(ours, *p.Ardoise)
	}
	if p.First, err = p.encode(ours, nil); err != nil {
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

// place decides where our partition lies.
func (p *TablePlan) place(have *Table, wanted bool) {
	sector := int64(p.disk.SectorSize)
	usable := p.disk.Size
	switch p.disk.Table {
	case manifest.NoTable:
		if wanted {
			p.WhyNot = "The master has no partition table, so there is no place for ARDOISE."
		}
		return
	case manifest.GPT:
		usable -= int64(gptArraySectors(p.disk)+1) * sector
	case manifest.MBR:
		usable = min(usable, sector<<32)
	}
	number, free := p.freeNumber()
	after := lastEnd(p.entries)
	start := max((after+align-1)/align*align, align)
	ours := manifest.Partition{Number: number, Start: start, Length: ArdoiseSize, Type: TypeMBRESP}
	if p.disk.Table == manifest.GPT {
		ours.Type, ours.Name = TypeESP, ArdoiseName
		ours.GUID = ardoiseGUID(p.disk.GUID)
		start = max(start, (int64(p.disk.FirstLBA)*sector+align-1)/align*align)
		ours.Start = start
	}
	if have != nil && have.Ardoise != nil && free {
		old := *have.Ardoise
		if old.Start >= after && old.Start%align == 0 && old.Length >= ArdoiseSize && old.Start <= usable-old.Length {
			ours.Start, ours.Length = old.Start, old.Length
			p.Ardoise = &ours
			return
		}
	}
	switch {
	case !wanted:
	case !free:
		p.WhyNot = "The master's partition table has no free entry for ARDOISE."
	case start > usable-ArdoiseSize:
		p.WhyNot = fmt.Sprintf("ARDOISE needs %d MiB behind the master's last partition, the disk has %d.",
			int64(ArdoiseSize)>>20, max(0, usable-start)>>20)
	default:
		p.Ardoise = &ours
	}
}

// freeNumber returns the entry for our partition: behind the master's last one where possible, so that nothing that
// counts partitions is disturbed.
func (p *TablePlan) freeNumber() (int, bool) {
	limit := 4
	if p.disk.Table == manifest.GPT {
		limit = int(p.disk.Entries)
	}
	used := map[int]bool{}
	highest := 0
	for _, e := range p.entries {
		used[e.Number] = true
		if e.Number <= limit {
			highest = max(highest, e.Number)
		}
	}
	if highest < limit {
		return highest + 1, true
	}
	for n := 1; n <= limit; n++ {
		if !used[n] {
			return n, true
		}
	}
	return 0, false
}

// ardoiseGUID derives the unique GUID of our partition from the disk's, so that the same plan comes out every time.
func ardoiseGUID(disk string) string {
	sum := blake3.Sum256([]byte("ardoise partition 0 " + disk))
	sum[7] = sum[7]&0x0F | 0x80 // version 8: vendor specific (RFC 9562 section 5.8); byte 7 since the field is swapped
	sum[8] = sum[8]&0x3F | 0x80
	return guidString(sum[:16])
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
