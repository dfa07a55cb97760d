package store

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

func TestAPackTakesSoManyFramesAndSoManyBytes(t *testing.T) {
	s, f := &Store{packSize: 1000}, chunk.Frame{Payload: make([]byte, 10)}
	for name, c := range map[string]struct {
		pack openPack
		want bool
	}{
		"room":              {openPack{size: uint32(1000 - f.Size()), entries: make([]entry, packFrames-1)}, false},
		"too many bytes":    {openPack{size: uint32(1001 - f.Size())}, true},
		"as many as it may": {openPack{entries: make([]entry, packFrames)}, true},
	} {
		if got := s.full(&c.pack, f); got != c.want {
			t.Errorf("%s: full = %t, want %t", name, got, c.want)
		}
	}
}

// TestTableIsAMap compares the table with a Go map through a long random life.
func TestTableIsAMap(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var got table
	defer got.release()
	want := map[chunk.ID]place{}
	ids := make([]chunk.ID, 6000)
	for i := range ids {
		binary.LittleEndian.PutUint64(ids[i][8:], random.Uint64())
		ids[i][0] = byte(i % 3) // few shards, so that they merge and leave the heap
		if i%2 == 0 && i > 0 {  // half of them alike in the eight bytes that are compared first
			copy(ids[i][:8], ids[i-1][:8])
		}
	}
	for range 60000 {
		id := ids[random.IntN(len(ids))]
		switch random.IntN(3) {
		case 0:
			got.remove(id)
			delete(want, id)
		default:
			p := place{pack: random.Uint32(), offset: random.Uint32(), size: 1 + random.Uint32N(1<<24-1), length: random.Uint32(),
				seen: uint8(random.IntN(64)), named: random.IntN(2) == 0}
			got.put(id, p)
			want[id] = p
		}
		if got.count != len(want) {
			t.Fatalf("count = %d, want %d", got.count, len(want))
		}
	}
	for _, id := range ids {
		p, ok := got.get(id)
		if q, there := want[id]; ok != there || p != q && ok {
			t.Fatalf("get(%s) = %+v, %v, want %+v, %v", id, p, ok, q, there)
		}
	}
	seen := 0
	for number := range got.shards {
		got.each(number, func(id chunk.ID, p place) {
			if want[id] != p {
				t.Errorf("each gives %s at %+v, want %+v", id, p, want[id])
			}
			seen++
		})
		got.edit(number, func(id chunk.ID, p place) place {
			if id[9]%2 == 0 {
				p.size = 0
			}
			p.pack++
			return p
		})
		last := []byte(nil)
		for b := got.shards[number].sorted.bytes; len(b) > 0; b = b[slotSize:] {
			if bytes.Compare(last, b[:32]) >= 0 {
				t.Fatal("the slots are not in order")
			}
			last = b[:32]
		}
	}
	if seen != len(want) {
		t.Errorf("each gives %d entries, want %d", seen, len(want))
	}
	for id, q := range want {
		p, ok := got.get(id)
		if q.pack++; ok != (id[9]%2 != 0) || ok && p != q {
			t.Fatalf("after edit, get(%s) = %+v, %v", id, p, ok)
		}
	}
}
