package diff

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/manifest"
)

// Version is one side.
type Version struct {
	Manifest *manifest.Manifest
	Names    func() (io.ReadCloser, error) // opens the encoded names table from its beginning
}

// Kind is what happened to a thing.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// The things that differ.
const (
	File     = "file"
	Metadata = "metadata" // folders, attributes, free space: all of a volume that is not a file's content
	Bytes    = "bytes"    // of a volume that was not cut by files
	Volume   = "volume"
	Table    = "table" // the partition table
)

// Change is one difference from A to B.
type Change struct {
	Kind      Kind   `json:"kind"`
	What      string `json:"what"`
	Partition int    `json:"partition"` // 0: before the first partition, or the disk without table
	Path      string `json:"path,omitempty"`
	Before    int64  `json:"before"` // bytes of the file, metadata or volume in A; 0 when it was added
	After     int64  `json:"after"`  // bytes in B; 0 when it was removed
	Detail    string `json:"detail,omitempty"`
}

// Count is how many files, and their bytes.
type Count struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
}

func (c *Count) add(size int64) { c.Files++; c.Bytes += size }

// Totals is a volume's differences in numbers.
type Totals struct {
	Partition int    `json:"partition"`
	Kind      string `json:"kind"` // of its file system, in B if it is there
	Label     string `json:"label,omitempty"`
	Added     Count  `json:"added"`
	Removed   Count  `json:"removed"` // bytes they had in A
	Changed   Count  `json:"changed"` // bytes they have in B
	Same      Count  `json:"same"`
	Other     bool   `json:"other"` // metadata, or bytes of a volume that was not cut by files, differ
}

// Summary is a comparison in numbers, volume by volume.
type Summary struct {
	Equal   bool     `json:"equal"` // no difference at all was found
	Volumes []Totals `json:"volumes"`
}

// Run compares two versions and calls tell for each difference. An error of tell ends it and is passed on.
func Run(ctx context.Context, a, b Version, tell func(Change) error) (Summary, error) {
	r := &run{ctx: ctx, a: side(a), b: side(b), tell: tell, totals: map[place]*Totals{}}
	for _, s := range []*sided{&r.a, &r.b} {
		if err := s.prove(); err != nil {
			return Summary{}, err
		}
	}
	for _, step := range []func() error{r.table, r.volumes, r.index, r.first, r.second} {
		if err := step(); err != nil {
			return Summary{}, err
		}
	}
	return r.summary(), nil
}

// digest is the content of a stream: the sum of its chunks.
type digest [2]uint64

// sided is a version with what is figured of it.
type sided struct {
	Version
	content []digest // of each stream
	places  []place  // of each volume
}

// place finds a volume again in another version: the first, second ... one of a partition.
type place struct{ partition, nth int }

func places(m *manifest.Manifest) []place {
	out := make([]place, len(m.Volumes))
	seen := map[int]int{}
	for i, v := range m.Volumes {
		out[i] = place{v.Partition, seen[v.Partition]}
		seen[v.Partition]++
	}
	return out
}

func side(v Version) sided {
	s := sided{Version: v, content: make([]digest, v.Manifest.NameCount), places: places(v.Manifest)}
	var b [8 + len(manifest.Hash{})]byte
	for _, e := range v.Manifest.Chunks.All() {
		binary.LittleEndian.PutUint32(b[:], e.Index)
		binary.LittleEndian.PutUint32(b[4:], e.Length)
		copy(b[8:], e.ID[:])
		sum := blake3.Sum256(b[:])
		d := &s.content[e.Stream]
		d[0] += binary.LittleEndian.Uint64(sum[:])
		d[1] += binary.LittleEndian.Uint64(sum[8:])
	}
	for _, f := range v.Manifest.Fills {
		if f.Byte == 0 {
			continue
		}
		s.content[f.Stream][0] += uint64(f.Byte) * 0x9e3779b97f4a7c15 * uint64(f.Length)
	}
	return s
}

// prove compares the names table with the manifest: a name that nobody signed is not shown.
func (s *sided) prove() error {
	names, err := s.Names()
	if err != nil {
		return err
	}
	defer func() { _ = names.Close() }()
	return manifest.CheckNames(names, s.Manifest)
}

// walk calls visit for each name.
func (s *sided) walk(ctx context.Context, visit func(manifest.Name) error) error {
	names, err := s.Names()
	if err != nil {
		return err
	}
	defer func() { _ = names.Close() }()
	for name, err := range manifest.ReadNames(names) {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			err = visit(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// volume finds the volume of a place.
func (s *sided) volume(p place) (manifest.Volume, bool) {
	i := slices.Index(s.places, p)
	if i < 0 {
		return manifest.Volume{}, false
	}
	return s.Manifest.Volumes[i], true
}

// file is one file of B in the table.
type file struct {
	key    [2]uint64 // of volume and path
	size   int64
	stream uint32
}

type run struct {
	ctx    context.Context
	a, b   sided
	tell   func(Change) error
	files  []file // of B, by key
	met    []bool // of B's streams: A has it too
	totals map[place]*Totals
	differ bool
}

func (r *run) say(c Change) error {
	r.differ = true
	return r.tell(c)
}

func key(p place, path string) [2]uint64 {
	h := blake3.New()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], uint64(p.partition))
	binary.LittleEndian.PutUint64(b[8:], uint64(p.nth))
	_, _ = h.Write(b[:])
	_, _ = h.WriteString(path)
	sum := h.Sum(nil)
	return [2]uint64{binary.LittleEndian.Uint64(sum), binary.LittleEndian.Uint64(sum[8:])}
}

func compareKeys(a, b [2]uint64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }

// table compares how the disks are divided.
func (r *run) table() error {
	a, b := r.a.Manifest, r.b.Manifest
	if a.Disk.Table == b.Disk.Table && a.Disk.Size == b.Disk.Size && a.Disk.GUID == b.Disk.GUID &&
		a.Disk.Signature == b.Disk.Signature && slices.Equal(a.Partitions, b.Partitions) {
		return nil
	}
	detail := fmt.Sprintf("%s with %d partitions", b.Disk.Table, len(b.Partitions))
	if a.Disk.Table != b.Disk.Table || len(a.Partitions) != len(b.Partitions) {
		detail = fmt.Sprintf("was %s with %d partitions, is ", a.Disk.Table, len(a.Partitions)) + detail
	}
	return r.say(Change{Kind: Changed, What: Table, Before: a.Disk.Size, After: b.Disk.Size, Detail: detail})
}

// volumes compares what the partitions hold, and begins their totals.
func (r *run) volumes() error {
	for i, v := range r.a.Manifest.Volumes {
		r.totals[r.a.places[i]] = &Totals{Partition: v.Partition, Kind: v.Kind, Label: v.Label}
		if _, ok := r.b.volume(r.a.places[i]); ok {
			continue
		}
		if err := r.say(Change{Kind: Removed, What: Volume, Partition: v.Partition, Before: v.Length, Detail: v.Kind}); err != nil {
			return err
		}
	}
	for i, v := range r.b.Manifest.Volumes {
		r.totals[r.b.places[i]] = &Totals{Partition: v.Partition, Kind: v.Kind, Label: v.Label}
		was, ok := r.a.volume(r.b.places[i])
		c := Change{Kind: Changed, What: Volume, Partition: v.Partition, Before: was.Length, After: v.Length}
		switch {
		case !ok:
			c.Kind, c.Detail = Added, v.Kind
		case was.Kind != v.Kind || was.Order != v.Order:
			c.Detail = fmt.Sprintf("was %s cut by %s, is %s cut by %s", was.Kind, was.Order, v.Kind, v.Order)
		case was.UUID != v.UUID || was.Length != v.Length:
			c.Detail = v.Kind + " made anew"
		default:
			continue
		}
		if err := r.say(c); err != nil {
			return err
		}
	}
	return nil
}

// index learns the files of B.
func (r *run) index() error {
	r.files, r.met = make([]file, 0, r.b.Manifest.NameCount), make([]bool, r.b.Manifest.NameCount)
	err := r.b.walk(r.ctx, func(n manifest.Name) error {
		if n.Path != "" {
			k := key(r.b.places[n.Volume], n.Path)
			r.files = append(r.files, file{key: k, size: n.Size, stream: n.Stream})
		}
		return nil
	})
	slices.SortFunc(r.files, func(a, b file) int { return cmp.Or(compareKeys(a.key, b.key), cmp.Compare(a.stream, b.stream)) })
	return err
}

// take finds the file of B with this key that nobody has taken yet.
func (r *run) take(k [2]uint64) (file, bool) {
	i, _ := slices.BinarySearchFunc(r.files, k, func(f file, k [2]uint64) int { return compareKeys(f.key, k) })
	for ; i < len(r.files) && r.files[i].key == k; i++ {
		if f := r.files[i]; !r.met[f.stream] {
			r.met[f.stream] = true
			return f, true
		}
	}
	return file{}, false
}

// first walks the names of A, and tells what is gone in B and what has changed.
func (r *run) first() error {
	return r.a.walk(r.ctx, func(n manifest.Name) error {
		p := r.a.places[n.Volume]
		if n.Path == "" {
			return r.rest(n, p)
		}
		totals := r.totals[p]
		f, ok := r.take(key(p, n.Path))
		switch {
		case !ok:
			totals.Removed.add(n.Size)
			return r.say(Change{Kind: Removed, What: File, Partition: p.partition, Path: n.Path, Before: n.Size})
		case f.size == n.Size && r.a.content[n.Stream] == r.b.content[f.stream]:
			totals.Same.add(n.Size)
			return nil
		}
		totals.Changed.add(f.size)
		return r.say(Change{Kind: Changed, What: File, Partition: p.partition, Path: n.Path, Before: n.Size, After: f.size})
	})
}

// second walks the names of B, and tells what is new in it.
func (r *run) second() error {
	return r.b.walk(r.ctx, func(n manifest.Name) error {
		if n.Path == "" || r.met[n.Stream] {
			return nil
		}
		p := r.b.places[n.Volume]
		r.totals[p].Added.add(n.Size)
		return r.say(Change{Kind: Added, What: File, Partition: p.partition, Path: n.Path, After: n.Size})
	})
}

// rest compares the stream of a volume that is no file's.
func (r *run) rest(n manifest.Name, p place) error {
	v, ok := r.b.volume(p)
	was, _ := r.a.volume(p)
	if !ok || was.Order != v.Order || v.Meta >= uint32(len(r.b.content)) || r.a.content[n.Stream] == r.b.content[v.Meta] {
		return nil // told as a volume, or equal
	}
	c := Change{Kind: Changed, What: Metadata, Partition: p.partition}
	if v.Order != manifest.ByFile {
		c.What, c.Detail = Bytes, fmt.Sprintf("cut by %s", v.Order)
		if v.Reason != "" {
			c.Detail += ": " + v.Reason
		}
	}
	c.Before, c.After = r.lost(n.Stream, v.Meta)
	r.totals[p].Other = true
	return r.say(c)
}

// part is one chunk of a stream.
type part struct {
	index, length uint32
	sum           uint64 // of the id: enough to tell two apart that nobody has made alike
}

func parts(m *manifest.Manifest, stream uint32) []part {
	var out []part
	for _, e := range m.Chunks.All() {
		if e.Stream == stream {
			out = append(out, part{index: e.Index, length: e.Length, sum: binary.LittleEndian.Uint64(e.ID[:])})
		}
	}
	slices.SortFunc(out, func(a, b part) int { return cmp.Compare(a.index, b.index) })
	return out
}

// lost returns the bytes of a stream's chunks that B has not got in their place, and those of B that A has not got.
func (r *run) lost(inA, inB uint32) (before, after int64) {
	a, b := parts(r.a.Manifest, inA), parts(r.b.Manifest, inB)
	for len(a) > 0 || len(b) > 0 {
		switch {
		case len(b) == 0 || len(a) > 0 && a[0].index < b[0].index:
			before += int64(a[0].length)
			a = a[1:]
		case len(a) == 0 || b[0].index < a[0].index:
			after += int64(b[0].length)
			b = b[1:]
		default:
			if a[0] != b[0] {
				before += int64(a[0].length)
				after += int64(b[0].length)
			}
			a, b = a[1:], b[1:]
		}
	}
	return before, after
}

func (r *run) summary() Summary {
	order := slices.SortedFunc(maps.Keys(r.totals), func(a, b place) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.nth, b.nth))
	})
	s := Summary{Equal: !r.differ, Volumes: make([]Totals, 0, len(order))}
	for _, p := range order {
		s.Volumes = append(s.Volumes, *r.totals[p])
	}
	return s
}
