package store

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
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
	return append(b, footer(entries, uint32(len(b)), 0)...)
}

func FuzzReadPack(f *testing.F) {
	pack := realPack(f)
	f.Add(pack)
	f.Add(pack[:len(pack)-1])
	f.Add(pack[:100])
	f.Add(preamble())
	f.Fuzz(func(t *testing.T, b []byte) {
		c, _ := readPack(inMemory{bytes.NewReader(b)}, 1)
		for _, e := range c.entries {
			if int64(e.offset)+int64(e.size) > c.size {
				t.Errorf("entry ends at %d in a pack of %d bytes", int64(e.offset)+int64(e.size), c.size)
			}
		}
	})
}

func FuzzParseIndex(f *testing.F) {
	f.Add([]byte(indexMagic + "\x01\x00\x00\x00\x00\x00\x00\x00"))
	f.Add(realIndex(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		var known table
		defer known.release()
		if _, err := parseIndex(bytes.NewReader(b), int64(len(b)), &known); err != nil {
			return
		}
		entries := 0
		for shard := range shardCount {
			known.each(shard, func(_ chunk.ID, p place) {
				if entries++; p.size > chunk.MaxFrameSize {
					t.Errorf("a frame of %d bytes", p.size)
				}
			})
		}
		if entries != known.count {
			t.Errorf("%d entries, %d are counted", entries, known.count)
		}
	})
}

// realIndex is the index of three chunks, as a store writes it.
func realIndex(t testing.TB) []byte {
	t.Helper()
	s := &Store{cycle: 1}
	defer s.known.release()
	for _, content := range []string{"first", "second", "third"} {
		s.known.put(chunk.Of([]byte(content)), place{pack: 7, offset: 16, size: 80, length: 24, seen: 2})
	}
	var b bytes.Buffer
	if err := s.encodeIndex(bufio.NewWriter(&b), indexed{packs: map[uint32]packInfo{7: {size: 1000}}, next: 8}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestAFooterLargerThanItsFramesIsNotRead is a replica's pack of two hundred megabytes of entries, and no frame.
func TestAFooterLargerThanItsFramesIsNotRead(t *testing.T) {
	const count = 200 << 20 / entrySize
	path := filepath.Join(t.TempDir(), "pack")
	end := footer(nil, preambleSize, 0)
	binary.LittleEndian.PutUint32(end[8:], count)
	f, err := os.Create(path)
	if err == nil {
		_, err = f.Write(preamble())
	}
	if err == nil {
		_, err = f.WriteAt(end, preambleSize+count*entrySize)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var damaged *PackError
	if _, err := readFooter(f, 1, preambleSize+count*entrySize+trailerSize); !errors.As(err, &damaged) || !strings.Contains(damaged.Reason, "its end") {
		t.Errorf("readFooter = %v, want *PackError before a byte of it is read", err)
	}
}
