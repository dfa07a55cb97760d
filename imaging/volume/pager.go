package volume

import (
	"container/list"
	"encoding/binary"
	"fmt"
	"io"
)

const (
	pageSize = 128 << 10 // one read of a slow disk costs about the same up to here
	maxPages = 256       // 32 MiB
)

// pager reads a volume in large aligned pages and keeps the last used ones, so that inodes and directory blocks that
// lie together are read together.
type pager struct {
	r     io.ReaderAt
	size  int64
	pages map[int64]*list.Element // by page number
	used  *list.List              // of *page, most recent first

	options Options
	inner   bool // the volume lies inside another one: a logical volume
}

type page struct {
	number int64
	bytes  []byte
}

func newPager(r io.ReaderAt, size int64) *pager {
	return &pager{r: r, size: size, pages: map[int64]*list.Element{}, used: list.New()}
}

// inside says whether length bytes at off lie on the volume.
func (p *pager) inside(off, length int64) bool {
	return off >= 0 && length >= 0 && off <= p.size && length <= p.size-off
}

// ReadAt implements io.ReaderAt through the cache, for parsers that know no pager.
func (p *pager) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.size {
		return 0, fmt.Errorf("reading at %d of a volume of %d bytes: out of range", off, p.size)
	}
	n := min(int64(len(b)), p.size-off)
	if err := p.read(b[:n], off); err != nil {
		return 0, err
	}
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// direct reads len(b) bytes at off past the cache.
func (p *pager) direct(b []byte, off int64) error {
	if !p.inside(off, int64(len(b))) {
		return fmt.Errorf("reading %d bytes at %d of a volume of %d bytes: out of range", len(b), off, p.size)
	}
	n, err := p.r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d of the volume: %w", len(b), off, err)
}

// read fills b with the bytes at off.
func (p *pager) read(b []byte, off int64) error {
	if !p.inside(off, int64(len(b))) {
		return fmt.Errorf("reading %d bytes at %d of a volume of %d bytes: out of range", len(b), off, p.size)
	}
	for len(b) > 0 {
		pg, err := p.page(off / pageSize)
		if err != nil {
			return err
		}
		n := copy(b, pg[off%pageSize:])
		b, off = b[n:], off+int64(n)
	}
	return nil
}

func (p *pager) page(number int64) ([]byte, error) {
	if e, ok := p.pages[number]; ok {
		p.used.MoveToFront(e)
		return e.Value.(*page).bytes, nil
	}
	pg := &page{number: number}
	if p.used.Len() >= maxPages {
		oldest := p.used.Back()
		pg.bytes = p.used.Remove(oldest).(*page).bytes[:cap(oldest.Value.(*page).bytes)]
		delete(p.pages, oldest.Value.(*page).number)
	}
	want := int(min(pageSize, p.size-number*pageSize))
	if cap(pg.bytes) < want {
		pg.bytes = make([]byte, want)
	}
	pg.bytes = pg.bytes[:want]
	if err := p.direct(pg.bytes, number*pageSize); err != nil {
		return nil, err
	}
	p.pages[number] = p.used.PushFront(pg)
	return pg.bytes, nil
}

func le16(b []byte, at int) uint16 { return binary.LittleEndian.Uint16(b[at:]) }

func le32(b []byte, at int) uint32 { return binary.LittleEndian.Uint32(b[at:]) }

func le64(b []byte, at int) uint64 { return binary.LittleEndian.Uint64(b[at:]) }
