package cache

import (
	"hash/maphash"
	"math/bits"
)

// key is the first half of an id: enough to find a frame, since the whole id is proven before the frame is used.
type key [16]byte

// entry is a frame in a segment: 24 bytes.
type entry struct {
	key    key
	offset uint32 // in the segment, bytes
	word   uint32 // size in bytes, and flags
}

const (
	flagPinned = 1 << 31 // a version that is kept needs it
	flagHead   = 1 << 30 // describes a manifest; it is not in the index
	flagDead   = 1 << 29 // the index does not lead here any more
	sizeMask   = 1<<20 - 1
)

func (e *entry) size() int64         { return int64(e.word & sizeMask) }
func (e *entry) is(flag uint32) bool { return e.word&flag != 0 }

// place names a frame: its segment and its entry there.
type place struct{ segment, entry int }

const entryBits = 24 // of a packed place: a segment has fewer entries

// index finds the entry of a chunk: open addressing with linear probing, 8 bytes a slot, between half and three quarters
// full. With its entry a chunk takes 40 bytes at most. The seed keeps those who choose ids from choosing slots.
type index struct {
	seed     maphash.Seed
	slots    []uint64 // packed place + 1; 0 = empty
	used     int
	segments *[]segment
}

func newIndex(segments *[]segment) index {
	return index{seed: maphash.MakeSeed(), slots: make([]uint64, 64), segments: segments}
}

func (x *index) at(v uint64) *entry {
	v--
	return &(*x.segments)[v>>entryBits].entries[v&(1<<entryBits-1)]
}

func (x *index) home(k key) int {
	hi, _ := bits.Mul64(maphash.Bytes(x.seed, k[:]), uint64(len(x.slots)))
	return int(hi)
}

func (x *index) next(i int) int {
	if i++; i == len(x.slots) {
		return 0
	}
	return i
}

// slot returns where k is, or would be.
func (x *index) slot(k key) int {
	i := x.home(k)
	for x.slots[i] != 0 && x.at(x.slots[i]).key != k {
		i = x.next(i)
	}
	return i
}

// find returns the place of a chunk.
func (x *index) find(k key) (place, bool) {
	v := x.slots[x.slot(k)]
	if v == 0 {
		return place{}, false
	}
	v--
	return place{int(v >> entryBits), int(v & (1<<entryBits - 1))}, true
}

// set makes the index lead to p.
func (x *index) set(k key, p place) {
	i := x.slot(k)
	fresh := x.slots[i] == 0
	x.slots[i] = uint64(p.segment)<<entryBits | uint64(p.entry) + 1
	if !fresh {
		return
	}
	if x.used++; x.used > len(x.slots)/4*3 {
		x.grow()
	}
}

func (x *index) grow() {
	old := x.slots
	x.slots = make([]uint64, len(old)+len(old)/2)
	for _, v := range old {
		if v != 0 {
			x.slots[x.slot(x.at(v).key)] = v
		}
	}
}

// remove forgets k. What was pushed behind it moves up, so that nothing is lost behind a gap.
func (x *index) remove(k key) {
	gap := x.slot(k)
	if x.slots[gap] == 0 {
		return
	}
	x.used--
	for i := x.next(gap); x.slots[i] != 0; i = x.next(i) {
		home := x.home(x.at(x.slots[i]).key)
		// It may move to the gap if its home is not between the gap and its place.
		if between := gap < i && gap < home && home <= i || gap > i && (home > gap || home <= i); !between {
			x.slots[gap] = x.slots[i]
			gap = i
		}
	}
	x.slots[gap] = 0
}
