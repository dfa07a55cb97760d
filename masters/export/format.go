package export

import (
	"encoding/binary"
	"fmt"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// Format is the version of the file that this code writes and reads. 1 is frozen; 0, from before, is refused.
const Format = 1

const (
	fileMagic    = "ARDEXPO0" // a word: its digit is no version
	trailerMagic = "ARDEXEND"
	preambleSize = 16
	headingSize  = 16
	trailerSize  = 56
	maxSignature = 4 << 10 // bytes of section SIGN

	tagSignature = "SIGN"
	tagManifest  = "MANI"
	tagNames     = "NAMS"
	tagFrames    = "FRAM"
)

// FileError says which structure of an export file is wrong, and what about it.
type FileError struct {
	Structure string // "preamble", "section NAMS", "frame 17", "trailer" ...
	Err       error
}

// Error implements error.
func (e *FileError) Error() string { return fmt.Sprintf("export file: %s: %v", e.Structure, e.Err) }

// Unwrap returns what is wrong.
func (e *FileError) Unwrap() error { return e.Err }

// FormatError says that a file is of a format version that this program does not read.
type FormatError struct {
	Version uint32
}

// Error implements error.
func (e *FormatError) Error() string {
	return fmt.Sprintf("export file: format version %d, this program reads %d", e.Version, Format)
}

// ExistsError says that the file to be written is there already.
type ExistsError struct {
	Path string
}

// Error implements error.
func (e *ExistsError) Error() string { return e.Path + " is there already" }

func wrong(structure, format string, args ...any) error {
	return &FileError{Structure: structure, Err: fmt.Errorf(format, args...)}
}

func preamble() []byte {
	b := append(make([]byte, 0, preambleSize), fileMagic...)
	b = binary.LittleEndian.AppendUint32(b, Format)
	return binary.LittleEndian.AppendUint32(b, 0)
}

func heading(tag string, n int64) []byte {
	b := append(make([]byte, 0, headingSize), tag...)
	b = binary.LittleEndian.AppendUint32(b, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(n))
}

func trailer(frames int, bytes int64, sum []byte) []byte {
	b := append(make([]byte, 0, trailerSize), trailerMagic...)
	b = binary.LittleEndian.AppendUint64(b, uint64(frames))
	b = binary.LittleEndian.AppendUint64(b, uint64(bytes))
	return append(b, sum...)
}

// Chunks returns the ids of a manifest's chunks, each once, in the order in which it first names them.
func Chunks(m *manifest.Manifest) []chunk.ID {
	seen := make(map[chunk.ID]struct{}, m.Chunks.Len())
	ids := make([]chunk.ID, 0, m.Chunks.Len())
	for _, e := range m.Chunks.All() {
		if _, twice := seen[e.ID]; !twice {
			seen[e.ID] = struct{}{}
			ids = append(ids, e.ID)
		}
	}
	return ids
}
