package cache

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Sizes of the format, bytes. They are drawn in the package comment.
const (
	block        = 4096 // what a drive writes at once, at most: nothing of two owners lies in one
	superStep    = 64 << 10
	segmentsAt   = 1 << 20
	smallSegment = 4 << 20
	largeSegment = 16 << 20
	largeFrom    = 1 << 30 // partitions from this size on have large segments

	entrySize   = 48
	trailerSize = 128
)

const (
	superMagic   = "ARDCACH1"
	segmentMagic = "ARDSEGM1"
	format       = 1

	// MaxKept is the most versions that a cache is kept for at once.
	MaxKept = 16

	maxSequence = 1 << 62
	maxSegments = 1 << 20
	maxEntries  = 4 << 20 // in a cache; what lies in more segments than that costs more memory than it is worth
	maxHeads    = 64      // manifests in a cache
)

// The kinds of entry in a directory.
const (
	kindChunk = 0 // a frame, known by its chunk's id
	kindHead  = 1 // a frame that describes a manifest, known by the manifest's hash
)

// Device is where the partition lies: a disk, or a test's. Offsets count from the start of the disk.
type Device interface {
	io.ReaderAt
	io.WriterAt
	Flush() error // everything written so far survives a power cut
}

// super is what both superblocks say.
type super struct {
	segment  int64 // bytes of a segment
	identity [16]byte
	sequence uint64
	kept     []manifest.Hash
}

func (s *super) encode() []byte {
	b, le := make([]byte, block), binary.LittleEndian
	copy(b, superMagic)
	le.PutUint32(b[8:], format)
	le.PutUint32(b[12:], uint32(s.segment))
	copy(b[16:32], s.identity[:])
	le.PutUint64(b[32:], s.sequence)
	le.PutUint32(b[40:], uint32(len(s.kept)))
	for i, h := range s.kept {
		copy(b[48+32*i:], h[:])
	}
	sum := blake3.Sum256(b[:block-32])
	copy(b[block-32:], sum[:])
	return b
}

// parseSuper reads a superblock, and says why it is none.
func parseSuper(b []byte) (*super, string) {
	le := binary.LittleEndian
	if len(b) != block || string(b[:8]) != superMagic {
		return nil, "there is none"
	}
	if blake3.Sum256(b[:block-32]) != [32]byte(b[block-32:]) {
		return nil, "its superblock is damaged"
	}
	s := &super{segment: int64(le.Uint32(b[12:])), identity: [16]byte(b[16:32]), sequence: le.Uint64(b[32:])}
	n := le.Uint32(b[40:])
	switch {
	case le.Uint32(b[8:]) != format:
		return nil, fmt.Sprintf("it is of format %d, this program reads %d", le.Uint32(b[8:]), format)
	case s.segment != smallSegment && s.segment != largeSegment, s.sequence == 0, s.sequence > maxSequence, n > MaxKept:
		return nil, "its superblock contradicts itself"
	}
	for i := range n {
		s.kept = append(s.kept, manifest.Hash(b[48+32*i:][:32]))
	}
	return s, ""
}

// listed is one entry of a segment's directory.
type listed struct {
	id     [32]byte
	offset uint32 // of the frame in the segment, bytes
	size   uint32 // of the frame, bytes
	kind   uint32
}

// mostFrames returns how many frames a segment of size bytes can hold.
func mostFrames(size int64) int { return int(size / (entrySize + chunk.HeaderSize + 1)) }

// directorySize returns the bytes that a directory of n entries takes at the end of its segment.
func directorySize(n int) int64 { return roundUp(int64(n)*entrySize + trailerSize) }

func roundUp(n int64) int64 { return (n + block - 1) / block * block }

// encodeDirectory makes the directory of segment number: entries, zeros, trailer.
func encodeDirectory(list []listed, identity [16]byte, number int, sequence uint64, end int64) []byte {
	b, le := make([]byte, directorySize(len(list))), binary.LittleEndian
	for i, e := range list {
		at := b[i*entrySize:]
		copy(at, e.id[:])
		le.PutUint32(at[32:], e.offset)
		le.PutUint32(at[36:], e.size)
		le.PutUint32(at[40:], e.kind)
	}
	t := b[len(b)-trailerSize:]
	copy(t, segmentMagic)
	copy(t[8:24], identity[:])
	le.PutUint32(t[24:], uint32(number))
	le.PutUint32(t[28:], uint32(len(list)))
	le.PutUint64(t[32:], sequence)
	le.PutUint32(t[40:], uint32(end))
	sum := blake3.Sum256(b[:len(b)-32])
	copy(t[trailerSize-32:], sum[:])
	return b
}

// directory is a segment's directory as it was read.
type directory struct {
	list     []listed
	sequence uint64
	end      int64 // of the frames, bytes
}

// The states in which a segment can be found.
const (
	segmentBlank   = iota // of no cache, or of another one: free
	segmentWhole          // its directory can be believed
	segmentDamaged        // it was ours: free, and counted
)

// readDirectory reads the directory of the segment that lies in the last size bytes before the end of r's part at
// offset. An error is one of reading.
func readDirectory(r io.ReaderAt, offset, size int64, identity [16]byte, number int) (directory, int, error) {
	tail := make([]byte, min(size, 64<<10)) // enough for most
	if err := readFull(r, tail, offset+size-int64(len(tail))); err != nil {
		return directory{}, segmentDamaged, err
	}
	n, state := parseTrailer(tail[len(tail)-trailerSize:], size, identity, number)
	if state != segmentWhole {
		return directory{}, state, nil
	}
	length := directorySize(n)
	if length > int64(len(tail)) {
		tail = make([]byte, length)
		if err := readFull(r, tail, offset+size-length); err != nil {
			return directory{}, segmentDamaged, err
		}
	}
	d, ok := parseDirectory(tail[int64(len(tail))-length:], n, size)
	if !ok {
		return directory{}, segmentDamaged, nil
	}
	return d, segmentWhole, nil
}

// parseTrailer returns the number of entries, once it is plausible.
func parseTrailer(t []byte, size int64, identity [16]byte, number int) (int, int) {
	le := binary.LittleEndian
	if string(t[:8]) != segmentMagic || [16]byte(t[8:24]) != identity {
		return 0, segmentBlank
	}
	n := int64(le.Uint32(t[28:]))
	if le.Uint32(t[24:]) != uint32(number) || n == 0 ||
		directorySize(int(n))+n*(chunk.HeaderSize+1) > size {
		return 0, segmentDamaged
	}
	return int(n), segmentWhole
}

// parseDirectory believes a directory only if its hash is right and every frame lies in its segment, one behind the other.
func parseDirectory(b []byte, n int, size int64) (directory, bool) {
	le := binary.LittleEndian
	t := b[len(b)-trailerSize:]
	d := directory{sequence: le.Uint64(t[32:]), end: int64(le.Uint32(t[40:]))}
	if blake3.Sum256(b[:len(b)-32]) != [32]byte(b[len(b)-32:]) || d.sequence == 0 || d.sequence > maxSequence ||
		d.end > size-int64(len(b)) {
		return directory{}, false
	}
	d.list = make([]listed, n)
	before := int64(0)
	for i := range d.list {
		at := b[i*entrySize:]
		e := listed{id: [32]byte(at[:32]), offset: le.Uint32(at[32:]), size: le.Uint32(at[36:]), kind: le.Uint32(at[40:])}
		if int64(e.offset) < before || e.size <= chunk.HeaderSize || e.size > chunk.MaxFrameSize ||
			int64(e.offset)+int64(e.size) > d.end || e.kind > kindHead {
			return directory{}, false
		}
		before = int64(e.offset) + int64(e.size)
		d.list[i] = e
	}
	return d, true
}

// readFull reads all of p at off; unlike io.ReaderAt it takes a full read that ends with io.EOF as a success.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
