package volume

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/imaging/volume/exfat"
	"github.com/ardoise/ardoise/masters/manifest"
)

func isExFAT(head []byte, _ int64) bool {
	return hasAt(head, 3, "EXFAT   ") && hasAt(head, 510, "\x55\xaa")
}

// exfatHeads is the boot sector and the one of the backup boot region, 12 sectors on, for 512-byte and 4096-byte ones.
func exfatHeads(size int64) []Extent {
	return clip(size, Extent{0, 512}, Extent{12 * 512, 512}, Extent{12 * 4096, 512})
}

// exfatLayout reads exFAT.
type exfatLayout struct {
	v      *exfat.Volume
	p      *pager
	left   *bitset // allocated clusters that no file owns and that are not bad: in the end the metadata
	bad    *bitset
	meta   *bitset // of left, clusters known to be metadata; nil after the first walk
	unread []Extent
}

func readExFAT(p *pager, _ []byte) (*Layout, error) {
	v, err := exfat.Open(p, p.size)
	if err != nil {
		return nil, exfatDoubt(err, manifest.Raw)
	}
	f := &exfatLayout{v: v, p: p}
	l := &Layout{Kind: "exfat", Order: manifest.ByFile, Unit: int(v.ClusterSize), Label: v.Label,
		UUID:  fmt.Sprintf("%04X-%04X", v.Serial>>16, v.Serial&0xffff),
		Heads: clip(p.size, Extent{0, 512}, Extent{12 * v.SectorSize, 512})}
	if err := f.prepare(); err != nil {
		return f.stepBack(l, exfatDoubt(err, manifest.Raw))
	}
	l.Used = f.used()
	f.meta = newBitset(uint64(v.Clusters))
	err = v.CheckUpcase()
	for _, own := range []exfat.File{v.Bitmap(), v.Upcase()} {
		if err == nil {
			err = v.Walk(own, func(_ uint64, cluster uint32) (bool, error) { return true, f.claimMeta(cluster) })
		}
	}
	if err == nil {
		err = f.walk(f.claimFile)
	}
	if err != nil {
		return f.stepBack(l, exfatDoubt(err, manifest.ByPosition))
	}
	f.meta = nil
	l.DontCare, l.walk = f.unread, f.streams
	return l, nil
}

// exfatDoubt gives an error of the parser its weight: order is how far to step back from damage.
func exfatDoubt(err error, order manifest.Order) error {
	var unsupported *exfat.UnsupportedError
	var damage *exfat.DamageError
	var dirty *exfat.DirtyError
	switch {
	case errors.As(err, &unsupported):
		return notTrusted("%s", unsupported)
	case errors.As(err, &damage):
		return &doubt{order: order, why: damage.Why}
	case errors.As(err, &dirty):
		return &RefusedError{Kind: "exFAT", Why: dirty.Why, Hint: dirty.Hint}
	}
	return err
}

// end is the first byte behind the last cluster.
func (f *exfatLayout) end() int64 { return f.v.Offset(f.v.Clusters) }

// used is the bytes of clusters in use, bad ones included, and what lies before and behind the clusters.
func (f *exfatLayout) used() int64 {
	used := f.v.Heap + int64(f.left.count(0, uint64(f.v.Clusters)))*f.v.ClusterSize + f.p.size - f.end()
	for _, e := range f.unread {
		used += e.Length
	}
	return used
}

// prepare reads what is allocated. A bad cluster that the bitmap calls used, as it should, is don't-care.
func (f *exfatLayout) prepare() error {
	n := uint64(f.v.Clusters)
	f.left, f.bad, f.unread = newBitset(n), newBitset(n), nil
	if err := f.v.Allocated(func(cluster uint32) { f.left.set(uint64(cluster)) }); err != nil {
		return err
	}
	if err := f.v.Bad(func(cluster uint32) error {
		f.bad.set(uint64(cluster))
		if f.left.has(uint64(cluster)) {
			f.left.clearRange(uint64(cluster), 1)
			f.unread = append(f.unread, Extent{f.v.Offset(cluster), f.v.ClusterSize})
		}
		return nil
	}); err != nil {
		return err
	}
	f.unread = joined(f.unread)
	return nil
}

// claimMeta marks a cluster of a directory, the bitmap or the up-case table. Each is part of one only: no loop can come
// from it.
func (f *exfatLayout) claimMeta(cluster uint32) error {
	if f.meta == nil {
		return nil
	}
	if n := uint64(cluster); !f.left.has(n) || f.meta.has(n) {
		return f.conflict(cluster)
	}
	f.meta.set(uint64(cluster))
	return nil
}

// claimFile gives the clusters of a file their owner. What a chain has more than the file needs stays metadata.
func (f *exfatLayout) claimFile(e exfat.File, _ string) error {
	need := f.v.Need(e)
	return f.v.Walk(e, func(i uint64, cluster uint32) (bool, error) {
		if i >= need {
			return true, f.claimMeta(cluster)
		}
		if n := uint64(cluster); !f.left.has(n) || f.meta.has(n) {
			return false, f.conflict(cluster)
		}
		f.left.clearRange(uint64(cluster), 1)
		return true, nil
	})
}

// conflict says what is wrong with a cluster that could not be claimed: it is free or bad, or has two owners.
func (f *exfatLayout) conflict(cluster uint32) error {
	free := true
	if err := f.v.Allocated(func(c uint32) { free = free && c != cluster }); err != nil {
		return err
	}
	if free || f.bad.has(uint64(cluster)) {
		return notTrusted("cluster %d is in use but marked free or bad", cluster+2)
	}
	return notByFile("cluster %d belongs to two files", cluster+2)
}

// stepBack describes the volume more coarsely after a doubt.
func (f *exfatLayout) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, f.p.size, d.why, l.Heads)
	r.Label, r.UUID = l.Label, l.UUID
	if d.order != manifest.ByPosition {
		return r, nil
	}
	if err := f.prepare(); err != nil { // again: the first one was spent on owners
		return r, nil
	}
	r.Order, r.Unit, r.Used, r.DontCare = manifest.ByPosition, l.Unit, f.used(), f.unread
	r.walk = func(yield func(Stream) error) error { return yield(f.metadata()) }
	return r, nil
}

func (f *exfatLayout) metadata() Stream {
	first := []Piece{{Length: f.v.Heap}}
	return metadata(f.p.size, blockPieces(f.left, f.v.Heap, f.v.ClusterSize, f.end(), f.p.size, first))
}

// streams is Layout.Streams: metadata, then files in path order.
func (f *exfatLayout) streams(yield func(Stream) error) error {
	if err := yield(f.metadata()); err != nil {
		return err
	}
	return f.walk(func(e exfat.File, path string) error {
		need := f.v.Need(e)
		if need == 0 {
			return nil
		}
		// What lies behind ValidDataLength reads as zeros in Windows and as it lies in older Linux: it is kept as it lies.
		s := Stream{Number: uint64(e.First), Path: path, Size: int64(e.Size), Length: int64(need) * f.v.ClusterSize,
			ZeroTail: true}
		if err := f.v.Walk(e, func(i uint64, cluster uint32) (bool, error) {
			if i >= need {
				return false, nil
			}
			s.add(Piece{At: int64(i) * f.v.ClusterSize, Offset: f.v.Offset(cluster), Length: f.v.ClusterSize})
			return true, nil
		}); err != nil {
			return err
		}
		return yield(s)
	})
}

// walk calls file for each file in path order.
func (f *exfatLayout) walk(file func(e exfat.File, path string) error) error {
	w := &exfatWalk{f: f, file: file}
	return w.dir(f.v.Root(), 0)
}

type exfatWalk struct {
	f    *exfatLayout
	file func(e exfat.File, path string) error
	path []byte
}

func (w *exfatWalk) dir(dir exfat.File, depth int) error {
	if depth > maxDepth {
		return notByFile("its directories lie too deep in each other")
	}
	var list []exfat.File
	if err := w.f.v.ReadDir(dir, w.f.claimMeta, func(e exfat.File) error {
		list = append(list, e)
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(list, func(a, b exfat.File) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), cmp.Compare(a.First, b.First))
	})
	base := len(w.path)
	for _, e := range list {
		w.path = w.path[:base]
		if base > 0 {
			w.path = append(w.path, '/')
		}
		w.path = append(w.path, e.Name...)
		var err error
		if e.Dir {
			err = w.dir(e, depth+1)
		} else {
			err = w.file(e, string(w.path))
		}
		if err != nil {
			return err
		}
	}
	w.path = w.path[:base]
	return nil
}
