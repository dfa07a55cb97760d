package quick

import (
	"bytes"
	"cmp"
	"slices"
	"sync"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ntfsOwn is the number of records that belong to the file system itself, or may.
const ntfsOwn = 64

// tableAhead is how many bytes of the file table are read at a time behind the master's.
const tableAhead = 256 << 10

// ntfsVolume is an NTFS volume that is looked at.
type ntfsVolume struct {
	l    *look
	v    *manifest.Volume
	d    *ntfs.Volume // as it is on the disk
	r    *records
	next uint64 // behind the last record of the master's file table

	mu     sync.Mutex
	differ []int64 // clusters of metadata that differ, in order once all were compared
	lists  []attributeList
}

// attributeList is a file whose list of attributes lies outside of its record.
type attributeList struct {
	number uint64
	runs   []ntfs.Run
}

// ntfs looks at the records of an NTFS volume.
func (l *look) ntfs(i int) error {
	v := &l.m.Volumes[i]
	boot := make([]byte, 2*512)
	if err := l.readAt(boot[:512], v.Start); err != nil {
		return err
	}
	if _, err := l.master(v).ReadAt(boot[512:], 0); err != nil {
		return err
	}
	if !bytes.Equal(boot[:512], boot[512:]) {
		return doubtf("its boot sector is not the master's")
	}
	d, err := ntfs.Open(section{l, v.Start, v.Length}, v.Length)
	if err != nil {
		return doubtf("on the disk, %v", err)
	}
	if d.Records() > uint64(v.Length/d.Record) { // runs that overlap: reading them would never end
		return doubtf("its file table is larger than the volume")
	}
	x := &ntfsVolume{l: l, v: v, d: d, r: &records{same: newBitset(d.Records()), bad: newBitset(d.Records()),
		always: alwaysNTFS, sniff: func(manifest.Name) bool { return false }, table: v.Meta + 1}}
	if err := x.clean(); err != nil {
		return err
	}
	if err := x.inPlace(); err != nil {
		return err
	}
	all := func(manifest.Entry) bool { return true }
	table := comparison{l: l, stream: x.r.table, wants: all, each: x.each}
	if err := table.compare(v); err != nil {
		return err
	}
	if err := x.behind(); err != nil {
		return err
	}
	rest := comparison{l: l, stream: v.Meta, wants: func(manifest.Entry) bool { return false }, each: x.note}
	if err := rest.compare(v); err != nil {
		return err
	}
	slices.Sort(x.differ)
	x.differ = slices.Compact(x.differ)
	for _, a := range x.lists {
		if x.moved(a.runs) {
			x.r.bad.set(a.number)
		}
	}
	l.v.metas.set(uint64(v.Meta))
	l.volumes[i] = x.r
	return nil
}

// clean doubts a volume that Windows has not ended with: what its records say is not all.
func (x *ntfsVolume) clean() error {
	info, err := x.d.Info()
	if err != nil {
		return doubtf("on the disk, %v", err)
	}
	if not := info.Flags & (ntfs.VolumeDirty | ntfs.VolumeChkdskRunning | ntfs.VolumeChkdskChanged); not != 0 {
		return doubtf("it is marked dirty (flags %#04x)", info.Flags)
	}
	log, err := x.d.Log()
	if err != nil {
		return doubtf("on the disk, %v", err)
	}
	switch log {
	case ntfs.LogClean:
		return nil
	case ntfs.LogEmpty:
		return x.blank()
	case ntfs.LogCached:
		return doubtf("it was left by fast startup, hibernation or a power cut")
	case ntfs.LogPending:
		return doubtf("it has changes in its journal that were never made")
	}
	return doubtf("its journal is not understood")
}

// blank notes where a journal lies that was read, all of it, and holds 0xFF alone: what the reset would fill it with.
func (x *ntfsVolume) blank() error {
	f, err := x.d.File(ntfs.RecordLogFile)
	if err != nil {
		return doubtf("on the disk, %v", err)
	}
	a, v := f.Find(ntfs.TypeData, ""), x.l.v
	left := a.Size
	for _, r := range a.Runs {
		e := manifest.Extent{Offset: x.v.Start + r.LCN*x.d.Cluster, Length: min(left, r.Count*x.d.Cluster)}
		if left -= e.Length; e.Length > 0 && len(x.l.touching(e.Offset, e.Length)) == 0 {
			v.blank = append(v.blank, e)
			v.FillBytes += e.Length
		}
	}
	slices.SortFunc(v.blank, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	return nil
}

// inPlace doubts a volume whose file table does not lie where the master's does: it may go on behind it.
func (x *ntfsVolume) inPlace() error {
	runs := x.d.Table()
	first, end := x.l.entryRange(x.v)
	found := false
	for i := first; i < end; i++ {
		e := x.l.m.Chunks.At(i)
		if e.Stream != x.r.table {
			continue
		}
		found = true
		for _, p := range e.Pieces {
			if !holds(runs, int64(e.Index)*chunk.MaxSize+int64(p.At), p.Offset-x.v.Start, int64(p.Length), x.d.Cluster) {
				return doubtf("its file table was moved")
			}
		}
		x.next = max(x.next, (uint64(e.Index)*chunk.MaxSize+uint64(e.Length))/uint64(x.d.Record))
	}
	if !found {
		return doubtf("the master's file table is not known")
	}
	return nil
}

// holds tells whether n bytes at a place of a stream lie at off of the volume.
func holds(runs []ntfs.Run, at, off, n, cluster int64) bool {
	for _, r := range runs {
		from := max(at, r.VCN*cluster)
		to := min(at+n, (r.VCN+r.Count)*cluster)
		if from >= to {
			continue
		}
		if r.LCN < 0 || r.LCN*cluster+from-r.VCN*cluster != off+from-at {
			return false
		}
		n -= to - from
		if from == at {
			at, off = to, off+to-from
		}
	}
	return n == 0
}

// each takes one chunk of the file table.
func (x *ntfsVolume) each(c compared) error {
	size := int(x.d.Record)
	first := uint64(c.e.Index) * chunk.MaxSize / uint64(size)
	for at := 0; at+size <= len(c.want); at += size {
		number := first + uint64(at/size)
		if err := x.record(number, c.have[at:at+size], c.want[at:at+size]); err != nil {
			return err
		}
	}
	return nil
}

// record compares one record, raw.
func (x *ntfsVolume) record(number uint64, have, want []byte) error {
	equal := bytes.Equal(have, want)
	if !equal {
		if p, err := x.d.Part(have, number); err == nil {
			if err := x.asleep(&p); err != nil {
				return err
			}
		}
	}
	p, err := x.d.Part(want, number)
	if err != nil || !p.InUse {
		return nil // no file, or none that was understood when it was captured
	}
	if equal {
		if err := x.asleep(&p); err != nil {
			return err
		}
	}
	switch {
	case p.Extends:
		if !equal {
			x.r.bad.add(p.Base)
		}
		return nil
	case !equal:
		return nil
	}
	x.r.same.add(number)
	for i := range p.Attributes {
		if a := &p.Attributes[i]; a.Type == ntfs.TypeAttributeList && !a.Resident {
			x.mu.Lock()
			x.lists = append(x.lists, attributeList{number, a.Runs})
			x.mu.Unlock()
		}
	}
	return nil
}

// asleep doubts a volume on which a record of the disk is the hibernation file of a Windows that sleeps.
func (x *ntfsVolume) asleep(p *ntfs.Part) error {
	if !p.InUse || p.Extends || !p.InRoot("hiberfil.sys") {
		return nil
	}
	for i := range p.Attributes {
		a := &p.Attributes[i]
		if a.Type != ntfs.TypeData || a.Name != "" {
			continue
		}
		b := make([]byte, ntfs.HibernationHeader)
		if a.Size >= int64(len(b)) {
			if err := x.d.ReadAttribute(a, b, 0); err != nil {
				return doubtf("on the disk, %v", err)
			}
			if !ntfs.Hibernated(b) {
				return nil
			}
		}
		return doubtf("it holds a hibernated Windows")
	}
	return nil
}

// behind looks for the hibernation file in the part of the file table that the master does not have.
func (x *ntfsVolume) behind() error {
	per := uint64(tableAhead / x.d.Record)
	b := make([]byte, tableAhead)
	for first := x.next; first < x.d.Records(); first += per {
		if err := x.l.ctx.Err(); err != nil {
			return err
		}
		n := min(per, x.d.Records()-first)
		part := b[:int64(n)*x.d.Record]
		if err := x.d.ReadTable(part, first); err != nil {
			return doubtf("on the disk, %v", err)
		}
		for i := range n {
			p, err := x.d.Part(part[int64(i)*x.d.Record:][:x.d.Record], first+i)
			if err != nil {
				continue // no record that Windows would understand
			}
			if err := x.asleep(&p); err != nil {
				return err
			}
		}
	}
	return nil
}

// note takes one chunk of metadata and marks the clusters that differ.
func (x *ntfsVolume) note(c compared) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	base := int64(c.e.Index) * chunk.MaxSize
	const step = 512 // a cluster has at least as much
	for at := int64(0); at < int64(len(c.want)); at += step {
		end := min(at+step, int64(len(c.want)))
		if !bytes.Equal(c.have[at:end], c.want[at:end]) {
			if c := (base + at) / x.d.Cluster; len(x.differ) == 0 || x.differ[len(x.differ)-1] != c {
				x.differ = append(x.differ, c)
			}
		}
	}
	return nil
}

// moved tells whether a cluster of runs differs.
func (x *ntfsVolume) moved(runs []ntfs.Run) bool {
	for _, r := range runs {
		if r.LCN < 0 {
			return true
		}
		i, found := slices.BinarySearch(x.differ, r.LCN)
		if found || i < len(x.differ) && x.differ[i] < r.LCN+r.Count {
			return true
		}
	}
	return false
}
