package volume

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

// maxDepth is how deep directories may lie in each other; Linux' longest path has 2,048 names.
const maxDepth = 2048

type extEntry struct {
	name  string
	inode uint64
}

// walk calls file for each name of a regular file, in path order: names of a directory sorted by their bytes, what lies
// in a directory where its name stands. A directory is entered once: a second name for it is a doubt.
func (x *ext) walk(file func(number uint64, path string) error) error {
	w := &extWalk{x: x, file: file, entered: newBitset(x.dirs.n)}
	if !x.dirs.has(extRootDir) {
		return notByFile("it has no root directory")
	}
	return w.dir(extRootDir, 0)
}

type extWalk struct {
	x       *ext
	file    func(number uint64, path string) error
	entered *bitset
	path    []byte
}

func (w *extWalk) dir(number uint64, depth int) error {
	if w.entered.has(number) || depth > maxDepth {
		return notByFile("directory inode %d has two names or lies too deep", number)
	}
	w.entered.set(number)
	entries, err := w.x.entries(number)
	if err != nil {
		return err
	}
	base := len(w.path)
	for _, e := range entries {
		w.path = w.path[:base]
		if base > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, e.name...)
		if w.x.dirs.has(e.inode) {
			err = w.dir(e.inode, depth+1)
		} else if w.x.files.has(e.inode) {
			err = w.file(e.inode, string(w.path))
		}
		if err != nil {
			return err
		}
	}
	w.path = w.path[:base]
	return nil
}

// entries reads the names of a directory, sorted. The nodes of an htree look like blocks without entries.
func (x *ext) entries(number uint64) ([]extEntry, error) {
	n, err := x.inode(number)
	if err != nil {
		return nil, err
	}
	list, err := x.dirNames(n, func(yield func(extRun) error) error { return x.runs(n, noTree, yield) })
	slices.SortFunc(list, func(a, b extEntry) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.inode, b.inode)) })
	return list, err
}

// dirNames reads the names of a directory in the order in which they lie there; walk visits the runs of its block map.
func (x *ext) dirNames(n *extInode, walk func(yield func(extRun) error) error) ([]extEntry, error) {
	d := &extDir{x: x, inode: n}
	if n.flags&extFlagInline != 0 {
		err := d.inline()
		return d.list, err
	}
	block := make([]byte, x.bs)
	end := (n.size + x.bs - 1) / x.bs
	err := walk(func(r extRun) error {
		if r.unwritten {
			return notByFile("directory inode %d has blocks that were never written", n.number)
		}
		for i := uint64(0); i < r.count && r.logical+i < end; i++ {
			if err := x.readBlock(block, r.physical+i); err != nil {
				return err
			}
			if err := d.block(block, r.logical+i == 0); err != nil {
				return err
			}
		}
		return nil
	})
	return d.list, err
}

type extDir struct {
	x     *ext
	inode *extInode
	list  []extEntry
}

// recLen is the length of an entry; blocks of 64 KiB need a seventeenth bit, kept in the two lowest.
func recLen(raw uint16, bs int) int {
	n := int(raw)
	if bs < 65536 {
		return n
	}
	if n == 65535 || n == 0 {
		return 65536
	}
	return n&65532 | n&3<<16
}

// block reads one block of entries and proves its checksum.
func (d *extDir) block(b []byte, first bool) error {
	if d.x.ro&extMetadataCsum != 0 && !d.sumHolds(b, first) {
		return notByFile("the checksum of directory inode %d differs", d.inode.number)
	}
	return d.linear(b)
}

// sumHolds proves a block's checksum: behind the entries of a leaf (an entry of 12 bytes without a name, type 0xde), or
// behind the places for the entries of an htree node. The end of a node may look like that of a leaf.
func (d *extDir) sumHolds(b []byte, first bool) bool {
	n := len(b)
	node := !first && le32(b, 0) == 0 && recLen(le16(b, 4), n) == n // one empty entry
	if d.inode.flags&extFlagIndex == 0 || !first && !node {
		tail := b[n-12:]
		return le32(tail, 0) == 0 && le16(tail, 4) == 12 && tail[6] == 0 && tail[7] == 0xde &&
			crc32c(d.inode.seed, b[:n-12]) == le32(tail, 8)
	}
	at := 8 // limit and count of a node, behind the empty entry
	if first {
		at = 32 // of the root, behind ".", ".." and 8 bytes about the tree
	}
	limit, count := int(le16(b, at)), int(le16(b, at+2))
	end := at + 8*limit
	if count > limit || end+8 > n {
		return false
	}
	return crc32c(d.inode.seed, b[:at+8*count], b[end:end+4], []byte{0, 0, 0, 0}) == le32(b, end+4)
}

// linear reads entries: inode (4), length of the entry (2), of the name (1), type (1), name.
func (d *extDir) linear(b []byte) error {
	for at := 0; at < len(b); {
		if len(b)-at < 8 {
			return notByFile("directory inode %d has an entry that is cut", d.inode.number)
		}
		inode, length, name := uint64(le32(b, at)), recLen(le16(b, at+4), int(d.x.bs)), int(b[at+6])
		if length < 8 || length%4 != 0 || length > len(b)-at || 8+name > length {
			return notByFile("directory inode %d has an entry that is not understood", d.inode.number)
		}
		if d.x.incompat&extFiletype == 0 && b[at+7] != 0 {
			return notByFile("directory inode %d has a name that is too long", d.inode.number)
		}
		if s := string(b[at+8 : at+8+name]); inode != 0 && s != "." && s != ".." {
			if inode > d.x.inodes {
				return notByFile("directory inode %d names inode %d, which does not exist", d.inode.number, inode)
			}
			d.list = append(d.list, extEntry{d.printable(s), inode})
		}
		at += length
	}
	return nil
}

// printable keeps names as they are but for those that would not be one name of a path: they are shown as "?" and
// hexadecimal digits. Names of encrypted directories are such.
func (d *extDir) printable(name string) string {
	if name == "" || strings.ContainsAny(name, "/\x00") || d.inode.flags&extFlagEncrypt != 0 {
		return "?" + hex.EncodeToString([]byte(name))
	}
	return name
}

// inline reads a directory that lies in its inode: the parent (4 bytes) and entries in place of the block map, more
// entries in the attribute system.data behind the inode's fields.
func (d *extDir) inline() error {
	if err := d.linear(d.inode.root[4:]); err != nil {
		return err
	}
	more, err := d.inlineData()
	if err != nil || len(more) == 0 {
		return err
	}
	return d.linear(more)
}

// inlineData finds the attribute system.data: magic 0xea020000, then entries of name length (1), name index (1; 7 is
// "system."), place of the value counted from the first entry (2), inode of the value (4), size (4), hash (4), name.
func (d *extDir) inlineData() ([]byte, error) {
	raw := d.inode.raw
	if len(raw) <= 132 {
		return nil, nil
	}
	start := 128 + int(le16(raw, 0x80))
	if start+8 > len(raw) || le32(raw, start) != 0xea020000 {
		return nil, nil
	}
	area := raw[start+4:]
	for at := 0; at+16 <= len(area) && le32(area, at) != 0; {
		name := int(area[at])
		if at+16+name > len(area) {
			break
		}
		if area[at+1] == 7 && string(area[at+16:at+16+name]) == "data" {
			off, size := int(le16(area, at+2)), int(le32(area, at+8))
			if size < 0 || off > len(area) || size > len(area)-off {
				return nil, notByFile("inline directory inode %d is not understood", d.inode.number)
			}
			return area[off : off+size], nil
		}
		at += 16 + (name+3)&^3
	}
	return nil, nil
}
