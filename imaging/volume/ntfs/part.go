package ntfs

import "slices"

// Part is one record of the file table by itself.
type Part struct {
	InUse      bool
	Base       uint64 // number of the record that this one extends, where Extends is set
	Extends    bool
	Names      []Name
	Attributes []Attribute // of this record alone: parts of longer ones begin where they begin
}

// Part reads one record from its bytes, which are not changed. It fails with *DamageError.
func (g *Geometry) Part(raw []byte, number uint64) (Part, error) {
	if int64(len(raw)) != g.Record {
		return Part{}, damaged("record %d of its file table has %d bytes", number, len(raw))
	}
	b := slices.Clone(raw)
	h, err := openRecord(b, number)
	if err != nil {
		return Part{}, err
	}
	p := Part{InUse: h.flags&recordInUse != 0, Base: h.base, Extends: h.extends}
	v, f := Volume{Geometry: *g}, File{Number: number}
	err = v.collect(&f, h, b, number)
	p.Names, p.Attributes = f.Names, f.Attributes
	return p, err
}

// InRoot says whether one of the names lies in the root directory and is name, capital letters or not.
func (p *Part) InRoot(name string) bool { return (&File{Names: p.Names}).InRoot(name) }

// Table is where the file table lies.
func (v *Volume) Table() []Run { return slices.Clone(v.mft) }

// ReadTable reads whole records as they lie, from record first on.
func (v *Volume) ReadTable(b []byte, first uint64) error {
	n := uint64(int64(len(b)) / v.Record)
	if first > v.records || n > v.records-first {
		return damaged("records behind the end of its file table")
	}
	return v.readRuns(v.mft, b, int64(first)*v.Record)
}
