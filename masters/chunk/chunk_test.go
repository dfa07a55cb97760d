package chunk_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
)

func codec(t testing.TB) *chunk.Codec {
	t.Helper()
	c, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func noise(n int) []byte {
	random := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

func TestSealAndOpen(t *testing.T) {
	c := codec(t)
	for name, content := range map[string][]byte{
		"one byte": {7}, "zeros": make([]byte, chunk.MaxSize), "noise of full size": noise(chunk.MaxSize),
		"text": bytes.Repeat([]byte("ardoise "), 1000), "noise of odd size": noise(4097),
	} {
		t.Run(name, func(t *testing.T) {
			kept := slices.Clone(content)
			f := c.Seal(chunk.Of(content), content)
			if f.Size() > chunk.HeaderSize+len(content) {
				t.Errorf("frame of %d bytes for a content of %d", f.Size(), len(content))
			}
			stored := f.AppendTo(nil)
			clear(content) // the frame must not live in the caller's memory
			got, took, err := chunk.Parse(append(stored, "next"...))
			if err != nil || took != len(stored) || took != f.Size() {
				t.Fatalf("Parse took %d of %d bytes, %v", took, len(stored), err)
			}
			opened, err := c.Open(nil, got)
			if err != nil || !bytes.Equal(opened, kept) {
				t.Errorf("Open = %d bytes, %v, want the content", len(opened), err)
			}
			read, err := chunk.Read(bytes.NewReader(stored))
			if err != nil || read.ID != f.ID || !bytes.Equal(read.Payload, f.Payload) {
				t.Errorf("Read = %s, %v", read.ID, err)
			}
		})
	}
}

func TestReadTellsEndFromCut(t *testing.T) {
	c := codec(t)
	content := []byte("a frame")
	stored := c.Seal(chunk.Of(content), content).AppendTo(nil)
	if _, err := chunk.Read(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("Read of nothing = %v, want io.EOF", err)
	}
	for n := 1; n < len(stored); n++ {
		if _, err := chunk.Read(bytes.NewReader(stored[:n])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Read of %d bytes = %v, want io.ErrUnexpectedEOF", n, err)
		}
	}
}

func TestEveryFlippedByteIsFound(t *testing.T) {
	c := codec(t)
	content := bytes.Repeat([]byte("find me "), 20)
	stored := c.Seal(chunk.Of(content), content).AppendTo(nil)
	for i := range stored {
		spoilt := slices.Clone(stored)
		spoilt[i] ^= 0x80
		_, _, err := chunk.Parse(spoilt)
		var damaged *chunk.DamagedError
		if !errors.As(err, &damaged) {
			t.Errorf("Parse with byte %d flipped = %v, want *DamagedError", i, err)
		}
	}
}

func TestOpenProvesTheContent(t *testing.T) {
	c := codec(t)
	content := []byte("the right content")
	good := c.Seal(chunk.Of(content), content)
	bomb := c.Seal(chunk.Of(make([]byte, chunk.MaxSize)), make([]byte, chunk.MaxSize))
	for name, f := range map[string]chunk.Frame{
		"another id":                {ID: chunk.ID{1}, Codec: good.Codec, Length: good.Length, Payload: good.Payload},
		"another length":            {ID: good.ID, Codec: good.Codec, Length: good.Length + 1, Payload: good.Payload},
		"a payload that is no zstd": {ID: good.ID, Codec: 1, Length: good.Length, Payload: content},
		"more content than it says": {ID: bomb.ID, Codec: bomb.Codec, Length: 10, Payload: bomb.Payload},
	} {
		t.Run(name, func(t *testing.T) {
			var damaged *chunk.DamagedError
			if _, err := c.Open(nil, f); !errors.As(err, &damaged) || damaged.ID != f.ID {
				t.Errorf("Open = %v, want *DamagedError of %s", err, f.ID)
			}
		})
	}
}

func TestID(t *testing.T) {
	want := chunk.Of([]byte("x"))
	var got chunk.ID
	text, err := want.MarshalText()
	if err == nil {
		err = got.UnmarshalText(text)
	}
	if err != nil || got != want {
		t.Errorf("an id written and read = %s, %v, want %s", got, err, want)
	}
	for _, bad := range []string{"", "00", want.String()[:63] + "x", want.String() + "00"} {
		if _, err := chunk.ParseID(bad); err == nil {
			t.Errorf("ParseID(%q) accepts it", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	c := codec(f)
	for _, content := range [][]byte{[]byte("short"), bytes.Repeat([]byte("long "), 500), make([]byte, 4096)} {
		f.Add(c.Seal(chunk.Of(content), content).AppendTo(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, took, err := chunk.Parse(b)
		if err != nil {
			return
		}
		if again := frame.AppendTo(nil); !bytes.Equal(again, b[:took]) {
			t.Fatal("a frame that was parsed is stored otherwise")
		}
		if content, err := c.Open(nil, frame); err == nil && (len(content) > chunk.MaxSize || chunk.Of(content) != frame.ID) {
			t.Fatalf("Open gives %d bytes that are not the chunk", len(content))
		}
	})
}
