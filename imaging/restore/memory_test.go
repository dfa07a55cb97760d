package restore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"sync"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

const page = 4096

// memDisk is a sparse disk in memory that records what is done to it.
type memDisk struct {
	mu    sync.Mutex
	size  int64
	pages map[int64][]byte
	ops   []op // since record was set
	// record keeps ops; fail and drop say which writes go wrong.
	record bool
	fail   func(off int64, n int) error
	drop   func(off int64, n int) bool
	unread func(off int64, n int) bool
	slow   func(off int64, n int) // called before a read, without a lock
}

// op is a write, or a flush where data is nil.
type op struct {
	off  int64
	data []byte
}

func newDisk(size int64) *memDisk { return &memDisk{size: size, pages: map[int64][]byte{}} }

// clone is cheap: pages are never changed, only replaced.
func (d *memDisk) clone() *memDisk {
	return &memDisk{size: d.size, pages: maps.Clone(d.pages)}
}

func (d *memDisk) ReadAt(p []byte, off int64) (int, error) {
	if d.slow != nil {
		d.slow(off, len(p))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unread != nil && d.unread(off, len(p)) {
		return 0, errors.New("input/output error")
	}
	if off >= d.size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), d.size-off))
	for done := 0; done < n; {
		skip := int((off + int64(done)) % page)
		part := p[done:min(n, done+page-skip)]
		clear(part)
		if have, ok := d.pages[(off+int64(done))/page]; ok {
			copy(part, have[skip:])
		}
		done += len(part)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (d *memDisk) WriteAt(p []byte, off int64) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		if err := d.fail(off, len(p)); err != nil {
			return 0, err
		}
	}
	if off < 0 || off+int64(len(p)) > d.size {
		return 0, io.ErrShortWrite
	}
	if d.record {
		d.ops = append(d.ops, op{off, bytes.Clone(p)})
	}
	if d.drop != nil && d.drop(off, len(p)) {
		return len(p), nil
	}
	d.put(off, p)
	return len(p), nil
}

func (d *memDisk) put(off int64, p []byte) {
	for done := 0; done < len(p); {
		n, skip := (off+int64(done))/page, (off+int64(done))%page
		next := make([]byte, page)
		copy(next, d.pages[n])
		done += copy(next[skip:], p[done:])
		d.pages[n] = next
	}
}

func (d *memDisk) Flush() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record {
		d.ops = append(d.ops, op{})
	}
	return nil
}

func (d *memDisk) Drop() error { return nil }
func (d *memDisk) Size() int64 { return d.size }

// same tells whether n bytes at off are the same on both disks.
func (d *memDisk) same(o *memDisk, off, n int64) bool {
	differ := func(number int64) bool {
		lo, hi := max(off, number*page), min(off+n, (number+1)*page)
		if lo >= hi {
			return false
		}
		a, b := d.page(number), o.page(number)
		return &a[0] != &b[0] && !bytes.Equal(a[lo-number*page:hi-number*page], b[lo-number*page:hi-number*page])
	}
	if n <= mib {
		for number := off / page; number*page < off+n; number++ {
			if differ(number) {
				return false
			}
		}
		return true
	}
	for _, pages := range []map[int64][]byte{d.pages, o.pages} {
		for number := range pages {
			if differ(number) {
				return false
			}
		}
	}
	return true
}

func (d *memDisk) page(n int64) []byte {
	if p, ok := d.pages[n]; ok {
		return p
	}
	return make([]byte, page)
}

// after returns the disk as a power cut after the first n ops may leave it: what was written since the last flush is
// there in part, sector by sector, as chance has it (nil: all of it is there).
func (d *memDisk) after(ops []op, n int, chance *rand.Rand) *memDisk {
	c := d.clone()
	safe := 0
	for i := range n {
		if ops[i].data == nil {
			safe = i
		}
	}
	for i, o := range ops[:n] {
		if o.data == nil {
			continue
		}
		if i < safe || chance == nil {
			c.put(o.off, o.data)
			continue
		}
		whole := chance.IntN(3)
		for at := 0; at < len(o.data); at += 512 {
			if whole == 2 || whole == 1 && chance.IntN(2) == 0 {
				c.put(o.off+int64(at), o.data[at:min(len(o.data), at+512)])
			}
		}
	}
	return c
}

// mapSource gives frames from memory.
type mapSource struct {
	frames map[chunk.ID]chunk.Frame
	asked  map[chunk.ID]int
	lost   int // fails once so many frames were given; 0 = never
	given  int
}

func (s *mapSource) Fetch(ctx context.Context, ids []chunk.ID, yield func(chunk.Frame) error) error {
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, ok := s.frames[id]
		if !ok {
			return fmt.Errorf("chunk %s is not in the store", id)
		}
		if s.lost > 0 && s.given == s.lost {
			return errors.New("connection reset")
		}
		s.given++
		s.asked[id]++
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// memMarker is a server's mark.
type memMarker struct {
	mark  *job.Mark
	sets  []string // phases
	clear int
}

func (m *memMarker) Set(_ context.Context, k job.Mark) error {
	m.mark, m.sets = &k, append(m.sets, k.Phase)
	return nil
}

func (m *memMarker) Clear(context.Context) error {
	m.mark, m.clear = nil, m.clear+1
	return nil
}
