package volume

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ardoise/ardoise/imaging/volume/lvm"
	"github.com/ardoise/ardoise/masters/manifest"
)

// logical is one logical volume and what was found in it.
type logical struct {
	lvm.Logical
	layout *Layout
}

// lvmVolume is a physical volume whose logical volumes were read.
type lvmVolume struct {
	size    int64
	pv      *lvm.Physical
	logical []logical // ordered by name
}

// readLVM reads a physical volume that is the only one of its group. A logical volume is read like a partition, through
// its segments; what was found in it is then mapped back.
func readLVM(p *pager, _ []byte) (*Layout, error) {
	if p.inner {
		return nil, notTrusted("it is a physical volume of LVM inside a logical volume")
	}
	pv, err := lvm.Read(p, p.size)
	var damaged *lvm.DamagedError
	var unsupported *lvm.UnsupportedError
	if errors.As(err, &damaged) || errors.As(err, &unsupported) {
		return nil, notTrusted("%s", err)
	}
	if err != nil {
		return nil, err
	}
	v := &lvmVolume{size: p.size, pv: pv}
	l := &Layout{Kind: "lvm2", Order: manifest.ByFile, Unit: 512, Label: pv.Group, UUID: pv.UUID,
		Used: pv.Start + p.size - pv.End, Heads: []Extent{{pv.Label, 512}}}
	for _, lv := range pv.Logical {
		inner, err := readLogical(p, lv)
		var refused *RefusedError
		if errors.As(err, &refused) {
			refused.Why = fmt.Sprintf("in logical volume %s/%s %s", pv.Group, lv.Name, refused.Why)
		}
		if err != nil {
			return nil, err
		}
		v.logical = append(v.logical, logical{lv, inner})
		v.add(l, lv, inner)
	}
	l.Fills = joinedFills(l.Fills)
	l.DontCare = joined(l.DontCare)
	l.walk = v.streams
	return l, nil
}

// readLogical reads a logical volume like a partition of its own.
func readLogical(p *pager, lv lvm.Logical) (*Layout, error) {
	inner := newPager(&segments{r: p.r, list: lv.Segments}, lv.Size)
	inner.options, inner.inner = p.options, true
	l, err := read(inner)
	inner.forget()
	if err != nil {
		return nil, err
	}
	walk := l.walk
	l.walk = func(yield func(Stream) error) error {
		defer inner.forget()
		return walk(yield)
	}
	return l, nil
}

// forget gives the memory of the cache back: of many logical volumes one at a time is read.
func (p *pager) forget() {
	clear(p.pages)
	p.used.Init()
}

// add enters what a logical volume has into the layout of the physical one.
func (v *lvmVolume) add(l *Layout, lv lvm.Logical, inner *Layout) {
	l.Used += inner.Used
	if inner.Order != manifest.ByFile {
		l.Order = manifest.ByPosition // never all bytes: free extents are not kept
		l.Reason = sentence(l.Reason, fmt.Sprintf("of its logical volume %s: %s", lv.Name, inner.Reason))
	}
	for _, h := range inner.Heads {
		_ = mapped(lv.Segments, h.Offset, h.Length, func(_, off, n int64) error {
			l.Heads = append(l.Heads, Extent{off, n})
			return nil
		})
	}
	for _, f := range inner.Fills {
		_ = mapped(lv.Segments, f.Offset, f.Length, func(_, off, n int64) error {
			l.Fills = append(l.Fills, Fill{Extent{off, n}, f.Byte})
			return nil
		})
	}
	for _, e := range inner.DontCare {
		_ = mapped(lv.Segments, e.Offset, e.Length, func(_, off, n int64) error {
			l.DontCare = append(l.DontCare, Extent{off, n})
			return nil
		})
	}
}

// maxReason keeps the reasons of many logical volumes to a length that a person reads.
const maxReason = 400

func sentence(have, more string) string {
	switch {
	case have == "":
		return more
	case len(have)+len(more) > maxReason:
		return have
	}
	return have + "; " + more
}

// joinedFills sorts fills and joins those that touch and have the same byte.
func joinedFills(list []Fill) []Fill {
	slices.SortFunc(list, func(a, b Fill) int { return cmp.Compare(a.Offset, b.Offset) })
	out := list[:0]
	for _, f := range list {
		if k := len(out) - 1; k >= 0 && out[k].Byte == f.Byte && out[k].Offset+out[k].Length == f.Offset {
			out[k].Length += f.Length
			continue
		}
		out = append(out, f)
	}
	return out
}

// mapped finds where length bytes at off of a logical volume lie: yield gets the distance from off, the place on the
// physical volume, and how many bytes lie there.
func mapped(list []lvm.Extent, off, length int64, yield func(at, offset, n int64) error) error {
	at, done := int64(0), int64(0)
	for _, s := range list {
		if from := off + done - at; length > done && from >= 0 && from < s.Length {
			n := min(length-done, s.Length-from)
			if err := yield(done, s.Offset+from, n); err != nil {
				return err
			}
			done += n
		}
		at += s.Length
	}
	if done < length {
		return fmt.Errorf("%d bytes at %d lie outside the logical volume", length, off)
	}
	return nil
}

// segments reads a logical volume.
type segments struct {
	r    io.ReaderAt
	list []lvm.Extent
}

// ReadAt implements io.ReaderAt.
func (s *segments) ReadAt(b []byte, off int64) (int, error) {
	done := 0
	err := mapped(s.list, off, int64(len(b)), func(at, offset, n int64) error {
		k, err := s.r.ReadAt(b[at:at+n], offset)
		done += k
		if int64(k) == n {
			return nil
		}
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return err
	})
	return done, err
}

// streams is Layout.Streams: everything that is metadata by its place on the physical volume, then the files of each
// logical volume under its name.
func (v *lvmVolume) streams(yield func(Stream) error) error {
	m, err := v.metadata()
	if err != nil {
		return err
	}
	if err := yield(m); err != nil {
		return err
	}
	for _, lv := range v.logical {
		first := true
		err := lv.layout.walk(func(s Stream) error {
			if first { // the metadata, which went before
				first = false
				return nil
			}
			s, err := lv.moved(s)
			if err != nil {
				return err
			}
			s.Path = lv.Name + "/" + s.Path
			return yield(s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// errEnough ends a walk whose first stream was all that was wanted.
var errEnough = errors.New("enough")

// metadata is one stream: label, metadata areas and what lies behind the last extent, and the metadata of all logical
// volumes. A file system that lies elsewhere on its disk than the master's still shares them, since extents are cut
// like chunks.
func (v *lvmVolume) metadata() (Stream, error) {
	pieces := []Piece{{Length: v.pv.Start}, {At: v.pv.End, Offset: v.pv.End, Length: v.size - v.pv.End}}
	for _, lv := range v.logical {
		err := lv.layout.walk(func(s Stream) error {
			s, err := lv.moved(s)
			for _, p := range s.Pieces {
				pieces = append(pieces, Piece{At: p.Offset, Offset: p.Offset, Length: p.Length})
			}
			return cmp.Or(err, errEnough)
		})
		if err != nil && err != errEnough {
			return Stream{}, err
		}
	}
	slices.SortFunc(pieces, func(a, b Piece) int { return cmp.Compare(a.At, b.At) })
	out := pieces[:0]
	for _, p := range pieces {
		if k := len(out) - 1; k >= 0 && out[k].At+out[k].Length == p.At {
			out[k].Length += p.Length
		} else if p.Length > 0 {
			out = append(out, p)
		}
	}
	return metadata(v.size, out), nil
}

// moved puts the pieces of a stream where they lie on the physical volume.
func (l logical) moved(s Stream) (Stream, error) {
	out := make([]Piece, 0, len(s.Pieces))
	for _, p := range s.Pieces {
		err := mapped(l.Segments, p.Offset, p.Length, func(at, offset, n int64) error {
			out = append(out, Piece{At: p.At + at, Offset: offset, Length: n})
			return nil
		})
		if err != nil {
			return s, err
		}
	}
	s.Pieces = out
	return s, nil
}
