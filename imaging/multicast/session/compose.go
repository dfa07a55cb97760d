package session

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// generation describes one by its index.
func generation(number uint16, index []byte, data int64) wire.Generation {
	return wire.Generation{Number: number, Index: int64(len(index)), Data: data, Hash: manifest.HashOf(index)}
}

// Master is one version that a session sends.
type Master struct {
	Manifest  []byte             // encoded, as it was signed
	Signature manifest.Signature // of its hash
}

// union is the distinct chunks of all masters of a session: those of the first, then what the others have besides.
type union struct {
	bundle  wire.Bundle
	hashes  []manifest.Hash
	chunks  [][]uint32 // by master and place in its catalogue: the chunk's number in the union
	ids     []chunk.ID
	numbers map[chunk.ID]uint32
}

// newUnion decodes the masters.
func newUnion(masters []Master) (*union, error) {
	if len(masters) < 1 || len(masters) > wire.MaxMasters {
		return nil, fmt.Errorf("a session of %d masters", len(masters))
	}
	u := &union{numbers: map[chunk.ID]uint32{}}
	for _, m := range masters {
		decoded, hash, err := manifest.Decode(bytes.NewReader(m.Manifest), wire.MaxIndex)
		if err != nil {
			return nil, fmt.Errorf("manifest %s: %w", m.Signature.Hash, err)
		}
		if hash != m.Signature.Hash {
			return nil, fmt.Errorf("manifest %s has the signature of %s", hash, m.Signature.Hash)
		}
		signature, err := json.Marshal(m.Signature)
		if err != nil {
			return nil, fmt.Errorf("signature of manifest %s: %w", hash, err)
		}
		if len(signature) > wire.MaxSignature {
			return nil, fmt.Errorf("signature of manifest %s: %d bytes", hash, len(signature))
		}
		u.bundle = append(u.bundle, wire.Bundled{Manifest: m.Manifest, Signature: signature})
		u.hashes = append(u.hashes, hash)
		u.add(newCatalogue(&decoded.Chunks))
	}
	return u, nil
}

// add puts a master's chunks into the union.
func (u *union) add(c *catalogue) {
	numbers := make([]uint32, c.size())
	for place := range numbers {
		id := c.id(uint32(place))
		number, ok := u.numbers[id]
		if !ok {
			number = uint32(len(u.ids))
			u.numbers[id] = number
			u.ids = append(u.ids, id)
		}
		numbers[place] = number
	}
	u.chunks = append(u.chunks, numbers)
}

// master finds the master of a manifest.
func (u *union) master(hash manifest.Hash) (uint16, bool) {
	for i, h := range u.hashes {
		if h == hash {
			return uint16(i), true
		}
	}
	return 0, false
}

// composer makes generations of what members say that they need.
type composer struct {
	*union
	planned []bool // by number: it is in a generation
}

// newComposer returns the composer of a session that has sent nothing yet.
func newComposer(u *union) *composer { return &composer{union: u, planned: make([]bool, len(u.ids))} }

// needs are those of one member: its master, and the runs that it reported last.
type needs struct {
	master uint16
	runs   wire.Runs
}

// open marks which chunks that are in no generation yet members miss; with unknown also those of which they do not know.
// What a member has not spoken of is unknown. Of these it marks what more than half as many miss as miss the chunk that
// most do: one empty computer among many that are brought up to date must not make all wait for a whole master.
func (c *composer) open(all []needs, unknown bool) (want []bool, any bool) {
	members, most := c.count(all, unknown)
	want = make([]bool, len(members))
	for number, n := range members {
		want[number] = n > 0 && 2*n > most
	}
	return want, most > 0
}

// count returns how many members miss each chunk that is in no generation yet, and the most that miss one.
func (c *composer) count(all []needs, unknown bool) (members []uint32, most uint32) {
	members = make([]uint32, len(c.planned))
	for _, n := range all {
		chunks := c.chunks[n.master]
		at := 0
		mark := func(count int, value uint8) {
			end := min(at+count, len(chunks))
			if value == wire.Missing || value == wire.Unknown && unknown {
				for _, number := range chunks[at:end] {
					if !c.planned[number] {
						members[number]++
						most = max(most, members[number])
					}
				}
			}
			at = end
		}
		for _, run := range n.runs {
			mark(int(run.Count), run.Value)
		}
		mark(len(chunks)-at, wire.Unknown)
	}
	return members, most
}

// known tells whether every member knows of each chunk of its master whether it misses it.
func (c *composer) known(all []needs) bool {
	return !slices.ContainsFunc(all, func(n needs) bool {
		return n.runs.Len() < uint64(len(c.chunks[n.master])) ||
			slices.ContainsFunc(n.runs, func(r wire.Run) bool { return r.Count > 0 && r.Value == wire.Unknown })
	})
}

// compose makes the next generation of the chunks that are wanted. A chunk that the store has not got is told to
// unreadable and planned with the smallest size: it is sent as zeros, which tells those who miss it to look elsewhere.
func (c *composer) compose(number uint16, want []bool, frames Frames, unreadable func(chunk.ID, error)) *stock {
	var ids []chunk.ID
	var sizes []int64
	var total int64
	for n, wanted := range want {
		if !wanted {
			continue
		}
		size, ok := frames.StoredSize(c.ids[n])
		if !ok || size <= chunk.HeaderSize || size > chunk.MaxFrameSize {
			unreadable(c.ids[n], fmt.Errorf("the store has no frame of it (%d bytes)", size))
			size = chunk.HeaderSize + 1
		}
		if total+size > wire.MaxData || len(ids) == maxPlanned {
			break // the rest is for the next one
		}
		c.planned[n] = true
		ids, sizes = append(ids, c.ids[n]), append(sizes, size)
		total += size
	}
	return newStock(number, ids, sizes)
}

// maxPlanned is the most frames of one generation: its plan fits wire.MaxIndex with the longest sizes.
const maxPlanned = wire.MaxIndex/(8+3) - 1
