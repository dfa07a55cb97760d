package exfat

import (
	"encoding/binary"
	"strings"
	"unicode/utf16"
)

// Entries of the table with a meaning of their own.
const (
	entryBad = 0xfffffff7
	entryEnd = 0xffffffff
)

// Types of directory entries. Bit 7: in use; bit 6: belongs to the entry before; bit 5: may be ignored if not known.
const (
	typeBitmap = 0x81
	typeUpcase = 0x82
	typeLabel  = 0x83
	typeFile   = 0x85
	typeStream = 0xc0
	typeName   = 0xc1
)

// File is what has clusters: a file, a directory, the bitmap, the up-case table.
type File struct {
	Name       string
	Dir        bool
	Size       uint64 // bytes; those behind ValidDataLength included
	First      uint32 // cluster as the table counts; 0 for none
	Contiguous bool   // the table says nothing of it
	endless    bool   // the root: as long as its chain
}

// Visit is told of each cluster of a file and its number in the file. It ends the walk by returning false.
type Visit func(i uint64, cluster uint32) (bool, error)

func noCluster(uint32) error { return nil }

// Root is the root directory.
func (v *Volume) Root() File { return File{Dir: true, First: v.root, endless: true} }

// Bitmap is the file of the allocation bitmap.
func (v *Volume) Bitmap() File { return v.bitmap }

// Upcase is the file of the up-case table.
func (v *Volume) Upcase() File { return v.upcase }

// allocation reads first cluster (at 20) and bytes (at 24), which every entry with clusters has there.
func allocation(e []byte) File {
	return File{First: binary.LittleEndian.Uint32(e[20:]), Size: binary.LittleEndian.Uint64(e[24:])}
}

// Need is the number of clusters that a file's bytes need.
func (v *Volume) Need(f File) uint64 {
	return f.Size/uint64(v.ClusterSize) + min(f.Size%uint64(v.ClusterSize), 1)
}

// Walk follows the clusters of a file: those that follow the first one, or the chain of the table to its end, which may
// be longer than the file needs.
func (v *Volume) Walk(f File, visit Visit) error {
	need := v.Need(f)
	if f.First == 0 && need == 0 && !f.endless {
		return nil
	}
	if f.First < 2 || f.First-2 >= v.Clusters || need > uint64(v.Clusters) ||
		f.Contiguous && need > uint64(v.Clusters-(f.First-2)) {
		return damaged("a file of %d bytes begins at cluster %d, which cannot be", f.Size, f.First)
	}
	if f.Contiguous {
		for i := range need {
			if more, err := visit(i, f.First-2+uint32(i)); err != nil || !more {
				return err
			}
		}
		return nil
	}
	n := f.First
	for i := uint64(0); n != entryEnd; i++ {
		if n < 2 || n-2 >= v.Clusters || i >= uint64(v.Clusters) {
			return damaged("a chain of clusters runs to cluster %d, which cannot be", n)
		}
		more, err := visit(i, n-2)
		if err != nil || !more {
			return err
		}
		if n, err = v.entry(n); err != nil {
			return err
		}
		if n == entryEnd && i+1 < need {
			return damaged("a file of %d bytes has only %d clusters", f.Size, i+1)
		}
	}
	return nil
}

func (v *Volume) entry(n uint32) (uint32, error) {
	var b [4]byte
	err := readAt(v.r, b[:], v.fat+4*int64(n))
	return binary.LittleEndian.Uint32(b[:]), err
}

// Bad calls yield for each cluster that the table calls bad. What it says of the clusters of contiguous files does not
// count.
func (v *Volume) Bad(yield func(cluster uint32) error) error {
	b := make([]byte, 64<<10)
	for from := uint32(0); from < v.Clusters; {
		n := min(uint32(len(b)/4), v.Clusters-from)
		if err := readAt(v.r, b[:4*n], v.fat+4*(2+int64(from))); err != nil {
			return err
		}
		for i := range n {
			if binary.LittleEndian.Uint32(b[4*i:]) == entryBad {
				if err := yield(from + i); err != nil {
					return err
				}
			}
		}
		from += n
	}
	return nil
}

// Allocated calls yield for each cluster that the bitmap calls used.
func (v *Volume) Allocated(yield func(cluster uint32)) error {
	b := make([]byte, v.ClusterSize)
	at := uint64(0)
	return v.Walk(v.bitmap, func(i uint64, cluster uint32) (bool, error) {
		if at >= uint64(v.Clusters) {
			return false, nil
		}
		if err := readAt(v.r, b, v.Offset(cluster)); err != nil {
			return false, err
		}
		for _, bits := range b {
			for k := range 8 {
				if bits>>k&1 != 0 && at < uint64(v.Clusters) {
					yield(uint32(at))
				}
				at++
			}
		}
		return true, nil
	})
}

// Offset is where a cluster lies, bytes from the start.
func (v *Volume) Offset(cluster uint32) int64 { return v.Heap + int64(cluster)*v.ClusterSize }

// maxUpcase is the length of an up-case table that maps each of 65,536 characters.
const maxUpcase = 128 << 10

// CheckUpcase proves the checksum of the up-case table.
func (v *Volume) CheckUpcase() error {
	if v.upcase.Size == 0 || v.upcase.Size > maxUpcase {
		return damaged("its up-case table has %d bytes", v.upcase.Size)
	}
	sum, left := uint32(0), v.upcase.Size
	b := make([]byte, min(v.ClusterSize, maxUpcase))
	err := v.Walk(v.upcase, func(_ uint64, cluster uint32) (bool, error) {
		n := min(left, uint64(len(b)))
		if err := readAt(v.r, b[:n], v.Offset(cluster)); err != nil {
			return false, err
		}
		for _, c := range b[:n] {
			sum = sum>>1 | sum<<31
			sum += uint32(c)
		}
		left -= n
		return left > 0, nil
	})
	if err == nil && sum != v.sum {
		return damaged("the checksum of its up-case table differs")
	}
	return err
}

// maxDir is the largest directory of the specification.
const maxDir = 256 << 20

// entries calls yield for each entry of 32 bytes of a directory up to its end, and own for each of its clusters before it
// is read, also of those behind the end.
func (v *Volume) entries(dir File, own func(cluster uint32) error, yield func(e []byte) (bool, error)) error {
	b, over := make([]byte, min(v.ClusterSize, 64<<10)), false
	need := v.Need(dir)
	return v.Walk(dir, func(i uint64, cluster uint32) (bool, error) {
		if i >= uint64(maxDir/v.ClusterSize)+1 {
			return false, damaged("it has a directory of more than 256 MiB")
		}
		if err := own(cluster); err != nil || over || !dir.endless && i >= need {
			return true, err
		}
		for off := int64(0); off < v.ClusterSize && !over; off += int64(len(b)) {
			if err := readAt(v.r, b, v.Offset(cluster)+off); err != nil {
				return false, err
			}
			for at := 0; at < len(b) && !over; at += 32 {
				if b[at] == 0 {
					over = true
					break
				}
				more, err := yield(b[at : at+32])
				if err != nil {
					return false, err
				}
				over = !more
			}
		}
		return true, nil
	})
}

// text decodes UTF-16. What would not be one name of a path becomes "?".
func text(b []byte) string {
	chars := make([]uint16, len(b)/2)
	for i := range chars {
		chars[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return strings.NewReplacer("/", "?", "\x00", "?").Replace(string(utf16.Decode(chars)))
}
