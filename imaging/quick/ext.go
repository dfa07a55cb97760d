package quick

import (
	"bytes"
	"fmt"
	"slices"
	"sort"
	"sync"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// extVolume is an ext file system that is looked at.
type extVolume struct {
	l      *look
	v      *manifest.Volume
	t      *volume.ExtTables
	r      *records
	tables []volume.ExtTable // the master's, by their place

	mu     sync.Mutex
	differ []uint64 // blocks of metadata that differ, in order once all were compared
	trees  []tree
}

// tree is a file whose extent tree goes on outside of its inode.
type tree struct {
	number uint64
	nodes  []uint64
	depth  int
}

// ext looks at the records of an ext file system.
func (l *look) ext(i int) error {
	v := &l.m.Volumes[i]
	have, err := volume.OpenExt(section{l, v.Start, v.Length}, v.Length, true)
	if err != nil {
		return &doubt{fmt.Sprintf("on the disk, %v", err)}
	}
	want, err := volume.OpenExt(l.master(v), v.Length, false)
	if err != nil {
		return &doubt{fmt.Sprintf("in the master, %v", err)}
	}
	if why := want.Differs(have); why != "" {
		return doubtf("it %s", why)
	}
	if want.InodeSize() < 256 {
		return doubtf("its inodes of %d bytes do not say when a file was changed to less than a second", want.InodeSize())
	}
	x := &extVolume{l: l, v: v, t: want, tables: want.Tables(), r: &records{same: newBitset(want.Inodes() + 1),
		always: alwaysExt, sniff: mayBeSwap, table: v.Meta}}
	sort.Slice(x.tables, func(a, b int) bool { return x.tables[a].Offset < x.tables[b].Offset })
	l.v.metas.set(uint64(v.Meta))
	c := comparison{l: l, stream: v.Meta, wants: x.hasInodes, each: x.each}
	if err := l.beside(func() error { return x.unused(have) }, func() error { return c.compare(v) }); err != nil {
		return err
	}
	slices.Sort(x.differ)
	if err := x.follow(); err != nil {
		return err
	}
	l.volumes[i] = x.r
	return nil
}

// unused vouches for the ends of the inode tables in which no inode was ever used, there and here alike, and for the blocks
// kept for growing while the inode that owns them is the same; and for what of the journal was not written to.
func (x *extVolume) unused(have *volume.ExtTables) error {
	list, err := x.quiet(have)
	if err != nil {
		return err
	}
	used := map[int64]int64{}
	for _, t := range have.Tables() {
		used[t.Offset] = t.Used
	}
	for _, t := range x.tables {
		if t.Used == used[t.Offset] && t.Used < t.Length {
			list = append(list, manifest.Extent{Offset: x.v.Start + t.Offset + t.Used, Length: t.Length - t.Used})
		}
	}
	resize := x.t.ResizeInode()
	own, master := make([]byte, resize.Length), make([]byte, resize.Length)
	if err := x.l.readAt(own, x.v.Start+resize.Offset); err != nil {
		return err
	}
	if _, err := x.l.master(x.v).ReadAt(master, resize.Offset); err != nil {
		return err
	}
	if x.t.SameInode(own, master) {
		for _, e := range x.t.Spare() {
			list = append(list, manifest.Extent{Offset: x.v.Start + e.Offset, Length: e.Length})
		}
	}
	sortExtents(list)
	x.l.v.unused = append(x.l.v.unused, list...)
	return nil
}

// tablesFrom returns the inode tables from the one on that ends behind a byte of the volume.
func (x *extVolume) tablesFrom(base int64) []volume.ExtTable {
	return x.tables[sort.Search(len(x.tables), func(i int) bool { return x.tables[i].Offset+x.tables[i].Length > base }):]
}

// hasInodes tells whether inodes lie in a chunk of metadata.
func (x *extVolume) hasInodes(e manifest.Entry) bool {
	base := int64(e.Index) * chunk.MaxSize
	t := x.tablesFrom(base)
	return len(t) > 0 && t[0].Offset < base+int64(e.Length)
}

// each takes one chunk of metadata.
func (x *extVolume) each(c compared) error {
	base := int64(c.e.Index) * chunk.MaxSize
	if &c.have[0] != &c.want[0] {
		x.note(c, base)
	}
	size := x.t.InodeSize()
	end := base + int64(len(c.want))
	for _, t := range x.tablesFrom(base) {
		if t.Offset >= end {
			break
		}
		for at := max(t.Offset, base); at+size <= min(t.Offset+t.Used, end); at += size {
			number := t.First + uint64((at-t.Offset)/size)
			x.inode(number, c.have[at-base:][:size], c.want[at-base:][:size])
		}
	}
	return nil
}

// note marks the blocks that differ.
func (x *extVolume) note(c compared, base int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	bs := x.t.BlockSize()
	for at := int64(0); at < int64(len(c.want)); at += bs {
		end := min(at+bs, int64(len(c.want)))
		if !bytes.Equal(c.have[at:end], c.want[at:end]) {
			x.differ = append(x.differ, uint64((base+at)/bs))
		}
	}
}

func (x *extVolume) differs(block uint64) bool {
	_, found := slices.BinarySearch(x.differ, block)
	return found
}

// inode compares one record.
func (x *extVolume) inode(number uint64, have, want []byte) {
	f, ok := x.t.File(want)
	// Data that fdatasync has brought to the disk outlives a power cut that its inode's change, still in the journal's
	// memory, does not. So what a pupil may write to is read.
	if !ok || !f.Plain || f.Open || !x.t.SameInode(have, want) {
		return
	}
	x.r.same.add(number)
	if len(f.Nodes) > 0 {
		x.mu.Lock()
		x.trees = append(x.trees, tree{number, f.Nodes, f.Depth})
		x.mu.Unlock()
	}
}

// follow looks whether the extent trees are the master's too: a file whose blocks were moved may keep its inode.
func (x *extVolume) follow() error {
	for _, t := range x.trees {
		same, err := x.sameNodes(t.nodes, t.depth)
		if err != nil {
			return err
		}
		if !same {
			x.r.same.clear(t.number)
		}
	}
	x.trees = nil
	return nil
}

// sameNodes tells whether no block of a tree differs. What does not is the master's, so its children are too.
func (x *extVolume) sameNodes(nodes []uint64, depth int) (bool, error) {
	bs := x.t.BlockSize()
	for _, n := range nodes {
		if n >= uint64(x.v.Length/bs) || x.differs(n) {
			return false, nil
		}
		if depth == 0 {
			continue
		}
		if err := x.l.ctx.Err(); err != nil {
			return false, err
		}
		block := make([]byte, bs)
		if err := x.l.readAt(block, x.v.Start+int64(n)*bs); err != nil {
			return false, err
		}
		children, err := x.t.Node(block, depth)
		if err != nil {
			return false, nil
		}
		if same, err := x.sameNodes(children, depth-1); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}
