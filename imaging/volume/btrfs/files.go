package btrfs

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// maxDepth is how deep directories may lie in each other; Linux' longest path has 2,048 names.
const maxDepth = 2048

// Extent is a part of a file's data.
type Extent struct {
	At       int64   // offset in the file, bytes
	Length   int64   // bytes of the file that it gives
	Disk     []int64 // where its bytes lie on the device: one place, or two with the same content
	Bytes    int64   // bytes there: Length, or for a compressed extent the whole compressed data
	Packed   bool    // compressed
	Prealloc bool    // never written: reads as zeros
}

// File is a regular file.
type File struct {
	Inode uint64
	Path  string // from the top of the volume, "/" separated
	Size  int64  // bytes
	tree  ref
}

// Subvolume is a subvolume or snapshot.
type Subvolume struct {
	ID   uint64
	Path string // from the top of the volume; "" for the top; # and the number where it has none
	tree ref
}

func isSubvolume(id uint64) bool { return id == fsTree || id >= firstFree && id < 1<<63 }

// Check reads every tree. block is called for each tree block with its first place on the device; where it says no, the
// block was seen before and nothing below it is read. data is called for each extent that a file refers to.
func (v *Volume) Check(block func(at int64) (bool, error), data func(Extent) error) error {
	all := append([]root{{id: 1, ref: v.super.root}, {id: 3, ref: v.super.chunkRoot}}, v.list...)
	for _, r := range all {
		if r.dropped && isSubvolume(r.id) || r.id == treeReloc { // of a balance that was interrupted: it may be half gone
			continue
		}
		err := v.nodes(r.ref, func(at ref, load func() (*node, error)) (bool, error) {
			places, err := v.copies(at.bytenr, uint64(v.NodeSize))
			if err != nil {
				return false, err
			}
			if more, err := block(places[0]); err != nil || !more {
				return false, err
			}
			n, err := load()
			if err != nil || n.level > 0 || !isSubvolume(r.id) {
				return true, err
			}
			return true, v.checkLeaf(n, data)
		})
		if err != nil {
			return err
		}
	}
	v.checked = true
	return nil
}

func (v *Volume) checkLeaf(n *node, data func(Extent) error) error {
	for i := range n.count {
		k := n.key(i)
		if k.kind != extentData {
			continue
		}
		e, ok, err := v.fileExtent(k, n.data(i))
		if err != nil {
			return err
		}
		if ok {
			if err := data(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// Subvolumes lists all subvolumes that were not deleted, in path order: names compared one by one.
func (v *Volume) Subvolumes() ([]Subvolume, error) {
	var out []Subvolume
	for _, r := range v.list {
		if !isSubvolume(r.id) || r.dropped {
			continue
		}
		path, err := v.subvolumePath(r.id)
		if err != nil {
			return nil, err
		}
		out = append(out, Subvolume{r.id, path, r.ref})
	}
	slices.SortFunc(out, func(a, b Subvolume) int {
		return cmp.Or(slices.Compare(strings.Split(a.Path, "/"), strings.Split(b.Path, "/")), cmp.Compare(a.ID, b.ID))
	})
	return out, nil
}

const (
	maxPath = 8 << 10 // bytes of the path of a subvolume
	maxName = 255     // bytes, Linux' own limit
	maxFile = 1 << 50 // bytes
)

// subvolumePath climbs from a subvolume to the top: to the directory that names it, and through that directory's names
// to the root of its own subvolume.
func (v *Volume) subvolumePath(id uint64) (string, error) {
	var names []string
	length := 0
	for at := id; at != fsTree; {
		p, ok := v.parents[at]
		r, known := v.roots[p.tree]
		if !ok || !known || r.dropped {
			return "#" + strconv.FormatUint(id, 10), nil
		}
		names = append(names, printable(p.name))
		for dir := p.dir; dir != firstFree; {
			name, up, err := v.nameOf(r.ref, dir)
			if err != nil {
				return "", err
			}
			names = append(names, printable(name))
			if length += 1 + len(name); length > maxPath {
				return "", damaged(subvolumeName(p.tree), "has a directory that lies too deep")
			}
			dir = up
		}
		if length += 1 + len(p.name); length > maxPath {
			return "", damaged(subvolumeName(id), "lies too deep")
		}
		at = p.tree
	}
	slices.Reverse(names)
	return strings.Join(names, "/"), nil
}

func subvolumeName(id uint64) string { return "subvolume " + strconv.FormatUint(id, 10) }

// nameOf finds the name and parent of a directory: index (8 bytes), length of the name (2), name.
func (v *Volume) nameOf(tree ref, dir uint64) (name string, parent uint64, err error) {
	found := false
	err = v.items(tree, key{dir, inodeRef, 0}, key{dir, inodeRef, ^uint64(0)}, func(k key, b []byte) error {
		if found || len(b) < 10 || len(b) < 10+int(le16(b, 8)) || le16(b, 8) > maxName {
			return damaged("directory "+strconv.FormatUint(dir, 10), "has a name that is not understood")
		}
		name, parent, found = string(b[10:10+int(le16(b, 8))]), k.offset, true
		return nil
	})
	if err == nil && !found {
		err = damaged("directory "+strconv.FormatUint(dir, 10), "has no name")
	}
	return name, parent, err
}

// printable keeps names as they are but for those that would not be one name of a path: they are shown as "?" and
// hexadecimal digits.
func printable(name string) string {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return "?" + hex.EncodeToString([]byte(name))
	}
	return name
}

// Files calls yield for regular files of a subvolume, each under its first name, in path order: names of a directory
// sorted by their bytes, what lies in a directory where its name stands. block is asked for each tree block, by its first
// place on the device: where it says no, an earlier call has seen the block, and files all of whose extents are listed
// below such blocks are left out. So a hundred snapshots cost what differs between them. With block nil all are given.
func (v *Volume) Files(s Subvolume, block func(at int64) bool, yield func(File) error) error {
	if block != nil {
		inodes, shared, err := v.fresh(s, block)
		if err != nil {
			return err
		}
		if shared && len(inodes) <= maxFresh {
			return v.someFiles(s, inodes, yield)
		}
	}
	w := &walk{v: v, s: s, yield: yield, seen: map[uint64]struct{}{}, path: []byte(s.Path)}
	return w.dir(firstFree, 0)
}

type walk struct {
	v     *Volume
	s     Subvolume
	yield func(File) error
	seen  map[uint64]struct{} // directories, and files with several names
	path  []byte
}

type entry struct {
	name         string
	inode, index uint64
	dir          bool
}

func (w *walk) dir(inode uint64, depth int) error {
	if _, twice := w.seen[inode]; twice || depth > maxDepth {
		return damaged(subvolumeName(w.s.ID), "has a directory with two names, or too deep (inode %d)", inode)
	}
	w.seen[inode] = struct{}{}
	list, err := w.entries(inode)
	if err != nil {
		return err
	}
	base := len(w.path)
	for _, e := range list {
		if w.path = w.path[:base]; base > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, e.name...)
		if e.dir {
			err = w.dir(e.inode, depth+1)
		} else {
			err = w.file(inode, e)
		}
		if err != nil {
			return err
		}
	}
	w.path = w.path[:base]
	return nil
}

// entries reads a directory: key of what is named (17 bytes), transaction (8), length of data and name (2 each), type (1;
// 1 file, 2 directory), name. What is named by a root item is another subvolume.
func (w *walk) entries(inode uint64) ([]entry, error) {
	var list []entry
	err := w.v.items(w.s.tree, key{inode, dirIndex, 0}, key{inode, dirIndex, ^uint64(0)}, func(at key, b []byte) error {
		if len(b) < 30 || len(b) != 30+int(le16(b, 25))+int(le16(b, 27)) || le16(b, 27) > maxName {
			return damaged(subvolumeName(w.s.ID), "has a directory entry that is not understood (inode %d)", inode)
		}
		k, kind := parseKey(b), b[29]
		if k.kind == inodeItem && (kind == 1 || kind == 2) {
			list = append(list, entry{printable(string(b[30 : 30+int(le16(b, 27))])), k.object, at.offset, kind == 2})
		}
		return nil
	})
	slices.SortFunc(list, func(a, b entry) int { return cmp.Or(strings.Compare(a.name, b.name), cmp.Compare(a.inode, b.inode)) })
	return list, err
}

// file gives one regular file, once: one with a single link must know this very name, so that a tree cannot show it under
// many. An inode: generation, transaction, size, bytes, block group (8 each), links (4, at 40), ... mode (4, at 52). A
// reference: index in the directory (8), length of the name (2), name.
func (w *walk) file(dir uint64, e entry) error {
	f := File{Inode: e.inode, Path: string(w.path), tree: w.s.tree}
	found, known, again := false, false, false
	err := w.v.items(w.s.tree, key{e.inode, inodeItem, 0}, key{e.inode, inodeExtref, ^uint64(0)}, func(k key, b []byte) error {
		switch {
		case k.kind == inodeRef:
			known = known || k.offset == dir && len(b) >= 8 && le64(b, 0) == e.index
			return nil
		case k.kind == inodeExtref: // directory, index (8 each), length of the name (2), name
			known = known || len(b) >= 16 && le64(b, 0) == dir && le64(b, 8) == e.index
			return nil
		case k.kind != inodeItem:
			return nil
		case len(b) < 160 || le64(b, 16) > 1<<62 || le32(b, 52)&0xf000 != 0x8000:
			return damaged(subvolumeName(w.s.ID), "has a file that is not understood (inode %d)", e.inode)
		}
		f.Size, found = int64(le64(b, 16)), true
		if le32(b, 40) > 1 {
			_, again = w.seen[e.inode]
			w.seen[e.inode] = struct{}{}
			known = true
		}
		return nil
	})
	if err == nil && !(found && known) {
		err = damaged(subvolumeName(w.s.ID), "names inode %d, which does not know this name", e.inode)
	}
	if err != nil || again {
		return err
	}
	return w.yield(f)
}

// Extents calls yield for each extent of a file that lies outside its inode, in file order.
func (v *Volume) Extents(f File, yield func(Extent) error) error {
	end := int64(0)
	return v.items(f.tree, key{f.Inode, extentData, 0}, key{f.Inode, extentData, ^uint64(0)}, func(k key, b []byte) error {
		e, ok, err := v.fileExtent(k, b)
		if err != nil || !ok {
			return err
		}
		if e.At < end {
			return damaged("file "+strconv.FormatUint(f.Inode, 10), "has extents that overlap")
		}
		end = e.At + e.Length
		return yield(e)
	})
}

// fileExtent reads a file extent item: generation, bytes in memory (8 each), compression, encryption (1 each), other
// encoding (2), type (1; 0 in the item, 1 written, 2 preallocated), then place and length on the disk, offset in what is
// there, length in the file (8 each). ok is false for holes and for data in the item.
func (v *Volume) fileExtent(k key, b []byte) (e Extent, ok bool, err error) {
	name := "file " + strconv.FormatUint(k.object, 10)
	if len(b) < 21 || b[20] > 2 || b[16] > 3 || b[17] != 0 || le16(b, 18) != 0 || b[20] != 0 && len(b) != 53 {
		return e, false, damaged(name, "has an extent that is not understood")
	}
	if b[20] == 0 {
		return e, false, nil
	}
	memory, place, size, offset, length := le64(b, 8), le64(b, 21), le64(b, 29), le64(b, 37), le64(b, 45)
	if place == 0 {
		return e, false, nil
	}
	e = Extent{At: int64(k.offset), Length: int64(length), Packed: b[16] != 0, Prealloc: b[20] == 2}
	all := place | size | offset | length | k.offset
	if all%uint64(v.SectorSize) != 0 || k.offset > maxFile || length == 0 || length > 1<<48 || offset > memory ||
		length > memory-offset || size == 0 || e.Packed && e.Prealloc ||
		!e.Packed && (offset > size || length > size-offset) {
		return e, false, damaged(name, "has an extent that cannot be")
	}
	if e.Packed {
		offset, length = 0, size
	}
	e.Bytes = int64(length)
	if _, err = v.chunk(place, size); err != nil { // place+offset cannot overflow then
		return e, false, err
	}
	e.Disk, err = v.copies(place+offset, length)
	return e, true, err
}
