package btrfs

import (
	"bytes"
	"cmp"
	"sort"
	"strconv"
)

const (
	nodeHeader = 101
	itemSize   = 25
	ptrSize    = 33
	maxLevel   = 8
)

// key orders the items of a tree.
type key struct {
	object uint64
	kind   uint8
	offset uint64
}

func (k key) compare(o key) int {
	return cmp.Or(cmp.Compare(k.object, o.object), cmp.Compare(k.kind, o.kind), cmp.Compare(k.offset, o.offset))
}

func parseKey(b []byte) key { return key{le64(b, 0), b[8], le64(b, 9)} }

// last is behind every key.
func last() key { return key{^uint64(0), 255, ^uint64(0)} }

// ref is how a tree block is referred to.
type ref struct {
	bytenr, generation uint64
	level              uint8
	first              key
	inner              bool // first is known: it comes from an inner node
	limit              key  // every key lies before it: so no block is reached twice in one tree
	limited            bool
}

// node is a tree block whose checksum and order were proven.
type node struct {
	b          []byte
	count      int
	level      uint8
	generation uint64
}

func (n *node) key(i int) key {
	if n.level == 0 {
		return parseKey(n.b[nodeHeader+i*itemSize:])
	}
	return parseKey(n.b[nodeHeader+i*ptrSize:])
}

// data is the content of item i of a leaf.
func (n *node) data(i int) []byte {
	at := nodeHeader + i*itemSize
	from, size := int(le32(n.b, at+17)), int(le32(n.b, at+21))
	return n.b[nodeHeader+from : nodeHeader+from+size]
}

// child is pointer i of an inner node that r refers to.
func (n *node) child(r ref, i int) ref {
	at := nodeHeader + i*ptrSize
	c := ref{bytenr: le64(n.b, at+17), generation: le64(n.b, at+25), level: n.level - 1, first: n.key(i), inner: true,
		limit: r.limit, limited: r.limited}
	if i+1 < n.count {
		c.limit, c.limited = n.key(i+1), true
	}
	return c
}

// search finds the first item or pointer whose key is not before k.
func (n *node) search(k key) int {
	return sort.Search(n.count, func(i int) bool { return n.key(i).compare(k) >= 0 })
}

const cacheBytes = 16 << 20

// cache keeps nodes, and forgets them in the order they came.
type cache struct {
	nodes map[uint64]*node
	order []uint64
}

func (c *cache) add(bytenr uint64, n *node, most int) {
	if c.nodes == nil {
		c.nodes = map[uint64]*node{}
	}
	if len(c.order) >= most {
		delete(c.nodes, c.order[0])
		c.order = c.order[1:]
	}
	c.nodes[bytenr] = n
	c.order = append(c.order, bytenr)
}

func blockName(bytenr uint64) string { return "tree block " + strconv.FormatUint(bytenr, 10) }

// node reads a tree block and proves that it is the one that is meant.
func (v *Volume) node(r ref) (*node, error) {
	n := v.cache.nodes[r.bytenr]
	if n == nil {
		b, err := v.readNode(r.bytenr)
		if err != nil {
			return nil, err
		}
		if n, err = v.parseNode(b, r.bytenr); err != nil {
			return nil, err
		}
		v.cache.add(r.bytenr, n, max(16, int(cacheBytes/v.NodeSize)))
	}
	switch {
	case n.level != r.level || n.generation != r.generation:
		return nil, damaged(blockName(r.bytenr), "is not what refers to it expects")
	case r.inner && (n.count == 0 || n.key(0) != r.first):
		return nil, damaged(blockName(r.bytenr), "does not begin with the key that its parent has")
	case r.level > 0 && n.count == 0:
		return nil, damaged(blockName(r.bytenr), "is empty")
	case r.limited && n.key(n.count-1).compare(r.limit) >= 0:
		return nil, damaged(blockName(r.bytenr), "reaches into its neighbour")
	}
	return n, nil
}

// readNode reads a tree block, and until everything was checked its second copy too.
func (v *Volume) readNode(bytenr uint64) ([]byte, error) {
	if bytenr%uint64(v.SectorSize) != 0 {
		return nil, damaged(blockName(bytenr), "does not lie on a sector")
	}
	at, err := v.copies(bytenr, uint64(v.NodeSize))
	if err != nil {
		return nil, err
	}
	b := make([]byte, v.NodeSize)
	if err := readFull(v.r, b, at[0]); err != nil {
		return nil, err
	}
	if len(at) > 1 && !v.checked {
		other := make([]byte, v.NodeSize)
		if err := readFull(v.r, other, at[1]); err != nil {
			return nil, err
		}
		if !bytes.Equal(b, other) {
			return nil, damaged(blockName(bytenr), "differs from its copy")
		}
	}
	return b, nil
}

// parseNode proves a tree block in itself.
func (v *Volume) parseNode(b []byte, bytenr uint64) (*node, error) {
	n := &node{b: b, level: b[0x64], generation: le64(b, 0x50)}
	count := le32(b, 0x60)
	name := blockName(bytenr)
	switch {
	case !sumHolds(v.super.csum, b):
		return nil, damaged(name, "does not match its checksum")
	case le64(b, 0x30) != bytenr || !bytes.Equal(b[0x20:0x30], v.super.fsid[:]):
		return nil, damaged(name, "is not the one of its place")
	case n.level >= maxLevel || n.generation > v.super.generation:
		return nil, damaged(name, "has a level or generation that cannot be")
	case n.level == 0 && int64(count) > (v.NodeSize-nodeHeader)/itemSize,
		n.level > 0 && int64(count) > (v.NodeSize-nodeHeader)/ptrSize:
		return nil, damaged(name, "has more items than room")
	}
	n.count = int(count)
	for i := 1; i < n.count; i++ {
		if n.key(i-1).compare(n.key(i)) >= 0 {
			return nil, damaged(name, "has keys out of order")
		}
	}
	if n.level > 0 {
		return n, nil
	}
	end := uint64(v.NodeSize - nodeHeader) // data lie without a gap from the end on
	for i := range n.count {
		at := nodeHeader + i*itemSize
		from, size := uint64(le32(b, at+17)), uint64(le32(b, at+21))
		if from+size != end || from < uint64(n.count*itemSize) {
			return nil, damaged(name, "has items whose data lie elsewhere")
		}
		end = from
	}
	return n, nil
}

// items calls yield for every item of a tree from one key to another, both included, in order.
func (v *Volume) items(r ref, from, to key, yield func(k key, data []byte) error) error {
	n, err := v.node(r)
	if err != nil {
		return err
	}
	i := n.search(from)
	if n.level == 0 {
		for ; i < n.count && n.key(i).compare(to) <= 0; i++ {
			if err := yield(n.key(i), n.data(i)); err != nil {
				return err
			}
		}
		return nil
	}
	if i > 0 && (i == n.count || n.key(i) != from) {
		i-- // what is sought may lie behind the first key of the child before
	}
	for ; i < n.count && n.key(i).compare(to) <= 0; i++ {
		if err := v.items(n.child(r, i), from, to, yield); err != nil {
			return err
		}
	}
	return nil
}

// nodes calls yield for every tree block of a tree, a parent before its children. Where yield says no, nothing below it
// is read.
func (v *Volume) nodes(r ref, yield func(r ref, n func() (*node, error)) (bool, error)) error {
	more, err := yield(r, func() (*node, error) { return v.node(r) })
	if err != nil || !more {
		return err
	}
	n, err := v.node(r)
	if err != nil || n.level == 0 {
		return err
	}
	for i := range n.count {
		if err := v.nodes(n.child(r, i), yield); err != nil {
			return err
		}
	}
	return nil
}
