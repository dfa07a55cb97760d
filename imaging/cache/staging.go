package cache

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// The needs of a chunk, as Staging.Needs tells them: those of a restore's receiver.
const (
	needHeld    byte = 0
	needMissing byte = 1
)

// Staging brings what a session sends into the cache. It has the methods that a session asks of its receiver: Needs, Take
// and DiskRate, which several goroutines may call at once. 9 bytes a chunk.
type Staging struct {
	c   *Cache
	m   *manifest.Manifest
	now func() time.Time

	order []uint32 // for each distinct chunk the entry that names it first, ordered by id
	rank  []uint32 // its number, in the order in which the manifest's table names them

	mu      sync.Mutex
	needs   []byte // by rank
	changes uint64
	missing int

	gathered int64         // bytes of content since the last write ended
	wrote    int64         // bytes of content that the last write brought
	took     time.Duration // by the last write
	began    time.Time     // of the write that goes on; zero: there is none
}

// Staging returns what a session brings a version's chunks to. now is the clock for DiskRate.
func (c *Cache) Staging(m *manifest.Manifest, now func() time.Time) *Staging {
	s := &Staging{c: c, m: m, now: now, changes: 1}
	all := make([]uint32, m.Chunks.Len())
	for i := range all {
		all[i] = uint32(i)
	}
	id := func(i uint32) chunk.ID { return m.Chunks.At(int(i)).ID }
	slices.SortFunc(all, func(a, b uint32) int {
		ida, idb := id(a), id(b)
		return cmp.Or(bytes.Compare(ida[:], idb[:]), cmp.Compare(a, b))
	})
	s.order = slices.CompactFunc(all, func(a, b uint32) bool { return id(a) == id(b) })
	byEntry := make([]uint32, len(s.order))
	for i := range byEntry {
		byEntry[i] = uint32(i)
	}
	slices.SortFunc(byEntry, func(a, b uint32) int { return cmp.Compare(s.order[a], s.order[b]) })
	s.rank = make([]uint32, len(s.order))
	for rank, k := range byEntry {
		s.rank[k] = uint32(rank)
	}
	s.needs = make([]byte, len(s.order))
	for k, i := range s.order {
		if e := m.Chunks.At(int(i)); !c.has(e.ID) {
			s.needs[s.rank[k]] = needMissing
			s.missing++
		}
	}
	return s
}

// Missing returns how many chunks have not come yet.
func (s *Staging) Missing() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missing
}

// Needs returns the need of each distinct chunk, in the order in which the manifest's table first names it (0 held, 1
// missing), and a number that grows with each change. When that was seen still, it returns into as it is; else a copy, in
// into's memory where there is room.
func (s *Staging) Needs(into []byte, seen uint64) (needs []byte, changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if seen == s.changes {
		return into, seen
	}
	return append(into[:0], s.needs...), s.changes
}

// Take proves a frame and stores it. A chunk that is not of this master, or is there, is nil at once. A frame whose content
// is not its id's fails with *chunk.DamagedError, and nothing is stored. Any other error is the cache's: *FullError, or of
// the disk. The payload is not kept.
func (s *Staging) Take(ctx context.Context, f chunk.Frame) error {
	k, ok := s.find(f.ID)
	if !ok || !s.lacks(k) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := f.Check(); err != nil {
		return err
	}
	content, err := s.c.codec.Open(make([]byte, 0, int(f.Length)+chunk.Spare), f)
	if err != nil {
		return err
	}
	if err := s.store(f, int64(len(content))); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rank[k]; s.needs[r] == needMissing {
		s.needs[r] = needHeld
		s.changes++
		s.missing--
	}
	return nil
}

// store puts a frame, and measures the write when it was the one that filled a segment.
func (s *Staging) store(f chunk.Frame, content int64) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	fills := s.c.current >= 0 && !s.c.fits(f.Size())
	s.mu.Lock()
	if fills {
		s.began = s.now()
	}
	s.mu.Unlock()
	var err error
	if _, ok := s.c.index.find(key(f.ID[:16])); !ok {
		err = s.c.add(f.ID, kindChunk, f.AppendTo(nil))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fills {
		s.wrote, s.took, s.began, s.gathered = s.gathered, s.now().Sub(s.began), time.Time{}, 0
	}
	s.gathered += content
	return err
}

func (s *Staging) find(id chunk.ID) (int, bool) {
	return sort.Find(len(s.order), func(k int) int {
		other := s.m.Chunks.At(int(s.order[k])).ID
		return bytes.Compare(id[:], other[:])
	})
}

func (s *Staging) lacks(k int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.needs[s.rank[k]] == needMissing
}

// DiskRate returns how many bytes of content a second the last write of a segment took, and less and less while the one
// that goes on is slower; 0 when nothing was written yet.
func (s *Staging) DiskRate() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	content, took := s.wrote, s.took
	if !s.began.IsZero() {
		// A write that takes longer than the last one says more.
		if going := s.now().Sub(s.began); content == 0 || float64(s.gathered)*took.Seconds() < float64(content)*going.Seconds() {
			content, took = s.gathered, going
		}
	}
	if content == 0 || took <= 0 {
		return 0
	}
	return int64(float64(content) / took.Seconds())
}
