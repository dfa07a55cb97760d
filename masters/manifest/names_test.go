package manifest_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/manifest"
)

func names() []manifest.Name {
	return []manifest.Name{
		{Stream: 0, Volume: 0, Size: 512},
		{Stream: 1, Volume: 1, Size: 1 << 40},
		{Stream: 2, Volume: 1, Number: 12, Size: 7, Path: "etc/hostname"},
		{Stream: 3, Volume: 1, Number: 1<<64 - 1, Size: 0, Path: "etc/hosts"},
		{Stream: 4, Volume: 2, Number: 5, Size: 9, Path: "caf\xe9/not UTF-8"},
	}
}

func encodeNames(t testing.TB, list []manifest.Name) ([]byte, manifest.Hash) {
	t.Helper()
	var b bytes.Buffer
	w := manifest.NewNamesWriter(&b)
	for _, n := range list {
		if err := w.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	hash, count, err := w.Close()
	if err != nil || count != len(list) || hash != manifest.HashOf(b.Bytes()) {
		t.Fatalf("Close = %s, %d, %v", hash, count, err)
	}
	return b.Bytes(), hash
}

func readNames(r io.Reader) (list []manifest.Name, err error) {
	for n, e := range manifest.ReadNames(r) {
		if e != nil {
			return list, e
		}
		list = append(list, n)
	}
	return list, nil
}

func TestNamesRoundTrip(t *testing.T) {
	many := make([]manifest.Name, 50_000)
	for i := range many {
		many[i] = manifest.Name{Stream: uint32(i), Volume: 1, Number: uint64(i), Size: int64(i), Path: fmt.Sprintf("usr/share/doc/%d/copyright", i)}
	}
	for name, list := range map[string][]manifest.Name{
		"no names": nil, "a few of all kinds": names(), "many, in several blocks": many,
		"numbers with gaps": {{Stream: 7}, {Stream: 1<<32 - 1, Path: "last"}},
	} {
		t.Run(name, func(t *testing.T) {
			encoded, _ := encodeNames(t, list)
			got, err := readNames(bytes.NewReader(encoded))
			if err != nil || !slices.Equal(got, list) {
				t.Errorf("ReadNames = %d names, %v, want the %d written", len(got), err, len(list))
			}
		})
	}
}

func TestNamesWriterRefusesAndCuts(t *testing.T) {
	w := manifest.NewNamesWriter(io.Discard)
	long := manifest.Name{Stream: 4, Path: strings.Repeat("p", manifest.MaxPath+1)}
	if err := w.Add(long); err != nil {
		t.Errorf("Add of a path that is too long = %v, want it cut", err)
	}
	for what, n := range map[string]manifest.Name{
		"a stream number twice": {Stream: 4}, "a negative volume": {Stream: 5, Volume: -1}, "a negative size": {Stream: 5, Size: -1},
	} {
		var invalid *manifest.InvalidError
		if err := w.Add(n); !errors.As(err, &invalid) {
			t.Errorf("Add of %s = %v, want *InvalidError", what, err)
		}
	}
}

func TestReadNamesRefusesEveryCut(t *testing.T) {
	encoded, _ := encodeNames(t, names())
	for n := range encoded {
		_, err := readNames(bytes.NewReader(encoded[:n]))
		var invalid *manifest.InvalidError
		if !errors.As(err, &invalid) {
			t.Fatalf("ReadNames of the first %d bytes = %v, want *InvalidError", n, err)
		}
	}
	if _, err := readNames(bytes.NewReader(append(encoded, 0))); err == nil {
		t.Error("ReadNames accepts a byte after the end")
	}
	for range manifest.ReadNames(bytes.NewReader(encoded)) {
		break // stopping early must not panic
	}
}

func TestCheckNames(t *testing.T) {
	for name, c := range map[string]struct {
		list  []manifest.Name
		spoil func(*manifest.Manifest)
		ok    bool
	}{
		"the table of this manifest":       {names(), func(*manifest.Manifest) {}, true},
		"a table of another hash":          {names(), func(m *manifest.Manifest) { m.Names[0] ^= 1 }, false},
		"a table with too few names":       {names()[:4], func(*manifest.Manifest) {}, false},
		"a table that leaves a number out": {append(names()[:4:4], manifest.Name{Stream: 5}), func(*manifest.Manifest) {}, false},
		"a table of an unknown volume":     {append(names()[:4:4], manifest.Name{Stream: 4, Volume: 3}), func(*manifest.Manifest) {}, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := sample()
			var encoded []byte
			encoded, m.Names = encodeNames(t, c.list)
			c.spoil(m)
			if err := manifest.CheckNames(bytes.NewReader(encoded), m); (err == nil) != c.ok {
				t.Errorf("CheckNames = %v, want ok %v", err, c.ok)
			}
		})
	}
}

func FuzzReadNames(f *testing.F) {
	encoded, _ := encodeNames(f, names())
	f.Add(encoded)
	empty, _ := encodeNames(f, nil)
	f.Add(empty)
	for _, raw := range ofFormatOne(f, "names") {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := readNames(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, _ := encodeNames(t, list)
		if twice, err := readNames(bytes.NewReader(again)); err != nil || !slices.Equal(twice, list) {
			t.Fatalf("names written again = %v, %v, want %v", twice, err, list)
		}
	})
}
