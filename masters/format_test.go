package masters_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
)

// What lies in testdata/library-1 was written by a program when format 1 was frozen: three masters, of which "salle" has
// two versions, signed by two keys of one site, and "autre" came from another site.
const (
	library1 = "testdata/library-1"
	key1     = "s2ACwdZBjVTxFlyBi8UIm9s/9dJX9LHBuh2CryqlGVM="
	key2     = "t5cRdC+sdfmXBz2Eoq+lPnNGXq8eJ4osXLhJ8q9HLqQ="
	foreign1 = "6IQ5kLmeIthP2nlbuQhKVZgbV/v43aOZJPcUi5jsHf4="
)

// contentOne is what the chunks of format 1 hold, by the names that oneManifest calls them.
func contentOne() map[string][]byte {
	text := func(s string, n int) []byte { return []byte(strings.Repeat(s, n/len(s)+1)[:n]) }
	return map[string][]byte{
		"gap": text("boot code ", 4096), "esp": text("EFI ", 8192), "super": text("metadata of ext4 ", 4096),
		"file": text("a file of a whole chunk, in two pieces. ", chunk.MaxSize), "tail": text("its tail ", 12288),
		"twice": text("two files hold this ", 4096), "ntfs": text("clusters in disk order ", 16384), "raw": text("what nobody can read ", 512),
		"v2": text("what version 2 has changed ", 4096), "bios": text("another disk ", 8192), "far": text("from afar ", 4096),
	}
}

const mib = 1 << 20

// salleOne is a manifest with every kind of structure; version 2 holds another "super".
func salleOne(number int) *manifest.Manifest {
	m := &manifest.Manifest{
		Name: "salle", Version: number, Author: "Marie <marie@example.org>", Note: "première capture\nà essayer",
		Disk: manifest.Disk{Size: 256 * mib, SectorSize: 512, Table: manifest.GPT, GUID: "6B29FC40-CA47-1067-B31D-00DD010662DA",
			FirstLBA: 34, Entries: 128},
		Partitions: []manifest.Partition{
			{Number: 1, Start: mib, Length: 32 * mib, Type: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", GUID: "00000000-0000-4000-8000-000000000001",
				Name: "EFI", Attributes: 1},
			{Number: 2, Start: 33 * mib, Length: 64 * mib, Type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
				GUID: "00000000-0000-4000-8000-000000000002", Name: "racine"},
			{Number: 4, Start: 100 * mib, Length: 32 * mib, Type: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7",
				GUID: "00000000-0000-4000-8000-000000000004", Name: "Windows", Attributes: 1 << 63},
			{Number: 5, Start: 140 * mib, Length: 8 * mib, Type: "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
				GUID: "00000000-0000-4000-8000-000000000005"},
		},
		Volumes: []manifest.Volume{
			{Start: 17408, Length: mib - 17408, Kind: "gap", Order: manifest.Raw, Unit: 1, Used: 4096, Meta: 0},
			{Partition: 1, Start: mib, Length: 32 * mib, Kind: "fat32", Order: manifest.ByFile, Unit: 4096, Label: "EFI", UUID: "ABCD-0001",
				Used: 8192, Heads: []manifest.Extent{{Offset: mib, Length: 512}, {Offset: mib + 6*512, Length: 512}}, Meta: 1},
			{Partition: 2, Start: 33 * mib, Length: 64 * mib, Kind: "ext4", Order: manifest.ByFile, Unit: 4096, Label: "racine",
				UUID: "9b2f4b1e-0000-4000-8000-000000000002", Used: 2*4096 + chunk.MaxSize + 8192 + 4096 + mib + 65536,
				Heads: []manifest.Extent{{Offset: 33 * mib, Length: 4096}}, Meta: 2},
			{Partition: 4, Start: 100 * mib, Length: 32 * mib, Kind: "ntfs", Order: manifest.ByPosition, Reason: "its records and its bitmap differ",
				Unit: 4096, UUID: "0123456789ABCDEF", Used: 16384 + 2*mib, Meta: 6},
			{Partition: 5, Start: 140 * mib, Length: 8 * mib, Kind: "raw", Order: manifest.Raw, Reason: "nobody knows it", Unit: 1, Used: 512, Meta: 7},
		},
		Fills: []manifest.Fill{
			{Extent: manifest.Extent{Offset: 50 * mib, Length: mib}, Stream: 2},
			{Extent: manifest.Extent{Offset: 110 * mib, Length: 2 * mib}, Byte: 0xff, Stream: 6}},
		DontCare: []manifest.Extent{{Offset: 60 * mib, Length: 65536}},
	}
	super := "super"
	if number == 2 {
		super, m.Note = "v2", "seconde"
	}
	whole := func(name string, stream uint32, offset int64) {
		content := contentOne()[name]
		m.Chunks.Append(manifest.Entry{ID: chunk.Of(content), Length: uint32(len(content)), Stream: stream,
			Pieces: []manifest.Piece{{Length: uint32(len(content)), Offset: offset}}})
	}
	whole("gap", 0, 20480)
	whole("esp", 1, mib+4096)
	whole(super, 2, 33*mib)
	whole("twice", 3, 34*mib)
	whole("ntfs", 6, 100*mib)
	whole("raw", 7, 140*mib)
	c := contentOne()
	m.Chunks.Append(manifest.Entry{ID: chunk.Of(c["file"]), Length: chunk.MaxSize, Stream: 4, Pieces: []manifest.Piece{
		{Length: 4096, Offset: 40 * mib}, {At: 4096, Length: chunk.MaxSize - 4096, Offset: 36 * mib}}})
	m.Chunks.Append(manifest.Entry{ID: chunk.Of(c["tail"]), Length: 12288, Stream: 4, Index: 1, Pieces: []manifest.Piece{
		{Length: 4096, Offset: 41 * mib}, {At: 8192, Length: 4096, Offset: 39 * mib}}}) // a hole in its middle
	whole("twice", 5, 35*mib)
	return m
}

// biosOne and autreOne are manifests of disks with other tables.
func biosOne() *manifest.Manifest {
	m := &manifest.Manifest{Name: "bios", Version: 1, Author: "jean",
		Disk: manifest.Disk{Size: 64 * mib, SectorSize: 4096, Table: manifest.MBR, Signature: 0xcafe0001},
		Partitions: []manifest.Partition{{Number: 1, Start: mib, Length: 20 * mib, Type: "07", Attributes: 0x80},
			{Number: 2, Start: 32 * mib, Length: 30 * mib, Type: "0F"},
			{Number: 5, Start: 33 * mib, Length: 8 * mib, Type: "82", Attributes: 0x10000}},
		Volumes: []manifest.Volume{{Partition: 1, Start: mib, Length: 20 * mib, Kind: "ntfs", Order: manifest.ByFile, Unit: 4096, Used: 8192},
			{Partition: 5, Start: 33 * mib, Length: 8 * mib, Kind: "swap", Order: manifest.ByFile, Unit: 4096, Used: 7 * mib, Meta: 1}},
		DontCare: []manifest.Extent{{Offset: 34 * mib, Length: 7 * mib}}}
	m.Chunks.Append(manifest.Entry{ID: chunk.Of(contentOne()["bios"]), Length: 8192, Pieces: []manifest.Piece{{Length: 8192, Offset: 2 * mib}}})
	return m
}

func autreOne() *manifest.Manifest {
	m := &manifest.Manifest{Name: "autre", Version: 7, Author: "un autre lycée",
		Disk:    manifest.Disk{Size: 8 * mib, SectorSize: 512, Table: manifest.NoTable},
		Volumes: []manifest.Volume{{Length: 8 * mib, Kind: "ext2", Order: manifest.ByFile, Unit: 1024, Used: 4096, Heads: []manifest.Extent{{Offset: 1024, Length: 1024}}}}}
	m.Chunks.Append(manifest.Entry{ID: chunk.Of(contentOne()["far"]), Length: 4096, Pieces: []manifest.Piece{{Length: 4096, Offset: 1024}}})
	return m
}

// namesOne are the names of the streams of a manifest.
func namesOne(m *manifest.Manifest) []manifest.Name {
	switch m.Name {
	case "salle":
		return []manifest.Name{{Stream: 0, Volume: 0, Size: mib - 17408}, {Stream: 1, Volume: 1, Size: 32 * mib},
			{Stream: 2, Volume: 2, Size: 64 * mib}, {Stream: 3, Volume: 2, Number: 12, Size: 4000, Path: "etc/été"},
			{Stream: 4, Volume: 2, Number: 13, Size: chunk.MaxSize + 12000, Path: "etc/étéx/\xff\n"},
			{Stream: 5, Volume: 2, Number: 1 << 40, Size: 4096, Path: "usr/bin/" + strings.Repeat("long", 100)},
			{Stream: 6, Volume: 3, Size: 32 * mib}, {Stream: 7, Volume: 4, Size: 8 * mib}}
	case "bios":
		return []manifest.Name{{Stream: 0, Number: 5, Size: 8192, Path: "pagefile.sys"}, {Stream: 1, Volume: 1, Size: 8 * mib}}
	}
	return []manifest.Name{{Size: 8 * mib}}
}

// copyOne is a folder of format 1 to work in, as a person restores one from a shelf.
func copyOne(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(library1)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys", "signing.key"), 0o600); err != nil { // a checkout does not keep it
		t.Fatal(err)
	}
	return dir
}

// sameManifest compares a manifest with what it was made of, which has no names, hashes and dates yet.
func sameManifest(t testing.TB, got, want *manifest.Manifest) {
	t.Helper()
	want.Created, want.Parent, want.Names, want.NameCount = got.Created, got.Parent, got.Names, got.NameCount
	want.Chunks.Sort()
	all := func(m *manifest.Manifest) (list []manifest.Entry) {
		for _, e := range m.Chunks.All() {
			e.Pieces = slices.Clone(e.Pieces)
			list = append(list, e)
		}
		return list
	}
	if d := cmp.Diff(all(want), all(got)); d != "" {
		t.Errorf("%s@%d, entries (-want +got):\n%s", got.Name, got.Version, d)
	}
	a, b := *want, *got
	a.Chunks, b.Chunks = manifest.Table{}, manifest.Table{}
	if d := cmp.Diff(a, b, cmp.AllowUnexported(manifest.Table{})); d != "" {
		t.Errorf("%s@%d (-want +got):\n%s", got.Name, got.Version, d)
	}
}

// TestALibraryOfFormatOneIsReadForEver reads a data folder that was written when its format was frozen. When this fails,
// masters of schools cannot be read any more: it is the code that must change.
func TestALibraryOfFormatOneIsReadForEver(t *testing.T) {
	lib := open(t, copyOne(t))
	defer func() { _ = lib.Close() }()
	if d := cmp.Diff([]string{key2, key1}, lib.TrustedKeys()); d != "" {
		t.Errorf("trusted keys (-want +got):\n%s", d)
	}
	all, err := lib.List()
	if err != nil || len(all) != 4 {
		t.Fatalf("List = %v, %v", all, err)
	}
	for i, want := range []*manifest.Manifest{autreOne(), biosOne(), salleOne(1), salleOne(2)} {
		m, err := lib.Open(all[i])
		if err != nil {
			t.Errorf("%s: %v", all[i], err)
			continue
		}
		sameManifest(t, m, want)
		prove(t, lib, all[i])
		checkNamesOne(t, lib, all[i], m)
		if want.Name == "salle" && !m.Created.Equal(time.Date(2026, 11, 20+m.Version, 6, 30, 0, 0, time.UTC)) {
			t.Errorf("%s was created %s", all[i], m.Created)
		}
	}
	if all[3].Parent != all[2].Hash || all[2].StoredBytes == 0 || all[3].NewBytes == 0 {
		t.Errorf("the versions are %+v", all)
	}
	for v, key := range map[int]string{0: key2, 2: key1, 3: key2} {
		if _, sig, err := lib.Manifest(all[v].Hash); err != nil || sig.Key != key {
			t.Errorf("%s is signed by %s, %v, want %s", all[v], sig.Key, err, key)
		}
	}
	if f, err := lib.Check(ctx, store.Work{}); err != nil || !f.Sound() || f.Versions != 4 || f.Orphans != 0 {
		t.Errorf("Check = %+v, %v", f, err)
	}
}

func checkNamesOne(t testing.TB, lib *masters.Library, v masters.Version, m *manifest.Manifest) {
	t.Helper()
	r, err := lib.Names(v.Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	var got []manifest.Name
	for n, err := range manifest.ReadNames(r) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, n)
	}
	if d := cmp.Diff(namesOne(m), got); d != "" {
		t.Errorf("names of %s (-want +got):\n%s", v, d)
	}
}

func TestChannelsNotesAndRulesOfFormatOneAreReadForEver(t *testing.T) {
	dir := copyOne(t)
	lib := open(t, dir)
	about, err := lib.About("salle")
	if err != nil || about.Damaged != "" {
		t.Fatalf("About = %+v, %v", about, err)
	}
	got := ""
	for _, c := range about.Channels {
		got += fmt.Sprintf("%s=%d<%d by %s; ", c.Name, c.Version, c.Before, c.By)
	}
	for _, n := range about.Notes {
		got += fmt.Sprintf("%d: %s (%s); ", n.Version, n.Text, n.By)
	}
	for _, m := range about.Moves {
		got += fmt.Sprintf("%s %d>%d; ", m.Channel, m.From, m.To)
	}
	got += fmt.Sprintf("the last %d stay, says %s", about.Rule.KeepLast, about.Rule.By)
	want := "stable=2<1 by marie; test=1<0 by jean; 1: marche « bien » (jean); 2: essayée en S104 (marie); stable 0>1; test 0>1; stable 1>2; " +
		"test 1>2; test 2>1; the last 5 stay, says marie"
	if got != want {
		t.Errorf("of salle is kept\n%s\nwant\n%s", got, want)
	}
	// Version 3 was forgotten: its number is nobody's any more.
	v, err := publish(t, lib, "salle", sealOne(t))
	if err != nil || v.Number != 4 {
		t.Errorf("the next version is %s, %v, want salle@4", v, err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "masters", "autre", "000007", "origin.json"))
	if err != nil || !strings.Contains(string(raw), foreign1) {
		t.Errorf("autre@7 came with %s, %v", raw, err)
	}
}

// sealOne are the frames of format 1, sealed again.
func sealOne(t testing.TB) []chunk.Frame {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var frames []chunk.Frame
	for _, content := range contentOne() {
		frames = append(frames, codec.Seal(chunk.Of(content), content))
	}
	return frames
}

// What is written today is what was written then, but for the compressor's choices and for signatures over new dates.
func TestFormatOneIsWrittenAsItWas(t *testing.T) {
	lib := open(t, copyOne(t))
	defer func() { _ = lib.Close() }()
	all, err := lib.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		m, err := lib.Open(v)
		if err != nil {
			t.Fatal(err)
		}
		var encoded bytes.Buffer
		if _, err := m.Encode(&encoded); err != nil {
			t.Fatal(err)
		}
		was, _, err := lib.Manifest(v.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plain(t, was), plain(t, encoded.Bytes())); d != "" {
			t.Errorf("%s is encoded otherwise (-then +now):\n%s", v, d)
		}
		var table bytes.Buffer
		w := manifest.NewNamesWriter(&table)
		for _, n := range namesOne(m) {
			if err := w.Add(n); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := lib.Names(v.Hash)
		if err != nil {
			t.Fatal(err)
		}
		old, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(plain(t, old), plain(t, table.Bytes())); d != "" {
			t.Errorf("the names of %s are encoded otherwise (-then +now):\n%s", v, d)
		}
	}
}

func TestFormatZeroIsRefused(t *testing.T) {
	dir := copyOne(t)
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("ardoise data 0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var format *masters.FormatError
	if _, err := masters.Open(dir, masters.Options{}); !errors.As(err, &format) || format.Line != "ardoise data 0" {
		t.Errorf("Open of a folder of format 0 = %v, want *FormatError", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("ardoise data 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "masters", "salle", "000002", "manifest")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[8] = 0
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	lib := open(t, dir)
	defer func() { _ = lib.Close() }()
	all, _ := lib.List()
	if got := all[3].Damaged; !strings.Contains(got, "format version 0, this program reads 1") {
		t.Errorf("a manifest of format 0 is told as %q", got)
	}
	// Nor does a signature count that was made before.
	key, err := sign.New()
	if err != nil {
		t.Fatal(err)
	}
	hash := manifest.HashOf(raw)
	old := manifest.Signature{Key: key.Public(), Hash: hash, Signature: key.Sign("ardoise manifest 0", hash[:])}
	if masters.CheckSignature([]string{key.Public()}, hash, old) == nil {
		t.Error("a signature of format 0 counts")
	}
}

// plain is an encoded manifest or names table without its compression: what a format fixes, whatever the compressor.
func plain(t testing.TB, raw []byte) map[string]string {
	t.Helper()
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	out := map[string]string{"preamble": string(raw[:16])}
	rest := raw[16:]
	for len(rest) > 8 {
		tag, content := string(rest[:4]), []byte{}
		for rest = rest[4:]; ; {
			length, stored := binary.LittleEndian.Uint32(rest), binary.LittleEndian.Uint32(rest[4:])
			rest = rest[8:]
			if length == 0 {
				break
			}
			block := rest[:stored]
			if rest = rest[stored:]; stored < length {
				if block, err = d.DecodeAll(block, nil); err != nil {
					t.Fatal(err)
				}
			}
			content = append(content, block...)
		}
		out[tag] = string(content)
	}
	out["end"] = string(rest)
	return out
}
