package volume

import "math/bits"

// bitset is one bit per block, cluster or inode.
type bitset struct {
	words []uint64
	n     uint64 // number of valid bits
}

func newBitset(n uint64) *bitset { return &bitset{words: make([]uint64, (n+63)/64), n: n} }

func (b *bitset) has(i uint64) bool { return i < b.n && b.words[i/64]&(1<<(i%64)) != 0 }

func (b *bitset) set(i uint64) { b.words[i/64] |= 1 << (i % 64) }

// clearBehind clears what lies behind the last valid bit in its word.
func (b *bitset) clearBehind() {
	if b.n%64 != 0 {
		b.words[b.n/64] &= 1<<(b.n%64) - 1
	}
}

// mask returns the bits of word w that lie in from ..< to.
func mask(w, from, to uint64) uint64 {
	m := ^uint64(0)
	if w == from/64 {
		m &= ^uint64(0) << (from % 64)
	}
	if w == to/64 {
		m &= 1<<(to%64) - 1
	}
	return m
}

// inside says whether from ..< from+n are bits of the set.
func (b *bitset) inside(from, n uint64) bool { return from <= b.n && n <= b.n-from }

func (b *bitset) setRange(from, n uint64) {
	to := from + n
	for w := from / 64; w*64 < to; w++ {
		b.words[w] |= mask(w, from, to)
	}
}

func (b *bitset) clearRange(from, n uint64) {
	to := from + n
	for w := from / 64; w*64 < to; w++ {
		b.words[w] &^= mask(w, from, to)
	}
}

// all says whether every bit of from ..< from+n is there and set.
func (b *bitset) all(from, n uint64) bool {
	if !b.inside(from, n) {
		return false
	}
	to := from + n
	for w := from / 64; w*64 < to; w++ {
		if m := mask(w, from, to); b.words[w]&m != m {
			return false
		}
	}
	return true
}

// any says whether one bit of from ..< from+n is set.
func (b *bitset) any(from, n uint64) bool {
	to := min(from+n, b.n)
	for w := from / 64; w*64 < to; w++ {
		if b.words[w]&mask(w, from, to) != 0 {
			return true
		}
	}
	return false
}

// count returns how many bits of from ..< from+n are set.
func (b *bitset) count(from, n uint64) uint64 {
	to, sum := from+n, 0
	for w := from / 64; w*64 < to; w++ {
		sum += bits.OnesCount64(b.words[w] & mask(w, from, to))
	}
	return uint64(sum)
}

// runs calls yield for each run of set bits, in order.
func (b *bitset) runs(yield func(from, n uint64) error) error {
	start, open := uint64(0), false
	for w, word := range b.words {
		base := uint64(w) * 64
		switch {
		case word == 0 && !open, word == ^uint64(0) && open:
			continue
		}
		for i := uint64(0); i < 64; {
			rest := word >> i
			if !open {
				if rest == 0 {
					break
				}
				i += uint64(bits.TrailingZeros64(rest))
				start, open = base+i, true
				continue
			}
			ones := uint64(bits.TrailingZeros64(^rest))
			if i += ones; i >= 64 {
				break
			}
			open = false
			if err := yield(start, base+i-start); err != nil {
				return err
			}
		}
	}
	if open {
		return yield(start, b.n-start)
	}
	return nil
}
