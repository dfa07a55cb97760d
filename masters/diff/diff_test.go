package diff_test

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/diff"
	"github.com/ardoise/ardoise/masters/manifest"
)

// entry is a file of a made-up volume; "" is its metadata.
type entry struct {
	partition int
	path      string
	chunks    []string // content of each; "" is a hole
	size      int64
}

func f(path string, size int64, chunks ...string) entry {
	return entry{partition: 1, path: path, chunks: chunks, size: size}
}

// version makes a version of such files, laid out in the order given.
func version(t testing.TB, order manifest.Order, entries ...entry) diff.Version {
	t.Helper()
	const length = 1 << 30
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Name: "m", Version: 1, Disk: manifest.Disk{Size: 4 * length, SectorSize: 512, Table: manifest.GPT, FirstLBA: 34, Entries: 128}}
	for p := 1; p <= 2; p++ {
		m.Partitions = append(m.Partitions, manifest.Partition{Number: p, Start: int64(p) * length, Length: length,
			Type: "0FC63DAF-8483-4772-8E79-3D69D8477DE4", GUID: fmt.Sprintf("00000000-0000-0000-0000-00000000000%d", p)})
		m.Volumes = append(m.Volumes, manifest.Volume{Partition: p, Start: int64(p) * length, Length: length, Kind: "ext4",
			Order: order, Unit: 1, Meta: 1 << 30})
	}
	at := [2]int64{length, 2 * length}
	for i, e := range entries {
		v := e.partition - 1
		if e.path == "" {
			m.Volumes[v].Meta = uint32(i)
		}
		for index, content := range e.chunks {
			if content == "" {
				continue
			}
			m.Chunks.Append(manifest.Entry{ID: chunk.Of([]byte(content)), Length: uint32(len(content)), Stream: uint32(i),
				Index: uint32(index), Pieces: []manifest.Piece{{Length: uint32(len(content)), Offset: at[v]}}})
			at[v] += int64(len(content))
			m.Volumes[v].Used += int64(len(content))
		}
		if err := w.Add(manifest.Name{Stream: uint32(i), Volume: v, Size: e.size, Path: e.path}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if m.Names, m.NameCount, err = w.Close(); err != nil {
		t.Fatal(err)
	}
	return diff.Version{Manifest: m, Names: func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(names.Bytes())), nil
	}}
}

func compare(t *testing.T, a, b diff.Version) ([]diff.Change, diff.Summary) {
	t.Helper()
	var all []diff.Change
	s, err := diff.Run(context.Background(), a, b, func(c diff.Change) error {
		all = append(all, c)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(all, func(a, b diff.Change) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.What, b.What), cmp.Compare(a.Partition, b.Partition))
	})
	if s.Equal != (len(all) == 0) {
		t.Errorf("summary says equal %v of %d differences", s.Equal, len(all))
	}
	return all, s
}

func TestFilesThatDiffer(t *testing.T) {
	const by = manifest.ByFile
	base := []entry{f("", 1<<30, "inodes", "", "dirs"), f("bin/sh", 6, "shell1"), f("etc/hosts", 5, "hosts"), f("var/log", 300000, "", "tail")}
	for name, c := range map[string]struct {
		a, b []entry
		want []diff.Change
	}{
		"nothing":                   {base, base, nil},
		"laid out in another order": {base, []entry{base[3], base[0], base[2], base[1]}, nil},
		"a file more and metadata": {base, append(slices.Clone(base[1:]), f("", 1<<30, "inodes", "new", "dirs2"), f("etc/new", 3, "new")),
			[]diff.Change{{Kind: diff.Changed, What: diff.Metadata, Partition: 1, Before: 4, After: 8},
				{Kind: diff.Added, What: diff.File, Partition: 1, Path: "etc/new", After: 3}}},
		"a file less": {base, []entry{base[0], base[1], base[2]},
			[]diff.Change{{Kind: diff.Removed, What: diff.File, Partition: 1, Path: "var/log", Before: 300000}}},
		"another content of the same size": {base, []entry{base[0], f("bin/sh", 6, "shell2"), base[2], base[3]},
			[]diff.Change{{Kind: diff.Changed, What: diff.File, Partition: 1, Path: "bin/sh", Before: 6, After: 6}}},
		"only longer, by zeros": {base, []entry{base[0], base[1], base[2], f("var/log", 400000, "", "tail")},
			[]diff.Change{{Kind: diff.Changed, What: diff.File, Partition: 1, Path: "var/log", Before: 300000, After: 400000}}},
		"the same chunk elsewhere in the file": {base, []entry{base[0], base[1], base[2], f("var/log", 300000, "tail")},
			[]diff.Change{{Kind: diff.Changed, What: diff.File, Partition: 1, Path: "var/log", Before: 300000, After: 300000}}},
		"two chunks in each other's place": {[]entry{f("x", 2, "a", "b")}, []entry{f("x", 2, "b", "a")},
			[]diff.Change{{Kind: diff.Changed, What: diff.File, Partition: 1, Path: "x", Before: 2, After: 2}}},
		"the same path on another volume": {[]entry{f("x", 1, "a")}, []entry{{2, "x", []string{"a"}, 1}},
			[]diff.Change{{Kind: diff.Removed, What: diff.File, Partition: 1, Path: "x", Before: 1},
				{Kind: diff.Added, What: diff.File, Partition: 2, Path: "x", After: 1}}},
		"a path that is there twice": {[]entry{f("x", 1, "a"), f("x", 1, "b")}, []entry{f("x", 1, "a")},
			[]diff.Change{{Kind: diff.Removed, What: diff.File, Partition: 1, Path: "x", Before: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := compare(t, version(t, by, c.a...), version(t, by, c.b...))
			if d := gocmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestTotals(t *testing.T) {
	a := version(t, manifest.ByFile, f("", 1, "meta"), f("same", 10, "s"), f("gone", 20, "g"), f("other", 30, "o"))
	b := version(t, manifest.ByFile, f("", 1, "META"), f("same", 10, "s"), f("new", 50, "n"), f("other", 35, "O"))
	_, s := compare(t, a, b)
	want := []diff.Totals{{Partition: 1, Kind: "ext4", Added: diff.Count{Files: 1, Bytes: 50}, Removed: diff.Count{Files: 1, Bytes: 20},
		Changed: diff.Count{Files: 1, Bytes: 35}, Same: diff.Count{Files: 1, Bytes: 10}, Other: true}, {Partition: 2, Kind: "ext4"}}
	if d := gocmp.Diff(want, s.Volumes); d != "" {
		t.Error(d)
	}
}

func TestAVolumeThatWasNotCutByFilesIsToldAsBytes(t *testing.T) {
	a := version(t, manifest.Raw, f("", 1<<30, "one", "two", "three"))
	b := version(t, manifest.Raw, f("", 1<<30, "one", "2", "three"))
	b.Manifest.Volumes[0].Reason = "nobody knows it"
	a.Manifest.Volumes[0].Reason = "nobody knows it"
	got, _ := compare(t, a, b)
	want := []diff.Change{{Kind: diff.Changed, What: diff.Bytes, Partition: 1, Before: 3, After: 1, Detail: "cut by raw: nobody knows it"}}
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestVolumesAndTablesThatDiffer(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *manifest.Manifest)
		what   string
		kind   diff.Kind
	}{
		"another file system":       {func(m *manifest.Manifest) { m.Volumes[1].Kind = "ntfs" }, diff.Volume, diff.Changed},
		"cut in another way":        {func(m *manifest.Manifest) { m.Volumes[1].Order = manifest.Raw }, diff.Volume, diff.Changed},
		"the file system made anew": {func(m *manifest.Manifest) { m.Volumes[1].UUID = "other" }, diff.Volume, diff.Changed},
		"a volume less":             {func(m *manifest.Manifest) { m.Volumes = m.Volumes[:1] }, diff.Volume, diff.Removed},
		"another partition name":    {func(m *manifest.Manifest) { m.Partitions[0].Name = "x" }, diff.Table, diff.Changed},
		"another disk size":         {func(m *manifest.Manifest) { m.Disk.Size++ }, diff.Table, diff.Changed},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := version(t, manifest.ByFile, f("x", 1, "a")), version(t, manifest.ByFile, f("x", 1, "a"))
			c.change(b.Manifest)
			got, _ := compare(t, a, b)
			if len(got) != 1 || got[0].What != c.what || got[0].Kind != c.kind {
				t.Errorf("told is %+v, want one %s %s", got, c.what, c.kind)
			}
		})
	}
}

func TestNamesThatWereAlteredAreNotTold(t *testing.T) {
	a, b := version(t, manifest.ByFile, f("x", 1, "a")), version(t, manifest.ByFile, f("y", 1, "a"))
	b.Names = version(t, manifest.ByFile, f("z", 1, "a")).Names
	_, err := diff.Run(context.Background(), a, b, func(c diff.Change) error {
		t.Errorf("told is %+v", c)
		return nil
	})
	var invalid *manifest.InvalidError
	if !errors.As(err, &invalid) {
		t.Errorf("Run = %v, want *manifest.InvalidError", err)
	}
}

func TestEndsWhenTold(t *testing.T) {
	a, b := version(t, manifest.ByFile, f("x", 1, "a")), version(t, manifest.ByFile)
	if _, err := diff.Run(context.Background(), a, b, func(diff.Change) error { return io.EOF }); err != io.EOF {
		t.Errorf("Run = %v, want the error of tell", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := diff.Run(ctx, a, b, func(diff.Change) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
}
