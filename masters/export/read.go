package export

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Visitor takes the parts of a file in their order. An error of its ends the reading and is passed on.
type Visitor interface {
	// Version gets manifest and signature, and must prove and decode them.
	Version(encoded []byte, sig manifest.Signature) (*manifest.Manifest, error)
	// Names gets the names table, of which it must read all.
	Names(r io.Reader, m *manifest.Manifest) error
	// Frame gets a frame of right checksum and id; its content is not proven.
	Frame(f chunk.Frame) error
}

// Read walks the file r from its first to its last byte, no more than limit bytes of manifest (0:
// manifest.DefaultLimit). What is wrong with the file is a *FileError or *FormatError. Only once Read returned nil is
// the file known to be whole.
func Read(r io.Reader, limit int64, v Visitor) (Report, error) {
	if limit <= 0 {
		limit = manifest.DefaultLimit
	}
	f := &reader{r: bufio.NewReaderSize(r, bufferSize), sum: blake3.New(), limit: limit}
	m, err := f.head(v)
	if err != nil {
		return Report{}, err
	}
	if err := f.frames(Chunks(m), v); err != nil {
		return Report{}, err
	}
	if err := f.trailer(); err != nil {
		return Report{}, err
	}
	f.report.Version, f.report.Bytes = fmt.Sprintf("%s@%d", m.Name, m.Version), f.n
	return f.report, nil
}

type reader struct {
	r      *bufio.Reader
	sum    *blake3.Hasher
	limit  int64
	n      int64 // bytes read
	report Report
}

// Read implements io.Reader: what is read is summed.
func (f *reader) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	_, _ = f.sum.Write(p[:n])
	f.n += int64(n)
	return n, err
}

// full fills b, or says that the structure is cut short.
func (f *reader) full(structure string, b []byte) error {
	if _, err := io.ReadFull(f, b); err != nil {
		return short(structure, err)
	}
	return nil
}

// short tells the end of a file from the medium's errors.
func short(structure string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return wrong(structure, "the file ends here: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("reading an export file: %w", err)
}

func (f *reader) heading(tag string, most int64) (int64, error) {
	var b [headingSize]byte
	structure := "section " + tag
	if err := f.full(structure, b[:]); err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint64(b[8:])
	switch {
	case string(b[:4]) != tag:
		return 0, wrong(structure, "%q stands in its place", b[:4])
	case n > uint64(most):
		return 0, wrong(structure, "%d are more than %d", n, most)
	}
	return int64(n), nil
}

// section returns the content of a section. Memory is taken as bytes come, whatever the heading says.
func (f *reader) section(tag string, most int64) ([]byte, error) {
	n, err := f.heading(tag, most)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := io.CopyN(&b, f, n); err != nil {
		return nil, short("section "+tag, err)
	}
	return b.Bytes(), nil
}

// head reads all that comes before the frames.
func (f *reader) head(v Visitor) (*manifest.Manifest, error) {
	var b [preambleSize]byte
	if err := f.full("preamble", b[:]); err != nil {
		return nil, err
	}
	if string(b[:8]) != fileMagic {
		return nil, wrong("preamble", "this is no export of a master")
	}
	if version := binary.LittleEndian.Uint32(b[8:]); version != Format {
		return nil, &FormatError{Version: version}
	}
	raw, err := f.section(tagSignature, maxSignature)
	if err != nil {
		return nil, err
	}
	var sig manifest.Signature
	if err := json.Unmarshal(raw, &sig); err != nil {
		return nil, &FileError{Structure: "section " + tagSignature, Err: err}
	}
	encoded, err := f.section(tagManifest, f.limit)
	if err != nil {
		return nil, err
	}
	m, err := v.Version(encoded, sig)
	if err != nil {
		return nil, err
	}
	f.report.Key, f.report.Hash = sig.Key, sig.Hash
	n, err := f.heading(tagNames, 1<<40)
	if err != nil {
		return nil, err
	}
	names := &io.LimitedReader{R: f, N: n}
	if err := v.Names(names, m); err != nil {
		if names.N > 0 && errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, short("section "+tagNames, err)
		}
		var invalid *manifest.InvalidError
		var format *manifest.FormatError
		if errors.As(err, &invalid) || errors.As(err, &format) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = &FileError{Structure: "section " + tagNames, Err: err}
		}
		return nil, err
	}
	if names.N > 0 {
		return nil, wrong("section "+tagNames, "%d bytes follow the table", names.N)
	}
	return m, nil
}

func (f *reader) frames(ids []chunk.ID, v Visitor) error {
	n, err := f.heading(tagFrames, 1<<40)
	if err != nil {
		return err
	}
	if n != int64(len(ids)) {
		return wrong("section "+tagFrames, "%d frames, the manifest names %d chunks", n, len(ids))
	}
	for i, id := range ids {
		structure := fmt.Sprintf("frame %d", i)
		frame, err := chunk.Read(f)
		var damaged *chunk.DamagedError
		switch {
		case errors.As(err, &damaged):
			return &FileError{Structure: structure, Err: err}
		case err != nil:
			return short(structure, err)
		case frame.ID != id:
			return wrong(structure, "chunk %s, the manifest wants %s", frame.ID, id)
		}
		if err := v.Frame(frame); err != nil {
			return err
		}
		f.report.Frames++
	}
	return nil
}

func (f *reader) trailer() error {
	want := trailer(f.report.Frames, f.n, f.sum.Sum(nil))
	got := make([]byte, trailerSize)
	if err := f.full("trailer", got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return wrong("trailer", "it does not match what comes before it")
	}
	if _, err := f.r.ReadByte(); err == nil {
		return wrong("trailer", "something follows it")
	}
	return nil
}
