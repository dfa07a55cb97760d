package sweep

import (
	"bytes"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	zeroRun  = 128 << 10 // bytes of zeros hashed at once for a hole
	sparsely = 32        // a content with pieces of less than a part in so many is hashed as a tree with subtrees of zeros
)

// hasher gives ids of what was found.
type hasher struct {
	sum     *blake3.Hasher
	zeros   []byte
	zeroIDs [chunk.MaxSize/readUnit + 1]chunk.ID // of contents of so many units of zeros
	tree    tree
}

// ID returns the id of what the disk holds of an entry, which is not Unread.
func (f *Found) ID() chunk.ID {
	if f.batch.hash == nil {
		f.batch.hash = &hasher{sum: blake3.New(), zeros: make([]byte, zeroRun)}
	}
	return f.batch.hash.id(f)
}

func (h *hasher) id(f *Found) chunk.ID {
	spans, length := f.spans(), f.Entry.Length
	zero, data := true, uint32(0)
	for _, s := range spans {
		zero = zero && h.allZero(f.bytes(s))
		data += s.piece.Length
	}
	switch {
	case zero:
		return h.ofZeros(length)
	case data < length/sparsely:
		return h.tree.id(f)
	}
	h.sum.Reset()
	at := uint32(0)
	for _, s := range spans {
		h.hole(int(s.piece.At - at))
		_, _ = h.sum.Write(f.bytes(s))
		at = s.piece.At + s.piece.Length
	}
	h.hole(int(length - at))
	return chunk.ID(h.sum.Sum(nil))
}

// ofZeros returns the id of length zeros: an empty disk has nothing else, so the answer is kept for each length that is
// a multiple of readUnit.
func (h *hasher) ofZeros(length uint32) chunk.ID {
	known := length%readUnit == 0 && length <= chunk.MaxSize
	if known && h.zeroIDs[length/readUnit] != (chunk.ID{}) {
		return h.zeroIDs[length/readUnit]
	}
	h.sum.Reset()
	h.hole(int(length))
	id := chunk.ID(h.sum.Sum(nil))
	if known {
		h.zeroIDs[length/readUnit] = id
	}
	return id
}

// allZero stops at the first byte that is not: on a disk with content that is soon.
func (h *hasher) allZero(b []byte) bool {
	for len(b) > readUnit {
		if !bytes.Equal(b[:readUnit], h.zeros[:readUnit]) {
			return false
		}
		b = b[readUnit:]
	}
	return bytes.Equal(b, h.zeros[:len(b)])
}

func (h *hasher) hole(n int) {
	for n > 0 {
		k := min(n, len(h.zeros))
		_, _ = h.sum.Write(h.zeros[:k])
		n -= k
	}
}
