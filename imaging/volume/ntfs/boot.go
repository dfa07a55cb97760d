package ntfs

import (
	"encoding/binary"
	"fmt"
)

// DamageError says which structure of a volume contradicts itself or is not understood.
type DamageError struct {
	What string // one clause: "record 77 has an attribute of no length"
}

// Error implements error.
func (e *DamageError) Error() string { return e.What }

func damaged(format string, a ...any) error { return &DamageError{fmt.Sprintf(format, a...)} }

// stride is the number of bytes that one fix-up protects, whatever the sector size.
const stride = 512

const (
	maxCluster = 2 << 20
	minRecord  = 512
	maxRecord  = 64 << 10
	// maxClusters bounds the memory of who keeps a bit for each: what Windows itself allows, 2^32 - 1.
	maxClusters = 1<<32 - 1
)

// Geometry is what the boot sector says.
type Geometry struct {
	Sector   int64  // bytes of a sector, 256 to 4096
	Cluster  int64  // bytes of a cluster, 512 to 2 MiB
	Clusters int64  // clusters of the volume
	Record   int64  // bytes of a file record
	Sectors  int64  // of the volume; the backup of the boot sector lies right behind
	Serial   uint64 // volume serial number
	mft      int64  // LCN of the start of $MFT
}

// Backup is the offset in bytes of the copy of the boot sector.
func (g *Geometry) Backup() int64 { return g.Sectors * g.Sector }

// End is the offset in bytes behind the last cluster.
func (g *Geometry) End() int64 { return g.Clusters * g.Cluster }

// parseBoot reads the boot sector of a volume of size bytes (0x0b bytes a sector, 0x0d sectors a cluster, 0x28 sectors,
// 0x30 LCN of $MFT, 0x40 clusters a record, 0x48 serial number).
func parseBoot(b []byte, size int64) (Geometry, error) {
	g := Geometry{Sector: int64(le16(b, 0x0b)), Serial: le64(b, 0x48)}
	per, sectors, mft := int64(b[0x0d]), le64(b, 0x28), le64(b, 0x30)
	if per > 0x80 { // 2^(256-n): clusters above 64 KiB, Windows 10 and later
		per = 1 << min(256-per, 31)
	}
	g.Cluster = g.Sector * per
	if string(b[3:11]) != "NTFS    " || g.Sector < 256 || g.Sector > 4096 || !power2(g.Sector) || !power2(per) ||
		g.Cluster < stride || g.Cluster > maxCluster {
		return g, damaged("its boot sector is not understood")
	}
	if sectors == 0 || sectors > uint64(size/g.Sector) {
		return g, damaged("its boot sector calls it larger than its partition")
	}
	g.Sectors, g.Clusters = int64(sectors), int64(sectors)/per
	g.Record = g.Cluster * int64(int8(b[0x40]))
	if n := int8(b[0x40]); n < 0 {
		g.Record = 1 << min(-int(n), 31)
	}
	if g.Clusters == 0 || g.Clusters > maxClusters || g.Record < minRecord || g.Record > maxRecord || !power2(g.Record) ||
		mft >= uint64(g.Clusters) {
		return g, damaged("its boot sector is not understood")
	}
	g.mft = int64(mft)
	return g, nil
}

func power2(n int64) bool { return n > 0 && n&(n-1) == 0 }

func le16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }

func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
