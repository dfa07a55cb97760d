package restore_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// file is a stream to be laid down on a volume; its pieces are relative to the volume.
type file struct {
	pieces []manifest.Piece // At is in the stream here
	length int64
	seed   uint64 // not 0: files of one seed and length have the same bytes
}

// vol is a volume of a test master.
type vol struct {
	part     manifest.Partition
	kind     string
	heads    []manifest.Extent // relative
	files    []file            // the first is metadata
	fills    []manifest.Fill   // relative
	dontCare []manifest.Extent // relative
}

// testMaster is a disk and its manifest.
type testMaster struct {
	disk   *memDisk
	m      *manifest.Manifest
	source *mapSource
}

const (
	mib = int64(1 << 20)
	kib = int64(1 << 10)
)

// run of one piece at off.
func at(off, n int64) file {
	return file{pieces: []manifest.Piece{{Length: uint32(n), Offset: off}}, length: n}
}

// frag is pieces one after the other in the stream.
func frag(holes int64, extents ...manifest.Extent) file {
	var f file
	for _, e := range extents {
		f.pieces = append(f.pieces, manifest.Piece{At: uint32(f.length), Length: uint32(e.Length), Offset: e.Offset})
		f.length += e.Length + holes
	}
	return f
}

func ext(off, n int64) manifest.Extent { return manifest.Extent{Offset: off, Length: n} }

// build fills a disk of size bytes with noise from seed, divides it and describes it.
func build(t testing.TB, size int64, kind manifest.TableKind, seed uint64, vols []vol) *testMaster {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	b := &builder{t: t, rnd: rnd, d: newDisk(size), frames: map[chunk.ID]chunk.Frame{}}
	b.m = &manifest.Manifest{Created: time.Unix(1700000000, 0).UTC(), Disk: manifest.Disk{Size: size, SectorSize: 512, Table: kind}}
	gap := vol{kind: "gap"}
	switch kind {
	case manifest.GPT:
		b.m.Disk.GUID, b.m.Disk.FirstLBA, b.m.Disk.Entries = "6D4A7F2B-1111-4222-8333-0123456789AB", 34, 128
		gap.files = []file{frag(0, ext(0, 458), ext(462, 50), ext(34*512, mib-34*512))}
	case manifest.MBR:
		b.m.Disk.Signature = 0x1234ABCD
		gap.files = []file{frag(0, ext(0, 440), ext(444, 2), ext(512, mib-512))}
	}
	gap.part.Length = mib
	if kind != manifest.NoTable {
		vols = append([]vol{gap}, vols...)
	}
	for _, v := range vols {
		b.add(v)
	}
	b.tables()
	b.chunks(vols)
	b.m.NameCount = int(b.streams)
	b.m.Chunks.Sort()
	var encoded bytes.Buffer
	if _, err := b.m.Encode(&encoded); err != nil {
		t.Fatal(err)
	}
	m, _, err := manifest.Decode(&encoded, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return &testMaster{b.d, m, &mapSource{frames: b.frames, asked: map[chunk.ID]int{}}}
}

type builder struct {
	t       testing.TB
	rnd     *rand.Rand
	d       *memDisk
	m       *manifest.Manifest
	frames  map[chunk.ID]chunk.Frame
	streams uint32
	first   []uint32
}

// noise fills an extent.
func (b *builder) noise(rnd *rand.Rand, off, n int64) {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rnd.Uint32())
	}
	b.d.put(off, p)
}

// add lays a volume's content down.
func (b *builder) add(v vol) {
	out := manifest.Volume{Partition: v.part.Number, Start: v.part.Start, Length: v.part.Length, Kind: v.kind,
		Order: manifest.ByFile, Unit: 512, Meta: b.streams}
	if v.part.Number > 0 {
		b.m.Partitions = append(b.m.Partitions, v.part)
	}
	for _, f := range v.files {
		rnd := b.rnd
		if f.seed != 0 {
			rnd = rand.New(rand.NewPCG(f.seed, 2))
		}
		for _, p := range f.pieces {
			b.noise(rnd, v.part.Start+p.Offset, int64(p.Length))
			out.Used += int64(p.Length)
		}
	}
	for _, h := range v.heads {
		out.Heads = append(out.Heads, ext(v.part.Start+h.Offset, h.Length))
	}
	for _, f := range v.fills {
		f.Offset += v.part.Start
		f.Stream = b.streams
		b.d.put(f.Offset, bytes.Repeat([]byte{f.Byte}, int(f.Length)))
		b.m.Fills = append(b.m.Fills, f)
		out.Used += f.Length
	}
	for _, e := range v.dontCare {
		b.noise(b.rnd, v.part.Start+e.Offset, e.Length)
		b.m.DontCare = append(b.m.DontCare, ext(v.part.Start+e.Offset, e.Length))
		out.Used += e.Length
	}
	b.first = append(b.first, b.streams)
	b.streams += uint32(len(v.files))
	b.m.Volumes = append(b.m.Volumes, out)
}

// tables writes the table, and a protective entry where the gap keeps it.
func (b *builder) tables() {
	if b.m.Disk.Table == manifest.GPT {
		b.d.put(446, append([]byte{0x80, 0, 2, 0, 0xEE, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0}, make([]byte, 52)...))
		b.d.put(510, []byte{0x55, 0xAA})
	}
	p, err := disk.Plan(b.m, b.d.size, 512, disk.Ours{})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, w := range p.Tables {
		if len(w.Bytes) == 66 && b.m.Disk.Table == manifest.GPT {
			w = disk.Write{Offset: 458, Bytes: w.Bytes[12:16]}
		}
		b.d.put(w.Offset, w.Bytes)
	}
}

// chunks cuts the streams.
func (b *builder) chunks(vols []vol) {
	codec, err := chunk.NewCodec(1)
	if err != nil {
		b.t.Fatal(err)
	}
	for i, v := range vols {
		for s, f := range v.files {
			for start := int64(0); start < f.length; start += chunk.MaxSize {
				e := manifest.Entry{Length: uint32(min(chunk.MaxSize, f.length-start)), Stream: b.first[i] + uint32(s),
					Index: uint32(start / chunk.MaxSize)}
				content := make([]byte, e.Length)
				for _, p := range f.pieces {
					lo, hi := max(int64(p.At), start), min(int64(p.At)+int64(p.Length), start+int64(e.Length))
					if lo >= hi {
						continue
					}
					q := manifest.Piece{At: uint32(lo - start), Length: uint32(hi - lo), Offset: v.part.Start + p.Offset + lo - int64(p.At)}
					_, _ = b.d.ReadAt(content[q.At:q.At+q.Length], q.Offset)
					e.Pieces = append(e.Pieces, q)
				}
				e.ID = chunk.Of(content)
				b.frames[e.ID] = codec.Seal(e.ID, content)
				b.m.Chunks.Append(e)
			}
		}
	}
}

const (
	typeLinux = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
	guidESP   = "11111111-2222-4333-8444-555555555501"
	guidRoot  = "11111111-2222-4333-8444-555555555502"
)

// school is a master with an ESP and a root of fragmented files, holes, a journal and what nobody cares about.
func school(t testing.TB, size int64, kind manifest.TableKind, seed uint64) *testMaster {
	return schoolWith(t, size, kind, seed, 0)
}

// town is a school with so many small files more that a probe leaves most of its chunks unknown.
func town(t testing.TB, size int64, kind manifest.TableKind, seed uint64) *testMaster {
	return schoolWith(t, size, kind, seed, 120)
}

func schoolWith(t testing.TB, size int64, kind manifest.TableKind, seed uint64, small int) *testMaster {
	esp := vol{kind: "fat32", part: manifest.Partition{Number: 1, Start: mib, Length: 2 * mib, Type: disk.TypeESP, GUID: guidESP, Name: "EFI system"},
		heads: []manifest.Extent{ext(0, 512), ext(6*512, 512)},
		files: []file{at(0, 64*kib), at(64*kib, 300*kib), frag(0, ext(600*kib, 4*kib), ext(512*kib, 40*kib), ext(700*kib, 4*kib))}}
	root := vol{kind: "ext4", part: manifest.Partition{Number: 2, Start: 3 * mib, Length: 4 * mib, Type: typeLinux, GUID: guidRoot, Name: "root"},
		heads: []manifest.Extent{ext(1024, 1024), ext(128*kib, 1024)},
		files: []file{
			frag(0, ext(0, 32*kib), ext(128*kib, 64*kib), ext(1024*kib, 512*kib)),
			frag(8*kib, ext(200*kib, 100*kib), ext(64*kib, 20*kib), ext(320*kib, 180*kib)),
			at(512*kib, 256*kib), at(768*kib, 4*kib), at(772*kib, 4*kib), at(776*kib, 200*kib),
		},
		fills:    []manifest.Fill{{Extent: ext(2*mib, 200*kib)}, {Extent: ext(3*mib, 12*kib), Byte: 0xFF}},
		dontCare: []manifest.Extent{ext(3*mib+512*kib, 64*kib)}}
	for i := range int64(small) {
		root.files = append(root.files, at(2304*kib+i*4*kib, 4*kib))
	}
	if kind == manifest.MBR {
		esp.part.Type, esp.part.GUID, esp.part.Name, esp.part.Attributes = "0C", "", "", 0x80
		root.part.Type, root.part.GUID, root.part.Name = "83", "", ""
	}
	return build(t, size, kind, seed, []vol{esp, root})
}
