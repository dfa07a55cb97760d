package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

// formatOne are the chunks of testdata/store-1: content as it is, compressed, of one byte, and recompressed.
func formatOne(t testing.TB) ([]chunk.ID, []chunk.Frame) {
	t.Helper()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	var ids []chunk.ID
	var frames []chunk.Frame
	for _, content := range []string{"as it is", strings.Repeat("compressed ", 100), "1", strings.Repeat("recompressed, once and for all ", 50)} {
		ids = append(ids, chunk.Of([]byte(content)))
		frames = append(frames, codec.Seal(ids[len(ids)-1], []byte(content)))
	}
	return ids, frames
}

// TestAStoreOfFormatOneIsReadForEver reads a store that was written when its format was frozen. When this fails, stores
// of schools cannot be read any more: it is the code that must change.
func TestAStoreOfFormatOneIsReadForEver(t *testing.T) {
	ids, _ := formatOne(t)
	for _, name := range []string{"with its index", "without"} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", "store-1"))); err != nil {
				t.Fatal(err)
			}
			if name == "without" {
				if err := os.Remove(filepath.Join(dir, "index")); err != nil {
					t.Fatal(err)
				}
			}
			s := open(t, dir, store.Options{})
			storetest.Prove(t, s, ids)
			if got := s.Stats(); got.Packs != 2 || got.Chunks != 4 || got.Recompressed != 1 || got.Damaged != 0 {
				t.Errorf("Stats = %+v", got)
			}
			if r := scrub(t, s, store.Scrub{Content: true}); len(r.Bad)+len(r.Damaged) != 0 || r.Frames != 4 {
				t.Errorf("Scrub = %+v", r)
			}
			put(t, s, nil)
			for range 2 {
				collect(t, s, needs(ids...))
			}
			storetest.Prove(t, s, ids)
		})
	}
}

func TestFormatZeroIsRefused(t *testing.T) {
	pack, err := os.ReadFile(filepath.Join("testdata", "store-1", "0000000002.pack"))
	if err != nil {
		t.Fatal(err)
	}
	pack[8] = 0
	pack[len(pack)-1] ^= 1 // the sum of a pack of format 0 is over its own preamble, hence another
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "0000000001.pack"), pack, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = store.Open(dir, store.Options{})
	var other *store.FormatError
	if !errors.As(err, &other) || other.Version != 0 || other.Pack != 1 {
		t.Errorf("Open = %v, want *store.FormatError of version 0", err)
	}
}
