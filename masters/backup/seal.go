package backup

import (
	"archive/tar"
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Format is the version of the file that this code writes and reads. 1 is frozen; 0, from before, is refused.
const Format = 1

// Iterations is how often PBKDF2 runs: half a second of one core of 2026, and as much for each guess of a thief's.
const Iterations = 2_000_000

// MaxIterations is the most that is written or read: a hostile file must not keep us busy for hours.
const MaxIterations = 50_000_000

// MinPassphrase is the fewest characters of a passphrase.
const MinPassphrase = 12

const (
	magic       = "ARDBACK0" // a word: its digit is no version
	headerSize  = 48
	saltSize    = 32
	segmentSize = 64 << 10
	tagSize     = 16
)

// PassphraseError says that a file does not open with a passphrase.
type PassphraseError struct{}

// Error implements error.
func (*PassphraseError) Error() string {
	return "the passphrase is another one, or the file is damaged"
}

// WeakError says why a passphrase is not taken.
type WeakError struct{ Reason string }

// Error implements error.
func (e *WeakError) Error() string { return e.Reason }

// FileError says what is wrong with a backup.
type FileError struct{ Reason string }

// Error implements error.
func (e *FileError) Error() string { return "backup: " + e.Reason }

// FormatError says that a backup is of a format version that this program does not read.
type FormatError struct {
	Version uint32
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("backup: format version %d, this program reads %d", e.Version, Format)
}

// CheckPassphrase tells, by *WeakError, why a new passphrase is not taken.
func CheckPassphrase(p string) error {
	if n := utf8.RuneCountInString(p); n < MinPassphrase {
		return &WeakError{Reason: fmt.Sprintf("%d characters, it takes %d", n, MinPassphrase)}
	}
	return nil
}

// Options of NewWriter. Rand is required.
type Options struct {
	Passphrase string
	Iterations int       // 0: Iterations
	Rand       io.Reader // crypto/rand.Reader
}

// Writer seals files into a backup.
type Writer struct {
	out  io.Writer
	aead *segments
	buf  []byte
	tar  *tar.Writer
}

// segments seals or opens one segment after the other.
type segments struct {
	aead   cipher.AEAD
	header []byte
	next   uint64
}

func newSegments(passphrase string, header []byte) (*segments, error) {
	iterations := binary.LittleEndian.Uint32(header[12:])
	key, err := pbkdf2.Key(sha256.New, passphrase, header[16:headerSize], int(iterations), 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a backup: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a backup: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a backup: %w", err)
	}
	return &segments{aead: aead, header: header}, nil
}

func (s *segments) nonce(last bool) []byte {
	n := make([]byte, 12)
	binary.LittleEndian.PutUint64(n, s.next)
	if last {
		n[11] = 1
	}
	s.next++
	return n
}

// NewWriter begins a backup on out. It is one only once Close returned.
func NewWriter(out io.Writer, o Options) (*Writer, error) {
	if err := CheckPassphrase(o.Passphrase); err != nil {
		return nil, err
	}
	if o.Iterations == 0 {
		o.Iterations = Iterations
	}
	if o.Iterations < 1 || o.Iterations > MaxIterations {
		return nil, &WeakError{Reason: fmt.Sprintf("%d iterations, it takes 1 to %d", o.Iterations, MaxIterations)}
	}
	header := append(make([]byte, 0, headerSize), magic...)
	header = binary.LittleEndian.AppendUint32(header, Format)
	header = binary.LittleEndian.AppendUint32(header, uint32(o.Iterations))
	header = header[:headerSize]
	if _, err := io.ReadFull(o.Rand, header[headerSize-saltSize:]); err != nil {
		return nil, fmt.Errorf("drawing a salt: %w", err)
	}
	s, err := newSegments(o.Passphrase, header)
	if err != nil {
		return nil, err
	}
	if _, err := out.Write(header); err != nil {
		return nil, err
	}
	w := &Writer{out: out, aead: s, buf: make([]byte, 0, segmentSize)}
	w.tar = tar.NewWriter(plain{w})
	return w, nil
}

// plain is the content's side of a Writer.
type plain struct{ w *Writer }

// Write implements io.Writer. A full segment is sealed only when more follows: the last one is sealed as that.
func (p plain) Write(b []byte) (int, error) {
	w, n := p.w, len(b)
	for len(b) > 0 {
		if len(w.buf) == segmentSize {
			if err := w.seal(false); err != nil {
				return 0, err
			}
		}
		took := min(len(b), segmentSize-len(w.buf))
		w.buf = append(w.buf, b[:took]...)
		b = b[took:]
	}
	return n, nil
}

func (w *Writer) seal(last bool) error {
	_, err := w.out.Write(w.aead.aead.Seal(nil, w.aead.nonce(last), w.buf, w.aead.header))
	w.buf = w.buf[:0]
	return err
}

// Add adds a file of size bytes.
func (w *Writer) Add(name string, size int64, content io.Reader) error {
	err := w.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, Format: tar.FormatPAX})
	if err == nil {
		_, err = io.CopyN(w.tar, content, size)
	}
	if err != nil {
		return fmt.Errorf("backing up %s: %w", name, err)
	}
	return nil
}

// Close ends the backup. It does not close the writer below.
func (w *Writer) Close() error {
	err := w.tar.Close()
	if err == nil {
		err = w.seal(true)
	}
	if err != nil {
		return fmt.Errorf("ending a backup: %w", err)
	}
	return nil
}

// Read calls visit for each file of a backup. What visit was given is known to be the backup's, byte by byte; that it is
// all of it, only once Read returned nil. It fails with *PassphraseError, *FileError, *FormatError, and the errors of visit.
func Read(in io.Reader, passphrase string, visit func(name string, size int64, content io.Reader) error) error {
	r, err := newReader(in, passphrase)
	if err != nil {
		return err
	}
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return r.explain(err)
		}
		if h.Typeflag != tar.TypeReg {
			return &FileError{Reason: fmt.Sprintf("%s is no file", h.Name)}
		}
		if err := visit(h.Name, h.Size, archive); err != nil {
			return r.explain(err)
		}
	}
	if _, err := io.Copy(io.Discard, r); err != nil { // to the last segment: only that one proves that nothing is missing
		return r.explain(err)
	}
	return nil
}

// reader opens segments.
type reader struct {
	in     *bufio.Reader
	aead   *segments
	sealed []byte
	rest   []byte
	last   bool
	failed error
}

func newReader(in io.Reader, passphrase string) (*reader, error) {
	r := &reader{in: bufio.NewReaderSize(in, segmentSize+tagSize), sealed: make([]byte, segmentSize+tagSize)}
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(r.in, header); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = &FileError{Reason: "it ends before it begins"}
		}
		return nil, err
	}
	version, iterations := binary.LittleEndian.Uint32(header[8:]), binary.LittleEndian.Uint32(header[12:])
	switch {
	case string(header[:8]) != magic:
		return nil, &FileError{Reason: "this is none"}
	case version != Format:
		return nil, &FormatError{Version: version}
	case iterations == 0 || iterations > MaxIterations:
		return nil, &FileError{Reason: fmt.Sprintf("%d iterations are out of range", iterations)}
	}
	var err error
	r.aead, err = newSegments(passphrase, header)
	return r, err
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.failed != nil {
			return 0, r.failed
		}
		if r.last {
			return 0, io.EOF
		}
		r.rest, r.failed = r.segment()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *reader) segment() ([]byte, error) {
	n, err := io.ReadFull(r.in, r.sealed)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	_, more := r.in.Peek(1)
	r.last = more != nil
	first := r.aead.next == 0
	content, err := r.aead.aead.Open(nil, r.aead.nonce(r.last), r.sealed[:n], r.aead.header)
	if err == nil {
		return content, nil
	}
	if first {
		return nil, &PassphraseError{}
	}
	return nil, &FileError{Reason: fmt.Sprintf("segment %d is damaged, or the file is cut short", r.aead.next-1)}
}

// explain prefers the reason that the seal was broken to what followed from it.
func (r *reader) explain(err error) error {
	if r.failed != nil {
		return r.failed
	}
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &FileError{Reason: err.Error()}
	}
	return err
}
