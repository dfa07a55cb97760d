package ntfs

import (
	"errors"
	"fmt"
	"io"
	"slices"
)

// Records of the file table with a fixed meaning.
const (
	RecordMFT      = 0
	RecordMirror   = 1
	RecordLogFile  = 2
	RecordVolume   = 3
	RecordRoot     = 5
	RecordBitmap   = 6
	RecordBoot     = 7
	RecordBadClus  = 8
	FirstUserFile  = 24 // records below are the file system's own
	lastFixedOwner = 11 // $Extend; up to here every volume has a record
)

const readBytes = 1 << 20 // of the file table at a time

// Volume is an NTFS volume that can be read.
type Volume struct {
	Geometry
	r       io.ReaderAt
	mft     []Run
	records uint64 // of the file table, used or not
	paths   map[uint64]string
	kept    int // bytes of paths
}

// Open reads the boot sector and finds the file table of the volume of size bytes in r. Small reads of r come in no
// order and should be cached.
func Open(r io.ReaderAt, size int64) (*Volume, error) {
	b := make([]byte, stride)
	if size < stride {
		return nil, damaged("its boot sector is not understood")
	}
	if err := readAt(r, b, 0); err != nil {
		return nil, err
	}
	g, err := parseBoot(b, size)
	if err != nil {
		return nil, err
	}
	v := &Volume{Geometry: g, r: r, paths: map[uint64]string{}}
	if err := v.openTable(); err != nil {
		return nil, err
	}
	return v, nil
}

func readAt(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading %d bytes at %d: %w", len(b), off, err)
}

// openTable finds all runs of $MFT. Its first part is in record 0; each further part is in an extension record that the
// parts before reach.
func (v *Volume) openTable() error {
	if v.Geometry.mft*v.Cluster > v.End()-v.Record {
		return damaged("its file table lies outside it")
	}
	b := make([]byte, v.Record)
	if err := readAt(v.r, b, v.Geometry.mft*v.Cluster); err != nil {
		return err
	}
	h, err := openRecord(b, RecordMFT)
	if err != nil {
		return err
	}
	f := &File{Number: RecordMFT}
	if err := v.collect(f, h, b, RecordMFT); err != nil {
		return err
	}
	data := f.Find(TypeData, "")
	if data == nil || data.Resident || data.first != 0 || len(data.Runs) == 0 || data.Runs[0].LCN != v.Geometry.mft {
		return damaged("its file table does not say where it lies")
	}
	v.mft, v.records = data.Runs, v.inRuns(data)
	if list := f.Find(TypeAttributeList, ""); list != nil {
		if err := v.openRest(data, list); err != nil {
			return err
		}
	}
	if v.records = min(uint64(data.Valid/v.Record), v.inRuns(&Attribute{Runs: v.mft})); v.records <= lastFixedOwner {
		return damaged("its file table is too short")
	}
	if slices.ContainsFunc(v.mft, func(r Run) bool { return r.LCN < 0 }) {
		return damaged("its file table has holes")
	}
	return nil
}

// inRuns is the number of records that the runs of a hold.
func (v *Volume) inRuns(a *Attribute) uint64 { return uint64(a.Clusters() * v.Cluster / v.Record) }

// openRest follows the attribute list of $MFT, whose entries for the table itself are in order of their VCN.
func (v *Volume) openRest(data, list *Attribute) error {
	all, err := v.entries(RecordMFT, list)
	if err != nil {
		return err
	}
	for _, e := range all {
		if e.kind != TypeData || e.record == RecordMFT || e.vcn == 0 {
			continue
		}
		f := &File{Number: RecordMFT}
		if err := v.extend(f, e.record); err != nil {
			return err
		}
		i := slices.IndexFunc(f.Attributes, func(a Attribute) bool {
			return a.Type == TypeData && a.Name == "" && uint64(a.first) == e.vcn
		})
		if i < 0 || f.Attributes[i].Resident || f.Attributes[i].first != data.Clusters() {
			return damaged("a part of its file table is missing")
		}
		data.Runs = append(data.Runs, f.Attributes[i].Runs...)
		v.mft, v.records = data.Runs, v.inRuns(data)
	}
	return nil
}

// Records is the number of records of the file table, used or not.
func (v *Volume) Records() uint64 { return v.records }

// readRuns reads len(b) bytes at off of what runs hold. Holes are zeros.
func (v *Volume) readRuns(runs []Run, b []byte, off int64) error {
	i, found := slices.BinarySearchFunc(runs, off/v.Cluster, func(r Run, vcn int64) int {
		switch {
		case r.VCN+r.Count <= vcn:
			return -1
		case r.VCN > vcn:
			return 1
		}
		return 0
	})
	if !found {
		i = len(runs)
	}
	for ; len(b) > 0; i++ {
		if i >= len(runs) {
			return damaged("a structure ends before its size")
		}
		r := runs[i]
		in := off - r.VCN*v.Cluster
		part := b[:min(int64(len(b)), r.Count*v.Cluster-in)]
		if r.LCN < 0 {
			clear(part)
		} else if err := readAt(v.r, part, r.LCN*v.Cluster+in); err != nil {
			return err
		}
		b, off = b[len(part):], off+int64(len(part))
	}
	return nil
}

// ReadAttribute reads len(b) bytes at off of an attribute that is neither compressed nor encrypted.
func (v *Volume) ReadAttribute(a *Attribute, b []byte, off int64) error {
	if off < 0 || off > a.Size || int64(len(b)) > a.Size-off {
		return damaged("a structure ends before its size")
	}
	if a.Resident {
		copy(b, a.Value[off:])
		return nil
	}
	if n := max(0, a.Valid-off); n < int64(len(b)) {
		clear(b[n:])
		b = b[:n]
	}
	return v.readRuns(a.Runs, b, off)
}

// open reads and proves one record.
func (v *Volume) open(b []byte, number uint64) (header, error) {
	if number >= v.records {
		return header{}, damaged("record %d lies outside its file table", number)
	}
	if err := v.readRuns(v.mft, b, int64(number)*v.Record); err != nil {
		return header{}, err
	}
	return openRecord(b, number)
}

// File reads the file whose base record is number.
func (v *Volume) File(number uint64) (*File, error) {
	b := make([]byte, v.Record)
	h, err := v.open(b, number)
	if err != nil {
		return nil, err
	}
	if h.flags&recordInUse == 0 || h.extends {
		return nil, damaged("record %d of its file table is not in use", number)
	}
	f := &File{Number: number}
	return f, v.build(f, h, b)
}

// Files calls yield for each file and directory in the order of the file table. A file that is damaged comes with a
// *DamageError and with what of it could be read. A File is valid until yield returns. Errors of reading and of yield
// end it.
func (v *Volume) Files(yield func(f *File, damage error) error) error {
	per := uint64(readBytes / v.Record)
	buf := make([]byte, int64(min(per, v.records))*v.Record)
	for first := uint64(0); first < v.records; first += per {
		n := min(per, v.records-first)
		if err := v.readRuns(v.mft, buf[:int64(n)*v.Record], int64(first)*v.Record); err != nil {
			return err
		}
		for i := range n {
			if err := v.visit(buf[int64(i)*v.Record:][:v.Record], first+i, yield); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Volume) visit(b []byte, number uint64, yield func(*File, error) error) error {
	if blank(b) {
		return nil
	}
	f := &File{Number: number}
	h, err := openRecord(b, number)
	if err == nil {
		if h.flags&recordInUse == 0 || h.extends {
			return nil
		}
		err = v.build(f, h, b)
	}
	var damage *DamageError
	if err != nil && !errors.As(err, &damage) {
		return err
	}
	return yield(f, err)
}

// Bitmap gives yield what $Bitmap says, in order: one bit a cluster, the least significant of each byte first, set where
// the cluster is in use. first is the cluster of the first bit, a multiple of 8.
func (v *Volume) Bitmap(yield func(first int64, bits []byte) error) error {
	f, err := v.File(RecordBitmap)
	if err != nil {
		return err
	}
	a := f.Find(TypeData, "")
	need := (v.Clusters + 7) / 8
	if a == nil || a.Size < need || a.Flags&(FlagCompressed|FlagEncrypted) != 0 {
		return damaged("its bitmap is too short")
	}
	buf := make([]byte, min(readBytes, need))
	for at := int64(0); at < need; at += readBytes {
		part := buf[:min(readBytes, need-at)]
		if err := v.ReadAttribute(a, part, at); err != nil {
			return err
		}
		if err := yield(at*8, part); err != nil {
			return err
		}
	}
	return nil
}

// BadClusters are the runs that $BadClus marks: nothing may read them.
func (v *Volume) BadClusters() ([]Run, error) {
	f, err := v.File(RecordBadClus)
	if err != nil {
		return nil, err
	}
	var out []Run
	for _, a := range f.Attributes {
		if a.Type == TypeData && a.Name == BadStream {
			out = slices.DeleteFunc(slices.Clone(a.Runs), func(r Run) bool { return r.LCN < 0 })
		}
	}
	return out, nil
}

// BadStream is the stream of $BadClus that covers the volume: a hole where it is sound.
const BadStream = "$Bad"
