package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Names by which our partitions are known.
const (
	ArdoiseName = "ARDOISE"                              // GPT partition name and FAT label
	ArdoiseSize = 320 << 20                              // bytes
	TypeESP     = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" // GPT type of ours and of every EFI system partition
	TypeMBRESP  = "EF"                                   // MBR type of ours

	CacheName    = "ARDOISE-CACHE"                        // GPT partition name
	CacheLeast   = 64 << 20                               // bytes; a smaller cache is of no use
	TypeCache    = "8B5C0E2F-6D14-4C0B-B0A7-41D29F3E7A6C" // GPT type of the cache; drawn at random once, ours alone
	TypeMBRCache = "DA"                                   // MBR type of the cache: data without a file system

	align = int64(1 << 20)
)

// Table is what was found at the place where a disk says how it is divided.
type Table struct {
	Disk manifest.Disk
	// Partitions of the disk but ours, ordered by number. An extended partition (Partition.Extended) is among them: it holds
	// its logical ones and no volume.
	Partitions []manifest.Partition
	Ardoise    *manifest.Partition // ours, or nil
	Cache      *manifest.Partition // our second one, or nil
	Own        []manifest.Extent   // bytes that are described by this value, ordered, without overlap
	Warnings   []string            // what is wrong and was worked around, a sentence each

	entries []manifest.Partition // all of them, ours included
	unsound bool                 // the table can be read, but should be written anew
}

// TableError says why a partition table cannot be believed.
type TableError struct {
	Kind   manifest.TableKind
	Reason string
}

// Error implements error.
func (e *TableError) Error() string { return fmt.Sprintf("%s partition table: %s", e.Kind, e.Reason) }

// ReadTable reads how the disk in r is divided. size is in bytes, sector the logical sector size (512 or 4096). A disk
// without any table is no error; one whose beginning was wiped is read from its backup where that leads to our ARDOISE.
// It fails with *TableError on a table that contradicts itself or the size of the disk.
func ReadTable(r io.ReaderAt, size int64, sector int) (*Table, error) {
	if sector != 512 && sector != 4096 {
		return nil, &SectorSizeError{Have: sector}
	}
	t := &Table{Disk: manifest.Disk{Size: size, SectorSize: sector, Table: manifest.NoTable}}
	if size < int64(sector) {
		return t, nil
	}
	head := make([]byte, sector)
	if err := readFull(r, head, 0); err != nil {
		return nil, fmt.Errorf("reading sector 0: %w", err)
	}
	g, err := findGPT(r, size, sector, head)
	if err != nil {
		return nil, err
	}
	switch {
	case g != nil:
		err = t.takeGPT(g, head)
	case looksMBR(head, size, sector):
		err = t.takeMBR(r, head)
	default:
		if lost := readLost(r, t.Disk, head); lost != nil {
			return lost, nil
		}
	}
	if err == nil {
		err = t.finish(r)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

// finish checks what was found and sets our partitions apart.
func (t *Table) finish(r io.ReaderAt) error {
	if err := t.check(); err != nil {
		return err
	}
	t.entries = slices.Clone(t.Partitions)
	t.Own = mergeExtents(t.Own)
	if err := t.takeArdoise(r); err != nil {
		return err
	}
	t.takeCache()
	return nil
}

// takeCache moves our second partition out of Partitions. On GPT type and name are ours alone. On MBR any program may use
// type DA: it is ours behind ARDOISE, where no master has a partition. What it holds does not count: a cache that was
// cleared is ours too.
func (t *Table) takeCache() {
	for i, p := range t.Partitions {
		switch t.Disk.Table {
		case manifest.GPT:
			if p.Type != TypeCache || p.Name != CacheName {
				continue
			}
		case manifest.MBR:
			if p.Type != TypeMBRCache || p.Number > 4 || t.Ardoise == nil || p.Start < t.Ardoise.End() {
				continue
			}
		}
		t.Cache = &p
		t.Partitions = slices.Delete(slices.Clone(t.Partitions), i, i+1)
		return
	}
}

// takeArdoise moves our partition out of Partitions. It is ours by type, name and FAT label together: a name alone
// could be anybody's.
func (t *Table) takeArdoise(r io.ReaderAt) error {
	for i, p := range t.Partitions {
		if !t.claimsArdoise(p) {
			continue
		}
		boot := make([]byte, 512)
		if err := readFull(r, boot, p.Start); err != nil {
			return fmt.Errorf("reading the first sector of partition %d: %w", p.Number, err)
		}
		if !isArdoiseBoot(boot) {
			continue
		}
		t.Ardoise = &p
		t.Partitions = slices.Delete(slices.Clone(t.Partitions), i, i+1)
		return nil
	}
	return nil
}

func (t *Table) claimsArdoise(p manifest.Partition) bool {
	if p.Length < 1<<20 {
		return false
	}
	if t.Disk.Table == manifest.GPT {
		return p.Type == TypeESP && p.Name == ArdoiseName
	}
	return t.Disk.Table == manifest.MBR && p.Type == TypeMBRESP && p.Number <= 4
}

// isArdoiseBoot tells whether a FAT32 boot sector carries our label (FAT specification, BS_VolLab at 71, BS_FilSysType
// at 82).
func isArdoiseBoot(b []byte) bool {
	return b[510] == 0x55 && b[511] == 0xAA && bytes.Equal(b[71:82], []byte("ARDOISE    ")) &&
		bytes.Equal(b[82:87], []byte("FAT32"))
}

// check refuses partitions outside the disk and partitions that overlap; an extended one may hold logical ones only.
func (t *Table) check() error {
	kind := t.Disk.Table
	byStart := slices.Clone(t.Partitions)
	slices.SortFunc(byStart, func(a, b manifest.Partition) int {
		return int(min(1, max(-1, a.Start-b.Start)))
	})
	var before manifest.Partition
	for _, p := range byStart {
		if p.Start < int64(t.Disk.SectorSize) || p.Length <= 0 || p.Start > t.Disk.Size-p.Length {
			return &TableError{kind, fmt.Sprintf("partition %d (%d bytes at %d) is not inside the disk of %d bytes",
				p.Number, p.Length, p.Start, t.Disk.Size)}
		}
		if kind == manifest.MBR && p.Extended() {
			continue
		}
		if before.Length > 0 && p.Start < before.Start+before.Length {
			return &TableError{kind, fmt.Sprintf("partitions %d and %d overlap", before.Number, p.Number)}
		}
		before = p
	}
	return nil
}

func (t *Table) warn(format string, args ...any) {
	t.Warnings = append(t.Warnings, fmt.Sprintf(format, args...))
}

func (t *Table) own(offset, length int64) {
	if length = min(length, t.Disk.Size-offset); offset >= 0 && length > 0 {
		t.Own = append(t.Own, manifest.Extent{Offset: offset, Length: length})
	}
}

// mergeExtents orders extents and joins those that touch or overlap.
func mergeExtents(in []manifest.Extent) []manifest.Extent {
	slices.SortFunc(in, func(a, b manifest.Extent) int { return int(min(1, max(-1, a.Offset-b.Offset))) })
	var out []manifest.Extent
	for _, e := range in {
		if n := len(out); n > 0 && e.Offset <= out[n-1].End() {
			out[n-1].Length = max(out[n-1].End(), e.End()) - out[n-1].Offset
			continue
		}
		out = append(out, e)
	}
	return out
}

// readFull reads all of p at off; unlike io.ReaderAt it takes a full read that ends with io.EOF as a success.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
