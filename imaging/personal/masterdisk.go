package personal

import (
	"container/list"
	"fmt"
	"io"
	"slices"
	"sort"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// keptChunks is how many contents a Disk keeps: 32 MiB at most.
const keptChunks = 128

// place is a run of the disk that an entry, or a fill, of the manifest has.
type place struct {
	off    int64
	at     uint32 // in the content
	length uint32
	entry  int32 // index into Manifest.Chunks
}

// Disk reads what a master's disk holds without having the disk. It may be used by many goroutines.
type Disk struct {
	m      *manifest.Manifest
	fetch  func(id chunk.ID) ([]byte, error)
	places []place // ordered by off

	mu      sync.Mutex
	kept    map[chunk.ID]*list.Element
	order   *list.List // of held, the last used first
	fetched int
}

type held struct {
	id      chunk.ID
	content []byte
}

// MasterDisk makes a Disk of a decoded manifest; fetch gives the content of a chunk, proven. It takes 24 bytes for each
// piece of the manifest.
func MasterDisk(m *manifest.Manifest, fetch func(id chunk.ID) ([]byte, error)) *Disk {
	d := &Disk{m: m, fetch: fetch, kept: map[chunk.ID]*list.Element{}, order: list.New()}
	for i, e := range m.Chunks.All() {
		for _, p := range e.Pieces {
			d.places = append(d.places, place{p.Offset, p.At, p.Length, int32(i)})
		}
	}
	slices.SortFunc(d.places, func(a, b place) int {
		if a.off < b.off {
			return -1
		}
		return 1
	})
	return d
}

// Fetched is how many chunks were asked for so far.
func (d *Disk) Fetched() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fetched
}

// ReadAt implements io.ReaderAt: kept bytes as they were captured, fills as they are restored, zeros where the master
// keeps nothing.
func (d *Disk) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > d.m.Disk.Size {
		return 0, fmt.Errorf("reading at %d of a disk of %d bytes: out of range", off, d.m.Disk.Size)
	}
	n := int(min(int64(len(b)), d.m.Disk.Size-off))
	part := b[:n]
	clear(part)
	d.fill(part, off)
	if err := d.chunks(part, off); err != nil {
		return 0, err
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (d *Disk) fill(b []byte, off int64) {
	f, end := d.m.Fills, off+int64(len(b))
	for i := sort.Search(len(f), func(i int) bool { return f[i].End() > off }); i < len(f) && f[i].Offset < end; i++ {
		if f[i].Byte == 0 {
			continue
		}
		part := b[max(f[i].Offset, off)-off : min(f[i].End(), end)-off]
		for k := range part {
			part[k] = f[i].Byte
		}
	}
}

func (d *Disk) chunks(b []byte, off int64) error {
	p, end := d.places, off+int64(len(b))
	i := sort.Search(len(p), func(i int) bool { return p[i].off+int64(p[i].length) > off })
	for ; i < len(p) && p[i].off < end; i++ {
		content, err := d.content(d.m.Chunks.At(int(p[i].entry)))
		if err != nil {
			return err
		}
		from, to := max(p[i].off, off), min(p[i].off+int64(p[i].length), end)
		at := int64(p[i].at) + from - p[i].off
		copy(b[from-off:to-off], content[at:at+to-from])
	}
	return nil
}

func (d *Disk) content(e manifest.Entry) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k, ok := d.kept[e.ID]; ok {
		d.order.MoveToFront(k)
		return k.Value.(held).content, nil
	}
	d.fetched++
	content, err := d.fetch(e.ID)
	if err != nil {
		return nil, fmt.Errorf("reading chunk %s of the master: %w", e.ID, err)
	}
	if len(content) != int(e.Length) {
		return nil, fmt.Errorf("chunk %s of the master has %d bytes, the manifest says %d", e.ID, len(content), e.Length)
	}
	if d.order.Len() >= keptChunks {
		delete(d.kept, d.order.Remove(d.order.Back()).(held).id)
	}
	d.kept[e.ID] = d.order.PushFront(held{e.ID, content})
	return content, nil
}
