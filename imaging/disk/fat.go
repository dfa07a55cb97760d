package disk

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/ardoise/ardoise/masters/manifest"
)

// maxFolder is the most clusters of a folder that are looked through: 32 Ki entries of ours would be absurd.
const maxFolder = 256

// fatVolume is as much of a FAT32 as locating a file of one piece takes (FAT specification 2000, "Boot Sector and BPB",
// "FAT Data Structure"): of layout 1, whose slots lay wherever a library had put them.
type fatVolume struct {
	d        Device
	start    int64 // of the volume, bytes from the start of the disk
	table    int64 // of the first FAT, bytes from start
	data     int64 // of cluster 2, bytes from start
	cluster  int64 // bytes
	clusters uint32
	root     uint32
}

// openFirstLayout finds the slots of an ARDOISE of layout 1. It fails with *NoArdoiseError.
func openFirstLayout(d Device, part manifest.Partition) (*Ardoise, error) {
	v, err := openFAT(d, part)
	if err != nil {
		return nil, err
	}
	folder, err := v.find(v.root, "ARDOISE", true)
	if err != nil {
		return nil, err
	}
	a := &Ardoise{slots: map[string]slot{}, d: d, start: part.Start, layout: 1}
	for _, k := range slotKinds() {
		if k.file == "PROOF" {
			continue
		}
		e, err := v.find(folder.first, k.file, false)
		if err != nil {
			return nil, err
		}
		if e.size != k.fileSize() {
			return nil, &NoArdoiseError{fmt.Sprintf("slot %s has %d bytes", k.file, e.size)}
		}
		if err := v.contiguous(e.first, e.size); err != nil {
			return nil, err
		}
		a.slots[k.file] = slot{kind: k, d: d, offset: physicalUp(v.start + v.offset(e.first))}
	}
	return a, nil
}

func openFAT(d Device, part manifest.Partition) (*fatVolume, error) {
	b := make([]byte, 512)
	if err := readFull(d, b, part.Start); err != nil {
		return nil, fmt.Errorf("reading the boot sector of ARDOISE: %w", err)
	}
	le := binary.LittleEndian
	sector, perCluster := int64(le.Uint16(b[11:])), int64(b[13])
	reserved, copies := int64(le.Uint16(b[14:])), int64(b[16])
	total, tableSectors := int64(le.Uint32(b[32:])), int64(le.Uint32(b[36:]))
	if sector != 512 && sector != 4096 || perCluster == 0 || perCluster&(perCluster-1) != 0 || copies != 2 ||
		total == 0 || total > part.Length/sector || tableSectors > total || reserved == 0 {
		return nil, &NoArdoiseError{"its boot sector makes no sense"}
	}
	v := &fatVolume{d: d, start: part.Start, table: reserved * sector, cluster: sector * perCluster,
		data: (reserved + copies*tableSectors) * sector, root: le.Uint32(b[44:])}
	if v.data >= total*sector {
		return nil, &NoArdoiseError{"it has no room for data"}
	}
	// As many clusters as the data area holds and the table describes.
	count := min((total*sector-v.data)/v.cluster, tableSectors*sector/4-2)
	if count < 1 {
		return nil, &NoArdoiseError{"it has no clusters"}
	}
	v.clusters = uint32(count)
	return v, nil
}

// offset returns where cluster n lies, from the start of the volume.
func (v *fatVolume) offset(n uint32) int64 { return v.data + int64(n-2)*v.cluster }

func (v *fatVolume) valid(n uint32) bool { return n >= 2 && n-2 < v.clusters }

// next returns the cluster after n, or 0 at the end of the chain.
func (v *fatVolume) next(n uint32) (uint32, error) {
	var b [4]byte
	if err := readFull(v.d, b[:], v.start+v.table+4*int64(n)); err != nil {
		return 0, fmt.Errorf("reading the FAT of ARDOISE: %w", err)
	}
	n = binary.LittleEndian.Uint32(b[:]) & 0x0FFFFFFF
	if n >= 0x0FFFFFF8 {
		return 0, nil
	}
	if !v.valid(n) {
		return 0, &NoArdoiseError{fmt.Sprintf("its FAT points to cluster %d", n)}
	}
	return n, nil
}

type fatEntry struct {
	first uint32 // cluster
	size  int64  // bytes
}

// find looks for a file or folder in the folder that begins at cluster n, by its 8.3 name without extension.
func (v *fatVolume) find(n uint32, name string, folder bool) (fatEntry, error) {
	want := name + strings.Repeat(" ", 11-len(name))
	block := make([]byte, v.cluster)
	for range maxFolder {
		if !v.valid(n) {
			break
		}
		if err := readFull(v.d, block, v.start+v.offset(n)); err != nil {
			return fatEntry{}, fmt.Errorf("reading a folder of ARDOISE: %w", err)
		}
		for e := block; len(e) >= 32; e = e[32:] {
			attributes := e[11]
			if string(e[:11]) != want || attributes&0x3F == attributeLong || attributes&attributeLabel != 0 ||
				(attributes&attributeFolder != 0) != folder {
				continue
			}
			first := uint32(binary.LittleEndian.Uint16(e[20:]))<<16 | uint32(binary.LittleEndian.Uint16(e[26:]))
			return fatEntry{first, int64(binary.LittleEndian.Uint32(e[28:]))}, nil
		}
		next, err := v.next(n)
		if err != nil {
			return fatEntry{}, err
		}
		n = next
	}
	return fatEntry{}, &NoArdoiseError{name + " is not there"}
}

// contiguous checks that size bytes from cluster n on are one piece of the disk, and the whole chain.
func (v *fatVolume) contiguous(n uint32, size int64) error {
	if !v.valid(n) {
		return &NoArdoiseError{"a slot has no cluster"}
	}
	for left := (size + v.cluster - 1) / v.cluster; ; left-- {
		next, err := v.next(n)
		if err != nil {
			return err
		}
		if left == 1 && next == 0 {
			return nil
		}
		if left <= 1 || next != n+1 {
			return &NoArdoiseError{"a slot is not in one piece"}
		}
		n = next
	}
}
