package disk

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"unicode/utf16"

	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	gptEntrySize  = 128  // bytes of an entry as we write it; UEFI allows 128 x 2^n
	gptMaxEntries = 4096 // more is refused: Windows and sgdisk make 128
	gptMaxArray   = 1 << 20
	gptNameUnits  = 36
)

// gptFound is a GPT whose header and entries have passed their checksums.
type gptFound struct {
	self, other       uint64 // LBA of this header and of the other
	firstLBA, lastLBA uint64 // usable
	guid              string
	arrayLBA          uint64
	count, entrySize  uint32
	array             []byte
	fromBackup        bool
	backup            *gptFound // of a primary: its sound backup, or nil
}

// findGPT returns the primary GPT of a disk with a protective MBR, else its backup in the last sector (UEFI 5.3.2).
// Without a protective MBR it returns nil: readLost looks at those.
func findGPT(r io.ReaderAt, size int64, sector int, head []byte) (*gptFound, error) {
	last := uint64(size/int64(sector)) - 1
	if last < 3 {
		return nil, nil
	}
	_, protected := protectiveSlot(head)
	g, primaryErr := readGPT(r, size, sector, 1)
	if primaryErr == nil && protected {
		g.backup, _ = readGPT(r, size, sector, last)
		return g, nil
	}
	if !protected {
		// Without a protective entry the table is dead to firmware and kernel: sgdisk --zap of old, an MBR made later.
		return nil, nil
	}
	b, err := readGPT(r, size, sector, last)
	if err != nil {
		return nil, &TableError{manifest.GPT, fmt.Sprintf("primary: %v; backup: %v", primaryErr, err)}
	}
	b.fromBackup = true
	return b, nil
}

// readGPT reads and checks the header at lba and the entries it points to.
func readGPT(r io.ReaderAt, size int64, sector int, lba uint64) (*gptFound, error) {
	b := make([]byte, sector)
	if err := readFull(r, b, int64(lba)*int64(sector)); err != nil {
		return nil, fmt.Errorf("reading its header: %w", err)
	}
	le := binary.LittleEndian
	length := le.Uint32(b[12:])
	if string(b[:8]) != "EFI PART" {
		return nil, fmt.Errorf("no header at sector %d", lba)
	}
	if length < 92 || int(length) > sector {
		return nil, fmt.Errorf("header of %d bytes", length)
	}
	sum := le.Uint32(b[16:])
	le.PutUint32(b[16:], 0)
	if crc32.ChecksumIEEE(b[:length]) != sum {
		return nil, fmt.Errorf("checksum of its header differs")
	}
	g := &gptFound{self: le.Uint64(b[24:]), other: le.Uint64(b[32:]), firstLBA: le.Uint64(b[40:]),
		lastLBA: le.Uint64(b[48:]), guid: guidString(b[56:72]), arrayLBA: le.Uint64(b[72:]),
		count: le.Uint32(b[80:]), entrySize: le.Uint32(b[84:])}
	sectors := uint64(size / int64(sector))
	bytes := uint64(g.count) * uint64(g.entrySize)
	switch {
	case g.self != lba:
		return nil, fmt.Errorf("header at sector %d says it lies at %d", lba, g.self)
	case g.entrySize < gptEntrySize || g.entrySize > 4096 || g.entrySize&(g.entrySize-1) != 0:
		return nil, fmt.Errorf("entries of %d bytes", g.entrySize)
	case g.count == 0 || g.count > gptMaxEntries || bytes > gptMaxArray:
		return nil, fmt.Errorf("%d entries", g.count)
	case g.arrayLBA < 2 || g.arrayLBA >= sectors || (bytes+uint64(sector)-1)/uint64(sector) > sectors-g.arrayLBA:
		return nil, fmt.Errorf("entries at sector %d are not on the disk", g.arrayLBA)
	}
	g.array = make([]byte, bytes)
	if err := readFull(r, g.array, int64(g.arrayLBA)*int64(sector)); err != nil {
		return nil, fmt.Errorf("reading its entries: %w", err)
	}
	if crc32.ChecksumIEEE(g.array) != le.Uint32(b[88:]) {
		return nil, fmt.Errorf("checksum of its entries differs")
	}
	return g, nil
}

// takeGPT fills the table from g. head is sector 0.
func (t *Table) takeGPT(g *gptFound, head []byte) error {
	sector := int64(t.Disk.SectorSize)
	sectors := uint64(t.Disk.Size / sector)
	t.Disk.Table, t.Disk.GUID, t.Disk.FirstLBA, t.Disk.Entries = manifest.GPT, g.guid, g.firstLBA, g.count
	for i := range int(g.count) {
		e := g.array[i*int(g.entrySize):][:gptEntrySize]
		if isZero(e[:16]) {
			continue
		}
		p, err := gptPartition(e, i+1, sectors, sector)
		if err != nil {
			return err
		}
		t.Partitions = append(t.Partitions, p)
	}
	t.takeGPTPlaces(g, head, sectors, sector)
	return nil
}

// takeGPTPlaces notes where the parts of the table lie, and what is wrong with them.
func (t *Table) takeGPTPlaces(g *gptFound, head []byte, sectors uint64, sector int64) {
	switch slot, protected := protectiveSlot(head); {
	case !protected:
		t.unsound = true
		t.own(446, 66)
		t.warn("the protective MBR is gone: the GPT was read since it leads to ARDOISE")
	case slot > 0:
		t.own(446, 64)
		t.warn("the protective entry of the MBR is not the first: it will be, and hybrid entries are not kept")
	default:
		t.own(446+12, 4)
		if !isZero(head[446+16 : 510]) {
			t.warn("this is a hybrid MBR: its entries are kept as they are")
		}
	}
	arraySectors := (int64(len(g.array)) + sector - 1) / sector
	t.own(sector, sector)
	t.own(int64(g.arrayLBA)*sector, arraySectors*sector)
	t.own(int64(sectors-1)*sector, sector)
	switch {
	case g.fromBackup:
		t.unsound = true
		t.own(2*sector, arraySectors*sector)
		t.warn("the primary GPT is damaged: the backup was read")
	case g.backup == nil:
		t.unsound = true
		t.warn("the backup GPT at the end of the disk is missing or damaged")
	case g.backup.guid != g.guid || string(g.backup.array) != string(g.array):
		t.unsound = true
		t.own(int64(g.backup.arrayLBA)*sector, arraySectors*sector)
		t.warn("the backup GPT differs from the primary")
	default:
		t.own(int64(g.backup.arrayLBA)*sector, arraySectors*sector)
	}
}

func gptPartition(e []byte, number int, sectors uint64, sector int64) (manifest.Partition, error) {
	le := binary.LittleEndian
	first, last := le.Uint64(e[32:]), le.Uint64(e[40:])
	if first > last || last >= sectors {
		return manifest.Partition{}, &TableError{manifest.GPT,
			fmt.Sprintf("partition %d (sectors %d to %d) is not inside the disk of %d sectors", number, first, last, sectors)}
	}
	units := make([]uint16, 0, gptNameUnits)
	for i := range gptNameUnits {
		u := le.Uint16(e[56+2*i:])
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return manifest.Partition{Number: number, Start: int64(first) * sector, Length: int64(last-first+1) * sector,
		Type: guidString(e[:16]), GUID: guidString(e[16:32]), Name: string(utf16.Decode(units)),
		Attributes: le.Uint64(e[48:])}, nil
}

// gptBytes makes the primary and the backup of a GPT: header and entries each.
type gptBytes struct {
	array               []byte // whole sectors
	primary, backup     []byte // headers, one sector each
	arrayLBA, backupLBA uint64 // of the two copies of array
}

// encodeGPT makes a GPT for a disk of the given number of sectors.
func encodeGPT(d manifest.Disk, parts []manifest.Partition, sectors uint64) (*gptBytes, error) {
	count := d.Entries
	sector := uint64(d.SectorSize)
	arraySectors := gptArraySectors(d)
	array := make([]byte, arraySectors*sector)
	for _, p := range parts {
		if p.Number < 1 || uint32(p.Number) > count {
			return nil, &TableError{manifest.GPT, fmt.Sprintf("partition %d in a table of %d entries", p.Number, count)}
		}
		if err := encodeGPTEntry(array[(p.Number-1)*gptEntrySize:][:gptEntrySize], p, int64(sector)); err != nil {
			return nil, err
		}
	}
	guid, err := parseGUID(d.GUID)
	if err != nil {
		return nil, err
	}
	out := &gptBytes{array: array, arrayLBA: 2, backupLBA: sectors - 1 - arraySectors}
	header := func(self, other, at uint64) []byte {
		b, le := make([]byte, sector), binary.LittleEndian
		copy(b, "EFI PART\x00\x00\x01\x00\x5c\x00\x00\x00")
		le.PutUint64(b[24:], self)
		le.PutUint64(b[32:], other)
		le.PutUint64(b[40:], max(d.FirstLBA, 2+arraySectors))
		le.PutUint64(b[48:], sectors-2-arraySectors)
		copy(b[56:], guid[:])
		le.PutUint64(b[72:], at)
		le.PutUint32(b[80:], count)
		le.PutUint32(b[84:], gptEntrySize)
		le.PutUint32(b[88:], crc32.ChecksumIEEE(array[:count*gptEntrySize]))
		le.PutUint32(b[16:], crc32.ChecksumIEEE(b[:92]))
		return b
	}
	out.primary = header(1, sectors-1, out.arrayLBA)
	out.backup = header(sectors-1, 1, out.backupLBA)
	return out, nil
}

// gptArraySectors returns the sectors that one copy of the entries takes.
func gptArraySectors(d manifest.Disk) uint64 {
	return (uint64(d.Entries)*gptEntrySize + uint64(d.SectorSize) - 1) / uint64(d.SectorSize)
}

func encodeGPTEntry(e []byte, p manifest.Partition, sector int64) error {
	kind, err := parseGUID(p.Type)
	if err != nil {
		return err
	}
	id, err := parseGUID(p.GUID)
	if err != nil {
		return err
	}
	le := binary.LittleEndian
	copy(e, kind[:])
	copy(e[16:], id[:])
	le.PutUint64(e[32:], uint64(p.Start/sector))
	le.PutUint64(e[40:], uint64((p.Start+p.Length)/sector)-1)
	le.PutUint64(e[48:], p.Attributes)
	units := utf16.Encode([]rune(p.Name))
	for i, u := range units[:min(len(units), gptNameUnits)] {
		le.PutUint16(e[56+2*i:], u)
	}
	return nil
}

// guidString writes 16 bytes as UEFI does: the first three fields little-endian, upper case.
func guidString(b []byte) string {
	le, be := binary.LittleEndian, binary.BigEndian
	return fmt.Sprintf("%08X-%04X-%04X-%04X-%012X", le.Uint32(b), le.Uint16(b[4:]), le.Uint16(b[6:]), be.Uint16(b[8:]),
		uint64(be.Uint16(b[10:]))<<32|uint64(be.Uint32(b[12:])))
}

func parseGUID(s string) ([16]byte, error) {
	var g [16]byte
	raw, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(raw) != 16 || len(s) != 36 {
		return g, &TableError{manifest.GPT, fmt.Sprintf("%q is no GUID", s)}
	}
	copy(g[:], raw)
	g[0], g[1], g[2], g[3] = raw[3], raw[2], raw[1], raw[0]
	g[4], g[5], g[6], g[7] = raw[5], raw[4], raw[7], raw[6]
	return g, nil
}

func isZero(b []byte) bool {
	for _, c := range b {
		if c != 0 {
			return false
		}
	}
	return true
}
