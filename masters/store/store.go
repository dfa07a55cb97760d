package store

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	packSuffix = ".pack"
	tempSuffix = ".tmp"
	indexName  = "index"
)

// Options says how a store works. The zero value is ready.
type Options struct {
	FS       durable.FS // where it lies; zero: the host's file system
	PackSize int        // most bytes of a pack's frames; 0: PackSize
}

// place is where a frame lies.
type place struct {
	pack   uint32
	offset uint32
	size   uint32
	length uint32
}

// Store is a folder of packs. It is safe for concurrent use.
type Store struct {
	fs       durable.FS
	dir      string
	packSize uint32
	codec    *chunk.Codec
	handles  handles

	writing sync.Mutex // held to choose and to fill the open pack; taken before mu
	open    *openPack
	next    uint32 // number of the next pack

	mu      sync.RWMutex
	known   map[chunk.ID]place     // durable
	pending map[chunk.ID]*openPack // in a pack that is not durable yet
	pins    map[chunk.ID]int       // how many sessions count on it
	packs   map[uint32]int64       // size of each durable pack, bytes
	damaged []error
	stale   bool // the index file does not say what is known
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
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return nil, err
	}
	s := &Store{fs: o.FS, dir: dir, packSize: uint32(o.PackSize), codec: codec, next: 1,
		known: map[chunk.ID]place{}, pending: map[chunk.ID]*openPack{}, pins: map[chunk.ID]int{}, packs: map[uint32]int64{}}
	s.handles = handles{fs: o.FS, dir: dir, open: map[uint32]*handle{}}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", dir, err)
	}
	return s, nil
}

func packPath(dir string, number uint32) string {
	return filepath.Join(dir, fmt.Sprintf("%010d%s", number, packSuffix))
}

// load learns what the packs hold, from the index file as far as that is right.
func (s *Store) load() error {
	numbers, err := s.listPacks()
	if err != nil {
		return err
	}
	cached := s.readIndex()
	for _, number := range numbers {
		in, ok := cached[number]
		if err := s.loadPack(number, in, ok); err != nil {
			return err
		}
		delete(cached, number)
		s.next = max(s.next, number+1)
	}
	if s.stale = s.stale || len(cached) > 0; !s.stale {
		return nil
	}
	return s.writeIndex()
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
			if err := s.fs.Remove(filepath.Join(s.dir, name)); err != nil {
				return nil, err
			}
			continue
		}
		digits, ok := strings.CutSuffix(name, packSuffix)
		number, err := strconv.ParseUint(digits, 10, 32)
		if ok && err == nil && name == filepath.Base(packPath(s.dir, uint32(number))) {
			numbers = append(numbers, uint32(number))
		}
	}
	slices.Sort(numbers)
	// A name that a crash made visible may not be durable yet, and what is learnt from it now is built upon.
	return numbers, s.fs.SyncDir(s.dir)
}

func (s *Store) loadPack(number uint32, in indexed, cached bool) error {
	f, err := s.fs.Open(packPath(s.dir, number))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return err
	}
	entries := in.entries
	if !cached || size != in.size {
		s.stale = true
		if entries, size, err = readPack(f, number); err != nil {
			var damaged *PackError
			if !errors.As(err, &damaged) {
				return fmt.Errorf("reading pack %d: %w", number, err)
			}
			s.damaged = append(s.damaged, err)
		}
	}
	s.packs[number] = size
	for _, e := range entries { // of a chunk stored twice the later frame counts: it was stored since the earlier was damaged
		s.known[e.id] = place{pack: number, offset: e.offset, size: e.size, length: e.length}
	}
	return nil
}

// Has tells whether the store holds the chunk durably, and its length in bytes.
func (s *Store) Has(id chunk.ID) (length uint32, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.known[id]
	return p.length, ok
}

// StoredSize returns the bytes that the chunk's frame takes, header included; false if the store has not got it.
func (s *Store) StoredSize(id chunk.ID) (int64, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	p, ok := s.known[id]
	return int64(p.size), ok
}

// Stats is how much a store holds.
type Stats struct {
	Packs  int
	Chunks int
	Bytes  int64 // of all packs
}

// Stats returns how much the store holds durably.
func (s *Store) Stats() Stats {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := Stats{Packs: len(s.packs), Chunks: len(s.known)}
	for _, size := range s.packs {
		t.Bytes += size
	}
	return t
}

// Damaged returns the packs that were found damaged as a whole when the store was opened, as *PackError.
func (s *Store) Damaged() []error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.damaged)
}

// Close finishes the open pack, so that a capture that was cut off need not send it again, and writes the index.
func (s *Store) Close() error {
	s.writing.Lock()
	p := s.open
	s.open = nil
	s.writing.Unlock()
	var err error
	if p != nil {
		err = s.seal(p)
	}
	s.mu.RLock()
	stale := s.stale
	s.mu.RUnlock()
	if stale {
		err = errors.Join(err, s.writeIndex())
	}
	return errors.Join(err, s.handles.close())
}

// byPack returns all that is known, sorted by pack and offset.
func (s *Store) byPack() map[uint32][]entry {
	packs := make(map[uint32][]entry, len(s.packs))
	for id, p := range s.known {
		packs[p.pack] = append(packs[p.pack], entry{id: id, offset: p.offset, size: p.size, length: p.length})
	}
	for _, entries := range packs {
		slices.SortFunc(entries, func(a, b entry) int { return cmp.Compare(a.offset, b.offset) })
	}
	return packs
}
