package wire

import (
	"encoding/binary"
	"fmt"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// What begins the two kinds of indexes.
const (
	planMagic   = "ARDPLAN0"
	bundleMagic = "ARDBNDL0"
)

// Limits of indexes.
const (
	// MaxMasters is the most masters of one session.
	MaxMasters = 64
	// MaxSignature is the largest signature in bytes, encoded.
	MaxSignature = 4096
	// minFrame is the smallest frame: a header and one byte.
	minFrame = chunk.HeaderSize + 1
	// minPlanned is the fewest bytes that a frame takes in a plan.
	minPlanned = 8 + 1
)

// IndexError says why bytes are no index of a generation.
type IndexError struct{ Reason string }

// Error implements error.
func (e *IndexError) Error() string { return "index of a generation: " + e.Reason }

// Planned is one frame of a plan.
type Planned struct {
	Prefix [8]byte // of the chunk's id
	Size   uint32  // bytes of the stored frame
}

// Plan is the index of a generation from 1 on: its frames in the order of its data.
type Plan []Planned

// Add appends the frame of a chunk, of size bytes.
func (p Plan) Add(id chunk.ID, size int) Plan {
	return append(p, Planned{Prefix: [8]byte(id[:8]), Size: uint32(size)})
}

// Data returns the bytes of all frames.
func (p Plan) Data() int64 {
	var n int64
	for _, f := range p {
		n += int64(f.Size)
	}
	return n
}

// Encode returns the plan's form: the magic, then for each frame the first 8 bytes of the chunk's id and the size as a
// varint.
func (p Plan) Encode() []byte {
	b := append(make([]byte, 0, len(planMagic)+len(p)*(8+binary.MaxVarintLen32)), planMagic...)
	for _, f := range p {
		b = append(b, f.Prefix[:]...)
		b = binary.AppendUvarint(b, uint64(f.Size))
	}
	return b
}

// ParsePlan reads what Encode returned, with data bytes of frames; else *IndexError.
func ParsePlan(b []byte, data int64) (Plan, error) {
	if len(b) < len(planMagic) || string(b[:len(planMagic)]) != planMagic {
		return nil, &IndexError{Reason: "no plan"}
	}
	b = b[len(planMagic):]
	plan := make(Plan, 0, len(b)/minPlanned)
	var total int64
	for len(b) > 0 {
		if len(b) < minPlanned {
			return nil, &IndexError{Reason: "cut short"}
		}
		size, n := binary.Uvarint(b[8:])
		if n <= 0 {
			return nil, &IndexError{Reason: "cut short"}
		}
		if size < minFrame || size > chunk.MaxFrameSize {
			return nil, &IndexError{Reason: fmt.Sprintf("frame %d of %d bytes", len(plan), size)}
		}
		plan = append(plan, Planned{Prefix: [8]byte(b[:8]), Size: uint32(size)})
		total += int64(size)
		b = b[8+n:]
	}
	if total != data {
		return nil, &IndexError{Reason: fmt.Sprintf("frames of %d bytes in data of %d", total, data)}
	}
	return plan, nil
}

// Bundled is one master of a session: its manifest as it was signed, and the signature, both as they are stored.
type Bundled struct {
	Manifest  []byte
	Signature []byte // manifest.Signature in JSON
}

// Hash returns the manifest's hash.
func (b Bundled) Hash() manifest.Hash { return manifest.HashOf(b.Manifest) }

// Bundle is the index of generation 0: the masters of the session.
type Bundle []Bundled

// Encode returns the bundle's form: the magic, then for each master manifest and signature, each behind its length as
// a varint.
func (b Bundle) Encode() []byte {
	out := []byte(bundleMagic)
	for _, m := range b {
		out = binary.AppendUvarint(out, uint64(len(m.Manifest)))
		out = append(out, m.Manifest...)
		out = binary.AppendUvarint(out, uint64(len(m.Signature)))
		out = append(out, m.Signature...)
	}
	return out
}

// ParseBundle reads what Encode returned, else *IndexError. The parts lie in b; nothing of them is proven.
func ParseBundle(b []byte) (Bundle, error) {
	if len(b) < len(bundleMagic) || string(b[:len(bundleMagic)]) != bundleMagic {
		return nil, &IndexError{Reason: "no bundle"}
	}
	b = b[len(bundleMagic):]
	take := func(limit uint64) ([]byte, error) {
		size, n := binary.Uvarint(b)
		if n <= 0 || size > uint64(len(b)-n) {
			return nil, &IndexError{Reason: "cut short"}
		}
		if size > limit {
			return nil, &IndexError{Reason: fmt.Sprintf("a part of %d bytes", size)}
		}
		part := b[n : n+int(size) : n+int(size)]
		b = b[n+int(size):]
		return part, nil
	}
	var bundle Bundle
	for len(b) > 0 {
		if len(bundle) == MaxMasters {
			return nil, &IndexError{Reason: "too many masters"}
		}
		encoded, err := take(MaxIndex)
		if err != nil {
			return nil, err
		}
		signature, err := take(MaxSignature)
		if err != nil {
			return nil, err
		}
		bundle = append(bundle, Bundled{Manifest: encoded, Signature: signature})
	}
	return bundle, nil
}
