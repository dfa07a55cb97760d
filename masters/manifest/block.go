package manifest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/blake3"
)

const (
	blockSize    = 256 << 10 // bytes of content in one block
	preambleSize = 16
)

// blockWriter writes the preamble and sections of blocks, and hashes all it writes. The first error sticks.
type blockWriter struct {
	w      io.Writer
	hasher *blake3.Hasher
	enc    *zstd.Encoder
	buf    []byte // content of the open block
	out    []byte
	err    error
}

func newBlockWriter(w io.Writer, magic string) *blockWriter {
	// One goroutine and a fixed level: the same manifest has the same bytes, at every run.
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false),
		zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(blockSize), zstd.WithLowerEncoderMem(true))
	b := &blockWriter{w: w, hasher: blake3.New(), enc: enc, err: err, buf: make([]byte, 0, blockSize)}
	preamble := append(make([]byte, 0, preambleSize), magic...)
	preamble = binary.LittleEndian.AppendUint32(preamble, Format)
	b.raw(binary.LittleEndian.AppendUint32(preamble, 0))
	return b
}

// raw writes p outside any block.
func (b *blockWriter) raw(p []byte) {
	if b.err != nil {
		return
	}
	_, _ = b.hasher.Write(p)
	_, b.err = b.w.Write(p)
}

func (b *blockWriter) begin(tag string) { b.raw([]byte(tag)) }

func (b *blockWriter) end() {
	b.flush()
	b.raw(make([]byte, 8))
}

func (b *blockWriter) write(p []byte) {
	for len(p) > 0 && b.err == nil {
		n := min(len(p), blockSize-len(b.buf))
		b.buf = append(b.buf, p[:n]...)
		if p = p[n:]; len(b.buf) == blockSize {
			b.flush()
		}
	}
}

func (b *blockWriter) uvarint(v uint64) {
	var tmp [binary.MaxVarintLen64]byte
	b.write(tmp[:binary.PutUvarint(tmp[:], v)])
}

func (b *blockWriter) varint(v int64) {
	var tmp [binary.MaxVarintLen64]byte
	b.write(tmp[:binary.PutVarint(tmp[:], v)])
}

func (b *blockWriter) flush() {
	if len(b.buf) == 0 || b.err != nil {
		return
	}
	b.out = b.enc.EncodeAll(b.buf, b.out[:0])
	if len(b.out) >= len(b.buf) {
		b.out = append(b.out[:0], b.buf...)
	}
	head := binary.LittleEndian.AppendUint32(make([]byte, 0, 8), uint32(len(b.buf)))
	b.raw(binary.LittleEndian.AppendUint32(head, uint32(len(b.out))))
	b.raw(b.out)
	b.buf = b.buf[:0]
}

func (b *blockWriter) hash() Hash {
	var h Hash
	copy(h[:], b.hasher.Sum(nil))
	return h
}

// blockReader reads what blockWriter writes. It hashes what it reads, never holds more than one block, and refuses to
// read or to decompress more than limit bytes.
type blockReader struct {
	r       *bufio.Reader
	hasher  *blake3.Hasher
	dec     *zstd.Decoder
	limit   int64 // bytes of content left
	encoded int64 // encoded bytes left
	section string
	content []byte // of the present block
	pos     int
	ended   bool
	stored  []byte
}

func newBlockReader(r io.Reader, magic, what string, limit int64) (*blockReader, error) {
	dec, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxMemory(blockSize), zstd.WithDecoderMaxWindow(blockSize))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	b := &blockReader{r: bufio.NewReaderSize(r, 64<<10), hasher: blake3.New(), dec: dec, limit: limit, encoded: limit,
		section: "preamble", content: make([]byte, 0, blockSize)}
	var preamble [preambleSize]byte
	if err := b.raw(preamble[:]); err != nil {
		b.close()
		return nil, err
	}
	if string(preamble[:8]) != magic {
		b.close()
		return nil, invalid("preamble", "this is no %s", what)
	}
	version := binary.LittleEndian.Uint32(preamble[8:])
	if version != Format || binary.LittleEndian.Uint32(preamble[12:]) != 0 {
		b.close()
		return nil, &FormatError{What: what, Version: version}
	}
	return b, nil
}

func (b *blockReader) close() { b.dec.Close() }

// raw reads len(p) bytes outside any block.
func (b *blockReader) raw(p []byte) error {
	if b.encoded -= int64(len(p)); b.encoded < 0 {
		return invalid(b.section, "larger than the limit")
	}
	if _, err := io.ReadFull(b.r, p); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return invalid(b.section, "cut short")
		}
		return fmt.Errorf("reading %s of a manifest: %w", b.section, err)
	}
	_, _ = b.hasher.Write(p)
	return nil
}

func (b *blockReader) begin(tag string) error {
	b.section, b.ended, b.content, b.pos = "section "+tag, false, b.content[:0], 0
	var got [4]byte
	if err := b.raw(got[:]); err != nil {
		return err
	}
	if string(got[:]) != tag {
		return invalid(b.section, "tag is %q", got[:])
	}
	return nil
}

// next loads the next block. It returns false at the end of the section.
func (b *blockReader) next() (bool, error) {
	if b.ended {
		return false, nil
	}
	var head [8]byte
	if err := b.raw(head[:]); err != nil {
		return false, err
	}
	length, stored := binary.LittleEndian.Uint32(head[:]), binary.LittleEndian.Uint32(head[4:])
	if length == 0 && stored == 0 {
		b.ended = true
		return false, nil
	}
	if length == 0 || length > blockSize || stored == 0 || stored > length {
		return false, invalid(b.section, "block lengths %d and %d are out of range", length, stored)
	}
	if b.limit -= int64(length); b.limit < 0 {
		return false, invalid(b.section, "larger than the limit")
	}
	b.pos = 0
	if stored == length {
		b.content = b.content[:length]
		return true, b.raw(b.content)
	}
	if cap(b.stored) == 0 {
		b.stored = make([]byte, blockSize)
	}
	if err := b.raw(b.stored[:stored]); err != nil {
		return false, err
	}
	content, err := b.dec.DecodeAll(b.stored[:stored], b.content[:0])
	if err != nil || len(content) != int(length) {
		return false, invalid(b.section, "block does not decompress to its %d bytes", length)
	}
	b.content = content
	return true, nil
}

// ReadByte implements io.ByteReader over the section's content.
func (b *blockReader) ReadByte() (byte, error) {
	if b.pos == len(b.content) {
		more, err := b.next()
		if err != nil {
			return 0, err
		}
		if !more {
			return 0, invalid(b.section, "ends too early")
		}
	}
	c := b.content[b.pos]
	b.pos++
	return c, nil
}

// full fills p from the section's content.
func (b *blockReader) full(p []byte) error {
	for {
		n := copy(p, b.content[b.pos:])
		b.pos += n
		if p = p[n:]; len(p) == 0 {
			return nil
		}
		c, err := b.ReadByte() // loads the next block
		if err != nil {
			return err
		}
		p[0], p = c, p[1:]
	}
}

// uvarint reads an unsigned number of at most most.
func (b *blockReader) uvarint(most uint64) (uint64, error) {
	v, n := binary.Uvarint(b.content[b.pos:]) // the whole number mostly lies in the block at hand
	if n > 0 {
		b.pos += n
	} else {
		var err error
		if v, err = binary.ReadUvarint(b); err != nil {
			return 0, b.number(err)
		}
	}
	if v > most {
		return 0, invalid(b.section, "number %d is larger than %d", v, most)
	}
	return v, nil
}

func (b *blockReader) varint() (int64, error) {
	v, err := b.uvarint(math.MaxUint64)
	return int64(v>>1) ^ -int64(v&1), err // zigzag
}

// number gives the error of a varint its type: encoding/binary has its own for one that overflows.
func (b *blockReader) number(err error) error {
	var wrong *InvalidError
	if errors.As(err, &wrong) {
		return err
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || err.Error() == "binary: varint overflows a 64-bit integer" {
		return invalid(b.section, "number does not fit 64 bits")
	}
	return err
}

// finish makes sure that the section has nothing more.
func (b *blockReader) finish() error {
	if b.pos < len(b.content) {
		return invalid(b.section, "has more than was declared")
	}
	more, err := b.next()
	if err == nil && more {
		err = invalid(b.section, "has more than was declared")
	}
	return err
}

// eof makes sure that nothing follows, and returns the hash of all.
func (b *blockReader) eof() (Hash, error) {
	var h Hash
	if _, err := b.r.ReadByte(); err == nil {
		return h, invalid("end", "bytes follow")
	} else if !errors.Is(err, io.EOF) {
		return h, fmt.Errorf("reading the end of a manifest: %w", err)
	}
	copy(h[:], b.hasher.Sum(nil))
	return h, nil
}
