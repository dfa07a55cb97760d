package ntfs

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Change is bytes of the volume that would have to be others.
type Change struct {
	Offset int64  // bytes from the start of the volume
	Old    []byte // nil: what lies there means nothing, so all of New must be written
	New    []byte // as long as Old
}

// RoomError says that a file cannot hold that many bytes where it lies.
type RoomError struct{ Room, Need int64 } // bytes

// Error implements error.
func (e *RoomError) Error() string {
	return fmt.Sprintf("has room for %d bytes and would need %d", e.Room, e.Need)
}

// Replace returns the changes that give the unnamed data of f, whose name is in dir, another content: inside its record, or
// inside its clusters; its sizes in the record and in the index of dir. Fix-ups keep their update sequence number, and
// times and journal sequence numbers stay. It fails with *RoomError, or with *DamageError where f is not plain: of a record
// that goes on in others, compressed, encrypted, sparse or of the file system's own.
func (v *Volume) Replace(dir, f *File, content []byte) ([]Change, error) {
	if f.Number < FirstUserFile || f.Find(TypeAttributeList, "") != nil {
		return nil, damaged("record %d of its file table goes on elsewhere", f.Number)
	}
	raw := make([]byte, v.Record)
	if err := v.readRuns(v.mft, raw, int64(f.Number)*v.Record); err != nil {
		return nil, err
	}
	b := bytes.Clone(raw)
	h, err := openRecord(b, f.Number)
	if err != nil {
		return nil, err
	}
	at, err := h.find(b, f.Number, TypeData)
	if err != nil {
		return nil, err
	}
	a, ok := v.parseAttribute(b[at : at+int(le32(b, at+4))])
	if !ok || a.Flags != 0 || a.first != 0 {
		return nil, damaged("its data is compressed, encrypted, sparse or not understood")
	}
	var out []Change
	allocated := (int64(len(content)) + 7) &^ 7
	if a.Resident {
		err = h.resident(b, at, content)
	} else {
		out, err = v.clusters(&a, content)
		allocated = int64(le64(b, at+0x28))
		binary.LittleEndian.PutUint64(b[at+0x30:], uint64(len(content)))
		binary.LittleEndian.PutUint64(b[at+0x38:], uint64(len(content)))
	}
	if err != nil {
		return nil, err
	}
	protect(b)
	record, err := v.inRecord(f.Number, raw, b)
	if err != nil {
		return nil, err
	}
	out = append(out, record...)
	names, err := v.sizes(dir, f, allocated, int64(len(content)))
	return append(out, names...), err
}

// protect is the opposite of unprotect: the last two bytes of each stride go into the update sequence, its number takes
// their place.
func protect(b []byte) {
	at, n := int(le16(b, 4)), int(le16(b, 6))
	for i := 1; i < n; i++ {
		end := b[i*stride-2 : i*stride]
		copy(b[at+2*i:], end)
		copy(end, b[at:at+2])
	}
}

// find returns the offset of the unnamed attribute of a type in an opened record.
func (h header) find(b []byte, number uint64, kind uint32) (int, error) {
	found, pos := -1, h.attrs
	err := h.attributes(b, number, func(raw []byte) error {
		if le32(raw, 0) == kind && raw[9] == 0 && found < 0 {
			found = pos
		}
		pos += len(raw)
		return nil
	})
	if err == nil && found < 0 {
		err = damaged("record %d of its file table has no data", number)
	}
	return found, err
}

// resident puts the content into the record: what follows its attribute moves.
func (h header) resident(b []byte, at int, content []byte) error {
	length, value := int(le32(b, at+4)), int(le16(b, at+0x14))
	if value < 0x18 || value > length {
		return damaged("its data is not understood")
	}
	limit := min(int(le32(b, 0x1c)), len(b)) // bytes of the record that may be used
	want := (value + len(content) + 7) &^ 7
	if h.used+want-length > limit {
		return &RoomError{int64(max(0, limit-h.used+length-value)), int64(len(content))}
	}
	rest := bytes.Clone(b[at+length : h.used])
	clear(b[at+value : max(h.used, h.used+want-length)])
	copy(b[at+value:], content)
	copy(b[at+want:], rest)
	binary.LittleEndian.PutUint32(b[at+4:], uint32(want))
	binary.LittleEndian.PutUint32(b[at+0x10:], uint32(len(content)))
	binary.LittleEndian.PutUint32(b[0x18:], uint32(h.used+want-length))
	return nil
}

// maxReplaced is the largest file that clusters changes, bytes.
const maxReplaced = 1 << 20

// clusters puts the content into the clusters of a, zeros behind it up to the end of those that were in use. What lies
// behind the last cluster that was ever written is unknown, so it is written whole.
func (v *Volume) clusters(a *Attribute, content []byte) ([]Change, error) {
	room := int64(0)
	for _, r := range a.Runs {
		if r.LCN < 0 {
			break
		}
		room += r.Count * v.Cluster
	}
	need := int64(len(content))
	if need > room {
		return nil, &RoomError{room, need}
	}
	if a.Size > maxReplaced || need > maxReplaced {
		return nil, damaged("its data has more than 1 MiB")
	}
	up := func(n int64) int64 { return (n + v.Cluster - 1) / v.Cluster * v.Cluster }
	known := min(up(a.Valid), room)
	whole := make([]byte, max(up(need), known))
	copy(whole, content)
	old := make([]byte, known)
	if err := v.readRuns(a.Runs, old, 0); err != nil {
		return nil, err
	}
	out, err := v.placed(a.Runs, 0, old, whole[:known])
	if err != nil {
		return nil, err
	}
	more, err := v.placed(a.Runs, known, nil, whole[known:])
	return append(out, more...), err
}

// placed are the changes that make old, which lies at off of what runs hold, new.
func (v *Volume) placed(runs []Run, off int64, old, new []byte) ([]Change, error) {
	var out []Change
	for _, r := range runs {
		in := off - r.VCN*v.Cluster
		if len(new) == 0 || in >= r.Count*v.Cluster {
			continue
		}
		if r.LCN < 0 || in < 0 {
			break
		}
		n := min(int64(len(new)), r.Count*v.Cluster-in)
		c := Change{Offset: r.LCN*v.Cluster + in, New: new[:n]}
		if old != nil {
			c.Old, old = old[:n], old[n:]
		}
		out, new, off = append(out, c), new[n:], off+n
	}
	if len(new) > 0 {
		return nil, damaged("a structure ends before its size")
	}
	return out, nil
}

// inRecord are the changes of a record of the file table, and of its copy where there is one: $MFTMirr has four records,
// or as many as one cluster holds.
func (v *Volume) inRecord(number uint64, old, new []byte) ([]Change, error) {
	off := int64(number) * v.Record
	out, err := v.placed(v.mft, off, old, new)
	if err != nil {
		return nil, err
	}
	mirror, err := v.File(RecordMirror)
	if err != nil {
		return nil, err
	}
	data := mirror.Find(TypeData, "")
	if data == nil || data.Resident || data.Size < off+v.Record {
		return out, nil
	}
	second, err := v.placed(data.Runs, off, old, new)
	return append(out, second...), err
}

// sizes are the changes of the copies of a file's sizes in the index of its directory.
func (v *Volume) sizes(dir, f *File, allocated, size int64) ([]Change, error) {
	ref := f.Number | uint64(f.Sequence)<<numberBits
	var out []Change
	err := v.nodes(dir, func(n node) (bool, error) {
		open := bytes.Clone(n.open)
		for _, e := range n.entries {
			if e.ref == ref {
				binary.LittleEndian.PutUint64(open[e.at+entryAllocated:], uint64(allocated))
				binary.LittleEndian.PutUint64(open[e.at+entrySize:], uint64(size))
			}
		}
		if bytes.Equal(open, n.open) {
			return true, nil
		}
		var list []Change
		var err error
		if n.block < 0 {
			list, err = v.inRoot(dir, open)
		} else {
			protect(open)
			list, err = v.placed(dir.Find(typeIndexAllocation, indexName).Runs, n.block, n.raw, open)
		}
		out = append(out, list...)
		return true, err
	})
	return out, err
}

// inRoot are the changes that give the $INDEX_ROOT of a directory another value of the same length. Where it lies in
// another record than the directory's own, the copy of the sizes stays as it is: Windows makes it right when it next
// opens the file.
func (v *Volume) inRoot(dir *File, value []byte) ([]Change, error) {
	raw := make([]byte, v.Record)
	if err := v.readRuns(v.mft, raw, int64(dir.Number)*v.Record); err != nil {
		return nil, err
	}
	b := bytes.Clone(raw)
	h, err := openRecord(b, dir.Number)
	if err != nil {
		return nil, err
	}
	err = h.attributes(b, dir.Number, func(a []byte) error {
		if p, ok := v.parseAttribute(a); ok && p.Type == typeIndexRoot && p.Name == indexName && len(p.Value) == len(value) {
			copy(p.Value, value)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	protect(b)
	return v.inRecord(dir.Number, raw, b)
}
