package cache_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/cache"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// tiny makes n frames of 64 bytes of content, and the version that needs them all.
func tiny(t testing.TB, r *rig, n int) (*version, []chunk.Frame) {
	t.Helper()
	m := &manifest.Manifest{Name: "m", Version: 1, Created: time.Unix(0, 0).UTC(), NameCount: 1,
		Disk: manifest.Disk{Size: r.disk.size, SectorSize: 512, Table: manifest.NoTable}}
	frames, code := make([]chunk.Frame, n), codec(t)
	for i := range frames {
		b := make([]byte, 64)
		for k := 0; k < 64; k += 8 {
			binary.LittleEndian.PutUint64(b[k:], uint64(8*i+k+1)*0x9e3779b97f4a7c15)
		}
		frames[i] = code.Seal(chunk.Of(b), b)
		m.Chunks.Append(manifest.Entry{ID: frames[i].ID, Length: 64, Index: uint32(i),
			Pieces: []manifest.Piece{{Length: 64, Offset: mib + int64(i)*64}}})
	}
	m.Volumes = []manifest.Volume{{Length: r.disk.size, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: int64(n) * 64}}
	var b bytes.Buffer
	hash, err := m.Encode(&b)
	if err != nil {
		t.Fatal(err)
	}
	return &version{m: m, hash: hash, encoded: b.Bytes(), sig: manifest.Signature{Hash: hash}}, frames
}

// Of frames this small the directory is nearly as large as what it lists: a segment whose every frame is kept has bytes of
// frames as if there were something to gain.
func TestAKeptVersionOfTinyChunksThatDoesNotFitLosesNothing(t *testing.T) {
	r := newRig(64 * mib)
	r.make(t)
	r.part.Length = 13 * mib // three segments
	c := r.open(t)
	const fit = 2 * 4 << 20 / (64 + 56 + 48) // in the two of them that are filled, at most
	v, frames := tiny(t, r, fit+100)
	keep(t, c, v)
	taken := 0
	var full *cache.FullError
	for taken < len(frames) {
		err := c.Put(frames[taken])
		if errors.As(err, &full) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		taken++
	}
	if taken == len(frames) || taken < fit/10*7 { // the segment of the manifest may be left where it is
		t.Fatalf("%d of %d frames were taken", taken, len(frames))
	}
	r.disk.record = true
	for _, f := range append([]chunk.Frame{frame(t, noise(1, int(256*kib)))}, frames[taken:taken+20]...) {
		if err := c.Put(f); !errors.As(err, &full) {
			t.Fatalf("Put into a cache that is full = %v", err)
		}
	}
	if err := c.Flush(); err != nil || len(r.disk.ops) > 0 {
		t.Errorf("Flush = %v; what was refused cost %d writes and flushes", err, len(r.disk.ops))
	}
	ids := v.ids()[:taken]
	again := r.open(t)
	if s, before, after := again.Stats(), len(c.Missing(ids)), len(again.Missing(ids)); before+after+s.Damaged+s.Lost > 0 {
		t.Errorf("of %d frames %d are missing before Open, %d after; %d segments are damaged, %d frames lost", taken, before, after, s.Damaged, s.Lost)
	}
	if lost, err := again.Check(t.Context()); lost > 0 || err != nil {
		t.Errorf("Check = %d, %v", lost, err)
	}
	if _, _, err := again.Manifest(v.hash); err != nil {
		t.Error(err)
	}
}
