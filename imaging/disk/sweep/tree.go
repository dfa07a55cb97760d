package sweep

import (
	"encoding/binary"
	"math/bits"

	"github.com/ardoise/ardoise/masters/chunk"
)

// What BLAKE3 is made of, sections 2.1 and 2.2 of its paper.
const (
	leafSize  = 1024 // bytes of a leaf
	blockSize = 64   // bytes of one compression

	chunkStart, chunkEnd, parent, root = 1, 2, 4, 8
)

type (
	value [8]uint32  // a chaining value
	block [16]uint32 // a message block
)

func initial() value {
	return value{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
}

// tree hashes contents that are mostly holes. It remembers the subtrees of zeros, which differ by their place.
type tree struct {
	zeros [9][]value // by the logarithm of their leaves, and by their place; nil until one is asked for
	leaf  [leafSize]byte
}

// id returns the id of the content of an entry that has a piece.
func (t *tree) id(f *Found) chunk.ID {
	v := t.node(f, 0, f.Entry.Length, root)
	var id chunk.ID
	for i, w := range v {
		binary.LittleEndian.PutUint32(id[4*i:], w)
	}
	return id
}

// node returns the value of the subtree over n bytes of a content from at on.
func (t *tree) node(f *Found, at, n uint32, flags uint32) value {
	if flags == 0 && !f.covers(at, n) && n%leafSize == 0 && bits.OnesCount32(n) == 1 {
		return t.zero(bits.TrailingZeros32(n/leafSize), at/n)
	}
	if n <= leafSize {
		b := t.leaf[:n]
		f.part(b, at)
		return leaf(b, at/leafSize, flags)
	}
	// The left one has the largest power of two of leaves that leaves something for the right one.
	left := uint32(leafSize) << (bits.Len32((n-1)/leafSize) - 1)
	return join(t.node(f, at, left, 0), t.node(f, at+left, n-left, 0), flags)
}

// zero returns the value of the i-th subtree of 1<<level leaves of zeros.
func (t *tree) zero(level int, i uint32) value {
	if t.zeros[level] == nil {
		t.zeros[level] = make([]value, chunk.MaxSize/leafSize>>level)
	}
	v := &t.zeros[level][i]
	if *v == (value{}) {
		if level == 0 {
			clear(t.leaf[:])
			*v = leaf(t.leaf[:], i, 0)
		} else {
			*v = join(t.zero(level-1, 2*i), t.zero(level-1, 2*i+1), 0)
		}
	}
	return *v
}

// covers tells whether a piece has any of the n bytes from at on.
func (f *Found) covers(at, n uint32) bool {
	for _, s := range f.spans() {
		if s.piece.At < at+n && at < s.piece.At+s.piece.Length {
			return true
		}
	}
	return false
}

// part puts into b the content from at on.
func (f *Found) part(b []byte, at uint32) {
	clear(b)
	for _, s := range f.spans() {
		from, to := max(s.piece.At, at), min(s.piece.At+s.piece.Length, at+uint32(len(b)))
		if from < to {
			copy(b[from-at:to-at], f.bytes(s)[from-s.piece.At:])
		}
	}
}

// leaf returns the value of one leaf, which is not empty.
func leaf(b []byte, counter uint32, flags uint32) value {
	v := initial()
	for first := uint32(chunkStart); ; first = 0 {
		var m block
		var last [blockSize]byte
		n := min(len(b), blockSize)
		from := b
		if n < blockSize {
			copy(last[:], b)
			from = last[:]
		}
		for i := range m {
			m[i] = binary.LittleEndian.Uint32(from[4*i:])
		}
		if b = b[n:]; len(b) == 0 {
			return compress(&v, &m, counter, uint32(n), first|chunkEnd|flags)
		}
		v = compress(&v, &m, counter, blockSize, first)
	}
}

// join returns the value of two subtrees' parent.
func join(left, right value, flags uint32) value {
	var m block
	copy(m[:8], left[:])
	copy(m[8:], right[:])
	v := initial()
	return compress(&v, &m, 0, blockSize, parent|flags)
}

// compress is the compression function; of its output only the chaining value is needed.
func compress(h *value, m *block, counter, n, flags uint32) value {
	s0, s1, s2, s3, s4, s5, s6, s7 := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
	iv := initial()
	s8, s9, s10, s11 := iv[0], iv[1], iv[2], iv[3]
	s12, s13, s14, s15 := counter, uint32(0), n, flags
	w := *m
	for round := 0; ; round++ {
		s0, s4, s8, s12 = mix(s0, s4, s8, s12, w[0], w[1])
		s1, s5, s9, s13 = mix(s1, s5, s9, s13, w[2], w[3])
		s2, s6, s10, s14 = mix(s2, s6, s10, s14, w[4], w[5])
		s3, s7, s11, s15 = mix(s3, s7, s11, s15, w[6], w[7])
		s0, s5, s10, s15 = mix(s0, s5, s10, s15, w[8], w[9])
		s1, s6, s11, s12 = mix(s1, s6, s11, s12, w[10], w[11])
		s2, s7, s8, s13 = mix(s2, s7, s8, s13, w[12], w[13])
		s3, s4, s9, s14 = mix(s3, s4, s9, s14, w[14], w[15])
		if round == 6 {
			return value{s0 ^ s8, s1 ^ s9, s2 ^ s10, s3 ^ s11, s4 ^ s12, s5 ^ s13, s6 ^ s14, s7 ^ s15}
		}
		w = block{w[2], w[6], w[3], w[10], w[7], w[0], w[4], w[13], w[1], w[11], w[12], w[5], w[9], w[14], w[15], w[8]}
	}
}

func mix(a, b, c, d, x, y uint32) (uint32, uint32, uint32, uint32) {
	a += b + x
	d = bits.RotateLeft32(d^a, -16)
	c += d
	b = bits.RotateLeft32(b^c, -12)
	a += b + y
	d = bits.RotateLeft32(d^a, -8)
	c += d
	b = bits.RotateLeft32(b^c, -7)
	return a, b, c, d
}
