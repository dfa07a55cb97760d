package chunk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
)

// HeaderSize is the number of bytes before a frame's payload.
const HeaderSize = 56

// MaxFrameSize is the largest frame in bytes, header included.
const MaxFrameSize = HeaderSize + MaxSize

// Magic is what every frame begins with.
const Magic = "AFR0"

const (
	codecRaw  = 0
	codecZstd = 1
)

// Frame is a chunk in its stored form. The zero value is not valid.
type Frame struct {
	ID      ID
	Codec   uint8  // 0 content as it is, 1 zstd
	Length  uint32 // bytes of content
	Payload []byte // stored content, at most MaxSize bytes
}

// DamagedError says which chunk is damaged and what about it.
type DamagedError struct {
	ID     ID
	Reason string
}

// Error implements error.
func (e *DamagedError) Error() string { return fmt.Sprintf("chunk %s: %s", e.ID, e.Reason) }

// Size returns the bytes of the frame, header included.
func (f Frame) Size() int { return HeaderSize + len(f.Payload) }

// Check tells, by *DamagedError, whether the frame's stored form would be refused: an unknown codec, lengths out of range.
func (f Frame) Check() error {
	switch {
	case f.Codec > codecZstd:
		return &DamagedError{ID: f.ID, Reason: fmt.Sprintf("codec %d is unknown", f.Codec)}
	case f.Length == 0 || f.Length > MaxSize || len(f.Payload) == 0 || len(f.Payload) > MaxSize:
		return &DamagedError{ID: f.ID, Reason: fmt.Sprintf("lengths %d and %d are out of range", f.Length, len(f.Payload))}
	case f.Codec == codecRaw && int(f.Length) != len(f.Payload):
		return &DamagedError{ID: f.ID, Reason: "uncompressed lengths differ"}
	}
	return nil
}

// AppendTo appends the frame's stored form to b.
func (f Frame) AppendTo(b []byte) []byte {
	start := len(b)
	b = append(b, Magic...)
	b = append(b, f.Codec, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, f.Length)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.Payload)))
	b = append(b, f.ID[:]...)
	sum := checksum(b[start:start+48], f.Payload)
	b = binary.LittleEndian.AppendUint64(b, sum)
	return append(b, f.Payload...)
}

func checksum(head, payload []byte) uint64 {
	d := xxhash.New()
	_, _ = d.Write(head)
	_, _ = d.Write(payload)
	return d.Sum64()
}

// Header is the fixed part of a frame: what can be known of it without its payload.
type Header struct {
	ID      ID
	Codec   uint8
	Length  uint32 // bytes of content
	Stored  uint32 // bytes of payload
	summed  [48]byte
	sumWant uint64
}

// ParseHeader reads the first HeaderSize bytes of b. It fails with *DamagedError when they are no frame header.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	if len(b) < HeaderSize {
		return h, &DamagedError{Reason: fmt.Sprintf("frame header of %d bytes, want %d", len(b), HeaderSize)}
	}
	copy(h.ID[:], b[16:48])
	h.Codec = b[4]
	h.Length = binary.LittleEndian.Uint32(b[8:])
	h.Stored = binary.LittleEndian.Uint32(b[12:])
	h.sumWant = binary.LittleEndian.Uint64(b[48:])
	copy(h.summed[:], b)
	switch {
	case string(b[:4]) != Magic:
		return h, &DamagedError{ID: h.ID, Reason: "frame magic is wrong"}
	case h.Codec > codecZstd:
		return h, &DamagedError{ID: h.ID, Reason: fmt.Sprintf("codec %d is unknown", h.Codec)}
	case h.Length == 0 || h.Length > MaxSize || h.Stored == 0 || h.Stored > MaxSize:
		return h, &DamagedError{ID: h.ID, Reason: fmt.Sprintf("lengths %d and %d are out of range", h.Length, h.Stored)}
	case h.Codec == codecRaw && h.Length != h.Stored:
		return h, &DamagedError{ID: h.ID, Reason: "uncompressed lengths differ"}
	}
	return h, nil
}

// Frame joins the header with its payload, which is not copied. It fails with *DamagedError when the checksum differs.
func (h Header) Frame(payload []byte) (Frame, error) {
	if len(payload) != int(h.Stored) || checksum(h.summed[:], payload) != h.sumWant {
		return Frame{}, &DamagedError{ID: h.ID, Reason: "frame checksum differs"}
	}
	return Frame{ID: h.ID, Codec: h.Codec, Length: h.Length, Payload: payload}, nil
}

// Parse reads one whole frame from the start of b without copying its payload, and returns the bytes it took.
func Parse(b []byte) (Frame, int, error) {
	h, err := ParseHeader(b)
	if err != nil {
		return Frame{}, 0, err
	}
	end := HeaderSize + int(h.Stored)
	if len(b) < end {
		return Frame{}, 0, &DamagedError{ID: h.ID, Reason: "frame is cut short"}
	}
	f, err := h.Frame(b[HeaderSize:end])
	return f, end, err
}

// Read reads one frame from r. It returns io.EOF when r ends before the first byte, io.ErrUnexpectedEOF inside a frame.
func Read(r io.Reader) (Frame, error) {
	var head [HeaderSize]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return Frame{}, err
	}
	h, err := ParseHeader(head[:])
	if err != nil {
		return Frame{}, err
	}
	payload := make([]byte, h.Stored)
	if _, err := io.ReadFull(r, payload); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return Frame{}, err
	}
	return h.Frame(payload)
}

// Codec compresses and opens frames. It is safe for concurrent use and holds the zstd tables.
type Codec struct {
	enc     *zstd.Encoder
	dec     *zstd.Decoder
	scratch sync.Pool // of *[]byte with room for a compressed content that became larger
}

// NewCodec returns a codec whose new frames have the given zstd level (1 fast ..= 22 small).
func NewCodec(level int) (*Codec, error) {
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderCRC(false), zstd.WithWindowSize(MaxSize))
	if err != nil {
		return nil, fmt.Errorf("making a zstd encoder: %w", err)
	}
	dec, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(2*MaxSize), zstd.WithDecoderConcurrency(0))
	if err != nil {
		return nil, fmt.Errorf("making a zstd decoder: %w", err)
	}
	return &Codec{enc: enc, dec: dec}, nil
}

// Seal makes the frame of content (1 ..= MaxSize bytes) whose id is id = Of(content), compressed where that makes it
// smaller. The content is not kept unless it does not compress: then the frame's payload is a copy.
func (c *Codec) Seal(id ID, content []byte) Frame {
	f := Frame{ID: id, Codec: codecZstd, Length: uint32(len(content))}
	scratch, ok := c.scratch.Get().(*[]byte)
	if !ok {
		room := make([]byte, 0, c.enc.MaxEncodedSize(MaxSize))
		scratch = &room
	}
	defer c.scratch.Put(scratch)
	if packed := c.enc.EncodeAll(content, *scratch); len(packed) < len(content) {
		f.Payload = bytes.Clone(packed)
	} else {
		f.Codec, f.Payload = codecRaw, bytes.Clone(content)
	}
	return f
}

// Spare is how many bytes more than the content dst should have room for where Open is to be quick: the decoder of zstd
// writes in whole vectors then, a third faster.
const Spare = 16

// Open returns the content of f, appended to dst[:0], after proving that its BLAKE3 is f.ID; otherwise *DamagedError.
func (c *Codec) Open(dst []byte, f Frame) ([]byte, error) {
	out, err := dst[:0], error(nil)
	if f.Codec == codecZstd {
		if out, err = c.dec.DecodeAll(f.Payload, out); err != nil {
			return nil, &DamagedError{ID: f.ID, Reason: "payload does not decompress: " + err.Error()}
		}
	} else {
		out = append(out, f.Payload...)
	}
	if len(out) != int(f.Length) || Of(out) != f.ID {
		return nil, &DamagedError{ID: f.ID, Reason: "content does not match its id"}
	}
	return out, nil
}
