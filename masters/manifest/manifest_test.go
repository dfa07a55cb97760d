package manifest_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const mib = 1 << 20

// sample returns a manifest with everything in it: a fragmented chunk, a hole, fills, don't-care extents, an MBR with an
// extended partition.
func sample() *manifest.Manifest {
	m := &manifest.Manifest{
		Name: "salle-info", Version: 3, Created: time.Date(2026, 11, 22, 6, 0, 0, 0, time.UTC), Author: "<marie> & co",
		Note: "LibreOffice\n24", Parent: manifest.HashOf([]byte("v2")),
		Disk: manifest.Disk{Size: 64 * mib, SectorSize: 512, Table: manifest.MBR, Signature: 0xcafe},
		Partitions: []manifest.Partition{
			{Number: 1, Start: mib, Length: 20 * mib, Type: "83", Attributes: 0x80},
			{Number: 2, Start: 32 * mib, Length: 30 * mib, Type: "05"},
			{Number: 5, Start: 33 * mib, Length: 8 * mib, Type: "82"},
		},
		Volumes: []manifest.Volume{
			{Partition: 0, Start: 512, Length: mib - 512, Kind: "gap", Order: manifest.Raw, Unit: 1, Used: 4096, Meta: 0},
			{Partition: 1, Start: mib, Length: 20 * mib, Kind: "ext4", Order: manifest.ByFile, Unit: 4096, Label: "root",
				UUID: "c0ffee", Used: 4096 + 8192 + chunk.MaxSize + 65536, Heads: []manifest.Extent{{Offset: mib, Length: 4096}}, Meta: 1},
			{Partition: 5, Start: 33 * mib, Length: 8 * mib, Kind: "swap", Order: manifest.ByPosition, Reason: "no files",
				Unit: 4096, Used: 4096 + 65536 + 7*mib, Meta: 4},
		},
		Fills:     []manifest.Fill{{Extent: manifest.Extent{Offset: 4 * mib, Length: 65536}, Byte: 0xff, Stream: 1}, {Extent: manifest.Extent{Offset: 33*mib + 4096, Length: 65536}, Stream: 4}},
		DontCare:  []manifest.Extent{{Offset: 34 * mib, Length: 7 * mib}},
		NameCount: 5, Names: manifest.HashOf([]byte("names")),
	}
	for _, e := range []manifest.Entry{
		{ID: chunk.Of([]byte("swap")), Length: 4096, Stream: 4, Pieces: []manifest.Piece{{Length: 4096, Offset: 33 * mib}}},
		{ID: chunk.Of([]byte("gap")), Length: 4096, Stream: 0, Pieces: []manifest.Piece{{Length: 4096, Offset: 512}}},
		{ID: chunk.Of([]byte("file")), Length: chunk.MaxSize, Stream: 2, Pieces: []manifest.Piece{
			{At: 0, Length: 4096, Offset: 3 * mib}, {At: 4096, Length: chunk.MaxSize - 4096, Offset: 2 * mib}}},
		{ID: chunk.Of([]byte("tail")), Length: 12288, Stream: 2, Index: 1, Pieces: []manifest.Piece{
			{At: 0, Length: 4096, Offset: 6 * mib}, {At: 8192, Length: 4096, Offset: 5 * mib}}},
		{ID: chunk.Of([]byte("hole")), Length: chunk.MaxSize, Stream: 3},
		{ID: chunk.Of([]byte("meta")), Length: chunk.MaxSize, Stream: 1, Pieces: []manifest.Piece{{Length: 4096, Offset: mib}}},
	} {
		m.Chunks.Append(e)
	}
	return m
}

func encode(t testing.TB, m *manifest.Manifest) ([]byte, manifest.Hash) {
	t.Helper()
	var b bytes.Buffer
	hash, err := m.Encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), hash
}

func entries(m *manifest.Manifest) (all []manifest.Entry) {
	for _, e := range m.Chunks.All() {
		e.Pieces = slices.Clone(e.Pieces)
		all = append(all, e)
	}
	return all
}

func head(m *manifest.Manifest) manifest.Manifest {
	h := *m
	h.Chunks = manifest.Table{}
	return h
}

var opaque = cmp.AllowUnexported(manifest.Table{})

func TestRoundTrip(t *testing.T) {
	m := sample()
	encoded, hash := encode(t, m)
	if hash != manifest.HashOf(encoded) {
		t.Error("Encode's hash is not that of its bytes")
	}
	got, again, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil || again != hash {
		t.Fatalf("Decode = hash %s, %v, want %s", again, err, hash)
	}
	if d := cmp.Diff(head(sample()), head(got), opaque); d != "" {
		t.Errorf("head (-want +got):\n%s", d)
	}
	if d := cmp.Diff(entries(m), entries(got)); d != "" {
		t.Errorf("entries (-want +got):\n%s", d)
	}
	firstPlaces := []int64{}
	for _, e := range entries(got)[1:] {
		firstPlaces = append(firstPlaces, e.Pieces[0].Offset)
	}
	if !slices.IsSorted(firstPlaces) || len(entries(got)[0].Pieces) != 0 {
		t.Errorf("entries lie at %v, want disk order after the hole", firstPlaces)
	}
	if twice, _ := encode(t, got); !bytes.Equal(twice, encoded) {
		t.Error("encoding what was decoded gives other bytes")
	}
}

func TestEncodingIsOneWhateverTheOrderOfAppending(t *testing.T) {
	want, _ := encode(t, sample())
	m := sample()
	all := entries(m)
	m.Chunks = manifest.Table{}
	for _, e := range slices.Backward(all) {
		m.Chunks.Append(e)
	}
	slices.Reverse(m.Fills)
	slices.Reverse(m.Partitions)
	slices.Reverse(m.Volumes)
	if got, _ := encode(t, m); !bytes.Equal(got, want) {
		t.Error("the same manifest in another order has other bytes")
	}
}

func TestDecodeHead(t *testing.T) {
	m := sample()
	encoded, _ := encode(t, m)
	got, chunks, err := manifest.DecodeHead(bytes.NewReader(encoded[:len(encoded)-100]))
	if err != nil || chunks != 6 || got.Name != m.Name || len(got.Volumes) != 3 {
		t.Errorf("DecodeHead = %+v, %d, %v", got, chunks, err)
	}
}

func TestRefused(t *testing.T) {
	entry := func(e manifest.Entry) func(*manifest.Manifest) {
		return func(m *manifest.Manifest) { m.Chunks.Append(e) }
	}
	piece := func(at, length uint32, offset int64) []manifest.Piece {
		return []manifest.Piece{{At: at, Length: length, Offset: offset}}
	}
	for name, c := range map[string]struct {
		spoil     func(*manifest.Manifest)
		structure string // the beginning of
	}{
		"a disk without size":                       {func(m *manifest.Manifest) { m.Disk.Size = 0 }, "disk"},
		"a disk larger than any":                    {func(m *manifest.Manifest) { m.Disk.Size = 1 << 62 }, "disk"},
		"sectors of 520 bytes":                      {func(m *manifest.Manifest) { m.Disk.SectorSize = 520 }, "disk"},
		"an unknown partition table":                {func(m *manifest.Manifest) { m.Disk.Table = "apm" }, "disk"},
		"a GPT without entries":                     {func(m *manifest.Manifest) { m.Disk.Table = manifest.GPT }, "disk"},
		"partitions without a table":                {func(m *manifest.Manifest) { m.Disk.Table = manifest.NoTable }, "partitions"},
		"a partition number twice":                  {func(m *manifest.Manifest) { m.Partitions[1].Number = 1 }, "partition 1"},
		"a partition past the end":                  {func(m *manifest.Manifest) { m.Partitions[1].Length = 33 * mib }, "partition 2"},
		"a partition of overflowing length":         {func(m *manifest.Manifest) { m.Partitions[1].Length = 1<<63 - 512 }, "partition 2"},
		"a partition between sectors":               {func(m *manifest.Manifest) { m.Partitions[0].Start++ }, "partition 1"},
		"partitions that overlap":                   {func(m *manifest.Manifest) { m.Partitions[0].Length = 40 * mib }, "partition 2"},
		"a logical partition outside its container": {func(m *manifest.Manifest) { m.Partitions[2].Start = 55 * mib }, "partition 5"},
		"a logical partition without container":     {func(m *manifest.Manifest) { m.Partitions[1].Type = "83" }, "partition 5"},
		"volumes that overlap":                      {func(m *manifest.Manifest) { m.Volumes[0].Length = mib }, "volume 1"},
		"a volume of no partition":                  {func(m *manifest.Manifest) { m.Volumes[1].Partition = 3 }, "volume 1"},
		"a volume larger than its partition":        {func(m *manifest.Manifest) { m.Volumes[1].Length = 21 * mib }, "volume 1"},
		"a volume of unknown order":                 {func(m *manifest.Manifest) { m.Volumes[1].Order = "random" }, "volume 1"},
		"a volume without allocation unit":          {func(m *manifest.Manifest) { m.Volumes[1].Unit = 0 }, "volume 1"},
		"a volume whose metadata is no stream":      {func(m *manifest.Manifest) { m.Volumes[1].Meta = 5 }, "volume 1"},
		"a volume without kind":                     {func(m *manifest.Manifest) { m.Volumes[1].Kind = "" }, "volume 1"},
		"a volume that uses less than it lists":     {func(m *manifest.Manifest) { m.Volumes[1].Used-- }, "volume 1"},
		"a head outside its volume":                 {func(m *manifest.Manifest) { m.Volumes[1].Heads[0].Offset = 0 }, "volume 1"},
		"a head of overflowing length":              {func(m *manifest.Manifest) { m.Volumes[1].Heads[0].Length = 1<<63 - 1 }, "volume 1"},
		"an empty chunk":                            {entry(manifest.Entry{Length: 0, Stream: 1, Index: 9}), "entry"},
		"a chunk that is too long":                  {entry(manifest.Entry{Length: chunk.MaxSize + 1, Stream: 1, Index: 9}), "entry"},
		"a chunk of a stream without name":          {entry(manifest.Entry{Length: 1, Stream: 5}), "entry"},
		"the same part of a stream twice":           {entry(manifest.Entry{Length: 1, Stream: 3}), "stream 3"},
		"a piece outside its chunk":                 {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(4000, 512, 10*mib)}), "entry"},
		"a piece without length":                    {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 0, 10*mib)}), "entry"},
		"a piece outside the disk":                  {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, 64*mib-1)}), "entry"},
		"a piece of overflowing place":              {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, 1<<63-1)}), "entry"},
		"a piece before the disk":                   {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, -4096)}), "entry"},
		"a piece in no volume":                      {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, 30*mib)}), "entry"},
		"a piece over the end of its volume":        {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, 21*mib-512)}), "entry"},
		"a chunk in two volumes": {entry(manifest.Entry{Length: 8192, Stream: 3, Index: 1, Pieces: []manifest.Piece{
			{Length: 4096, Offset: 10 * mib}, {At: 4096, Length: 4096, Offset: 33*mib + 2*65536}}}), "entry"},
		"pieces out of order": {entry(manifest.Entry{Length: 8192, Stream: 3, Index: 1, Pieces: []manifest.Piece{
			{At: 4096, Length: 4096, Offset: 10 * mib}, {At: 0, Length: 4096, Offset: 11 * mib}}}), "entry"},
		"two chunks in one place":                    {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, 3*mib+512)}), "piece at"},
		"two chunks at one place":                    {entry(manifest.Entry{Length: 4096, Stream: 3, Index: 1, Pieces: piece(0, 4096, mib)}), "entry"},
		"a fill in the place of a chunk":             {func(m *manifest.Manifest) { m.Fills[0].Offset = mib + 512 }, "fill at"},
		"a fill of a stream without name":            {func(m *manifest.Manifest) { m.Fills[0].Stream = 5 }, "fill 0"},
		"a fill of overflowing length":               {func(m *manifest.Manifest) { m.Fills[0].Length = 1<<63 - 1 }, "fill at"},
		"a fill without length":                      {func(m *manifest.Manifest) { m.Fills[0].Length = 0 }, "fill at"},
		"a don't-care extent in the place of a fill": {func(m *manifest.Manifest) { m.DontCare[0].Offset = 33*mib + 4096 + 512 }, "don't-care extent at"},
		"a don't-care extent in no volume":           {func(m *manifest.Manifest) { m.DontCare[0].Offset = 50 * mib }, "don't-care extent at"},
		"a negative number of streams":               {func(m *manifest.Manifest) { m.NameCount = -1 }, "section HEAD"},
		"a negative version":                         {func(m *manifest.Manifest) { m.Version = -1 }, "section HEAD"},
		"a note of a book's length":                  {func(m *manifest.Manifest) { m.Note = strings.Repeat("n", 1<<20) }, "section HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample()
			c.spoil(m)
			_, err := m.Encode(io.Discard)
			var invalid *manifest.InvalidError
			if !errors.As(err, &invalid) || !strings.HasPrefix(invalid.Structure, c.structure) {
				t.Errorf("Encode = %v, want *InvalidError of %q", err, c.structure)
			}
		})
	}
}

func TestDecodeRefusesEveryCutAndEveryFlippedByte(t *testing.T) {
	encoded, hash := encode(t, sample())
	for n := range encoded {
		_, _, err := manifest.Decode(bytes.NewReader(encoded[:n]), 0)
		var invalid *manifest.InvalidError
		if !errors.As(err, &invalid) {
			t.Fatalf("Decode of the first %d bytes = %v, want *InvalidError", n, err)
		}
		spoilt := slices.Clone(encoded)
		spoilt[n] ^= 0x01
		if _, got, err := manifest.Decode(bytes.NewReader(spoilt), 0); err == nil && got == hash {
			t.Fatalf("Decode with byte %d flipped gives the hash of the original", n)
		}
	}
	if _, _, err := manifest.Decode(bytes.NewReader(append(encoded, 0)), 0); err == nil {
		t.Error("Decode accepts a byte after the end")
	}
}

func TestDecodeKeepsToItsLimit(t *testing.T) {
	encoded, _ := encode(t, sample())
	for _, limit := range []int64{1, 100, 1000, int64(len(encoded)) - 1} {
		if _, _, err := manifest.Decode(bytes.NewReader(encoded), limit); err == nil {
			t.Errorf("Decode with a limit of %d bytes accepts %d", limit, len(encoded))
		}
	}
}

func TestAnotherFormatIsRefused(t *testing.T) {
	encoded, _ := encode(t, sample())
	encoded[8] = 7
	_, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	var other *manifest.FormatError
	if !errors.As(err, &other) || other.Version != 7 || other.What != "manifest" {
		t.Errorf("Decode = %v, want *FormatError of version 7", err)
	}
}

func TestAMillionEntriesTakeAtMost80BytesEach(t *testing.T) {
	const n, unit = 1_000_000, 4096
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 2*n*unit + mib, SectorSize: 512, Table: manifest.NoTable},
		Volumes:   []manifest.Volume{{Start: 0, Length: 2*n*unit + mib, Kind: "ext4", Order: manifest.ByFile, Unit: unit, Used: n * unit}},
		NameCount: n}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		var id chunk.ID
		for j := 0; j < len(id); j += 8 {
			binary.LittleEndian.PutUint64(id[j:], random.Uint64())
		}
		m.Chunks.Append(manifest.Entry{ID: id, Length: unit, Stream: uint32(i),
			Pieces: []manifest.Piece{{Length: unit, Offset: int64(2*i+random.IntN(2)) * unit}}})
	}
	encoded, _ := encode(t, m)
	m = nil
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	got, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	made := float64(after.TotalAlloc-before.TotalAlloc) / n
	runtime.GC()
	runtime.ReadMemStats(&after)
	kept := (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / n
	t.Logf("%d entries: %.1f bytes encoded, %.1f kept, %.1f made while decoding, each", got.Chunks.Len(),
		float64(len(encoded))/n, kept, made)
	if kept > 80 || kept < 48 {
		t.Errorf("an entry takes %.1f bytes, want its 64 and at most 80", kept)
	}
	runtime.KeepAlive(encoded)
	runtime.KeepAlive(got)
}

func TestTable(t *testing.T) {
	var table manifest.Table
	if table.Sort(); table.Len() != 0 {
		t.Error("an empty table has entries")
	}
	place := func(offsets ...int64) (pieces []manifest.Piece) {
		for i, o := range offsets {
			pieces = append(pieces, manifest.Piece{At: uint32(i) * 512, Length: 512, Offset: o})
		}
		return pieces
	}
	given := []manifest.Entry{
		{Stream: 0, Length: 1024, Pieces: place(5000, 100)}, {Stream: 1, Length: 512, Pieces: place(2000)},
		{Stream: 3, Length: 512}, {Stream: 2, Length: 512, Index: 1}, {Stream: 2, Length: 512}}
	for i, e := range given {
		table.Append(e)
		if e.Pieces != nil {
			e.Pieces[0].Length = 99 // the table must have copied it
			given[i].Pieces = place(e.Pieces[0].Offset)
		}
	}
	order := func() (streams []uint32) {
		for i, e := range table.All() {
			if d := cmp.Diff(e, table.At(i)); d != "" {
				t.Errorf("At(%d) and All differ:\n%s", i, d)
			}
			if len(e.Pieces) > 0 && e.Pieces[0].Length != 512 {
				t.Errorf("entry %d shares its pieces with the caller", i)
			}
			streams = append(streams, e.Stream)
		}
		return streams
	}
	if got := order(); !slices.Equal(got, []uint32{0, 1, 3, 2, 2}) {
		t.Errorf("before Sort the streams are %v", got)
	}
	table.Sort()
	if got := order(); !slices.Equal(got, []uint32{2, 2, 3, 1, 0}) || table.At(0).Index != 0 {
		t.Errorf("after Sort the streams are %v", got)
	}
	table.Append(manifest.Entry{Stream: 9, Length: 512, Pieces: place(3000)})
	if got := table.At(5); got.Stream != 9 {
		t.Errorf("an entry appended after Sort is not last: %+v", got)
	}
	table.Sort()
	if got := order(); !slices.Equal(got, []uint32{2, 2, 3, 1, 9, 0}) {
		t.Errorf("after the second Sort the streams are %v", got)
	}
	for range table.All() {
		break // stopping early must not panic
	}
}

func TestATableThatWasGrownTakesWhatItWasGrownFor(t *testing.T) {
	var table manifest.Table
	table.Append(manifest.Entry{Stream: 1, Length: 512, Pieces: []manifest.Piece{{Length: 512, Offset: 1 << 20}}})
	e := manifest.Entry{Stream: 2, Length: 512, Pieces: []manifest.Piece{{Length: 256}, {At: 256, Length: 256, Offset: 1 << 30}}}
	table.Grow(1001, 2002) // AllocsPerRun makes one run more
	if n := testing.AllocsPerRun(1000, func() { table.Append(e) }); n != 0 || table.Len() != 1002 {
		t.Errorf("%d entries, %v allocations for each", table.Len(), n)
	}
	if got := table.At(0); got.Stream != 1 || got.Pieces[0].Offset != 1<<20 {
		t.Errorf("growing changed an entry into %+v", got)
	}
}

func TestHash(t *testing.T) {
	want := manifest.HashOf([]byte("x"))
	got, err := manifest.ParseHash(want.String())
	if err != nil || got != want {
		t.Errorf("ParseHash(%s) = %s, %v", want, got, err)
	}
	for _, bad := range []string{"", "00", want.String() + "0", strings.Repeat("g", 64)} {
		if _, err := manifest.ParseHash(bad); err == nil {
			t.Errorf("ParseHash(%q) accepts it", bad)
		}
	}
}

// ofFormatOne are the files of this name in the library that was kept when format 1 was frozen.
func ofFormatOne(t testing.TB, name string) (all [][]byte) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "testdata", "library-1", "masters", "*", "*", name))
	if err != nil || len(paths) != 4 {
		t.Fatalf("of format 1 there are %q, %v", paths, err)
	}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, raw)
	}
	return all
}

func FuzzDecode(f *testing.F) {
	encoded, _ := encode(f, sample())
	f.Add(encoded)
	empty, _ := encode(f, &manifest.Manifest{Disk: manifest.Disk{Size: mib, SectorSize: 4096, Table: manifest.NoTable}})
	f.Add(empty)
	f.Add(encoded[:700])
	for _, raw := range ofFormatOne(f, "manifest") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, hash, err := manifest.Decode(bytes.NewReader(b), mib)
		if err != nil {
			return
		}
		if hash != manifest.HashOf(b) {
			t.Fatal("the hash is not that of all bytes")
		}
		again, _ := encode(t, m)
		twice, _, err := manifest.Decode(bytes.NewReader(again), 0)
		if err != nil {
			t.Fatalf("what was decoded and encoded does not decode: %v", err)
		}
		if d := cmp.Diff(entries(m), entries(twice)); d != "" {
			t.Fatalf("entries (-want +got):\n%s", d)
		}
	})
}
