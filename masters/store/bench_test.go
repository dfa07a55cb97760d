package store

import (
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	manyChunks = 10_000_000
	perPack    = 1500 // chunks
)

// syntheticID is the id of the i-th chunk of a store that exists in its index only (SplitMix64).
func syntheticID(i uint64) (id chunk.ID) {
	for word := range 4 {
		i += 0x9e3779b97f4a7c15
		z := i
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		binary.LittleEndian.PutUint64(id[word*8:], z^z>>31)
		i ^= z << 1
	}
	return id
}

// syntheticStore makes the folder of a store of n chunks: a true index, and packs of the right size without content.
func syntheticStore(b *testing.B, n int) string {
	b.Helper()
	dir := b.TempDir()
	s := &Store{fs: durable.OS(), dir: dir, cycle: 1, packs: map[uint32]packInfo{}}
	defer s.known.release()
	for i := range n {
		pack := uint32(1 + i/perPack)
		s.known.put(syntheticID(uint64(i)), place{pack: pack, offset: uint32(16 + i%perPack*40_000), size: 40_000, length: 100_000, seen: 1})
		if i%perPack == 0 {
			s.packs[pack] = packInfo{size: perPack*40_000 + perPack*entrySize + trailerSize + preambleSize}
			if err := errorOf(os.WriteFile(packPath(dir, pack), nil, 0o600), os.Truncate(packPath(dir, pack), s.packs[pack].size)); err != nil {
				b.Fatal(err)
			}
		}
	}
	s.next = uint32(len(s.packs) + 1)
	if err := s.writeIndex(); err != nil {
		b.Fatal(err)
	}
	return dir
}

func errorOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// resident returns the resident memory of this process in MiB.
func resident(b *testing.B) float64 {
	b.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			if err != nil {
				b.Fatal(err)
			}
			return kib / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}

// processorTime returns the seconds that all cores have spent on this process: what a busy machine does not falsify.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// BenchmarkTenMillionChunks is the bar of DESIGN.md for a store of that size: opening, memory, lookups on one core.
func BenchmarkTenMillionChunks(b *testing.B) {
	dir := syntheticStore(b, manyChunks)
	info, err := os.Stat(filepath.Join(dir, indexName))
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		b.SetBytes(info.Size())
		spent := 0.0
		for b.Loop() {
			began := processorTime(b)
			s, err := Open(dir, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			spent += processorTime(b) - began
			if s.Stats().Chunks != manyChunks {
				b.Fatalf("Stats = %+v", s.Stats())
			}
			b.ReportMetric(resident(b), "MiB-resident")
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		b.ReportMetric(spent/float64(b.N), "core-s/op")
	})
	s, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("lookup of what is there", func(b *testing.B) {
		i, began := uint64(0), processorTime(b)
		for b.Loop() {
			i = (i + 7_368_787) % manyChunks
			if _, ok := s.Has(syntheticID(i)); !ok {
				b.Fatal("a chunk is not found")
			}
		}
		b.ReportMetric(float64(b.N)/(processorTime(b)-began), "lookups/core-s")
	})
	b.Run("lookup of what is not", func(b *testing.B) {
		i, began := uint64(manyChunks), processorTime(b)
		for b.Loop() {
			i++
			if _, ok := s.Has(syntheticID(i)); ok {
				b.Fatal("a chunk is found that was never there")
			}
		}
		b.ReportMetric(float64(b.N)/(processorTime(b)-began), "lookups/core-s")
	})
	b.Run("Missing of 1024", func(b *testing.B) {
		n := s.Begin()
		ids := make([]chunk.ID, 1024)
		i, began := uint64(0), processorTime(b)
		for b.Loop() {
			for k := range ids {
				i = (i + 7_368_787) % (manyChunks / 10) // a master of a million chunks, asked for again and again
				ids[k] = syntheticID(i)
			}
			if _, err := n.Missing(context.Background(), ids); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)*1024/(processorTime(b)-began), "lookups/core-s")
		n.Close()
	})
	b.Run("mark all", func(b *testing.B) { benchmarkMark(b, s) })
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
}

func benchmarkMark(b *testing.B, s *Store) {
	for b.Loop() {
		c, err := s.Collect(context.Background(), func(_ context.Context, yield func(chunk.ID) error) error {
			for i := range uint64(manyChunks) {
				if err := yield(syntheticID(i)); err != nil {
					return err
				}
			}
			return nil
		}, Work{})
		if err != nil || c.LiveChunks != manyChunks {
			b.Fatalf("Collect = %+v, %v", c, err)
		}
	}
	b.ReportMetric(resident(b), "MiB-resident")
}
