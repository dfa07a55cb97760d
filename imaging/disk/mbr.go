package disk

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/ardoise/ardoise/masters/manifest"
)

// maxLogical bounds the chain of extended boot records. Linux stops at 256 partitions.
const maxLogical = 256

type mbrEntry struct {
	status, kind byte
	start, count uint32 // sectors
}

func readEntry(b []byte) mbrEntry {
	le := binary.LittleEndian
	return mbrEntry{b[0], b[4], le.Uint32(b[8:]), le.Uint32(b[12:])}
}

func (e mbrEntry) extended() bool { return e.kind == 0x05 || e.kind == 0x0F || e.kind == 0x85 }

// put writes the entry at b. first is the sector that start counts from (0, or that of a boot record), for the CHS
// fields: they follow the 255 heads, 63 sectors that every BIOS of this century pretends, and nothing since reads them.
func (e mbrEntry) put(b []byte, first uint32) {
	le := binary.LittleEndian
	b[0], b[4] = e.status, e.kind
	putCHS(b[1:4], uint64(first)+uint64(e.start))
	putCHS(b[5:8], uint64(first)+uint64(e.start)+uint64(e.count)-1)
	le.PutUint32(b[8:], e.start)
	le.PutUint32(b[12:], e.count)
}

func putCHS(b []byte, lba uint64) {
	cylinder, rest := lba/(255*63), lba%(255*63)
	if cylinder > 1023 {
		b[0], b[1], b[2] = 0xFE, 0xFF, 0xFF
		return
	}
	b[0], b[1], b[2] = byte(rest/63), byte(rest%63+1)|byte(cylinder>>8<<6), byte(cylinder)
}

// protectiveSlot finds the entry of type EE that says "this is a GPT disk": anywhere, as Linux does, since hybrid tables
// put it elsewhere too.
func protectiveSlot(head []byte) (int, bool) {
	if head[510] != 0x55 || head[511] != 0xAA {
		return 0, false
	}
	for s := range 4 {
		if readEntry(head[446+16*s:]).kind == 0xEE {
			return s, true
		}
	}
	return 0, false
}

// looksMBR tells an MBR from the boot sector of a volume that fills the disk: both end in 55 AA. Its entries must make
// sense; without any entry a disk signature decides.
func looksMBR(head []byte, size int64, sector int) bool {
	if head[510] != 0x55 || head[511] != 0xAA {
		return false
	}
	sectors := uint64(size / int64(sector))
	used := 0
	for s := range 4 {
		e := readEntry(head[446+16*s:])
		if e.status&0x7F != 0 {
			return false
		}
		if e.kind == 0 {
			continue
		}
		if e.count == 0 || e.start == 0 || uint64(e.start) >= sectors {
			return false
		}
		used++
	}
	return used > 0 || !isVolume(head) && binary.LittleEndian.Uint32(head[440:]) != 0
}

func (t *Table) takeMBR(r io.ReaderAt, head []byte) error {
	t.Disk.Table = manifest.MBR
	t.Disk.Signature = binary.LittleEndian.Uint32(head[440:])
	t.own(440, 4)
	t.own(446, 66)
	var extended *mbrEntry
	for s := range 4 {
		e := readEntry(head[446+16*s:])
		if e.kind == 0 {
			continue
		}
		t.addMBR(e, s+1, uint64(e.start), 0)
		if e.extended() {
			if extended != nil {
				return &TableError{manifest.MBR, "it has two extended partitions"}
			}
			extended = &e
		}
	}
	if extended == nil {
		return nil
	}
	return t.takeLogical(r, *extended)
}

func (t *Table) addMBR(e mbrEntry, number int, start, gap uint64) {
	sector := int64(t.Disk.SectorSize)
	t.Partitions = append(t.Partitions, manifest.Partition{Number: number, Start: int64(start) * sector,
		Length: int64(e.count) * sector, Type: fmt.Sprintf("%02X", e.kind), Attributes: uint64(e.status) | gap<<8})
}

// takeLogical walks the chain of extended boot records: each names one logical partition, counted from itself, and the
// next record, counted from the start of the extended partition. A record may lie nowhere else than in the extended
// partition and is visited once.
func (t *Table) takeLogical(r io.ReaderAt, extended mbrEntry) error {
	sector := int64(t.Disk.SectorSize)
	end := uint64(extended.start) + uint64(extended.count)
	seen := map[uint64]bool{}
	number := 5
	for at := uint64(extended.start); ; {
		if seen[at] || len(seen) == maxLogical || at >= end || int64(at+1)*sector > t.Disk.Size {
			return &TableError{manifest.MBR, fmt.Sprintf("the chain of logical partitions is broken at sector %d", at)}
		}
		seen[at] = true
		b := make([]byte, 512)
		if err := readFull(r, b, int64(at)*sector); err != nil {
			return fmt.Errorf("reading the extended boot record at sector %d: %w", at, err)
		}
		if b[510] != 0x55 || b[511] != 0xAA {
			if len(seen) == 1 && isZero(b[446:510]) {
				t.warn("the extended partition is empty and has no boot record")
				return nil
			}
			return &TableError{manifest.MBR, fmt.Sprintf("no extended boot record at sector %d", at)}
		}
		t.own(int64(at)*sector, 512)
		e, next := readEntry(b[446:]), readEntry(b[462:])
		if e.kind != 0 && !e.extended() && e.count > 0 {
			start := at + uint64(e.start)
			if e.start == 0 || start+uint64(e.count) > end {
				return &TableError{manifest.MBR, fmt.Sprintf("partition %d is not inside the extended one", number)}
			}
			t.addMBR(e, number, start, uint64(e.start))
			number++
		}
		if next.kind == 0 || !next.extended() {
			return nil
		}
		at = uint64(extended.start) + uint64(next.start)
	}
}

// encodeMBR makes the writes of an MBR table in the order they must reach the disk: boot records first.
func encodeMBR(d manifest.Disk, parts []manifest.Partition) ([]Write, error) {
	sector := int64(d.SectorSize)
	head := make([]byte, 66)
	head[64], head[65] = 0x55, 0xAA
	var logical []manifest.Partition
	var extended *manifest.Partition
	for _, p := range parts {
		e, err := entryOf(p, sector)
		if err != nil {
			return nil, err
		}
		if p.Number > 4 {
			logical = append(logical, p)
			continue
		}
		if p.Extended() {
			extended = &p
		}
		e.put(head[16*(p.Number-1):], 0)
	}
	var writes []Write
	if extended != nil {
		records, err := encodeLogical(*extended, logical, sector)
		if err != nil {
			return nil, err
		}
		writes = records
	} else if len(logical) > 0 {
		return nil, &TableError{manifest.MBR, "logical partitions without an extended one"}
	}
	signature := binary.LittleEndian.AppendUint32(nil, d.Signature)
	return append(writes, Write{440, signature}, Write{446, head}), nil
}

// entryOf returns the entry of p, whose start counts from sector 0.
func entryOf(p manifest.Partition, sector int64) (mbrEntry, error) {
	kind, err := strconv.ParseUint(p.Type, 16, 8)
	start, count := p.Start/sector, p.Length/sector
	if err != nil || kind == 0 || p.Number < 1 || start < 1 || count < 1 || start+count > 1<<32 {
		return mbrEntry{}, &TableError{manifest.MBR, fmt.Sprintf("partition %d cannot be written", p.Number)}
	}
	return mbrEntry{byte(p.Attributes), byte(kind), uint32(start), uint32(count)}, nil
}

// encodeLogical makes the chain of extended boot records, at the places where the captured disk had them (the distance
// from record to partition is kept in Attributes): Windows expects the distance it chose.
func encodeLogical(extended manifest.Partition, logical []manifest.Partition, sector int64) ([]Write, error) {
	slices.SortFunc(logical, func(a, b manifest.Partition) int { return a.Number - b.Number })
	base := extended.Start / sector
	record := func(at int64) ([]byte, error) {
		if at < base || (at+1)*sector > extended.Start+extended.Length {
			return nil, &TableError{manifest.MBR, "a boot record lies outside the extended partition"}
		}
		b := make([]byte, 512)
		b[510], b[511] = 0x55, 0xAA
		return b, nil
	}
	places := []int64{base}
	owners := []int{-1}
	for i, p := range logical {
		at := p.Start/sector - int64(p.Attributes>>8)
		if p.Attributes>>8 == 0 || p.Attributes>>8 > uint64(p.Start/sector) {
			return nil, &TableError{manifest.MBR, fmt.Sprintf("partition %d has no boot record", p.Number)}
		}
		if i == 0 && at == base {
			owners[0] = 0
			continue
		}
		places, owners = append(places, at), append(owners, i)
	}
	var writes []Write
	for i, at := range places {
		b, err := record(at)
		if err != nil {
			return nil, err
		}
		if o := owners[i]; o >= 0 {
			p := logical[o]
			e, err := entryOf(p, sector)
			if err != nil {
				return nil, err
			}
			e.start = uint32(p.Attributes >> 8)
			e.put(b[446:], uint32(at))
		}
		if i+1 < len(places) {
			// Its count runs from the next record to the end of that record's partition.
			p := logical[owners[i+1]]
			n := mbrEntry{kind: 0x05, start: uint32(places[i+1] - base),
				count: uint32((p.Start+p.Length)/sector - places[i+1])}
			n.put(b[462:], uint32(base))
		}
		writes = append(writes, Write{at * sector, b})
	}
	slices.Reverse(writes) // the first record makes the chain visible
	return writes, nil
}
