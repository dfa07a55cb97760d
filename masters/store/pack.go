package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

// Format is the version of packs that this code writes and reads. 0, which was provisional, is refused.
const Format = 1

// PackSize is the most bytes that a pack's frames take, unless Options says otherwise.
const PackSize = 64 << 20

// packFrames is the most frames of a pack: of files of a few bytes, 64 MiB would be 700,000, which took 120 MB of memory
// until the pack was closed.
const packFrames = 1 << 18

const (
	packMagic    = "ARDPACK0"
	trailerMagic = "ARDPEND0"
	preambleSize = 16
	entrySize    = 44
	trailerSize  = 64
	maxPack      = 4 * PackSize // bytes, footer included; what is larger was not written by us, and costs memory to look at
)

// FormatError says that a pack is of a format version that this program does not read.
type FormatError struct {
	Pack    uint32
	Version uint32
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("pack %d: format version %d, this program reads %d", e.Pack, e.Version, Format)
}

// PackError says that a pack is damaged as a whole. Its sound frames are used all the same.
type PackError struct {
	Pack   uint32
	Reason string
}

// Error implements error.
func (e *PackError) Error() string { return fmt.Sprintf("pack %d: %s", e.Pack, e.Reason) }

// entry is one line of a footer.
type entry struct {
	id     chunk.ID
	offset uint32 // of the frame in the pack, bytes
	size   uint32 // of the frame, bytes
	length uint32 // of the content, bytes
}

func preamble() []byte {
	b := append(make([]byte, 0, preambleSize), packMagic...)
	b = binary.LittleEndian.AppendUint32(b, Format)
	return binary.LittleEndian.AppendUint32(b, 0)
}

func appendEntry(b []byte, e entry) []byte {
	b = append(b, e.id[:]...)
	b = binary.LittleEndian.AppendUint32(b, e.offset)
	b = binary.LittleEndian.AppendUint32(b, e.size)
	return binary.LittleEndian.AppendUint32(b, e.length)
}

func parseEntry(b []byte) entry {
	e := entry{offset: binary.LittleEndian.Uint32(b[32:]), size: binary.LittleEndian.Uint32(b[36:]),
		length: binary.LittleEndian.Uint32(b[40:])}
	copy(e.id[:], b)
	return e
}

// place returns where the entry's frame lies.
func (e entry) place(pack uint32, seen uint8) place {
	return place{pack: pack, offset: e.offset, size: e.size, length: e.length, seen: seen}
}

// footer returns footer and trailer of a pack whose frames end at end.
func footer(entries []entry, end uint32, level uint8) []byte {
	b := make([]byte, 0, len(entries)*entrySize+trailerSize)
	for _, e := range entries {
		b = appendEntry(b, e)
	}
	b = append(b, trailerMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(entries)))
	b = binary.LittleEndian.AppendUint32(b, uint32(level))
	b = binary.LittleEndian.AppendUint64(b, uint64(end))
	b = binary.LittleEndian.AppendUint64(b, 0)
	sum := footerSum(preamble(), b)
	return append(b, sum[:]...)
}

func footerSum(preamble, rest []byte) [32]byte {
	h := blake3.New()
	_, _ = h.Write(preamble)
	_, _ = h.Write(rest)
	return [32]byte(h.Sum(nil))
}

// contents is what a pack holds.
type contents struct {
	entries []entry // in the order of their offsets
	size    int64   // of the file, bytes
	level   uint8   // zstd level of the recompression, 0: as they came
	damage  *PackError
}

// readPack returns what a pack's footer says, or its sound frames when that is damaged, and then what is damaged. Errors
// mean that it could not be read, or (*FormatError) must not be.
func readPack(f durable.File, number uint32) (contents, error) {
	size, err := f.Size()
	if err != nil {
		return contents{}, err
	}
	c, err := readFooter(f, number, size)
	var damage *PackError
	if errors.Is(err, syscall.EIO) {
		err = &PackError{Pack: number, Reason: "the medium cannot read its footer"}
	}
	if err != nil && !errors.As(err, &damage) {
		return contents{}, err
	}
	var head [preambleSize]byte
	n, err := f.ReadAt(head[:], 0)
	if n < len(head) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.EIO) {
		return contents{}, err
	}
	switch {
	case damage == nil && head == [preambleSize]byte(preamble()):
		return c, nil
	case damage == nil: // the footer's sum is over the preamble as it was written
		c.damage = &PackError{Pack: number, Reason: "its first bytes are damaged"}
		return c, nil
	case n == len(head) && string(head[:8]) == packMagic && binary.LittleEndian.Uint32(head[8:]) != Format:
		return contents{}, &FormatError{Pack: number, Version: binary.LittleEndian.Uint32(head[8:])}
	}
	c = contents{size: size, damage: damage}
	c.entries, err = scanFrames(f, size)
	damage.Reason += fmt.Sprintf("; %d sound frames were found in it", len(c.entries))
	return c, err
}

func readFooter(f io.ReaderAt, number uint32, size int64) (contents, error) {
	if size < preambleSize+trailerSize || size > maxPack {
		return contents{}, &PackError{Pack: number, Reason: fmt.Sprintf("its size of %d bytes is out of range", size)}
	}
	var trailer [trailerSize]byte
	if err := readFull(f, trailer[:], size-trailerSize); err != nil {
		return contents{}, err
	}
	count := int64(binary.LittleEndian.Uint32(trailer[8:]))
	start := binary.LittleEndian.Uint64(trailer[16:])
	if string(trailer[:8]) != trailerMagic || start < preambleSize || start > uint64(size) ||
		int64(start)+count*entrySize+trailerSize != size || count > (int64(start)-preambleSize)/(chunk.HeaderSize+1) {
		return contents{}, &PackError{Pack: number, Reason: "its end is damaged or missing"}
	}
	rest := make([]byte, count*entrySize+32)
	if err := readFull(f, rest, int64(start)); err != nil {
		return contents{}, err
	}
	if footerSum(preamble(), rest) != [32]byte(trailer[32:]) {
		return contents{}, &PackError{Pack: number, Reason: "its footer is damaged"}
	}
	c := contents{entries: make([]entry, count), size: size, level: trailer[12]}
	end := uint64(preambleSize)
	for i := range c.entries {
		e := parseEntry(rest[i*entrySize:])
		if uint64(e.offset) < end || e.size <= chunk.HeaderSize || e.size > chunk.MaxFrameSize ||
			uint64(e.offset)+uint64(e.size) > start || e.length == 0 || e.length > chunk.MaxSize {
			return contents{}, &PackError{Pack: number, Reason: fmt.Sprintf("entry %d of its footer is out of range", i)}
		}
		end = uint64(e.offset) + uint64(e.size)
		c.entries[i] = e
	}
	return c, nil
}

// readFull fills b; a file that ends before is io.ErrUnexpectedEOF.
func readFull(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// scanFrames returns the sound frames of a pack, wherever they begin: what lies between them is damaged, or the footer.
func scanFrames(f io.ReaderAt, size int64) ([]entry, error) {
	var entries []entry
	size = min(size, maxPack)
	buf := make([]byte, 2*chunk.MaxFrameSize)
	for offset := int64(preambleSize); offset+chunk.HeaderSize < size; {
		n, err := readAround(f, buf[:min(int64(len(buf)), size-offset)], offset)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		got, before := buf[:n], offset
		for len(got) >= chunk.MaxFrameSize || int64(len(got)) == size-offset && len(got) > 0 {
			step := 1
			if frame, took, err := chunk.Parse(got); err == nil {
				entries = append(entries, entry{id: frame.ID, offset: uint32(offset), size: uint32(took), length: frame.Length})
				step = took
			} else if next := bytes.Index(got[1:], []byte(chunk.Magic)); next >= 0 {
				step = 1 + next
			} else {
				step = max(1, len(got)-len(chunk.Magic)+1)
			}
			offset += int64(step)
			got = got[step:]
		}
		if offset == before { // the file is shorter than it was
			break
		}
	}
	return entries, nil
}

// readAround is ReadAt with zeros, which are no frame, where the medium gives nothing back.
func readAround(f io.ReaderAt, b []byte, at int64) (int, error) {
	n, err := f.ReadAt(b, at)
	if !errors.Is(err, syscall.EIO) {
		return n, err
	}
	const sector = 4096
	for done := 0; done < len(b); {
		step := min(len(b)-done, sector-int((at+int64(done))%sector))
		n, err := f.ReadAt(b[done:done+step], at+int64(done))
		if errors.Is(err, syscall.EIO) {
			clear(b[done : done+step])
		} else if err != nil {
			return done + n, err
		}
		done += step
	}
	return len(b), nil
}

// openPack is a pack that is being written.
type openPack struct {
	number  uint32
	temp    string
	final   string
	file    durable.File
	buf     []byte // frames not yet written to file
	size    uint32 // bytes, those in buf included
	level   uint8  // of the recompression
	entries []entry
	done    chan struct{} // closed once the pack is known, or has failed
	err     error         // why it failed; read it after done
}

const writeSize = 1 << 20 // bytes gathered before they are written

func createPack(d durable.FS, dir string, number uint32) (*openPack, error) {
	p := &openPack{number: number, final: packPath(dir, number), done: make(chan struct{}), size: preambleSize}
	p.temp = p.final + tempSuffix
	file, err := d.Create(p.temp)
	if err != nil {
		return nil, fmt.Errorf("making pack %d: %w", number, err)
	}
	p.file, p.buf = file, preamble()
	return p, nil
}

// full tells whether a pack has no room for a frame.
func (s *Store) full(p *openPack, f chunk.Frame) bool {
	return p.size+uint32(f.Size()) > s.packSize || len(p.entries) >= packFrames
}

func (p *openPack) add(f chunk.Frame) error {
	p.entries = append(p.entries, entry{id: f.ID, offset: p.size, size: uint32(f.Size()), length: f.Length})
	p.buf = f.AppendTo(p.buf)
	p.size += uint32(f.Size())
	if len(p.buf) < writeSize {
		return nil
	}
	return p.write()
}

func (p *openPack) write() error {
	if _, err := p.file.Write(p.buf); err != nil {
		return fmt.Errorf("writing pack %d: %w", p.number, err)
	}
	p.buf = p.buf[:0]
	return nil
}

// fileSize returns the bytes of the finished file.
func (p *openPack) fileSize() int64 {
	return int64(p.size) + int64(len(p.entries))*entrySize + trailerSize
}

// finish makes the pack durable under its final name: frames, fsync, footer, fsync, rename, fsync of the folder.
func (p *openPack) finish(d durable.FS, dir string) error {
	if err := p.write(); err != nil {
		return err
	}
	err := p.file.Sync()
	if err == nil {
		_, err = p.file.Write(footer(p.entries, p.size, p.level))
	}
	if err == nil {
		err = p.file.Sync()
	}
	if err = errors.Join(err, p.file.Close()); err == nil {
		err = d.Rename(p.temp, p.final)
	}
	if err == nil {
		err = d.SyncDir(dir)
	}
	if err != nil {
		return fmt.Errorf("closing pack %d: %w", p.number, err)
	}
	return nil
}

// discard removes what is left of a pack that failed. A pack that was renamed already stays: it is whole, an orphan.
func (p *openPack) discard(d durable.FS) {
	_ = p.file.Close()
	if err := d.Remove(p.temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return // the next Open removes it
	}
}
