package quick

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// fillsAtMost is how many bytes of fills are read beside the sample: journals. More (page files) is left to the reset.
const fillsAtMost = 1 << 30

// draw reads the sample and, beside it, the fills that nobody vouches for: one of them is hashed, the other only compared.
func (l *look) draw() error {
	fills := l.fillsToRead()
	if l.o.Rotates {
		fills = nil
	}
	err := l.beside(func() error {
		right, err := l.readFills(fills)
		l.right = append(l.right, right...)
		return err
	}, l.sample)
	sortExtents(l.right)
	for _, e := range l.right {
		l.v.VouchedBytes += e.Length
	}
	l.v.filled = l.right
	return err
}

// fillsToRead returns the parts of fills that nobody vouches for and nobody has read, nil when they are too many.
func (l *look) fillsToRead() []manifest.Fill {
	var out []manifest.Fill
	left := int64(fillsAtMost)
	sortExtents(l.logs)
	for k, f := range l.m.Fills {
		for _, rest := range l.v.Fill(k) {
			for _, e := range without(rest, l.logs) {
				if left -= e.Length; left < 0 {
					return nil
				}
				f.Extent = e
				out = append(out, f)
			}
		}
	}
	return out
}

func sortExtents(list []manifest.Extent) {
	slices.SortFunc(list, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
}

// readFills returns where the disk holds what the fills should be. What it does not, or what cannot be read, the reset
// finds.
func (l *look) readFills(fills []manifest.Fill) ([]manifest.Extent, error) {
	var right []manifest.Extent
	have, want := disk.Aligned(fillWindow), make([]byte, fillWindow)
	value := byte(0)
	for _, f := range fills {
		if f.Byte != value {
			value = f.Byte
			for i := range want {
				want[i] = value
			}
		}
		for at := f.Offset; at < f.End(); at += fillWindow {
			if err := l.ctx.Err(); err != nil {
				return nil, err
			}
			e := manifest.Extent{Offset: at, Length: min(fillWindow, f.End()-at)}
			if len(l.touching(e.Offset, e.Length)) > 0 || l.readAt(have[:e.Length], e.Offset) != nil {
				continue
			}
			l.v.FillBytes += e.Length
			if bytes.Equal(have[:e.Length], want[:e.Length]) {
				right = append(right, e)
			}
		}
	}
	return right, nil
}

// fillWindow is read and compared at once.
const fillWindow = 4 * chunk.MaxSize
