package disk

import (
	"io"

	"github.com/ardoise/ardoise/masters/manifest"
)

// readLost reads the GPT of a disk whose sector 0 names no table, as after zeros or noise over its first MiB; nil where
// there is none. UEFI 5.3.2 has a damaged primary read from its backup, but firmware and kernel take neither without a
// protective MBR, since what another system left at the end of a disk proves nothing. Ours is proven: the table names an
// ARDOISE, its boot sector lies there, and nobody has begun anything else on the disk. What cannot be read is not there.
func readLost(r io.ReaderAt, d manifest.Disk, head []byte) *Table {
	last := uint64(d.Size/int64(d.SectorSize)) - 1
	if last < 3 || isTaken(r, d.Size, head) {
		return nil
	}
	g, err := readGPT(r, d.Size, d.SectorSize, 1)
	if err == nil {
		g.backup, _ = readGPT(r, d.Size, d.SectorSize, last)
	} else {
		if g, err = readGPT(r, d.Size, d.SectorSize, last); err != nil || g.other != 1 {
			return nil
		}
		g.fromBackup = true
	}
	t := &Table{Disk: d}
	if t.takeGPT(g, head) != nil || t.finish(r) != nil || t.Ardoise == nil {
		return nil
	}
	return t
}

// isTaken tells whether the beginning of a disk without a protective MBR is somebody's: an MBR, be it empty or broken, or
// a volume that fills the disk.
func isTaken(r io.ReaderAt, size int64, head []byte) bool {
	if head[510] == 0x55 && head[511] == 0xAA && !isZero(head[440:510]) || isVolume(head) {
		return true
	}
	b := make([]byte, min(size, 68<<10))
	if readFull(r, b, 0) != nil {
		return true
	}
	for _, m := range []struct {
		off   int
		magic string
	}{
		{0, "LUKS\xba\xbe"}, {0, "XFSB"}, {1024 + 56, "\x53\xef"}, {64<<10 + 64, "_BHRfS_M"}, // ext, btrfs
		{0, "LABELONE"}, {512, "LABELONE"}, {1024, "LABELONE"}, {1536, "LABELONE"}, // LVM
		{4086, "SWAPSPACE2"}, {0, "\xfc\x4e\x2b\xa9"}, {4096, "\xfc\x4e\x2b\xa9"}, // Linux MD 1.1, 1.2
		{32769, "CD001"}, {32769, "BEA01"}, // ISO 9660, UDF
	} {
		if end := m.off + len(m.magic); end <= len(b) && string(b[m.off:end]) == m.magic {
			return true
		}
	}
	return false
}

// isVolume tells whether sector 0 is the boot sector of a volume of Windows.
func isVolume(head []byte) bool {
	name := string(head[3:11])
	return string(head[54:57]) == "FAT" || string(head[82:85]) == "FAT" || name == "NTFS    " || name == "EXFAT   " ||
		name == "-FVE-FS-"
}
