package ntfs

import (
	"cmp"
	"slices"
)

// File is one file or directory: its base record and what its extension records add.
type File struct {
	Number     uint64 // of its base record
	Sequence   uint16
	Directory  bool
	Names      []Name
	Attributes []Attribute // ordered by type and name
}

// Find returns an attribute, or nil.
func (f *File) Find(kind uint32, name string) *Attribute {
	for i := range f.Attributes {
		if a := &f.Attributes[i]; a.Type == kind && a.Name == name {
			return a
		}
	}
	return nil
}

// maxList is the largest $ATTRIBUTE_LIST that Windows makes, in bytes.
const maxList = 256 << 10

// build fills f from its base record, already opened, and its extension records.
func (v *Volume) build(f *File, h header, b []byte) error {
	f.Sequence, f.Directory = h.sequence, h.flags&recordDirectory != 0
	if err := v.collect(f, h, b, f.Number); err != nil {
		return err
	}
	if list := f.Find(TypeAttributeList, ""); list != nil {
		others, err := v.extensions(f.Number, list)
		if err != nil {
			return err
		}
		for _, e := range others {
			if err := v.extend(f, e.record); err != nil {
				return err
			}
		}
	}
	return f.join()
}

// collect adds the attributes of one opened record to f.
func (v *Volume) collect(f *File, h header, b []byte, number uint64) error {
	return h.attributes(b, number, func(raw []byte) error {
		a, ok := v.parseAttribute(raw)
		if !ok {
			return damaged("an attribute in record %d of its file table is not understood", number)
		}
		if a.Type == TypeFileName {
			n, ok := parseName(a.Value)
			if !ok {
				return damaged("a name in record %d of its file table is not understood", number)
			}
			f.Names = append(f.Names, n)
		}
		f.Attributes = append(f.Attributes, a)
		return nil
	})
}

// extend adds the attributes of extension record number, which must say that it belongs to f.
func (v *Volume) extend(f *File, number uint64) error {
	b := make([]byte, v.Record)
	h, err := v.open(b, number)
	if err != nil {
		return err
	}
	if h.flags&recordInUse == 0 || !h.extends || h.base != f.Number {
		return damaged("record %d of its file table goes on in record %d, which belongs to something else", f.Number, number)
	}
	return v.collect(f, h, b, number)
}

// listed is one entry of an attribute list.
type listed struct {
	kind   uint32
	vcn    uint64
	record uint64
}

// entries decodes the attribute list of record number (0x00 type, 0x04 length, 0x08 first VCN, 0x10 record).
func (v *Volume) entries(number uint64, list *Attribute) ([]listed, error) {
	if list.Size > maxList {
		return nil, damaged("the attribute list of record %d has %d bytes", number, list.Size)
	}
	b := make([]byte, list.Size)
	if err := v.ReadAttribute(list, b, 0); err != nil {
		return nil, err
	}
	var out []listed
	for len(b) >= 26 {
		length := int(le16(b, 4))
		if length < 26 || length > len(b) {
			return nil, damaged("the attribute list of record %d is not understood", number)
		}
		out = append(out, listed{le32(b, 0), le64(b, 8), le64(b, 16) & numberMask})
		b = b[length:]
	}
	return out, nil
}

// extensions are the records that an attribute list names besides its own, each once.
func (v *Volume) extensions(number uint64, list *Attribute) ([]listed, error) {
	all, err := v.entries(number, list)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e listed) bool { return e.record == number })
	slices.SortFunc(all, func(a, b listed) int { return cmp.Compare(a.record, b.record) })
	return slices.CompactFunc(all, func(a, b listed) bool { return a.record == b.record }), nil
}

// join puts the parts of each non-resident attribute together.
func (f *File) join() error {
	slices.SortStableFunc(f.Attributes, func(a, b Attribute) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name), cmp.Compare(a.first, b.first))
	})
	out := f.Attributes[:0]
	for _, a := range f.Attributes {
		if a.Resident || a.first == 0 {
			out = append(out, a)
			continue
		}
		k := len(out) - 1
		if k < 0 || out[k].Type != a.Type || out[k].Name != a.Name || out[k].Resident || out[k].Clusters() != a.first {
			return damaged("a part of an attribute of record %d of its file table is missing", f.Number)
		}
		out[k].Runs = append(out[k].Runs, a.Runs...)
	}
	f.Attributes = out
	return nil
}
