package btrfs

import (
	"cmp"
	"slices"
	"strings"
)

const (
	maxFresh = 1 << 17  // files of a snapshot that are sorted in memory; where more differ all are walked
	maxPaths = 64 << 20 // bytes of all their paths, and of those of the directories that are remembered
)

// fresh lists the inodes with extents in leaves that block has not seen, in order, up to one more than maxFresh. shared says that some were seen.
func (v *Volume) fresh(s Subvolume, block func(at int64) bool) (inodes []uint64, shared bool, err error) {
	err = v.nodes(s.tree, func(at ref, load func() (*node, error)) (bool, error) {
		places, err := v.copies(at.bytenr, uint64(v.NodeSize))
		if err != nil {
			return false, err
		}
		if !block(places[0]) {
			shared = true
			return false, nil
		}
		n, err := load()
		if err != nil || n.level > 0 {
			return true, err
		}
		for i := range n.count {
			k := n.key(i)
			last := len(inodes) - 1
			if k.kind == extentData && (last < 0 || inodes[last] != k.object) && last < maxFresh {
				inodes = append(inodes, k.object)
			}
		}
		return true, nil
	})
	return inodes, shared, err
}

// someFiles gives the regular files among inodes, in path order. Their paths are found from below, by what inodes know of
// their names; one that has none is left out.
func (v *Volume) someFiles(s Subvolume, inodes []uint64, yield func(File) error) error {
	c := &climb{v: v, s: s, dirs: map[uint64]string{firstFree: s.Path}}
	var files []File
	paths := 0
	for _, inode := range inodes {
		f, ok, err := c.file(inode)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if paths += len(f.Path); paths > maxPaths {
			return damaged(subvolumeName(s.ID), "has paths that are too long")
		}
		files = append(files, f)
	}
	slices.SortFunc(files, func(a, b File) int { return cmp.Or(comparePaths(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode)) })
	for _, f := range files {
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}

// comparePaths compares names one by one.
func comparePaths(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if x, y := a[i], b[i]; x != y {
			return cmp.Compare(order(x), order(y))
		}
	}
	return cmp.Compare(len(a), len(b))
}

// order puts the end of a name before every byte of one.
func order(c byte) int {
	if c == '/' {
		return -1
	}
	return int(c)
}

// climb finds the paths of inodes of one subvolume.
type climb struct {
	v    *Volume
	s    Subvolume
	dirs map[uint64]string // known already
	size int               // bytes of their paths
}

// file finds what walk.file would give for an inode.
func (c *climb) file(inode uint64) (f File, ok bool, err error) {
	type name struct {
		dir  uint64
		name string
	}
	var names []name
	f = File{Inode: inode, tree: c.s.tree}
	err = c.v.items(c.s.tree, key{inode, inodeItem, 0}, key{inode, inodeRef, ^uint64(0)}, func(k key, b []byte) error {
		switch k.kind {
		case inodeItem:
			if len(b) < 160 || le64(b, 16) > 1<<62 {
				return damaged(subvolumeName(c.s.ID), "has a file that is not understood (inode %d)", inode)
			}
			f.Size, ok = int64(le64(b, 16)), le32(b, 52)&0xf000 == 0x8000
		case inodeRef: // one or more: index (8 bytes), length of the name (2), name
			for len(b) > 0 {
				if len(b) < 10 || len(b)-10 < int(le16(b, 8)) || le16(b, 8) > maxName {
					return damaged(subvolumeName(c.s.ID), "has a name that is not understood (inode %d)", inode)
				}
				n := int(le16(b, 8))
				names = append(names, name{k.offset, printable(string(b[10 : 10+n]))})
				b = b[10+n:]
			}
		}
		return nil
	})
	if err != nil || !ok {
		return f, false, err
	}
	for i, n := range names {
		dir, err := c.dir(n.dir)
		if err != nil {
			return f, false, err
		}
		path := strings.TrimPrefix(dir+"/"+n.name, "/")
		if i == 0 || comparePaths(path, f.Path) < 0 {
			f.Path = path
		}
	}
	return f, len(names) > 0, nil
}

// dir returns the path of a directory.
func (c *climb) dir(inode uint64) (string, error) {
	var way []uint64
	var names []string
	at, length := inode, 0
	for {
		if _, known := c.dirs[at]; known {
			break
		}
		name, up, err := c.v.nameOf(c.s.tree, at)
		if err != nil {
			return "", err
		}
		way, names = append(way, at), append(names, printable(name))
		if length += 1 + len(name); length > maxPath {
			return "", damaged(subvolumeName(c.s.ID), "has a directory that lies too deep (inode %d)", inode)
		}
		at = up
	}
	path := c.dirs[at]
	for i := len(way) - 1; i >= 0; i-- {
		path = strings.TrimPrefix(path+"/"+names[i], "/")
		if len(path) > maxPath {
			return "", damaged(subvolumeName(c.s.ID), "has a directory that lies too deep (inode %d)", inode)
		}
		if c.size += len(path); c.size > maxPaths {
			c.dirs, c.size = map[uint64]string{firstFree: c.s.Path}, 0
		}
		c.dirs[way[i]] = path
	}
	return path, nil
}
