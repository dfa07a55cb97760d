package store

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	shardCount = 256 // by the first byte of the id
	slotSize   = 48  // bytes of an entry in memory and in the index file
	sizeMask   = 1<<24 - 1
	seenShift  = 24
	seenMask   = 0x3f
	namedBit   = 1 << 31
	freshLeast = 64 // entries beside the sorted ones before they are merged
	freshShare = 16 // or this part of the sorted ones
)

// place is where a frame lies, and what the collector knows of it.
type place struct {
	pack   uint32
	offset uint32
	size   uint32
	length uint32
	seen   uint8 // cycle in which it was last needed (see cycle); 0: a tombstone
	named  bool  // a survey has met it
}

// table is the index in memory: for each id one place. 48 bytes an entry in sorted arrays, besides at most a sixteenth
// of the entries in maps, so that ten million fit into half a gigabyte. Not safe for concurrent use.
type table struct {
	shards [shardCount]shard
	count  int
}

// shard is the entries whose ids begin with one byte.
type shard struct {
	sorted region // slots, ascending by id; one of size 0 is a hole
	holes  int
	fresh  map[chunk.ID]place // not in sorted
}

func putSlot(b []byte, id chunk.ID, p place) {
	copy(b, id[:])
	putPlace(b, p)
}

func putPlace(b []byte, p place) {
	size := p.size | uint32(p.seen)<<seenShift
	if p.named {
		size |= namedBit
	}
	binary.LittleEndian.PutUint32(b[32:], p.pack)
	binary.LittleEndian.PutUint32(b[36:], p.offset)
	binary.LittleEndian.PutUint32(b[40:], size)
	binary.LittleEndian.PutUint32(b[44:], p.length)
}

func slotPlace(b []byte) place {
	size := binary.LittleEndian.Uint32(b[40:])
	return place{pack: binary.LittleEndian.Uint32(b[32:]), offset: binary.LittleEndian.Uint32(b[36:]), size: size & sizeMask,
		length: binary.LittleEndian.Uint32(b[44:]), seen: uint8(size >> seenShift & seenMask), named: size&namedBit != 0}
}

// find returns the slot of an id in the sorted part, or nil.
func (s *shard) find(id chunk.ID) []byte {
	b := s.sorted.bytes
	want := binary.BigEndian.Uint64(id[:])
	low, high := 0, len(b)/slotSize
	for low < high {
		middle := int(uint(low+high) >> 1)
		slot := b[middle*slotSize : middle*slotSize+slotSize]
		got := binary.BigEndian.Uint64(slot)
		order := 0
		if got == want {
			if order = bytes.Compare(slot[:32], id[:]); order == 0 {
				return slot
			}
		}
		if got > want || order > 0 {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return nil
}

func (t *table) get(id chunk.ID) (place, bool) {
	s := &t.shards[id[0]]
	if p, ok := s.fresh[id]; ok {
		return p, true
	}
	if slot := s.find(id); slot != nil {
		p := slotPlace(slot)
		return p, p.size != 0
	}
	return place{}, false
}

// put sets the place of an id. p.size must not be 0.
func (t *table) put(id chunk.ID, p place) {
	s := &t.shards[id[0]]
	if slot := s.find(id); slot != nil {
		if slotPlace(slot).size == 0 {
			s.holes--
			t.count++
		}
		putPlace(slot, p)
		return
	}
	if s.fresh == nil {
		s.fresh = map[chunk.ID]place{}
	}
	if _, there := s.fresh[id]; !there {
		t.count++
	}
	s.fresh[id] = p
	if len(s.fresh) > freshLeast+len(s.sorted.bytes)/slotSize/freshShare {
		s.merge()
	}
}

func (t *table) remove(id chunk.ID) {
	s := &t.shards[id[0]]
	if _, there := s.fresh[id]; there {
		delete(s.fresh, id)
		t.count--
		return
	}
	if slot := s.find(id); slot != nil && slotPlace(slot).size != 0 {
		putPlace(slot, place{})
		s.holes++
		t.count--
	}
}

// edit calls visit with every entry of one shard, in no order, and keeps what it returns; an entry whose size it makes 0
// is removed.
func (t *table) edit(number int, visit func(id chunk.ID, p place) place) {
	s := &t.shards[number]
	for b := s.sorted.bytes; len(b) > 0; b = b[slotSize:] {
		p := slotPlace(b)
		if p.size == 0 {
			continue
		}
		q := visit(chunk.ID(b[:32]), p)
		if q == p {
			continue
		}
		if putPlace(b, q); q.size == 0 {
			s.holes++
			t.count--
		}
	}
	for id, p := range s.fresh {
		switch q := visit(id, p); {
		case q.size == 0:
			delete(s.fresh, id)
			t.count--
		case q != p:
			s.fresh[id] = q
		}
	}
}

// each calls visit with every entry of one shard, in no order.
func (t *table) each(number int, visit func(id chunk.ID, p place)) {
	s := &t.shards[number]
	for b := s.sorted.bytes; len(b) > 0; b = b[slotSize:] {
		if p := slotPlace(b); p.size != 0 {
			visit(chunk.ID(b[:32]), p)
		}
	}
	for id, p := range s.fresh {
		visit(id, p)
	}
}

// merge makes the sorted part all of the shard.
func (s *shard) merge() {
	ids := make([]chunk.ID, 0, len(s.fresh))
	for id := range s.fresh {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b chunk.ID) int { return bytes.Compare(a[:], b[:]) })
	merged := allocate(len(s.sorted.bytes) - s.holes*slotSize + len(ids)*slotSize)
	out, old := merged.bytes, s.sorted.bytes
	for len(old) > 0 || len(ids) > 0 {
		switch {
		case len(old) > 0 && slotPlace(old).size == 0:
			old = old[slotSize:]
			continue
		case len(old) == 0 || len(ids) > 0 && bytes.Compare(ids[0][:], old[:32]) < 0:
			putSlot(out, ids[0], s.fresh[ids[0]])
			ids = ids[1:]
		default:
			copy(out, old[:slotSize])
			old = old[slotSize:]
		}
		out = out[slotSize:]
	}
	s.sorted.release()
	s.sorted, s.holes, s.fresh = merged, 0, nil
}

// release empties the table and gives its memory back.
func (t *table) release() {
	for i := range t.shards {
		t.shards[i].sorted.release()
	}
	*t = table{}
}
