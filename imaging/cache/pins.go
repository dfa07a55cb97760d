package cache

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// pins tells what is known of the versions that are kept. Zero: nothing is; so it is whenever other versions are kept, or a
// manifest came.
type pins struct {
	known bool   // flagPinned of all entries is right
	since bool   // frames have come since: they count as pinned
	until uint64 // sequence of the last segment whose entries were marked: those stay right

	learned bool     // what kept versions need is below: their manifests are not read again
	needed  []uint64 // the first 8 bytes of it, in order; two that share them are both kept
	all     bool     // it was more than is remembered: everything counts as kept
}

// figurePins marks what the kept versions need. The lock is held, and no segment is being filled.
func (c *Cache) figurePins() {
	if c.pins.known {
		return
	}
	if !c.pins.learned {
		c.learnPins()
	}
	for i := range c.segments {
		s := &c.segments[i]
		if s.sequence <= c.pins.until {
			continue
		}
		for k := range s.entries {
			e := &s.entries[k]
			if e.word &^= flagPinned; c.needs(e.key) {
				e.word |= flagPinned
			}
		}
	}
	c.pins.known, c.pins.since, c.pins.until = true, false, c.sequence
}

// needs tells whether a kept version needs what has a key.
func (c *Cache) needs(k key) bool {
	_, found := slices.BinarySearch(c.pins.needed, short(k[:]))
	return found || c.pins.all
}

// short returns of an id what pins remember.
func short(id []byte) uint64 { return binary.BigEndian.Uint64(id) }

// learnPins reads the manifests of the kept versions.
func (c *Cache) learnPins() {
	c.pins = pins{learned: true}
	for _, hash := range c.super.kept {
		c.learn(hash)
		slices.Sort(c.pins.needed)
		c.pins.needed = slices.Compact(c.pins.needed)
		if len(c.pins.needed) > 2*c.most { // the cache could not hold half of it
			c.pins.needed, c.pins.all = nil, true
			return
		}
	}
}

// learn remembers what one version needs: of one that cannot be read, what describes it.
func (c *Cache) learn(hash manifest.Hash) {
	h, err := c.readHead(hash)
	if err != nil {
		return
	}
	c.pins.needed = append(c.pins.needed, short(hash[:]))
	for _, list := range [][]chunk.ID{h.pieces, h.nameIDs} {
		for _, id := range list {
			c.pins.needed = append(c.pins.needed, short(id[:]))
		}
	}
	encoded, _, err := c.readManifest(hash)
	if err != nil {
		return
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), maxDecoded)
	if err != nil {
		return
	}
	for _, e := range m.Chunks.All() {
		c.pins.needed = append(c.pins.needed, short(e.ID[:]))
	}
}
