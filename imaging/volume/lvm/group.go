package lvm

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

const (
	maxExtents = 1 << 40 // of a physical volume
	maxSectors = 1 << 54 // so that bytes fit
)

// known reports whether all status flags are such that the place of no byte depends on them.
func known(s section, what string, flags ...string) error {
	list, ok := s.words("status")
	if !ok {
		return damaged("metadata", "has a status that is not understood")
	}
	for _, f := range list {
		if !slices.Contains(flags, f) {
			return unsupported("%s has the status %.40q", what, f)
		}
	}
	return nil
}

// group reads the text of the volume group.
func (p *Physical) group(text []byte, size int64) error {
	all, err := parseText(text)
	if err != nil {
		return err
	}
	if all.text("contents") != "Text Format Volume Group" || all.values["version"] != int64(1) {
		return unsupported("its metadata are not of format 1")
	}
	var vg section
	for _, k := range all.keys {
		if s, ok := all.sub(k); ok {
			if p.Group != "" {
				return damaged("metadata", "describes two volume groups")
			}
			p.Group, vg = k, s
		}
	}
	if p.Group == "" {
		return damaged("metadata", "describes no volume group")
	}
	if err := known(vg, "its volume group", "RESIZEABLE", "READ", "WRITE", "EXPORTED"); err != nil {
		return err
	}
	if f := vg.text("format"); f != "" && f != "lvm2" {
		return unsupported("its volume group is of format %.40q", f)
	}
	sectors, err := vg.number("extent_size", maxSectors)
	if err != nil {
		return err
	}
	if p.ExtentSize = sectors * sector; sectors == 0 {
		return damaged("metadata", "has extents of no size")
	}
	id, err := p.place(vg, size)
	if err != nil {
		return err
	}
	return p.logicals(vg, id)
}

// place finds this physical volume in the group and returns the name that segments call it.
func (p *Physical) place(vg section, size int64) (string, error) {
	pvs, _ := vg.sub("physical_volumes")
	if len(pvs.keys) != 1 {
		return "", unsupported("its volume group spans %d physical volumes", len(pvs.keys))
	}
	name := pvs.keys[0]
	pv, ok := pvs.sub(name)
	if !ok || pv.text("id") != p.UUID {
		return "", damaged("metadata", "describes another physical volume")
	}
	if err := known(pv, "its physical volume", "ALLOCATABLE", "EXPORTED"); err != nil {
		return "", err
	}
	start, err := pv.number("pe_start", maxSectors)
	if err != nil {
		return "", err
	}
	count, err := pv.number("pe_count", maxExtents)
	if err != nil {
		return "", err
	}
	p.Start = start * sector
	if p.Start <= p.Label || p.Start > size || count > (size-p.Start)/p.ExtentSize {
		return "", damaged("metadata", "puts extents outside the volume")
	}
	p.End = p.Start + count*p.ExtentSize
	return name, nil
}

// logicals reads all logical volumes and makes sure that no extent belongs to two.
func (p *Physical) logicals(vg section, pv string) error {
	lvs, _ := vg.sub("logical_volumes")
	var all []Extent
	for _, name := range lvs.keys {
		s, ok := lvs.sub(name)
		if !ok {
			return damaged("metadata", "has %.40q among its logical volumes", name)
		}
		l, err := p.logical(name, s, pv)
		if err != nil {
			return err
		}
		p.Logical = append(p.Logical, l)
		all = append(all, l.Segments...)
	}
	slices.SortFunc(p.Logical, func(a, b Logical) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(all, func(a, b Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(all); i++ {
		if all[i-1].Offset+all[i-1].Length > all[i].Offset {
			return damaged("metadata", "gives extents to two logical volumes")
		}
	}
	return nil
}

// logical reads one logical volume: its segments follow each other without a gap.
func (p *Physical) logical(name string, s section, pv string) (Logical, error) {
	l := Logical{Name: name, UUID: s.text("id")}
	err := known(s, "logical volume "+name, "READ", "WRITE", "VISIBLE", "FIXED_MINOR")
	if err != nil {
		return l, err
	}
	count, err := s.number("segment_count", 1<<20)
	if err != nil {
		return l, err
	}
	for i := int64(1); i <= count; i++ {
		seg, ok := s.sub(fmt.Sprintf("segment%d", i))
		if !ok {
			return l, damaged("metadata", "lacks segment %d of %s", i, name)
		}
		e, err := p.segment(name, seg, pv, l.Size)
		if err != nil {
			return l, err
		}
		l.Size += e.Length
		if k := len(l.Segments) - 1; k >= 0 && l.Segments[k].Offset+l.Segments[k].Length == e.Offset {
			l.Segments[k].Length += e.Length
			continue
		}
		l.Segments = append(l.Segments, e)
	}
	if l.Size == 0 {
		return l, damaged("metadata", "has %s without an extent", name)
	}
	return l, nil
}

// segment reads one linear segment, which is a stripe of one.
func (p *Physical) segment(name string, s section, pv string, from int64) (Extent, error) {
	kind := s.text("type")
	if kind != "striped" && kind != "linear" {
		return Extent{}, unsupported("logical volume %s is of type %.40q", name, kind)
	}
	extents := (p.End - p.Start) / p.ExtentSize
	start, err := s.number("start_extent", extents)
	if err != nil {
		return Extent{}, err
	}
	count, err := s.number("extent_count", extents)
	if err != nil {
		return Extent{}, err
	}
	stripes, _ := s.values["stripes"].([]any)
	if n := s.values["stripe_count"]; n != int64(1) || len(stripes) != 2 {
		return Extent{}, unsupported("logical volume %s is striped", name)
	}
	first, ok := stripes[1].(int64)
	if stripes[0] != pv || !ok || first < 0 || first > extents-count {
		return Extent{}, damaged("metadata", "puts %s on extents that are not there", name)
	}
	if count == 0 || start*p.ExtentSize != from {
		return Extent{}, damaged("metadata", "has segments of %s that do not follow each other", name)
	}
	return Extent{p.Start + first*p.ExtentSize, count * p.ExtentSize}, nil
}
