package store

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

// The index file, little-endian: magic "ARDINDX0", format version (4), zero (4); for each sound pack its number (4),
// number of entries (4), size of its file in bytes (8) and its entries as in a footer; BLAKE3-256 of all that.
const (
	indexMagic = "ARDINDX0"
	maxIndex   = 8 << 30 // bytes
)

// indexed is what the index file says of a pack.
type indexed struct {
	size    int64
	entries []entry
}

// writeIndex replaces the index file by what is known. Damaged packs are left out: they are looked at at every Open.
func (s *Store) writeIndex() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	damaged := map[uint32]bool{}
	for _, err := range s.damaged {
		if p, ok := err.(*PackError); ok {
			damaged[p.Pack] = true
		}
	}
	packs := s.byPack()
	numbers := make([]uint32, 0, len(s.packs))
	for number := range s.packs {
		if !damaged[number] {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	b := append(make([]byte, 0, preambleSize+len(s.known)*entrySize+len(packs)*16+32), indexMagic...)
	b = binary.LittleEndian.AppendUint32(b, Format)
	b = binary.LittleEndian.AppendUint32(b, 0)
	for _, number := range numbers {
		b = binary.LittleEndian.AppendUint32(b, number)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(packs[number])))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.packs[number]))
		for _, e := range packs[number] {
			b = appendEntry(b, e)
		}
	}
	sum := blake3.Sum256(b)
	if err := durable.WriteFile(s.fs, filepath.Join(s.dir, indexName), append(b, sum[:]...)); err != nil {
		return fmt.Errorf("writing the index of the store: %w", err)
	}
	s.stale = false
	return nil
}

// readIndex returns what the index file says; nothing, and the store is stale, where it is missing or damaged.
func (s *Store) readIndex() map[uint32]indexed {
	b, err := durable.ReadFile(s.fs, filepath.Join(s.dir, indexName), maxIndex)
	packs, ok := parseIndex(b)
	s.stale = err != nil || !ok
	return packs
}

func parseIndex(b []byte) (map[uint32]indexed, bool) {
	if len(b) < preambleSize+32 || string(b[:8]) != indexMagic || binary.LittleEndian.Uint32(b[8:]) != Format {
		return nil, false
	}
	body, sum := b[:len(b)-32], b[len(b)-32:]
	if blake3.Sum256(body) != [32]byte(sum) {
		return nil, false
	}
	packs := map[uint32]indexed{}
	for body = body[preambleSize:]; len(body) > 0; {
		if len(body) < 16 {
			return nil, false
		}
		number, count := binary.LittleEndian.Uint32(body), int64(binary.LittleEndian.Uint32(body[4:]))
		size := int64(binary.LittleEndian.Uint64(body[8:]))
		body = body[16:]
		if count*entrySize > int64(len(body)) {
			return nil, false
		}
		entries := make([]entry, count)
		for i := range entries {
			entries[i] = parseEntry(body[i*entrySize:])
			if e := entries[i]; e.offset < preambleSize || e.size <= chunk.HeaderSize || e.size > chunk.MaxFrameSize {
				return nil, false
			}
		}
		packs[number] = indexed{size: size, entries: entries}
		body = body[count*entrySize:]
	}
	return packs, true
}
