package volume

import (
	"fmt"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Extent is a run of bytes of the volume.
type Extent struct {
	Offset int64 // bytes from the start of the volume
	Length int64 // bytes
}

// Piece is a part of a stream and its place on the volume.
type Piece struct {
	At     int64 // offset in the stream, bytes
	Offset int64 // bytes from the start of the volume
	Length int64 // bytes
}

// Stream is the bytes of a volume that belong together: one file's data, or the metadata. What no piece covers below
// Length is a hole and reads as zeros. The last piece may end after Size: it ends at an allocation unit.
type Stream struct {
	Number   uint64  // inode or record number; 0 for metadata
	Path     string  // "/" separated, without a leading one; "" for metadata
	Size     int64   // bytes of the file; for metadata the length of the volume
	Length   int64   // Size rounded up to the allocation unit
	ZeroTail bool    // bytes from Size (or Valid) to Length are free: they hash and restore as zeros
	Valid    int64   // with ZeroTail: bytes that were ever written, where that is less than Size; else 0
	Pieces   []Piece // ordered by At; without overlap
}

// ZeroFrom is the offset in the stream from which on it is zeros, whatever its pieces hold.
func (s *Stream) ZeroFrom() int64 {
	switch {
	case !s.ZeroTail:
		return s.Length
	case s.Valid > 0:
		return min(s.Valid, s.Size)
	}
	return s.Size
}

// Fill is a run of bytes of the volume that is restored as one byte value whatever it held.
type Fill struct {
	Extent
	Byte byte
}

// Layout is what a reader found on a volume: every used byte in exactly one of the streams, Fills and DontCare.
type Layout struct {
	Kind     string // ext4, ext3, ext2, fat12, fat16, fat32, swap, raw ...
	Order    manifest.Order
	Reason   string // why Order is not ByFile, one sentence for a person; else ""
	Unit     int    // allocation unit, bytes
	Label    string
	UUID     string
	Used     int64    // bytes of kept, fill and don't-care
	Heads    []Extent // without these nothing mounts or starts the volume
	Fills    []Fill
	DontCare []Extent
	Advice   []string // sentences about what is on it that a person should change before it becomes a master
	walk     func(yield func(Stream) error) error
}

// Streams calls yield for each stream, metadata first, and stops at the first error. It may be called more than once, but
// not from two goroutines at a time. It reads the volume again.
func (l *Layout) Streams(yield func(Stream) error) error { return l.walk(yield) }

// RefusedError says that a volume must not be captured as it is, and what a person can do about it.
type RefusedError struct {
	Kind string // file system
	Why  string // what is wrong: "was not shut down cleanly"
	Hint string // what to do now
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("%s volume %s", e.Kind, e.Why) }
