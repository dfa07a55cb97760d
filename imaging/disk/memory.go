package disk

import (
	"io"
	"maps"
	"slices"
)

// memory is a sparse image in which ARDOISE is made before a single byte of the disk is touched. Pages that were never
// written are not in it.
type memory struct {
	size  int64
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
