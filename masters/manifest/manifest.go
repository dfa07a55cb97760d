package manifest

import "time"

// Format is the version of the encoded form that this code writes and reads. 1 is frozen; 0, from before, is refused.
const Format = 1

// Hash is the BLAKE3-256 of an encoded manifest or names table.
type Hash [32]byte

// Manifest is the full description of one version of a master.
type Manifest struct {
	Name    string    // of the master; empty until the library gives it its version
	Version int       // 1, 2, ...; 0 until the library gives it
	Created time.Time // UTC, seconds
	Author  string
	Note    string
	Parent  Hash // of the version captured before; zero for the first

	Disk       Disk
	Partitions []Partition // ordered by Number
	Volumes    []Volume    // ordered by Start
	Chunks     Table       // ordered by first disk offset once sorted
	Fills      []Fill      // ordered by Offset
	DontCare   []Extent    // ordered by Offset; never read, never written

	Names     Hash // of the encoded names table
	NameCount int  // streams in it; streams are numbered 0 ..< NameCount
}

// TableKind says how a disk is divided.
type TableKind string

// The kinds of partition table.
const (
	GPT     TableKind = "gpt"
	MBR     TableKind = "mbr"
	NoTable TableKind = "none" // one volume from the first byte
)

// Disk describes the disk that was captured.
type Disk struct {
	Size       int64     // bytes
	SectorSize int       // logical, bytes: 512 or 4096
	Table      TableKind // gpt, mbr or none
	GUID       string    // GPT disk GUID, upper case; "" otherwise
	Signature  uint32    // MBR disk signature (offset 440)
	FirstLBA   uint64    // GPT: first usable LBA
	Entries    uint32    // GPT: number of entries in the table, usually 128
}

// Partition is one entry of the partition table.
type Partition struct {
	Number int    // 1, 2, ...: the slot in the table; MBR logical ones from 5
	Start  int64  // bytes from the start of the disk
	Length int64  // bytes
	Type   string // GPT: type GUID, upper case; MBR: two hexadecimal digits
	GUID   string // GPT: unique GUID, upper case
	Name   string // GPT
	// Attributes are the GPT attribute bits. MBR: bits 0-7 the status byte (0x80 = active), and for a logical partition
	// bits 8-39 the sectors from its extended boot record to its start.
	Attributes uint64
}

// Volume is what lies in a partition, or the bytes before the first partition (Kind "gap", Partition 0).
type Volume struct {
	Partition int    // Partition.Number; 0 for the gap or a disk without table
	Start     int64  // bytes from the start of the disk
	Length    int64  // bytes
	Kind      string // ext4, ext3, ext2, fat12, fat16, fat32, swap, gap, raw ...
	Order     Order  // how its streams were cut
	Reason    string // why Order is not ByFile, for a person; else ""
	Unit      int    // allocation unit in bytes, 1 for raw
	Label     string
	UUID      string
	Used      int64    // bytes of kept, fill and don't-care together
	Heads     []Extent // disk ranges without which nothing mounts or starts the volume: superblocks, boot sectors
	Meta      uint32   // number of the stream that holds metadata and all else
}

// Order says how a volume was cut into streams.
type Order string

// The orders of a volume.
const (
	ByFile     Order = "files"    // a stream per file, and one for the rest
	ByPosition Order = "position" // used blocks in disk order, one stream
	Raw        Order = "raw"      // all bytes, one stream
)

// Extent is a run of bytes on the disk.
type Extent struct {
	Offset int64 // bytes from the start of the disk
	Length int64 // bytes
}

// End returns the offset of the first byte after the extent.
func (e Extent) End() int64 { return e.Offset + e.Length }

// Fill is a run of bytes on the disk that all have one value: a cleared journal, allocated zeros.
type Fill struct {
	Extent
	Byte   byte
	Stream uint32 // the stream it belongs to
}
