package ntfs

import (
	"strings"
)

// Types of attributes of directories and of links.
const (
	typeIndexRoot       = 0x90
	typeIndexAllocation = 0xa0
	typeBitmap          = 0xb0
	typeReparsePoint    = 0xc0
)

// indexName is the name of the attributes that hold a directory's names.
const indexName = "$I30"

// maxIndex is the largest index that is searched, bytes.
const maxIndex = 16 << 20

// Sizes of a file in an entry of an index, which holds a copy of its $FILE_NAME from 0x10 on.
const (
	entryAllocated = 0x10 + 0x28
	entrySize      = 0x10 + 0x30
)

// indexEntry is one name in a directory.
type indexEntry struct {
	ref  uint64 // record and, above numberBits, its sequence number
	name string
	at   int // offset of the entry in its node's bytes
}

// entries of the node whose header (0x00 first entry and 0x04 end, both from the header on) lies at b[start:]. An entry: 0x00
// reference, 0x08 length, 0x0a length of the key, 0x0c flags (2: the last, without a name), 0x10 key.
func indexEntries(b []byte, start int) ([]indexEntry, bool) {
	if start+16 > len(b) {
		return nil, false
	}
	at, end := uint64(start)+uint64(le32(b, start)), uint64(start)+uint64(le32(b, start+4))
	if end > uint64(len(b)) {
		return nil, false
	}
	var out []indexEntry
	for at+16 <= end {
		e := b[at:end]
		length, key := int(le16(e, 8)), int(le16(e, 10))
		if le32(e, 12)&2 != 0 {
			return out, true
		}
		if length < 16 || length%8 != 0 || length > len(e) || 16+key > length {
			return nil, false
		}
		n, ok := parseName(e[16 : 16+key])
		if !ok {
			return nil, false
		}
		out = append(out, indexEntry{le64(e, 0), n.Text(), int(at)})
		at += uint64(length)
	}
	return out, false
}

// node is the bytes of a directory that hold entries: the value of $INDEX_ROOT, or one block of $INDEX_ALLOCATION.
type node struct {
	block   int64 // offset in $INDEX_ALLOCATION, bytes; -1 for the root
	raw     []byte
	open    []byte // raw without its fix-ups
	entries []indexEntry
}

// nodes calls yield for the root and for each block in use of a directory's index, until it returns false.
func (v *Volume) nodes(dir *File, yield func(n node) (bool, error)) error {
	bad := damaged("the index of directory %d is not understood", dir.Number)
	root := dir.Find(typeIndexRoot, indexName)
	if root == nil || !root.Resident || len(root.Value) < 32 {
		return bad
	}
	list, ok := indexEntries(root.Value, 16)
	if !ok {
		return bad
	}
	if more, err := yield(node{-1, root.Value, root.Value, list}); err != nil || !more {
		return err
	}
	size := int64(le32(root.Value, 8))
	a, used := dir.Find(typeIndexAllocation, indexName), dir.Find(typeBitmap, indexName)
	if a == nil {
		return nil
	}
	if a.Resident || used == nil || !power2(size) || size < stride || size > maxRecord || a.Size > maxIndex {
		return bad
	}
	count := min(a.Size/size, used.Size*8)
	bits := make([]byte, (count+7)/8)
	if err := v.ReadAttribute(used, bits, 0); err != nil {
		return err
	}
	for i := range count {
		if bits[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		raw := make([]byte, size)
		if err := v.ReadAttribute(a, raw, i*size); err != nil {
			return err
		}
		n := node{block: i * size, raw: raw, open: append([]byte(nil), raw...)}
		if string(raw[:4]) != "INDX" || !unprotect(n.open) {
			return bad
		}
		if n.entries, ok = indexEntries(n.open, 0x18); !ok {
			return bad
		}
		if more, err := yield(n); err != nil || !more {
			return err
		}
	}
	return nil
}

// Lookup finds the file that a directory has under a name, capital letters or not. A nil File: there is none.
func (v *Volume) Lookup(dir *File, name string) (*File, error) {
	var ref uint64
	err := v.nodes(dir, func(n node) (bool, error) {
		for _, e := range n.entries {
			if strings.EqualFold(e.name, name) {
				ref = e.ref
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil || ref == 0 {
		return nil, err
	}
	f, err := v.File(ref & numberMask)
	if err == nil && f.Sequence != uint16(ref>>numberBits) {
		err = damaged("a name leads to record %d of its file table, which holds another file", f.Number)
	}
	return f, err
}

// List returns the names in a directory.
func (v *Volume) List(dir *File) ([]string, error) {
	var out []string
	err := v.nodes(dir, func(n node) (bool, error) {
		for _, e := range n.entries {
			out = append(out, e.name)
		}
		return true, nil
	})
	return out, err
}

// Link says whether a file is a reparse point: a link, or something that a driver of Windows makes a file of.
func (f *File) Link() bool { return f.Find(typeReparsePoint, "") != nil }

// Links is the number of names of a file, short ones that Windows made beside a long one left out.
func (f *File) Links() int { return len(named(f.Names)) }
