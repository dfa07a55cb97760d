package volume

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	extFlagCompressed = 0x4
	extLinks          = 0x1a // i_links_count, 2 bytes
	extBlockMap       = 0x28 // i_block, 60 bytes
	// maxEditNodes is more blocks than the maps of the small files and of the directories take that are looked at. It
	// also ends maps that run in circles.
	maxEditNodes = 1 << 12
	// maxEditDir is the largest directory that is searched, bytes.
	maxEditDir = 16 << 20
)

// extEdit changes files of an ext file system in place.
type extEdit struct{ *ext }

func editExt(p *pager, head []byte) (*extEdit, error) {
	if len(head) < 2048 {
		return nil, notTrusted("it is too short")
	}
	s, err := parseExtSuper(head[1024:2048], p.size)
	if err != nil {
		return nil, err
	}
	return &extEdit{&ext{extSuper: s, p: p}}, nil
}

// at returns an inode and where it lies. Of all descriptors only its own is read.
func (x *extEdit) at(number uint64) (*extInode, int64, error) {
	if number == 0 || number > x.inodes {
		return nil, 0, notByFile("inode %d is named and does not exist", number)
	}
	g, i := (number-1)/x.inodesPerGroup, (number-1)%x.inodesPerGroup
	block := make([]byte, x.bs)
	if err := x.readBlock(block, x.descBlock(g/x.descsPerBlock())); err != nil {
		return nil, 0, err
	}
	desc, err := x.parseGroup(block[g%x.descsPerBlock()*x.descSize:][:x.descSize], uint32(g))
	if err != nil {
		return nil, 0, err
	}
	off := int64(desc.inodeTable*x.bs + i*x.inodeSize)
	b := make([]byte, x.inodeSize)
	if err := x.p.read(b, off); err != nil {
		return nil, 0, err
	}
	n, err := x.parseInode(b, number)
	if err == nil && (n.mode == 0 || le16(b, extLinks) == 0) {
		err = notByFile("inode %d is named and is not in use", number)
	}
	return n, off, err
}

// mapOf walks the block map of n, however it is made: it ends after so many blocks of map and so many runs.
func (x *extEdit) mapOf(n *extInode, yield func(extRun) error) error {
	nodes, runs := 0, 0
	return x.runs(n, func(uint64) error {
		if nodes++; nodes > maxEditNodes {
			return notByFile("the block map of inode %d is not understood", n.number)
		}
		return nil
	}, func(r extRun) error {
		if runs++; runs > maxEditDir/1024 {
			return notByFile("inode %d lies in too many pieces", n.number)
		}
		return yield(r)
	})
}

// list reads the names of a directory in the order in which they lie there.
func (x *extEdit) list(n *extInode) ([]extEntry, error) {
	if n.flags&extFlagInline == 0 && n.size > maxEditDir {
		return nil, notByFile("directory inode %d has %d bytes", n.number, n.size)
	}
	return x.dirNames(n, func(yield func(extRun) error) error { return x.mapOf(n, yield) })
}

// find follows a path from the root, through symbolic links inside the volume.
func (x *extEdit) find(path string) (*extInode, int64, error) {
	rest := strings.Split(path, "/")
	trail, followed := []uint64{extRootDir}, 0
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		here := trail[len(trail)-1]
		if name == ".." {
			trail = trail[:max(1, len(trail)-1)]
			continue
		}
		if name == "" || name == "." {
			continue
		}
		number, err := x.child(here, name)
		if err != nil {
			return nil, 0, err
		}
		n, _, err := x.at(number)
		if err != nil {
			return nil, 0, err
		}
		if n.kind() != extTypeLink {
			if trail = append(trail, number); len(trail) > maxDepth {
				return nil, 0, absent()
			}
			continue
		}
		if followed++; followed > maxFollowed {
			return nil, 0, &EditError{Why: "leads through too many symbolic links"}
		}
		to, err := x.target(n)
		if err != nil {
			return nil, 0, err
		}
		if strings.HasPrefix(to, "/") {
			trail = trail[:1]
		}
		rest = append(strings.Split(to, "/"), rest...)
	}
	return x.at(trail[len(trail)-1])
}

// child finds a name in the directory inode dir.
func (x *extEdit) child(dir uint64, name string) (uint64, error) {
	n, _, err := x.at(dir)
	if err != nil {
		return 0, err
	}
	if n.kind() != extTypeDir {
		return 0, absent()
	}
	entries, err := x.list(n)
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		if e.name == name {
			return e.inode, nil
		}
	}
	return 0, absent()
}

// target reads a symbolic link: in place of the block map where it is shorter than that, else like a file.
func (x *extEdit) target(n *extInode) (string, error) {
	if n.size < uint64(len(n.root)) && (n.flags&extFlagExtents == 0 || le16(n.root[:], 0) != 0xf30a) {
		return string(n.root[:n.size]), nil
	}
	if n.size > 4096 {
		return "", notByFile("symbolic link inode %d is too long", n.number)
	}
	b, err := x.data(n)
	return string(b), err
}

// data reads what an inode holds, at most MaxEdit bytes. Holes and blocks never written are zeros.
func (x *extEdit) data(n *extInode) ([]byte, error) {
	out := make([]byte, min(n.size, MaxEdit))
	if n.flags&extFlagInline != 0 {
		value, err := (&extDir{x: x.ext, inode: n}).inlineData()
		copy(out, n.root[:])
		if len(out) > len(n.root) {
			copy(out[len(n.root):], value)
		}
		return out, err
	}
	return out, x.mapOf(n, func(r extRun) error {
		at := r.logical * x.bs
		if r.unwritten || at >= uint64(len(out)) {
			return nil
		}
		part := out[at:]
		part = part[:min(uint64(len(part)), r.count*x.bs)]
		return x.p.read(part, int64(r.physical*x.bs))
	})
}

func (x *extEdit) content(path string) ([]byte, error) {
	n, _, err := x.find(path)
	switch {
	case err != nil:
		return nil, err
	case n.kind() != extTypeFile:
		return nil, &EditError{Why: "is not a regular file"}
	case n.flags&extFlagEncrypt != 0:
		return nil, &EditError{Why: "is encrypted"}
	}
	return x.data(n)
}

func (x *extEdit) names(dir string) ([]string, error) {
	n, _, err := x.find(dir)
	if err != nil {
		return nil, err
	}
	if n.kind() != extTypeDir {
		return nil, absent()
	}
	entries, err := x.list(n)
	var out []string
	for _, e := range entries {
		out = append(out, e.name)
	}
	return out, err
}

// simple refuses files whose content is not only their own, or whose bytes are not what a reader of the file sees.
func (n *extInode) simple() error {
	switch {
	case n.kind() != extTypeFile:
		return &EditError{Why: "is not a regular file"}
	case le16(n.raw, extLinks) != 1:
		return &EditError{Why: "has more than one name",
			Hint: "let it be a file of its own in the master: copy it, and rename the copy over it"}
	case n.flags&extFlagEncrypt != 0:
		return &EditError{Why: "is encrypted"}
	case n.flags&extFlagVerity != 0:
		return &EditError{Why: "is sealed (verity)"}
	case n.flags&(extFlagCompressed|extFlagEAInode) != 0:
		return &EditError{Why: "is compressed or part of another file"}
	}
	return nil
}

func (x *extEdit) replace(path string, content []byte) ([]Patch, error) {
	n, off, err := x.find(path)
	if err != nil {
		return nil, err
	}
	if err := n.simple(); err != nil {
		return nil, err
	}
	inode := append([]byte(nil), n.raw...)
	var out []Patch
	if n.flags&extFlagInline != 0 {
		err = x.intoInode(n, inode, content)
	} else {
		out, err = x.intoBlocks(n, content)
	}
	if err != nil {
		return nil, err
	}
	binary.LittleEndian.PutUint32(inode[4:], uint32(len(content)))
	binary.LittleEndian.PutUint32(inode[0x6c:], 0)
	x.seal(inode, n)
	if _, err := x.parseInode(inode, n.number); err != nil {
		return nil, err
	}
	return append(out, differences(n.raw, inode, off)...), nil
}

// seal writes the checksum of an inode that was changed: crc32c over all of it, its own fields taken for zeros.
func (x *extEdit) seal(b []byte, n *extInode) {
	if x.ro&extMetadataCsum == 0 {
		return
	}
	long := x.inodeSize > 128 && le16(b, 0x80) >= 4
	clear(b[0x7c:0x7e])
	if long {
		clear(b[0x82:0x84])
	}
	sum := crc32c(n.seed, b)
	binary.LittleEndian.PutUint16(b[0x7c:], uint16(sum))
	if long {
		binary.LittleEndian.PutUint16(b[0x82:], uint16(sum>>16))
	}
}

// intoBlocks puts the content into the written blocks of a file, zeros behind it. The last of them must be needed: e2fsck
// takes written blocks behind the end of a file for a fault.
func (x *extEdit) intoBlocks(n *extInode, content []byte) ([]Patch, error) {
	var runs []extRun
	var room, last uint64 // blocks in a row from the start; block behind the last written one
	err := x.mapOf(n, func(r extRun) error {
		if !r.unwritten {
			if r.logical == room {
				room += r.count
				runs = append(runs, r)
			}
			last = r.logical + r.count
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	size := uint64(len(content))
	switch {
	case room == 0:
		return nil, &EditError{Why: "is empty, so it has no block to write to",
			Hint: fmt.Sprintf("let it hold at least %d bytes in the master, of whatever", max(size, 1))}
	case last > MaxEdit/x.bs*2:
		return nil, &EditError{Why: fmt.Sprintf("has %d bytes, too many to be replaced", last*x.bs)}
	case size > room*x.bs:
		return nil, &EditError{Why: fmt.Sprintf("has room for %d bytes and would need %d", room*x.bs, size),
			Hint: fmt.Sprintf("let it hold at least %d bytes in the master, of whatever", size)}
	case size < (last-1)*x.bs || size == 0:
		return nil, &EditError{Why: fmt.Sprintf("has %d bytes of blocks, which cannot be given back for %d bytes", last*x.bs, size),
			Hint: fmt.Sprintf("let it hold between %d and %d bytes in the master", 1, (size+x.bs-1)/x.bs*x.bs)}
	}
	whole := make([]byte, last*x.bs)
	copy(whole, content)
	var out []Patch
	for _, r := range runs {
		part := whole[r.logical*x.bs:]
		part = part[:min(uint64(len(part)), r.count*x.bs)]
		old := make([]byte, len(part))
		if err := x.p.read(old, int64(r.physical*x.bs)); err != nil {
			return nil, err
		}
		out = append(out, differences(old, part, int64(r.physical*x.bs))...)
	}
	return out, nil
}

// intoInode puts the content of a file with inline data into the copy b of its inode: 60 bytes in place of the block
// map, the rest in the value of the attribute system.data, which keeps its place.
func (x *extEdit) intoInode(n *extInode, b, content []byte) error {
	root := b[extBlockMap : extBlockMap+len(n.root)]
	entry, value, err := inlineEntry(b)
	if err != nil {
		return err
	}
	room := len(root) + len(value)
	if len(content) > room || len(content) == 0 {
		return &EditError{Why: fmt.Sprintf("lies in its inode, which has room for %d bytes and would need %d", room, len(content)),
			Hint: fmt.Sprintf("let it hold at least %d bytes in the master, of whatever", max(len(content), 1))}
	}
	clear(root)
	copy(root, content)
	if len(value) == 0 {
		return nil
	}
	clear(value)
	rest := content[min(len(root), len(content)):]
	copy(value, rest)
	if len(rest) == 0 {
		binary.LittleEndian.PutUint16(entry[2:], 0)
	}
	binary.LittleEndian.PutUint32(entry[8:], uint32(len(rest)))
	if le32(entry, 12) != 0 {
		binary.LittleEndian.PutUint32(entry[12:], attributeHash("data", value[:(len(rest)+3)&^3]))
	}
	return nil
}

// inlineEntry finds the attribute system.data of an inode: its entry, and the place of its value up to the next multiple
// of four bytes. See extDir.inlineData for the form.
func inlineEntry(b []byte) (entry, value []byte, err error) {
	start := 128
	if len(b) > 132 {
		start += int(le16(b, 0x80))
	}
	if start+8 > len(b) || le32(b, start) != 0xea020000 {
		return nil, nil, nil
	}
	area := b[start+4:]
	for at := 0; at+16 <= len(area) && le32(area, at) != 0; {
		name := int(area[at])
		if at+16+name > len(area) {
			break
		}
		if area[at+1] == 7 && string(area[at+16:at+16+name]) == "data" {
			off, size := int(le16(area, at+2)), (int64(le32(area, at+8))+3)&^3
			if le32(area, at+4) != 0 || int64(off)+size > int64(len(area)) || size > 0 && off < at+16+name {
				break
			}
			return area[at : at+16], area[off : off+int(size)], nil
		}
		at += 16 + (name+3)&^3
	}
	return nil, nil, notByFile("the attributes of an inode with inline data are not understood")
}

// attributeHash is e_hash of an extended attribute: of its name and of its value in words, the last one padded with zeros.
func attributeHash(name string, value []byte) uint32 {
	var h uint32
	for _, c := range []byte(name) {
		h = h<<5 ^ h>>27 ^ uint32(c)
	}
	for i := 0; i+4 <= len(value); i += 4 {
		h = h<<16 ^ h>>16 ^ le32(value, i)
	}
	return h
}
