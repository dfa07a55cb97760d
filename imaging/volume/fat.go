package volume

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ardoise/ardoise/masters/manifest"
)

// fat reads FAT12, FAT16 and FAT32. Clusters are counted from 0 here, two less than on the volume.
type fat struct {
	p         *pager
	width     int   // bits of an entry: 12, 16 or 32
	fat       int64 // bytes from the start of the volume to the first table
	tableSize int64 // bytes
	tables    int64 // copies
	root      int64 // FAT12 and FAT16: where the root directory lies
	rootSize  int64 // bytes
	rootChain uint32
	data      int64 // first byte of the first cluster
	cluster   int64 // bytes
	clusters  uint32
	state     byte // BS_Reserved1: bit 0 is set by Linux and Windows while mounted
	backup    int64
	label     string
	serial    uint32
	left      *bitset // allocated clusters that no file owns: in the end the metadata
	meta      *bitset // of these, clusters known to be metadata; nil after the first walk
	unread    []Extent
}

// fatGeometry is the BPB (FAT specification, "Boot Sector and BPB"); ok is false where it cannot be one.
func fatGeometry(b []byte, size int64) (*fat, bool) {
	if len(b) < 512 || b[510] != 0x55 || b[511] != 0xaa || b[0] != 0xeb && b[0] != 0xe9 {
		return nil, false
	}
	sector, perCluster := int64(le16(b, 11)), int64(b[13])
	reserved, tables, entries := int64(le16(b, 14)), int64(b[16]), int64(le16(b, 17))
	total, perTable := int64(le16(b, 19)), int64(le16(b, 22))
	if total == 0 {
		total = int64(le32(b, 32))
	}
	f := &fat{tables: tables, rootChain: 0}
	wide := perTable == 0
	ext := 36 // BS_DrvNum and what follows it
	if wide {
		perTable, f.rootChain, ext = int64(le32(b, 36)), le32(b, 44), 64
		f.backup = int64(le16(b, 50)) * sector
	}
	if sector < 512 || sector > 4096 || sector&(sector-1) != 0 || perCluster == 0 || perCluster&(perCluster-1) != 0 ||
		reserved == 0 || tables == 0 || tables > 4 || perTable == 0 || b[21] < 0xf0 || wide != (entries == 0) {
		return nil, false
	}
	f.fat, f.tableSize, f.cluster = reserved*sector, perTable*sector, sector*perCluster
	f.root = f.fat + tables*f.tableSize
	f.rootSize = (entries*32 + sector - 1) / sector * sector
	f.data = f.root + f.rootSize
	if f.data >= total*sector || total*sector > size {
		return f, false
	}
	count := (total*sector - f.data) / f.cluster
	f.width = 12
	switch {
	case wide: // what Linux and UEFI go by
		f.width = 32
	case count >= 4085:
		f.width = 16
	}
	if count == 0 || count >= 0x0ffffff5 || f.width == 16 && count >= 65525 ||
		(count+2)*int64(f.width) > f.tableSize*8 {
		return f, false
	}
	f.clusters, f.state = uint32(count), b[ext+1]
	if b[ext+2] == 0x29 {
		f.serial, f.label = le32(b, ext+3), cString(b[ext+7:ext+18])
	}
	return f, true
}

func isFAT(head []byte, size int64) bool {
	if isBitLocker(head, size) { // To Go wears the boot sector of FAT32
		return false
	}
	_, ok := fatGeometry(head, size)
	return ok
}

func readFAT(p *pager, head []byte) (*Layout, error) {
	f, _ := fatGeometry(head, p.size)
	f.p = p
	l := &Layout{Kind: fmt.Sprintf("fat%d", f.width), Order: manifest.ByFile, Unit: int(f.cluster), Label: f.label,
		Heads: clip(p.size, Extent{0, 512})}
	if f.serial != 0 {
		l.UUID = fmt.Sprintf("%04X-%04X", f.serial>>16, f.serial&0xffff)
	}
	if f.width == 32 && f.backup > 0 {
		l.Heads = clip(p.size, Extent{0, 512}, Extent{f.backup, 512})
	}
	if err := f.prepare(); err != nil {
		return f.stepBack(l, err)
	}
	l.Used = f.used(f.left)
	f.meta = newBitset(uint64(f.clusters))
	if err := f.walk(f.claimFile); err != nil {
		return f.stepBack(l, err)
	}
	f.meta = nil
	if f.label != "" && f.label != "NO NAME" {
		l.Label = f.label
	} else {
		l.Label = ""
	}
	l.DontCare = joined(f.unread)
	l.walk = f.streams
	return l, nil
}

// end is the first byte behind the last cluster.
func (f *fat) end() int64 { return f.data + int64(f.clusters)*f.cluster }

func (f *fat) used(allocated *bitset) int64 {
	used := f.data + int64(allocated.count(0, uint64(f.clusters)))*f.cluster + f.p.size - f.end()
	for _, e := range f.unread {
		used += e.Length
	}
	return used
}

// prepare compares the copies of the table, looks whether the volume was unmounted, and reads what is allocated.
func (f *fat) prepare() error {
	one, other := make([]byte, pageSize), make([]byte, pageSize)
	for off := int64(0); off < f.tableSize; off += pageSize {
		n := min(pageSize, f.tableSize-off)
		if err := f.p.direct(one[:n], f.fat+off); err != nil {
			return err
		}
		for c := int64(1); c < f.tables; c++ {
			if err := f.p.direct(other[:n], f.fat+c*f.tableSize+off); err != nil {
				return err
			}
			if !bytes.Equal(one[:n], other[:n]) {
				return notTrusted("the copies of its allocation table differ")
			}
		}
	}
	mark, err := f.entry(1)
	if err != nil {
		return err
	}
	clean := uint32(0) // both bits set: unmounted, no errors (FAT specification, "FAT Data Structure")
	switch f.width {
	case 16:
		clean = 0xc000
	case 32:
		clean = 0x0c000000
	}
	if mark&clean != clean || f.state&1 != 0 {
		return &RefusedError{Kind: fmt.Sprintf("fat%d", f.width), Why: "was not unmounted cleanly",
			Hint: "start its system and shut it down in the ordinary way, or run fsck.fat -a on it, then capture again"}
	}
	f.left = newBitset(uint64(f.clusters))
	for n := range f.clusters {
		switch v, err := f.entry(n + 2); {
		case err != nil:
			return err
		case v == f.special(7):
			f.unread = append(f.unread, Extent{f.data + int64(n)*f.cluster, f.cluster})
		case v != 0:
			f.left.set(uint64(n))
		}
	}
	return nil
}

// special returns the entry ..F0+low: 7 a bad cluster, 8 and more the end of a chain.
func (f *fat) special(low uint32) uint32 {
	if f.width == 32 { // the four bits above are reserved
		return 0x0ffffff0 + low
	}
	return 1<<f.width - 16 + low
}

// entry returns entry n of the first table, where clusters begin at 2.
func (f *fat) entry(n uint32) (uint32, error) {
	var b [4]byte
	size := int64(f.width+7) / 8
	err := f.p.read(b[:size], f.fat+int64(n)*int64(f.width)/8)
	v := le32(b[:], 0)
	switch {
	case f.width == 12 && n%2 == 1:
		v >>= 4
	case f.width == 12:
		v &= 0xfff
	}
	return v & 0x0fffffff, err
}

// chain follows the clusters from first on to the end of the chain and gives visit the number in the chain and the
// cluster, counted from 0. visit may end it early by returning false.
func (f *fat) chain(first uint32, visit func(i int64, cluster uint32) (bool, error)) error {
	for i, n := int64(0), first; n < f.special(8); i++ {
		if n < 2 || n-2 >= f.clusters || i >= int64(f.clusters) {
			return notByFile("a chain of clusters runs to cluster %d, which cannot be", n)
		}
		more, err := visit(i, n-2)
		if err != nil || !more {
			return err
		}
		if n, err = f.entry(n); err != nil {
			return err
		}
	}
	return nil
}

// claimDir marks a cluster of a directory; each belongs to one chain only, so no loop can come from it.
func (f *fat) claimDir(cluster uint32) error {
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
func (f *fat) claimFile(e fatEntry, _ string) error {
	need, have := f.need(e), int64(0)
	if e.first == 0 {
		if need > 0 {
			return notByFile("a file of %d bytes has no clusters", e.size)
		}
		return nil
	}
	err := f.chain(e.first, func(i int64, cluster uint32) (bool, error) {
		if i >= need {
			return true, f.claimDir(cluster)
		}
		have++
		if n := uint64(cluster); !f.left.has(n) || f.meta.has(n) {
			return false, f.conflict(cluster)
		}
		f.left.clearRange(uint64(cluster), 1)
		return true, nil
	})
	if err == nil && have < need {
		return notByFile("a file of %d bytes has only %d clusters", e.size, have)
	}
	return err
}

func (f *fat) need(e fatEntry) int64 { return (int64(e.size) + f.cluster - 1) / f.cluster }

// conflict says what is wrong with a cluster that could not be claimed.
func (f *fat) conflict(cluster uint32) error {
	v, err := f.entry(cluster + 2)
	if err != nil {
		return err
	}
	if v == 0 || v == f.special(7) {
		return notTrusted("cluster %d is in use but marked free or bad", cluster+2)
	}
	return notByFile("cluster %d belongs to two files", cluster+2)
}

// stepBack describes the volume more coarsely after a doubt.
func (f *fat) stepBack(l *Layout, err error) (*Layout, error) {
	var d *doubt
	if !errors.As(err, &d) {
		return nil, err
	}
	r := rawLayout(l.Kind, f.p.size, d.why, l.Heads)
	r.Label, r.UUID = l.Label, l.UUID
	if d.order != manifest.ByPosition {
		return r, nil
	}
	f.unread = nil
	if err := f.prepare(); err != nil { // again: the first one was spent on owners
		return r, nil
	}
	r.Order, r.Unit, r.Used, r.DontCare = manifest.ByPosition, l.Unit, f.used(f.left), joined(f.unread)
	r.walk = func(yield func(Stream) error) error { return yield(f.metadata()) }
	return r, nil
}

func (f *fat) metadata() Stream {
	first := []Piece{{Length: f.data}}
	return metadata(f.p.size, blockPieces(f.left, f.data, f.cluster, f.end(), f.p.size, first))
}

// streams is Layout.Streams: metadata, then files in path order.
func (f *fat) streams(yield func(Stream) error) error {
	if err := yield(f.metadata()); err != nil {
		return err
	}
	return f.walk(func(e fatEntry, path string) error {
		need := f.need(e)
		if need == 0 {
			return nil
		}
		s := Stream{Number: uint64(e.first), Path: path, Size: int64(e.size), Length: need * f.cluster, ZeroTail: true}
		err := f.chain(e.first, func(i int64, cluster uint32) (bool, error) {
			if i >= need {
				return false, nil
			}
			off := f.data + int64(cluster)*f.cluster
			if k := len(s.Pieces) - 1; k >= 0 && s.Pieces[k].Offset+s.Pieces[k].Length == off {
				s.Pieces[k].Length += f.cluster
			} else {
				s.Pieces = append(s.Pieces, Piece{At: i * f.cluster, Offset: off, Length: f.cluster})
			}
			return true, nil
		})
		if err != nil {
			return err
		}
		return yield(s)
	})
}
