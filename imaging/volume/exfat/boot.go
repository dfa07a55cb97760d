package exfat

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// UnsupportedError says that a volume uses something this package does not read.
type UnsupportedError struct {
	What string // completes "it has ..."
}

// Error implements error.
func (e *UnsupportedError) Error() string { return "it has " + e.What }

// DamageError says that a structure contradicts itself or another one.
type DamageError struct {
	Why string // a sentence without its full stop
}

// Error implements error.
func (e *DamageError) Error() string { return e.Why }

// DirtyError says that a volume was not unmounted, or that its medium failed.
type DirtyError struct {
	Why  string // completes "the volume ..."
	Hint string // what a person can do
}

// Error implements error.
func (e *DirtyError) Error() string { return e.Why }

func damaged(format string, a ...any) error { return &DamageError{Why: fmt.Sprintf(format, a...)} }

// Volume is an exFAT file system.
type Volume struct {
	SectorSize  int64  // bytes
	ClusterSize int64  // bytes
	Clusters    uint32 // clusters of the heap
	Heap        int64  // where the first cluster lies, bytes from the start
	Serial      uint32
	Label       string

	r      io.ReaderAt
	fat    int64 // bytes from the start
	root   uint32
	bitmap File
	upcase File
	sum    uint32 // of the up-case table
}

// Bits of VolumeFlags.
const (
	flagDirty = 2
	flagMedia = 4
)

// bootSectors is the length of a boot region. The last sector repeats the checksum of those before.
const bootSectors = 12

// Open reads the boot regions and the entries of the root directory that describe the volume of size bytes. It fails with
// *UnsupportedError, *DamageError or *DirtyError, or with an error of r.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	head := make([]byte, 512)
	if size < int64(len(head)) {
		return nil, damaged("its boot sector is cut")
	}
	if err := readAt(r, head, 0); err != nil {
		return nil, err
	}
	v := &Volume{r: r}
	if err := v.geometry(head, size); err != nil {
		return nil, err
	}
	flags := binary.LittleEndian.Uint16(head[106:])
	switch {
	case head[110] == 2:
		return nil, &UnsupportedError{"two allocation tables (TexFAT), which are not read file by file"}
	case flags&flagDirty != 0:
		return nil, &DirtyError{"was not unmounted cleanly",
			"check it (Windows: chkdsk /f; Linux: fsck.exfat), then capture again"}
	case flags&flagMedia != 0:
		return nil, &DirtyError{"reports that its medium failed",
			"check the disk and the volume (Windows: chkdsk /r), then capture again"}
	}
	if err := v.regions(); err != nil {
		return nil, err
	}
	return v, v.describe()
}

func readAt(r io.ReaderAt, b []byte, off int64) error {
	if _, err := r.ReadAt(b, off); err != nil {
		return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
	}
	return nil
}

// geometry reads sectors of the volume (at 72), offset (80) and length (84) of the table, offset (88) and number (92) of
// clusters, cluster of the root (96), serial number (100), revision (104), logarithms of sector and cluster (108, 109)
// and number of tables (110).
func (v *Volume) geometry(b []byte, size int64) error {
	le := binary.LittleEndian
	if string(b[3:11]) != "EXFAT   " || b[510] != 0x55 || b[511] != 0xaa || b[105] != 1 ||
		b[108] < 9 || b[108] > 12 || b[109] > 25-b[108] || b[110] != 1 && b[110] != 2 {
		return damaged("its boot sector is not understood")
	}
	v.SectorSize = 1 << b[108]
	v.ClusterSize = v.SectorSize << b[109]
	sectors := le.Uint64(b[72:])
	fat, fatLength, tables := int64(le.Uint32(b[80:])), int64(le.Uint32(b[84:])), int64(b[110])
	heap, clusters := int64(le.Uint32(b[88:])), int64(le.Uint32(b[92:]))
	switch {
	case sectors > uint64(size/v.SectorSize):
		return damaged("it is larger than its partition")
	case clusters == 0 || clusters > 0xfffffff5 || fat < 2*bootSectors || fat+fatLength*tables > heap ||
		(clusters+2)*4 > fatLength*v.SectorSize || clusters > (int64(sectors)-heap)*v.SectorSize/v.ClusterSize:
		return damaged("its boot sector contradicts itself")
	}
	v.fat, v.Heap, v.Clusters = fat*v.SectorSize, heap*v.SectorSize, uint32(clusters)
	v.root, v.Serial = le.Uint32(b[96:]), le.Uint32(b[100:])
	return nil
}

// regions proves the checksums of both boot regions, and that both say the same but for VolumeFlags and PercentInUse.
func (v *Volume) regions() error {
	n := bootSectors * v.SectorSize
	b := make([]byte, 2*n)
	if err := readAt(v.r, b, 0); err != nil {
		return err
	}
	main, backup := b[:n], b[n:]
	for i, region := range [][]byte{main, backup} {
		sums := region[n-v.SectorSize:]
		want := binary.LittleEndian.AppendUint32(nil, bootSum(region[:n-v.SectorSize]))
		if !bytes.Equal(sums, bytes.Repeat(want, len(sums)/4)) {
			return damaged("the checksum of its %s boot region differs", []string{"main", "backup"}[i])
		}
	}
	for _, at := range []int{106, 107, 112} {
		main[at], backup[at] = 0, 0
	}
	if !bytes.Equal(main, backup) {
		return damaged("its main and its backup boot region differ")
	}
	return nil
}

// bootSum is the checksum of 11 sectors. VolumeFlags (106, 107) and PercentInUse (112) are not part of it.
func bootSum(b []byte) uint32 {
	sum := uint32(0)
	for i, c := range b {
		if i != 106 && i != 107 && i != 112 {
			sum = sum>>1 | sum<<31
			sum += uint32(c)
		}
	}
	return sum
}

// describe finds the bitmap, the up-case table and the label in the root directory.
func (v *Volume) describe() error {
	found, tables := 0, 0
	err := v.entries(v.Root(), noCluster, func(e []byte) (bool, error) {
		switch e[0] {
		case typeBitmap:
			if e[1]&1 != 0 {
				return false, damaged("its bitmap is for an allocation table that it does not have")
			}
			found++
			v.bitmap = allocation(e)
		case typeUpcase:
			tables++
			v.upcase, v.sum = allocation(e), binary.LittleEndian.Uint32(e[4:])
		case typeLabel:
			if n := int(e[1]); n <= 11 {
				v.Label = text(e[2 : 2+2*n])
			}
		}
		return true, nil
	})
	switch {
	case err != nil:
		return err
	case found != 1 || v.bitmap.Size < (uint64(v.Clusters)+7)/8 || v.bitmap.Size > uint64(v.Clusters)*uint64(v.ClusterSize):
		return damaged("its root directory does not name one bitmap")
	case tables != 1:
		return damaged("its root directory does not name one up-case table")
	}
	return nil
}
