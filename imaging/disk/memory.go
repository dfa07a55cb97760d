package disk

import (
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/diskfs/go-diskfs/backend"
)

// memory is a sparse image in which go-diskfs makes a file system before a single byte of the disk is touched. Pages
// that were never written are not in it.
type memory struct {
	size  int64
	at    int64
	pages map[int64][]byte // by number, pageSize each
}

// ReadAt implements io.ReaderAt.
func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= m.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), m.size-off))
	for done := 0; done < n; {
		skip := (off + int64(done)) % pageSize
		part := p[done:min(n, done+int(pageSize-skip))]
		clear(part)
		if page, ok := m.pages[(off+int64(done))/pageSize]; ok {
			copy(part, page[skip:])
		}
		done += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements io.WriterAt.
func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > m.size-int64(len(p)) {
		return 0, io.ErrShortWrite
	}
	for done := 0; done < len(p); {
		number, skip := (off+int64(done))/pageSize, (off+int64(done))%pageSize
		page, ok := m.pages[number]
		if !ok {
			page = make([]byte, pageSize)
			m.pages[number] = page
		}
		done += copy(page[skip:], p[done:])
	}
	return len(p), nil
}

// runs returns what was written, in order, joined up to limit pages.
func (m *memory) runs(limit int) []Write {
	var out []Write
	for _, n := range slices.Sorted(maps.Keys(m.pages)) {
		page := m.pages[n][:min(pageSize, m.size-n*pageSize)]
		if last := len(out) - 1; last >= 0 && len(out[last].Bytes) < limit*pageSize &&
			out[last].Offset+int64(len(out[last].Bytes)) == n*pageSize {
			out[last].Bytes = append(out[last].Bytes, page...)
			continue
		}
		out = append(out, Write{n * pageSize, slices.Clone(page)})
	}
	return out
}

// Flush implements Device: there is nothing to flush.
func (m *memory) Flush() error { return nil }

// Read implements io.Reader for backend.Storage.
func (m *memory) Read(p []byte) (int, error) {
	n, err := m.ReadAt(p, m.at)
	m.at += int64(n)
	return n, err
}

// Seek implements io.Seeker for backend.Storage.
func (m *memory) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += m.at
	case io.SeekEnd:
		off += m.size
	}
	m.at = off
	return off, nil
}

// Close implements io.Closer for backend.Storage.
func (m *memory) Close() error { return nil }

// Stat implements fs.File for backend.Storage.
func (m *memory) Stat() (fs.FileInfo, error) { return memoryInfo{m.size}, nil }

// Sys implements backend.Storage: there is no file.
func (m *memory) Sys() (*os.File, error) { return nil, backend.ErrNotSuitable }

// Writable implements backend.Storage.
func (m *memory) Writable() (backend.WritableFile, error) { return m, nil }

// Path implements backend.Storage.
func (m *memory) Path() string { return "" }

type memoryInfo struct{ size int64 }

func (i memoryInfo) Name() string       { return "memory" }
func (i memoryInfo) Size() int64        { return i.size }
func (i memoryInfo) Mode() fs.FileMode  { return 0o600 }
func (i memoryInfo) ModTime() time.Time { return time.Time{} }
func (i memoryInfo) IsDir() bool        { return false }
func (i memoryInfo) Sys() any           { return nil }
