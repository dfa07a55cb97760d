package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// shelf is frames in memory; a Fetch of a broken one fails.
type shelf struct {
	frames map[chunk.ID]chunk.Frame
	broken map[chunk.ID]bool
	fails  int
}

func (s *shelf) StoredSize(id chunk.ID) (int64, bool) {
	f, ok := s.frames[id]
	return int64(f.Size()), ok
}

func (s *shelf) Fetch(_ context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for _, id := range ids {
		if s.broken[id] {
			s.fails++
			return errors.New("no")
		}
		if err := yield(s.frames[id]); err != nil {
			return err
		}
	}
	return nil
}

// filled makes a generation of frames of odd sizes, and its data as they lie end to end.
func filled(t *testing.T, count int) (*shelf, *stock, []byte) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 9))
	s := &shelf{frames: map[chunk.ID]chunk.Frame{}, broken: map[chunk.ID]bool{}}
	var ids []chunk.ID
	var sizes []int64
	var data []byte
	for i := range count {
		content := make([]byte, 1+random.IntN([]int{100, 5000, chunk.MaxSize}[i%3]))
		for at := range content {
			content[at] = byte(random.Uint32())
		}
		id := chunk.Of(content)
		f := codec.Seal(id, content)
		s.frames[id] = f
		ids, sizes = append(ids, id), append(sizes, int64(f.Size()))
		start := len(data)
		data = f.AppendTo(data)
		if i%7 == 3 { // one in seven cannot be read: zeros
			s.broken[id] = true
			clear(data[start:])
		}
	}
	return s, newStock(1, ids, sizes), data
}

func TestBlocksAreTheFramesEndToEnd(t *testing.T) {
	shelf, g, data := filled(t, 60)
	told := map[chunk.ID]bool{}
	c := newCache(&reader{frames: shelf, unreadable: func(id chunk.ID, _ error) { told[id] = true }}, 8)
	check := func(s *slot) {
		t.Helper()
		inIndex, off, n := g.Extent(s.block)
		var want []byte
		if inIndex {
			want = g.index[off : off+n]
		} else {
			want = data[off : off+n]
		}
		got := bytes.Join(s.symbols, nil)
		if len(s.symbols) != g.Symbols(s.block) || !bytes.Equal(got[:n], want) || len(bytes.Trim(got[n:], "\x00")) > 0 {
			t.Fatalf("block %d is wrong", s.block)
		}
	}
	c.ahead(t.Context(), g, 0, 5)
	for round := range 2 {
		for b := range g.Blocks() {
			s, err := c.get(t.Context(), g, b)
			if err != nil {
				t.Fatal(err)
			}
			check(s)
			c.release(s)
			if round == 1 && b%3 == 0 {
				c.ahead(t.Context(), g, b+1, 4)
			}
		}
	}
	if len(told) != len(shelf.broken) {
		t.Errorf("%d unreadable frames were told, want %d", len(told), len(shelf.broken))
	}
	if len(c.slots) > 8 {
		t.Errorf("%d blocks are in memory", len(c.slots))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.get(ctx, g, 3); err == nil {
		t.Error("a block was read for a request that had been given up")
	}
	if s, err := c.get(t.Context(), g, 3); err != nil {
		t.Errorf("after that it cannot be read: %v", err)
	} else {
		check(s)
		c.release(s)
	}
}

// What the receiving side thinks of places is what the sending side does.
func TestFramesOfAnArrival(t *testing.T) {
	_, g, data := filled(t, 60)
	a := &arrival{Generation: g.Generation, ends: g.ends, partials: map[int]*partial{}}
	blocks := map[uint32][]int{}
	for i := range a.ends {
		first, last := a.span(i)
		for b := first; b <= last; b++ {
			blocks[b] = append(blocks[b], i)
		}
		if a.start(i) < 0 || a.ends[i] > int64(len(data)) {
			t.Fatalf("frame %d lies from %d to %d", i, a.start(i), a.ends[i])
		}
	}
	for b := range g.Blocks() - g.IndexBlocks() {
		first, last := a.frames(b)
		if want := fmt.Sprint(blocks[b]); fmt.Sprint(sequence(first, last)) != want {
			t.Errorf("block %d has the frames %d ..< %d, want %s", b, first, last, want)
		}
	}
}

func sequence(first, last int) (all []int) {
	for i := first; i < last; i++ {
		all = append(all, i)
	}
	return all
}

func TestCatalogue(t *testing.T) {
	var table manifest.Table
	var want []chunk.ID
	for i := range 100 {
		id := chunk.Of(fmt.Append(nil, i%40))
		if i < 40 {
			want = append(want, id)
		}
		table.Append(manifest.Entry{ID: id, Length: 1})
	}
	c := newCatalogue(&table)
	if c.size() != len(want) {
		t.Fatalf("%d chunks, want %d", c.size(), len(want))
	}
	for place, id := range want {
		if got, ok := c.find([8]byte(id[:8])); !ok || got != uint32(place) || c.id(got) != id {
			t.Errorf("chunk %d is found at %d, %v", place, got, ok)
		}
	}
	if _, ok := c.find([8]byte{}); ok {
		t.Error("a chunk that is not there was found")
	}
}

func TestComposing(t *testing.T) {
	u := &union{numbers: map[chunk.ID]uint32{}}
	s := &shelf{frames: map[chunk.ID]chunk.Frame{}}
	for range 2 { // two masters with the same ten chunks
		var table manifest.Table
		for i := range 10 {
			id := chunk.Of(fmt.Append(nil, i))
			table.Append(manifest.Entry{ID: id, Length: 1})
			s.frames[id] = chunk.Frame{ID: id, Length: 1, Payload: []byte{1}}
		}
		u.add(newCatalogue(&table))
	}
	c := newComposer(u)
	members := []needs{
		{master: 0, runs: wire.Runs{{Count: 2, Value: wire.Missing}, {Count: 5, Value: wire.Held}, {Count: 1, Value: wire.Unknown}}}, // of the last two it says nothing
		{master: 1, runs: wire.Runs{{Count: 1, Value: wire.Held}, {Count: 2, Value: wire.Missing}, {Count: 100, Value: wire.Held}}},  // more than there are
	}
	if c.known(members) || c.known(members[:1]) || !c.known(members[1:]) {
		t.Error("the first does not know of all of its chunks, the second does")
	}
	// What both miss goes first, then what one of them does.
	for i, wanted := range []string{"[false true false false]", "[true false true false]"} {
		want, any := c.open(members, false)
		if !any || fmt.Sprint(want[:4]) != wanted {
			t.Fatalf("wanted are %v, want %s", want, wanted)
		}
		g := c.compose(uint16(i+1), want, s, func(chunk.ID, error) { t.Error("unreadable") })
		if n := i + 1; len(g.ids) != n || g.Check() != nil || g.Data != int64(n)*(chunk.HeaderSize+1) {
			t.Errorf("the generation %+v has %d frames", g.Generation, len(g.ids))
		}
	}
	if _, any := c.open(members, false); any {
		t.Error("what is planned is wanted again")
	}
	want, any := c.open(members, true)
	if !any || fmt.Sprint(want[7:]) != "[true true true]" {
		t.Errorf("with what is unknown, wanted are %v", want)
	}
}
