package store

import (
	"bytes"
	"io"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

// inMemory is a pack that a fuzzer has made.
type inMemory struct {
	*bytes.Reader
}

func (inMemory) Sync() error                 { return nil }
func (inMemory) Close() error                { return nil }
func (inMemory) Write(p []byte) (int, error) { return 0, io.ErrShortWrite }
func (m inMemory) Size() (int64, error)      { return m.Reader.Size(), nil }

// realPack is a pack of three small frames, as a store writes it.
func realPack(t testing.TB) []byte {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	b := preamble()
	var entries []entry
	for _, content := range []string{"first", "second, which is longer", "third"} {
		f := codec.Seal(chunk.Of([]byte(content)), []byte(content))
		entries = append(entries, entry{id: f.ID, offset: uint32(len(b)), size: uint32(f.Size()), length: f.Length})
		b = f.AppendTo(b)
	}
	return append(b, footer(entries, uint32(len(b)))...)
}

func FuzzReadPack(f *testing.F) {
	pack := realPack(f)
	f.Add(pack)
	f.Add(pack[:len(pack)-1])
	f.Add(pack[:100])
	f.Add(preamble())
	f.Fuzz(func(t *testing.T, b []byte) {
		entries, size, _ := readPack(inMemory{bytes.NewReader(b)}, 1)
		for _, e := range entries {
			if int64(e.offset)+int64(e.size) > size {
				t.Errorf("entry ends at %d in a pack of %d bytes", int64(e.offset)+int64(e.size), size)
			}
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(indexMagic + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		packs, ok := parseIndex(b)
		if !ok && packs != nil {
			t.Error("a refused index gave packs")
		}
	})
}
