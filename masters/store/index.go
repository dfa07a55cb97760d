package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

// The index file, little-endian:
//
//	size
//	  16  preamble: magic "ARDINDX0", format version (4), zero (4)
//	48*n  entries, ascending by id: id (32), pack (4), offset (4), size of the frame (24 bits), the cycle in which it was
//	      last needed (6 bits), zero (2 bits), length of the content (4)
//	16*p  packs whose footers need not be read: number (4), level (1), zero (3), size of the file (8)
//	16*256  shards, by the first byte of the id: entries (8), XXH64 of them (8)
//	  48  trailer: magic "ARDIEND0", number of packs (4), number of the next pack (4), cycle (8), zero (16),
//	      XXH64 of preamble, packs, shards and trailer before it (8)
const (
	indexMagic   = "ARDINDX0"
	indexEnd     = "ARDIEND0"
	indexFormat  = 1
	indexPack    = 16
	indexShard   = 16
	indexTrailer = 48
	maxPacks     = 1 << 24
)

// indexed is what the index file says beside the entries.
type indexed struct {
	packs map[uint32]packInfo
	next  uint32
	cycle uint64
}

// packInfo is what is known of a durable pack.
type packInfo struct {
	size    int64 // of its file, bytes
	level   uint8 // zstd level that its frames were recompressed with; 0: as they came
	damaged bool  // as a whole: the index file leaves it out, so that every Open looks at it
}

// writeIndex replaces the index file by what is known. Others go on meanwhile: what changes under way is of packs that
// the file does not list, and those are read from their footers.
func (s *Store) writeIndex() error {
	s.indexing.Lock()
	defer s.indexing.Unlock()
	s.mu.Lock()
	in := indexed{packs: map[uint32]packInfo{}, next: s.next, cycle: s.cycle}
	for number, p := range s.packs {
		if !p.damaged {
			in.packs[number] = p
		}
	}
	s.stale = false
	s.mu.Unlock()
	err := s.writeIndexFile(in)
	if errors.Is(err, syscall.ENOSPC) && s.fs.Remove(filepath.Join(s.dir, indexName)) == nil {
		err = s.writeIndexFile(in) // a cache may go first; without it the footers tell the same
	}
	if err != nil {
		s.mu.Lock()
		s.stale = true
		s.mu.Unlock()
		return fmt.Errorf("writing the index of the store: %w", err)
	}
	return nil
}

func (s *Store) writeIndexFile(in indexed) error {
	path := filepath.Join(s.dir, indexName)
	if err := s.fs.Remove(path + tempSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := s.fs.Create(path + tempSuffix)
	if err != nil {
		return err
	}
	err = s.encodeIndex(bufio.NewWriterSize(f, writeSize/4), in)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.fs.Rename(path+tempSuffix, path)
	}
	if err != nil {
		_ = s.fs.Remove(path + tempSuffix) // on a full disk it would take the room that is wanted
		return err
	}
	return s.fs.SyncDir(s.dir)
}

func (s *Store) encodeIndex(w *bufio.Writer, in indexed) error {
	head := append(make([]byte, 0, preambleSize), indexMagic...)
	head = binary.LittleEndian.AppendUint32(head, indexFormat)
	head = binary.LittleEndian.AppendUint32(head, 0)
	_, _ = w.Write(head) // a bufio.Writer keeps its first error until Flush
	var shards []byte
	for number := range shardCount {
		slots := s.sortedSlots(number, in.packs)
		_, _ = w.Write(slots)
		shards = binary.LittleEndian.AppendUint64(shards, uint64(len(slots)/slotSize))
		shards = binary.LittleEndian.AppendUint64(shards, xxhash.Sum64(slots))
	}
	var tail []byte
	for _, number := range sortedKeys(in.packs) {
		p := in.packs[number]
		tail = binary.LittleEndian.AppendUint32(tail, number)
		tail = append(tail, p.level, 0, 0, 0)
		tail = binary.LittleEndian.AppendUint64(tail, uint64(p.size))
	}
	tail = append(append(tail, shards...), indexEnd...)
	tail = binary.LittleEndian.AppendUint32(tail, uint32(len(in.packs)))
	tail = binary.LittleEndian.AppendUint32(tail, in.next)
	tail = binary.LittleEndian.AppendUint64(tail, in.cycle)
	tail = append(tail, make([]byte, 16)...)
	tail = binary.LittleEndian.AppendUint64(tail, xxhash.Sum64(append(head, tail...)))
	_, _ = w.Write(tail)
	return w.Flush()
}

// sortedSlots returns the entries of a shard that lie in the given packs, as the index file has them.
func (s *Store) sortedSlots(number int, in map[uint32]packInfo) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	shard := &s.known.shards[number]
	if len(shard.fresh) > 0 || shard.holes > 0 {
		shard.merge()
	}
	out := make([]byte, 0, len(shard.sorted.bytes))
	for b := shard.sorted.bytes; len(b) > 0; b = b[slotSize:] {
		p := slotPlace(b)
		if _, listed := in[p.pack]; !listed {
			continue
		}
		out = append(out, b[:slotSize]...)
		p.named = false
		putPlace(out[len(out)-slotSize:], p)
	}
	return out
}

// errIndex says that the index file cannot be believed: the packs are read instead.
var errIndex = errors.New("the index is missing, damaged or of another format")

// readIndex fills the empty table known with what the index file says. On error the table is to be thrown away.
func readIndex(d durable.FS, path string, known *table) (indexed, error) {
	f, err := d.Open(path)
	if err != nil {
		return indexed{}, err
	}
	defer func() { _ = f.Close() }()
	size, err := f.Size()
	if err != nil {
		return indexed{}, err
	}
	return parseIndex(f, size, known)
}

func parseIndex(f io.ReaderAt, size int64, known *table) (in indexed, err error) {
	head, trailer := make([]byte, preambleSize), make([]byte, indexTrailer)
	if size < preambleSize+shardCount*indexShard+indexTrailer {
		return in, errIndex
	}
	if readFull(f, head, 0) != nil || readFull(f, trailer, size-indexTrailer) != nil ||
		string(head[:8]) != indexMagic || binary.LittleEndian.Uint32(head[8:]) != indexFormat || string(trailer[:8]) != indexEnd {
		return in, errIndex
	}
	packs := int64(binary.LittleEndian.Uint32(trailer[8:]))
	slots := size - preambleSize - indexTrailer - shardCount*indexShard - packs*indexPack
	if packs > maxPacks || slots < 0 || slots%slotSize != 0 {
		return in, errIndex
	}
	tail := make([]byte, packs*indexPack+shardCount*indexShard+indexTrailer)
	if readFull(f, tail, preambleSize+slots) != nil ||
		xxhash.Sum64(append(head, tail[:len(tail)-8]...)) != binary.LittleEndian.Uint64(tail[len(tail)-8:]) {
		return in, errIndex
	}
	in = indexed{packs: make(map[uint32]packInfo, packs), next: binary.LittleEndian.Uint32(trailer[12:]),
		cycle: binary.LittleEndian.Uint64(trailer[16:])}
	for ; packs > 0; packs-- {
		in.packs[binary.LittleEndian.Uint32(tail)] = packInfo{level: tail[4], size: int64(binary.LittleEndian.Uint64(tail[8:]))}
		tail = tail[indexPack:]
	}
	return in, loadShards(f, slots, tail, known)
}

// loadShards reads the entries, of a large store on several cores: copying half a gigabyte is what opening it takes.
func loadShards(f io.ReaderAt, slots int64, shards []byte, known *table) error {
	offset := int64(preambleSize)
	var readers errgroup.Group
	readers.SetLimit(1)
	if slots > 4<<20 {
		readers.SetLimit(4)
	}
	for number := range shardCount {
		count := binary.LittleEndian.Uint64(shards[number*indexShard:])
		sum := binary.LittleEndian.Uint64(shards[number*indexShard+8:])
		if count > uint64(slots/slotSize) {
			_ = readers.Wait() // its error is this one
			return errIndex
		}
		if count == 0 {
			continue
		}
		slots -= int64(count) * slotSize
		at := offset
		offset += int64(count) * slotSize
		known.count += int(count)
		readers.Go(func() error { return loadShard(f, &known.shards[number], byte(number), at, int(count), sum) })
	}
	if err := readers.Wait(); err != nil || slots != 0 {
		return errIndex
	}
	return nil
}

func loadShard(f io.ReaderAt, into *shard, number byte, at int64, count int, sum uint64) error {
	into.sorted = allocate(count * slotSize)
	if readFull(f, into.sorted.bytes, at) != nil || xxhash.Sum64(into.sorted.bytes) != sum || !soundShard(number, into.sorted.bytes) {
		return errIndex
	}
	return nil
}

// soundShard tells whether entries are in order and in range.
func soundShard(first byte, b []byte) bool {
	last := []byte(nil)
	for ; len(b) > 0; b = b[slotSize:] {
		p := slotPlace(b)
		if b[0] != first || p.named || p.size <= chunk.HeaderSize || p.size > chunk.MaxFrameSize || p.offset < preambleSize ||
			p.length == 0 || p.length > chunk.MaxSize || bytes.Compare(last, b[:32]) >= 0 {
			return false
		}
		last = b[:32]
	}
	return true
}

// sortedKeys returns the numbers of packs, ascending.
func sortedKeys[V any](m map[uint32]V) []uint32 {
	keys := make([]uint32, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
