package disk

import (
	"encoding/binary"
	"fmt"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Layout is how ARDOISE is laid out by this program. The number stands in the boot sector, as the name of its maker.
const Layout = 2

// oem is BS_OEMName of our boot sector (FAT specification, offset 3).
const oem = "ARDOISE2"

// cluster is the size of an allocation unit in bytes. All that is kept lies on multiples of it from the start of the
// disk, so that no physical sector belongs to two files.
const cluster = physical

// Generation is one of the two places that hold a whole set of boot files.
type Generation string

// The generations. What starts is the one that the file GEN names.
const (
	NoGeneration Generation = ""
	A            Generation = "A"
	B            Generation = "B"
)

// Other returns where the next set belongs while g counts.
func (g Generation) Other() Generation {
	if g == A {
		return B
	}
	return A
}

// folder is a folder of one cluster.
type folder struct {
	path   string // "" = root; parts of 8.3 names, upper case
	number uint32 // its cluster
}

// file is a file of fixed place: a room in which it lies in one piece, from the room's first cluster on.
type file struct {
	folder string
	name   string // 8.3, upper case
	first  uint32 // cluster
	room   uint32 // clusters
	fixed  int64  // bytes, of a file whose length never changes; 0 = it changes
}

func (f file) path() string { return f.folder + "/" + f.name }

// folders lists the folders, each behind its parent.
func folders() []folder {
	return []folder{{"", 2}, {"EFI", 3}, {"EFI/ARDOISE", 4}, {"GRUB", 5}, {"ARDOISE", 6}, {"ARDOISE/A", 7}, {"ARDOISE/B", 8}}
}

// table is what one physical sector of the FAT describes: 4 MiB of the volume. A file whose chain changes has such
// sectors for itself, or shares them with files of the same generation only.
const table = physical / 4

// Rooms in clusters.
const (
	roomLoader = 1 * table
	roomKernel = 8 * table
	roomStage1 = 6 * table
	roomStage2 = 12*table - roomMenu
	roomMenu   = 64
)

// firstFile is the first cluster of a file: those before it are folders, and some that are left to others.
const firstFile = 16

// files lists every file of fixed place, in the order of their clusters.
func files() []file {
	var all []file
	next := uint32(firstFile)
	add := func(in, name string, room uint32, fixed int64) {
		all = append(all, file{in, name, next, room, fixed})
		next += room
	}
	for _, k := range slotKinds() {
		add("ARDOISE", k.file, uint32(k.fileSize()/cluster), k.fileSize())
	}
	for _, sector := range []struct{ in, name string }{
		{"ARDOISE", fileGeneration}, {"ARDOISE", fileBootSector}, {"GRUB", fileNext},
	} {
		add(sector.in, sector.name, 1, envSize)
	}
	next = (next + table - 1) / table * table
	for _, l := range loaders() {
		add(l.folder, l.name, roomLoader, 0)
		add(l.folder, l.spare, roomLoader, 0)
	}
	for _, g := range []Generation{A, B} {
		for _, k := range generationFiles() {
			add("ARDOISE/"+string(g), k.name, k.room, 0)
		}
	}
	return all
}

// generationFile is a file of which each generation has its own.
type generationFile struct {
	name string
	room uint32 // clusters
	boot string // name among the boot files
}

func generationFiles() []generationFile {
	return []generationFile{{"VMLINUZ", roomKernel, "vmlinuz"}, {"STAGE1.IMG", roomStage1, "stage1.img"},
		{"STAGE2.IMG", roomStage2, "stage2.img"}, {"MENU.CFG", roomMenu, MenuFile}}
}

// MenuFile is the name of the menu among the boot files.
const MenuFile = "menu.cfg"

// loaderKind is a file that firmware or boot code knows by one place: the new one is written beside it, then one write
// of a sector changes their places.
type loaderKind struct {
	folder, name, spare string
	boot                string // name among the boot files
}

func loaders() []loaderKind {
	return []loaderKind{
		{"EFI/ARDOISE", "SHIMX64.EFI", "SHIMX64.OLD", "shimx64.efi"},
		{"EFI/ARDOISE", "GRUBX64.EFI", "GRUBX64.OLD", "grubx64.efi"},
		{"GRUB", "GRUB.CFG", "GRUB.OLD", "grub.cfg"},
		{"ARDOISE", "CORE.IMG", "CORE.OLD", "core.img"},
	}
}

// Names of the small files.
const (
	fileGeneration = "GEN"     // names the generation that counts
	fileBootSector = "SECTOR0" // the disk's first sector with the master's boot code
	fileNext       = "NEXT"    // what GRUB does at its next start, once
)

// geometry is where the parts of our FAT32 lie, in bytes from its start.
type geometry struct {
	sector   int64
	length   int64 // of the volume
	reserved int64
	fat      int64 // size of one of the two tables
	data     int64 // cluster 2
	clusters uint32
}

// layOut computes the geometry for a partition of length bytes.
func layOut(length int64, sector int) (geometry, error) {
	g := geometry{sector: int64(sector), length: length / int64(sector) * int64(sector)}
	g.reserved = 32 * g.sector // as mkfs.fat has it; a multiple of 4 KiB for both sector sizes
	entries := (g.length - g.reserved) / cluster
	g.fat = physicalUp((entries + 2) * 4)
	g.data = g.reserved + 2*g.fat
	g.clusters = uint32(max(0, min((g.length-g.data)/cluster, 0x0FFFFFF0)))
	last := files()[len(files())-1]
	// FAT32 begins at 65,525 clusters (FAT specification, "FAT Type Determination").
	if g.clusters < 65525 || last.first+last.room > g.clusters+2 {
		return g, &NoArdoiseError{fmt.Sprintf("%d bytes are too few", length)}
	}
	return g, nil
}

// at returns where a cluster lies, from the start of the volume.
func (g geometry) at(n uint32) int64 { return g.data + int64(n-2)*cluster }

// bootSector makes the first sector of the volume (FAT specification, "Boot Sector and BPB").
func (g geometry) bootSector(serial uint32, hidden int64) []byte {
	b := make([]byte, g.sector)
	le := binary.LittleEndian
	copy(b, "\xEB\x58\x90"+oem)
	le.PutUint16(b[11:], uint16(g.sector))
	b[13] = byte(cluster / g.sector)
	le.PutUint16(b[14:], uint16(g.reserved/g.sector))
	b[16] = 2                  // tables
	b[21] = 0xF8               // a fixed disk
	le.PutUint16(b[24:], 63)   // sectors of a track, for whoever still counts them
	le.PutUint16(b[26:], 0xFF) // heads
	le.PutUint32(b[28:], uint32(min(hidden, 1<<32-1)))
	le.PutUint32(b[32:], uint32(g.length/g.sector))
	le.PutUint32(b[36:], uint32(g.fat/g.sector))
	le.PutUint32(b[44:], 2) // root folder
	le.PutUint16(b[48:], 1) // FSInfo
	le.PutUint16(b[50:], 6) // copy of this sector
	b[64], b[66] = 0x80, 0x29
	le.PutUint32(b[67:], serial)
	copy(b[71:], fmt.Sprintf("%-11s%-8s", ArdoiseName, "FAT32"))
	b[510], b[511] = 0x55, 0xAA
	return b
}

// infoSector makes FSInfo. How many clusters are free is left open: it changes with every length.
func (g geometry) infoSector() []byte {
	b := make([]byte, g.sector)
	le := binary.LittleEndian
	le.PutUint32(b[0:], 0x41615252)
	le.PutUint32(b[484:], 0x61417272)
	le.PutUint32(b[488:], 0xFFFFFFFF)
	le.PutUint32(b[492:], 0xFFFFFFFF)
	le.PutUint32(b[508:], 0xAA550000)
	return b
}

// The marks of the FAT.
const (
	endOfChain = 0x0FFFFFFF
	badCluster = 0x0FFFFFF7
)

// chain is what the FAT says of a room whose file has n bytes. What the file does not reach is marked bad: nobody else
// may have it, and no tool misses its file.
func (f file) chain(n int64) []byte {
	used := uint32((n + cluster - 1) / cluster)
	b := make([]byte, 0, 4*f.room)
	for i := range f.room {
		v := uint32(badCluster)
		switch {
		case i+1 < used:
			v = f.first + i + 1
		case i < used:
			v = endOfChain
		}
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// entry makes a directory entry (FAT specification, "FAT Directory Structure"), dated 1 January 1980: clocks of PCs are
// wrong and nobody asks.
func entry(name string, attributes byte, first uint32, size int64) []byte {
	b := make([]byte, 32)
	copy(b, shortName(name))
	b[11] = attributes
	le := binary.LittleEndian
	le.PutUint16(b[16:], 0x21)
	le.PutUint16(b[18:], 0x21)
	le.PutUint16(b[24:], 0x21)
	le.PutUint16(b[20:], uint16(first>>16))
	le.PutUint16(b[26:], uint16(first))
	le.PutUint32(b[28:], uint32(size))
	return b
}

// shortName pads "NAME.EXT" to the eleven bytes of an entry.
func shortName(name string) string {
	stem, extension := name, ""
	for i, c := range name {
		if c == '.' && i > 0 && name != ".." {
			stem, extension = name[:i], name[i+1:]
		}
	}
	return fmt.Sprintf("%-8s%-3s", stem, extension)
}

// readGeometry checks that the boot sector of part is one that this program writes.
func readGeometry(b []byte, part manifest.Partition) (geometry, bool) {
	if string(b[3:11]) != oem {
		return geometry{}, false
	}
	le := binary.LittleEndian
	sector := int(le.Uint16(b[11:]))
	if sector != 512 && sector != 4096 {
		return geometry{}, false
	}
	g, err := layOut(part.Length, sector)
	if err != nil {
		return g, false
	}
	want := g.bootSector(0, 0)
	same := string(b[11:28]) == string(want[11:28]) && string(b[32:64]) == string(want[32:64])
	return g, same
}

// MenuLoader is the file of ARDOISE that UEFI firmware starts in menu rooms, as a boot entry names it.
const MenuLoader = `\EFI\ARDOISE\SHIMX64.EFI`
