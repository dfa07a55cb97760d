package volume

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Options of Read.
type Options struct {
	AsIs bool // take a volume that is not clean, or whose content is encrypted, as raw bytes instead of refusing it
}

// doubt says that a volume contradicts itself or has something a reader does not know, and how far to step back.
type doubt struct {
	order manifest.Order // ByPosition: the allocation bitmap still holds; Raw: it does not
	why   string         // completes the sentence "..., so it is kept block by block"
}

func (d *doubt) Error() string { return d.why }

func notByFile(format string, a ...any) error {
	return &doubt{order: manifest.ByPosition, why: fmt.Sprintf(format, a...)}
}

func notTrusted(format string, a ...any) error {
	return &doubt{order: manifest.Raw, why: fmt.Sprintf(format, a...)}
}

// readPast is what of the start of a volume is looked at to recognise it: btrfs has its superblock at 64 KiB.
const readPast = 64<<10 + 4096

// Read describes the volume of size bytes that r holds. It fails with *RefusedError where the volume must not be
// captured before a person has done something, and with the error of r where that cannot be read.
func Read(r io.ReaderAt, size int64, o Options) (*Layout, error) {
	p := newPager(r, size)
	p.options = o
	return read(p)
}

func read(p *pager) (*Layout, error) {
	size, o := p.size, p.options
	head := make([]byte, min(max(size, 0), readPast))
	if err := p.read(head, 0); err != nil {
		return nil, err
	}
	kinds := recognise(head, size)
	switch {
	case len(kinds) == 0:
		return rawLayout("raw", size, "it holds no file system that is known", plainHeads(size)), nil
	case len(kinds) > 1 && !kinds[0].secret: // an encrypted volume may show remains of what lay there before
		return rawLayout("raw", size, fmt.Sprintf("it carries the marks of both %s and %s", kinds[0].name, kinds[1].name),
			plainHeads(size)), nil
	}
	k := kinds[0]
	l, err := k.read(p, head)
	var refused *RefusedError
	if errors.As(err, &refused) && o.AsIs {
		return rawLayout(strings.ToLower(refused.Kind), size, "it "+refused.Why+" and was taken as it is", k.heads(size)), nil
	}
	var d *doubt
	if errors.As(err, &d) {
		return rawLayout(k.name, size, d.why, k.heads(size)), nil
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// kind is a sort of volume that is recognised.
type kind struct {
	name  string
	here  func(head []byte, size int64) bool
	read  func(p *pager, head []byte) (*Layout, error)
	heads func(size int64) []Extent // where its magic numbers lie

	secret bool // encrypted
}

func kinds() []kind {
	return []kind{
		{"luks", isLUKS, readLUKS, plainHeads, true},
		{"bitlocker", isBitLocker, readBitLocker, bootHeads, true},
		{"ntfs", isNTFS, readNTFS, bootHeads, false},
		{"exfat", isExFAT, readExFAT, exfatHeads, false},
		{"lvm2", isLVM, readLVM, plainHeads, false},
		{"xfs", isXFS, readXFS, xfsHeads, false},
		{"btrfs", isBtrfs, readBtrfs, btrfsHeads, false},
		{"ext", isExt, readExt, extHeads, false},
		{"swap", isSwap, readSwap, plainHeads, false},
		{"fat", isFAT, readFAT, plainHeads, false},
	}
}

func recognise(head []byte, size int64) []kind {
	var found []kind
	for _, k := range kinds() {
		if k.here(head, size) {
			found = append(found, k)
		}
	}
	return found
}

// plainHeads is the first 4 KiB: where most file systems have their magic number.
func plainHeads(size int64) []Extent { return clip(size, Extent{0, 4096}) }

// bootHeads is a boot sector and its copy in the last sector.
func bootHeads(size int64) []Extent { return clip(size, Extent{0, 512}, Extent{size - 512, 512}) }

// clip cuts extents to a volume of size bytes and drops those that overlap the one before or nothing.
func clip(size int64, list ...Extent) []Extent {
	var out []Extent
	var end int64
	for _, e := range list {
		from, to := max(e.Offset, end), min(e.Offset+e.Length, size)
		if from < to {
			out = append(out, Extent{from, to - from})
			end = to
		}
	}
	return out
}

// rawLayout keeps every byte of a volume as one stream.
func rawLayout(name string, size int64, reason string, heads []Extent) *Layout {
	l := &Layout{Kind: name, Order: manifest.Raw, Reason: reason, Unit: 1, Used: size, Heads: heads}
	l.walk = func(yield func(Stream) error) error {
		return yield(metadata(size, []Piece{{Length: size}}))
	}
	return l
}

// metadata is the stream whose offset is the volume offset.
func metadata(size int64, pieces []Piece) Stream {
	return Stream{Size: size, Length: size, Pieces: pieces}
}

// Bytes is a volume without a file system: all of size bytes but those of skip, which are ordered by offset, as one
// stream. It describes what lies before the first partition, where boot loaders live.
func Bytes(name string, size int64, skip []Extent, heads []Extent) *Layout {
	var pieces []Piece
	var used, at int64
	add := func(to int64) {
		if to > at {
			pieces = append(pieces, Piece{At: at, Offset: at, Length: to - at})
			used += to - at
		}
	}
	for _, e := range skip {
		add(min(e.Offset, size))
		at = max(at, e.Offset+e.Length)
	}
	add(size)
	l := &Layout{Kind: name, Order: manifest.Raw, Unit: 1, Used: used, Heads: heads}
	l.walk = func(yield func(Stream) error) error { return yield(metadata(size, pieces)) }
	return l
}

// blockPieces turns runs of a bitset into metadata pieces; block b lies at base + b*unit. Bytes from end to size follow
// as the last piece: they belong to no block and are kept.
func blockPieces(b *bitset, base, unit, end, size int64, first []Piece) []Piece {
	out := first
	add := func(off, length int64) {
		if k := len(out) - 1; k >= 0 && out[k].Offset+out[k].Length == off {
			out[k].Length += length
		} else if length > 0 {
			out = append(out, Piece{At: off, Offset: off, Length: length})
		}
	}
	_ = b.runs(func(from, n uint64) error {
		add(base+int64(from)*unit, int64(n)*unit)
		return nil
	})
	add(end, size-end)
	return out
}

// joined sorts extents and joins those that touch.
func joined(list []Extent) []Extent {
	sort.Slice(list, func(i, j int) bool { return list[i].Offset < list[j].Offset })
	out := list[:0]
	for _, e := range list {
		if k := len(out) - 1; k >= 0 && out[k].Offset+out[k].Length == e.Offset {
			out[k].Length += e.Length
		} else if e.Length > 0 {
			out = append(out, e)
		}
	}
	return out
}
