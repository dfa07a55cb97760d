package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	packSuffix = ".pack"
	tempSuffix = ".tmp"
	indexName  = "index"
)

// manyFooters is how many footers Open reads before it writes an index so that the next one need not.
const manyFooters = 64

// Options says how a store works. The zero value is ready.
type Options struct {
	FS       durable.FS // where it lies; zero: the host's file system
	PackSize int        // most bytes of a pack's frames; 0: PackSize

	// Sleep waits while work in the background is throttled; nil: in real time.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Store is a folder of packs. It is safe for concurrent use.
type Store struct {
	fs       durable.FS
	dir      string
	packSize uint32
	codec    *chunk.Codec
	handles  handles
	sleep    func(ctx context.Context, d time.Duration) error
	others   atomic.Int64 // reads and writes for captures and deploys: upkeep gives way to them

	upkeep   chan struct{} // held by the one who moves, removes or counts what is there
	scrubs   chan struct{} // held by the one who scrubs
	indexing sync.Mutex    // held to write the index file; taken before mu
	naming   sync.Mutex    // held to write the quarantine file; taken before mu
	writing  sync.Mutex    // held to choose and to fill the open pack; taken before mu
	open     *openPack
	next     uint32 // number of the next pack; written under writing and mu, read under one of them

	mu       sync.RWMutex
	known    table                  // durable
	pending  map[chunk.ID]*openPack // in a pack that is not durable yet
	sessions map[*Session]struct{}
	packs    map[uint32]packInfo // durable
	bad      map[frameAt]Quarantined
	damaged  []error
	cycle    uint64 // of the collector, the last one begun
	stale    bool   // the index file does not say what is known
}

// NotFoundError says that the store has not got a chunk.
type NotFoundError struct {
	ID chunk.ID
}

// Error implements error.
func (e *NotFoundError) Error() string { return fmt.Sprintf("chunk %s is not in the store", e.ID) }

// Open opens the store in folder dir, which must exist, and removes what a crash left half written. Damaged packs do
// not stop it: Damaged tells of them. The caller sees to it that nobody else opens it.
func Open(dir string, o Options) (*Store, error) {
	if o.FS.Files == nil {
		o.FS = durable.OS()
	}
	if o.PackSize == 0 {
		o.PackSize = PackSize
	}
	if o.PackSize < preambleSize+chunk.MaxFrameSize || o.PackSize > PackSize {
		return nil, fmt.Errorf("pack size of %d bytes is out of range", o.PackSize)
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return nil, err
	}
	s := &Store{fs: o.FS, dir: dir, packSize: uint32(o.PackSize), codec: codec, next: 1, sleep: o.Sleep, cycle: 1,
		upkeep: make(chan struct{}, 1), scrubs: make(chan struct{}, 1), pending: map[chunk.ID]*openPack{},
		sessions: map[*Session]struct{}{}, packs: map[uint32]packInfo{}, bad: map[frameAt]Quarantined{}}
	s.handles = newHandles(o.FS, dir)
	if err := s.load(); err != nil {
		s.known.release()
		return nil, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	return s, nil
}

// sleep waits in real time.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func packPath(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%010d%s", number, packSuffix))
}

// packNumber returns the number of the pack that a file is, by its name.
func packNumber(dir, name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, packSuffix)
	number, err := strconv.ParseUint(digits, 10, 32)
	return uint32(number), ok && err == nil && name == filepath.Base(packPath(dir, uint32(number)))
}

// load learns what the packs hold, from the index file as far as that is right.
func (s *Store) load() error {
	numbers, err := s.listPacks()
	if err != nil {
		return err
	}
	s.loadQuarantine()
	in, err := readIndex(s.fs, filepath.Join(s.dir, indexName), &s.known)
	if err != nil {
		s.known.release()
		s.stale = len(numbers) > 0
		in = indexed{next: 1, cycle: 1}
	}
	s.next, s.cycle = max(1, in.next), max(1, in.cycle)
	unread, err := s.loadPacks(numbers, in)
	if err != nil {
		return err
	}
	for _, number := range unread {
		if err := s.loadFooter(number); err != nil {
			return err
		}
	}
	s.dropQuarantined()
	if s.stale = s.stale || len(unread) > 0; len(unread) >= manyFooters {
		_ = s.writeIndex() // a cache: without it the next Open is slower, and the disk may be read-only
	}
	return nil
}

// loadPacks compares the packs that are there with those that the index file lists, forgets what lies in none, and
// returns those whose footers must be read.
func (s *Store) loadPacks(numbers []uint32, in indexed) (unread []uint32, err error) {
	for _, number := range numbers {
		size, err := s.packFileSize(number)
		s.next = max(s.next, number+1)
		if errors.Is(err, syscall.EIO) { // as one that is gone: the others are as good as ever
			s.damaged = append(s.damaged, &PackError{Pack: number, Reason: mediumFails})
			continue
		}
		if err != nil {
			return nil, err
		}
		if p, listed := in.packs[number]; listed && p.size == size {
			s.packs[number] = p
		} else {
			unread = append(unread, number)
		}
	}
	if len(s.packs) == len(in.packs) {
		return unread, nil
	}
	s.stale = true
	for shard := range shardCount {
		s.known.edit(shard, func(_ chunk.ID, p place) place {
			if _, there := s.packs[p.pack]; !there {
				p.size = 0
			}
			return p
		})
	}
	return unread, nil
}

func (s *Store) packFileSize(number uint32) (int64, error) {
	f, err := s.fs.Open(packPath(s.dir, number))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	return f.Size()
}

// listPacks returns the numbers of the packs, ascending, and removes those that were never finished.
func (s *Store) listPacks() ([]uint32, error) {
	names, err := s.fs.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, name := range names {
		if strings.HasSuffix(name, tempSuffix) {
			if err := s.fs.Remove(filepath.Join(s.dir, name)); err != nil && !isReadOnly(err) {
				return nil, err
			}
			continue
		}
		if number, ok := packNumber(s.dir, name); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	// A name that a crash made visible may not be durable yet, and what is learnt from it now is built upon.
	return numbers, s.fs.SyncDir(s.dir)
}

// loadFooter learns from a pack itself what it holds.
func (s *Store) loadFooter(number uint32) error {
	c, err := s.readContents(number)
	if err != nil {
		return err
	}
	if c.damage != nil {
		s.damaged = append(s.damaged, c.damage)
	}
	s.packs[number] = packInfo{size: c.size, level: c.level, damaged: c.damage != nil}
	for _, e := range c.entries { // of a chunk stored twice the later frame counts: it was stored since the earlier was damaged
		if _, bad := s.bad[frameAt{number, e.offset}]; bad {
			continue
		}
		if p, ok := s.known.get(e.id); !ok || p.pack <= number {
			s.known.put(e.id, e.place(number, s.seen()))
		}
	}
	return nil
}

// readContents reads what a pack says that it holds, or what is found in it.
func (s *Store) readContents(number uint32) (contents, error) {
	f, err := s.fs.Open(packPath(s.dir, number))
	if err != nil {
		return contents{}, err
	}
	defer func() { _ = f.Close() }()
	c, err := readPack(f, number)
	if err != nil {
		return contents{}, fmt.Errorf("reading pack %d: %w", number, err)
	}
	return c, nil
}

// Has tells whether the store holds the chunk durably, and its length in bytes.
func (s *Store) Has(id chunk.ID) (length uint32, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.known.get(id)
	return p.length, ok
}

// StoredSize returns the bytes that the chunk's frame takes, header included; false if the store has not got it.
func (s *Store) StoredSize(id chunk.ID) (int64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.known.get(id)
	return int64(p.size), ok
}

// Stats is how much a store holds.
type Stats struct {
	Packs        int   `json:"packs"`
	Chunks       int   `json:"chunks"`
	Bytes        int64 `json:"stored_bytes"` // of all packs
	Recompressed int   `json:"recompressed"` // packs
	Damaged      int   `json:"damaged"`      // packs, as a whole
	Quarantined  int   `json:"quarantined"`  // frames that are damaged
	Lost         int   `json:"lost"`         // of these, those whose chunk is nowhere else
}

// Stats returns how much the store holds durably.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := Stats{Packs: len(s.packs), Chunks: s.known.count, Quarantined: len(s.bad)}
	for _, p := range s.packs {
		t.Bytes += p.size
		if p.level > 0 {
			t.Recompressed++
		}
		if p.damaged {
			t.Damaged++
		}
	}
	for _, q := range s.bad {
		if _, healed := s.known.get(q.ID); !healed {
			t.Lost++
		}
	}
	return t
}

// Damaged returns the packs that were found damaged as a whole, as *PackError.
func (s *Store) Damaged() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.damaged)
}

// Sessions returns how many sessions are open.
func (s *Store) Sessions() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}

// checkpointIfRoom is Checkpoint that passes over a full disk: footers tell the same, only removing packs makes room, and
// the next Checkpoint or Close tries again.
func (s *Store) checkpointIfRoom() error {
	if err := s.Checkpoint(); !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

// Checkpoint writes the index file if it does not say what is known, so that the next Open is quick.
func (s *Store) Checkpoint() error {
	s.mu.RLock()
	stale := s.stale
	s.mu.RUnlock()
	if !stale {
		return nil
	}
	return s.writeIndex()
}
