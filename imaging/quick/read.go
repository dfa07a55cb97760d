package quick

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// fetchAtOnce is how many chunks that differ are compared together: 4 MiB of the disk's and the master's, while as many of
// the disk's are gathered.
const fetchAtOnce = 8

// look is one Look.
type look struct {
	o   Options
	ctx context.Context
	m   *manifest.Manifest
	v   *Verdict

	codec      *chunk.Codec
	exceptions []exception // by offset
	volumes    []*records  // by volume; nil where nothing is vouched for
	naming     *naming
	sniff      bitset            // streams that may be swap files
	logs       []manifest.Extent // of fills that were read with the records
	right      []manifest.Extent // of these, what is as it should be
	disk       sweep.Disk
	readBytes  atomic.Int64
	total      int64 // bytes of metadata to be read

	mu     sync.Mutex // guards the verdict while a sweep is at work
	asking sync.Mutex // held by who asks the source

	spare sync.Pool // of *[]byte: room for a chunk's content that is compared
}

// room is memory for a content of length bytes, and for a decoder.
func (l *look) room(length uint32) []byte {
	if b, ok := l.spare.Get().(*[]byte); ok {
		return (*b)[:length]
	}
	return make([]byte, length, chunk.MaxSize+chunk.Spare)
}

// leave takes back what room has given.
func (l *look) leave(b []byte) {
	if cap(b) >= chunk.MaxSize {
		l.spare.Put(&b)
	}
}

// readers is how many read at once. What is read lies apart, and a drive without heads is faster for each that waits.
func readers() int { return max(4, min(8, runtime.GOMAXPROCS(0)+1)) }

// beside does two things that read from the disk, one beside the other where that costs no seeks.
func (l *look) beside(one, other func() error) error {
	if l.o.Rotates {
		if err := one(); err != nil {
			return err
		}
		return other()
	}
	var both errgroup.Group
	both.Go(one)
	err := other()
	if wrong := both.Wait(); err == nil {
		err = wrong
	}
	return err
}

// exception is bytes that the disk is to have over the master's.
type exception struct {
	manifest.Extent
	content []byte
}

// records is what the records of one volume say.
type records struct {
	same   bitset                   // by number: the record is a file's, and as the master has it
	bad    bitset                   // by number: something else that belongs to the file is not
	always func(manifest.Name) bool // what is read whatever its record says
	sniff  func(manifest.Name) bool // what may be a swap file
	table  uint32                   // stream of the records themselves, where they are one; else the metadata
}

// vouches tells whether the records vouch for the data of file number.
func (r *records) vouches(number uint64) bool { return r.same.has(number) && !r.bad.has(number) }

func newLook(ctx context.Context, o Options) (*look, error) {
	l := &look{o: o, ctx: ctx, m: o.Manifest, volumes: make([]*records, len(o.Manifest.Volumes))}
	l.disk = sweep.Disk{Table: &l.m.Chunks, Size: o.Disk.Size(), Read: l.readAt}
	n := uint64(l.m.Chunks.Len())
	l.v = &Verdict{m: l.m, entries: newBitset(n), read: newBitset(n), equal: newBitset(n),
		streams: newBitset(uint64(l.m.NameCount)), metas: newBitset(uint64(l.m.NameCount)), pages: map[int]page{}}
	l.sniff = newBitset(uint64(l.m.NameCount))
	for _, x := range o.Exceptions {
		if x.Length != int64(len(x.Content)) || x.Offset < 0 {
			return nil, fmt.Errorf("the exception at byte %d has %d bytes of content, not %d", x.Offset, len(x.Content), x.Length)
		}
		l.exceptions = append(l.exceptions, exception{manifest.Extent{Offset: x.Offset, Length: x.Length}, x.Content})
	}
	slices.SortFunc(l.exceptions, func(a, b exception) int { return int(min(max(a.Offset-b.Offset, -1), 1)) })
	var err error
	l.codec, err = chunk.NewCodec(1)
	return l, err
}

// touching returns the exceptions that overlap n bytes at off.
func (l *look) touching(off, n int64) []exception {
	x := l.exceptions
	first := sort.Search(len(x), func(i int) bool { return x[i].End() > off })
	end := first
	for end < len(x) && x[end].Offset < off+n {
		end++
	}
	return x[first:end]
}

// touched tells whether an exception lies in an entry.
func (l *look) touched(e manifest.Entry) bool {
	return slices.ContainsFunc(e.Pieces, func(p manifest.Piece) bool { return len(l.touching(p.Offset, int64(p.Length))) > 0 })
}

// overlay puts the exceptions over the master's content of an entry.
func (l *look) overlay(e manifest.Entry, content []byte) {
	for _, p := range e.Pieces {
		l.overlayAt(content[p.At:p.At+p.Length], p.Offset)
	}
}

// overlayAt puts the exceptions over bytes that belong at off.
func (l *look) overlayAt(b []byte, off int64) {
	for _, x := range l.touching(off, int64(len(b))) {
		from, to := max(x.Offset, off), min(x.End(), off+int64(len(b)))
		copy(b[from-off:to-off], x.content[from-x.Offset:])
	}
}

// readAt reads from the disk, in full or not at all.
func (l *look) readAt(b []byte, off int64) error {
	n, err := l.o.Disk.ReadAt(b, off)
	l.readBytes.Add(int64(n))
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return doubtf("%d bytes at byte %d of the disk cannot be read: %v", len(b), off, err)
}

// entryRange returns the entries of a volume: they are ordered by their first place, and none lies in two volumes.
func (l *look) entryRange(v *manifest.Volume) (first, end int) {
	from := func(off int64) int {
		return sort.Search(l.m.Chunks.Len(), func(i int) bool {
			p := l.m.Chunks.At(i).Pieces
			return len(p) > 0 && p[0].Offset >= off
		})
	}
	return from(v.Start), from(v.Start + v.Length)
}

// compared is a chunk of records: what the disk holds, and what it should hold.
type compared struct {
	entry      int
	e          manifest.Entry
	have, want []byte // the same memory where nothing differs
}

// comparison is how the records of one stream of a volume are compared.
type comparison struct {
	l      *look
	stream uint32
	wants  func(manifest.Entry) bool // whether each takes an entry that does not differ, too
	each   func(compared) error      // takes an entry with both contents, which it has until it returns; called by several at once

	filling  sync.Mutex
	waiting  []compared // differ, and wait for the master's
	fetching sync.Mutex
}

// compare reads the entries of a stream of v, tells which are as the master has them, and looks at them.
func (c *comparison) compare(v *manifest.Volume) error {
	first, end := c.l.entryRange(v)
	skip := func(i uint32) bool {
		return int(i) < first || int(i) >= end || c.l.m.Chunks.At(int(i)).Stream != c.stream
	}
	err := c.l.disk.Sweep(c.l.ctx, readers(), skip, func() func(*sweep.Batch) error {
		into := make([]byte, chunk.MaxSize)
		return func(b *sweep.Batch) error { return c.batch(b, into) }
	})
	if err != nil {
		return err
	}
	return c.fetched(c.waiting)
}

// batch judges what was read together.
func (c *comparison) batch(b *sweep.Batch, into []byte) error {
	for k := range b.Found {
		f := &b.Found[k]
		if f.Unread {
			return doubtf("%d bytes at byte %d of the disk cannot be read", f.Bytes(), f.Entry.Pieces[0].Offset)
		}
		touched := c.l.touched(f.Entry)
		equal := !touched && f.ID() == f.Entry.ID
		c.l.noted(f, touched, equal)
		var err error
		switch {
		case !equal:
			have := c.l.room(f.Entry.Length)
			copy(have, f.Content(have)) // which may lie in have already
			err = c.differs(compared{entry: int(f.Index), e: f.Entry, have: have})
		case c.wants(f.Entry):
			content := f.Content(into)
			err = c.each(compared{int(f.Index), f.Entry, content, content})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// noted enters into the verdict what was found of metadata.
func (l *look) noted(f *sweep.Found, touched, equal bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v.MetadataBytes += f.Bytes()
	l.tell(PhaseRecords, l.v.MetadataBytes, l.total)
	if !touched { // restore proves those with an exception inside by itself
		l.v.read.set(uint64(f.Index))
	}
	if equal {
		l.v.equal.set(uint64(f.Index))
	} else {
		l.v.DifferingBytes += f.Bytes()
	}
}

// differs keeps a chunk until there are some to be fetched. Who finds enough fetches; the others go on meanwhile, until
// there are enough again.
func (c *comparison) differs(d compared) error {
	c.filling.Lock()
	c.waiting = append(c.waiting, d)
	if len(c.waiting) < fetchAtOnce {
		c.filling.Unlock()
		return nil
	}
	c.fetching.Lock()
	defer c.fetching.Unlock()
	list := c.waiting
	c.waiting = nil
	c.filling.Unlock()
	return c.fetched(list)
}

// fetched looks at chunks that differ.
func (c *comparison) fetched(list []compared) error {
	if err := c.l.fetch(list); err != nil {
		return err
	}
	for _, d := range list {
		if err := c.each(d); err != nil {
			return err
		}
		c.l.keep(d)
		c.l.leave(d.have)
		c.l.leave(d.want)
	}
	return nil
}

// keep leaves to the reset what it would fetch again. With an exception inside it is not the master's alone.
func (l *look) keep(d compared) {
	if l.touched(d.e) {
		return
	}
	p := page{differ: sweep.Differing(d.have, d.want)}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := bits.OnesCount64(p.differ) * sweep.PageSize; n <= keepAtMost-l.v.kept {
		l.v.kept += n
		p.want = make([]byte, 0, n)
		for rest := p.differ; rest != 0; rest &= rest - 1 {
			at := bits.TrailingZeros64(rest) * sweep.PageSize
			p.want = append(p.want, d.want[at:min(at+sweep.PageSize, len(d.want))]...)
		}
	}
	l.v.pages[d.entry] = p
}

func onDisk(e manifest.Entry) int64 {
	var n int64
	for _, p := range e.Pieces {
		n += int64(p.Length)
	}
	return n
}

// fetch gets the master's contents of some entries, with the exceptions over them.
func (l *look) fetch(list []compared) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]chunk.ID, len(list))
	for k, c := range list {
		ids[k] = c.e.ID
	}
	if l.o.Source == nil {
		return doubtf("metadata differs, and there is no source for the master's")
	}
	k := 0
	var proving errgroup.Group
	proving.SetLimit(runtime.GOMAXPROCS(0))
	l.asking.Lock() // a source is asked by one at a time
	err := l.o.Source.Fetch(l.ctx, ids, func(f chunk.Frame) error {
		if k >= len(list) || f.ID != ids[k] {
			return fmt.Errorf("chunk %s came unasked", f.ID)
		}
		c := &list[k]
		f.Payload = slices.Clone(f.Payload) // the source takes its own back
		proving.Go(func() (err error) {
			if c.want, err = l.codec.Open(l.room(0), f); err == nil && len(c.want) != int(c.e.Length) {
				err = fmt.Errorf("chunk %s has %d bytes, not %d", f.ID, len(c.want), c.e.Length)
			}
			return err
		})
		k++
		return nil
	})
	l.asking.Unlock()
	if wrong := proving.Wait(); err == nil {
		err = wrong
	}
	if err == nil && k < len(list) {
		err = fmt.Errorf("chunk %s did not come", ids[k])
	}
	if err != nil {
		return doubtf("the master's metadata cannot be had: %v", err)
	}
	for _, c := range list {
		l.overlay(c.e, c.want)
	}
	return nil
}

func (l *look) tell(phase string, done, total int64) {
	if l.o.Progress != nil {
		l.o.Progress(phase, done, max(done, total))
	}
}

// section is the part of the disk that a volume is in; what is read is counted.
type section struct {
	l    *look
	base int64
	size int64
}

// ReadAt implements io.ReaderAt.
func (s section) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 || off > s.size || int64(len(b)) > s.size-off {
		return 0, io.ErrUnexpectedEOF
	}
	if err := s.l.readAt(b, s.base+off); err != nil {
		return 0, err
	}
	return len(b), nil
}

// master shows what the metadata of a volume should be; all else of it reads as zeros. It is for the few places that say
// where the records lie.
type master struct {
	l     *look
	v     *manifest.Volume
	index []int // its entries of metadata, by their place
	last  compared
	batch sweep.Batch
}

func (l *look) master(v *manifest.Volume) *master {
	m := &master{l: l, v: v, last: compared{entry: -1}}
	first, end := l.entryRange(v)
	for i := first; i < end; i++ {
		if l.m.Chunks.At(i).Stream == v.Meta {
			m.index = append(m.index, i)
		}
	}
	return m
}

// ReadAt implements io.ReaderAt.
func (m *master) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	for done := 0; done < len(b); {
		at := off + int64(done)
		index, in := uint32(at/chunk.MaxSize), int(at%chunk.MaxSize)
		n := min(len(b)-done, chunk.MaxSize-in)
		content, err := m.chunk(index)
		if err != nil {
			return done, err
		}
		if in < len(content) {
			copy(b[done:done+n], content[in:])
		}
		done += n
	}
	return len(b), nil
}

// chunk returns the master's content of one chunk of metadata, nil where all of it is zeros.
func (m *master) chunk(index uint32) ([]byte, error) {
	t := &m.l.m.Chunks
	k := sort.Search(len(m.index), func(k int) bool { return t.At(m.index[k]).Index >= index })
	if k == len(m.index) || t.At(m.index[k]).Index != index {
		return nil, nil
	}
	i := m.index[k]
	if m.last.entry == i {
		return m.last.want, nil
	}
	if !m.l.disk.One(&m.batch, uint32(i)) || m.batch.Found[0].Unread {
		return nil, doubtf("the metadata at byte %d of the volume cannot be read", int64(index)*chunk.MaxSize)
	}
	f := &m.batch.Found[0]
	e := f.Entry
	c := compared{entry: i, e: e, want: slices.Clone(f.Content(make([]byte, chunk.MaxSize)))}
	if m.l.touched(e) || f.ID() != e.ID {
		one := []compared{{entry: i, e: e}}
		if err := m.l.fetch(one); err != nil {
			return nil, err
		}
		c.want = one[0].want
	}
	m.last = c
	return c.want, nil
}
