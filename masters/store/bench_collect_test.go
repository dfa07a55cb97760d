package store

import (
	"context"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
)

// realFrame is the i-th chunk of a store with content: 4 KiB that do not compress.
func realFrame(codec *chunk.Codec, i uint64) chunk.Frame {
	content := make([]byte, 4096)
	for at := 0; at < len(content); at += 32 {
		id := syntheticID(i<<8 + uint64(at))
		copy(content[at:], id[:])
	}
	binary.LittleEndian.PutUint64(content, i)
	return codec.Seal(chunk.Of(content), content)
}

// beside is a capture and a deployment that go on without end, and how fast they are.
type beside struct {
	s       *Store
	codec   *chunk.Codec
	needed  []chunk.ID
	in, out atomic.Int64 // bytes
	next    uint64
	fail    func(error)
	mu      sync.Mutex
	put     []chunk.ID
}

// run captures and deploys until ctx ends.
func (x *beside) run(ctx context.Context) (wait func()) {
	var both sync.WaitGroup
	both.Go(func() {
		for ctx.Err() == nil {
			n := x.s.Begin()
			ids := make([]chunk.ID, 256)
			for i := range ids {
				f := realFrame(x.codec, x.next)
				ids[i] = f.ID
				x.next++
				if err := n.Put(context.Background(), []chunk.Frame{f}); err != nil {
					x.fail(err)
				}
				x.in.Add(int64(f.Size()))
			}
			if err := n.Flush(context.Background()); err != nil {
				x.fail(err)
			}
			x.mu.Lock()
			x.put = append(x.put, ids...)
			x.mu.Unlock()
			n.Close()
		}
	})
	both.Go(func() {
		for at := 0; ctx.Err() == nil; at = (at + 256) % (len(x.needed) - 256) {
			err := x.s.Fetch(context.Background(), x.needed[at:at+256], func(f chunk.Frame) error {
				x.out.Add(int64(f.Size()))
				return nil
			})
			if err != nil {
				x.fail(err)
			}
		}
	})
	return both.Wait
}

// live is what the deployment needs, and what was captured.
func (x *beside) live(_ context.Context, yield func(chunk.ID) error) error {
	x.mu.Lock()
	put := x.put
	x.mu.Unlock()
	for _, ids := range [][]chunk.ID{x.needed, put} {
		for _, id := range ids {
			if err := yield(id); err != nil {
				return err
			}
		}
	}
	return nil
}

// rates lets capture and deployment go on while work runs, and reports how fast they were.
func (x *beside) rates(b *testing.B, name string, work func()) {
	b.Helper()
	in, out, began := x.in.Load(), x.out.Load(), time.Now()
	ctx, stop := context.WithCancel(context.Background())
	wait := x.run(ctx)
	work()
	stop()
	wait()
	seconds := time.Since(began).Seconds()
	b.ReportMetric(float64(x.in.Load()-in)/seconds/1e6, "capture-MB/s-"+name)
	b.ReportMetric(float64(x.out.Load()-out)/seconds/1e6, "deploy-MB/s-"+name)
}

// BenchmarkCollect is the bar of DESIGN.md for collecting: 30 % of the chunks dead, in half of the packs, while a capture
// and a deployment go on; none of theirs is lost.
func BenchmarkCollect(b *testing.B) {
	codec, err := chunk.NewCodec(1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		b.StopTimer()
		s, err := Open(b.TempDir(), Options{})
		if err != nil {
			b.Fatal(err)
		}
		x := &beside{s: s, codec: codec, next: collectChunks, fail: func(err error) { b.Error(err) }}
		fill(b, x)
		x.rates(b, "alone", func() { time.Sleep(3 * time.Second) })
		if _, err := s.Collect(context.Background(), x.live, Work{}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		var c Collected
		x.rates(b, "beside", func() { c, err = s.Collect(context.Background(), x.live, Work{}) })
		b.StopTimer()
		if err != nil || c.RemovedPacks == 0 || c.MissingChunks != 0 {
			b.Fatalf("Collect = %+v, %v", c, err)
		}
		b.ReportMetric(float64(c.MovedBytes)/1e6, "MB-moved")
		b.ReportMetric(float64(c.FreedBytes)/1e6, "MB-freed")
		for _, ids := range [][]chunk.ID{x.needed, x.put} {
			if err := s.Fetch(context.Background(), ids, func(f chunk.Frame) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// fill puts the chunks of the benchmark, and says which of them are needed: all of one half of the packs, two in five of
// the other.
func fill(b *testing.B, x *beside) {
	b.Helper()
	n := x.s.Begin()
	defer n.Close()
	const inPack = PackSize / (4096 + chunk.HeaderSize)
	for i := range uint64(collectChunks) {
		f := realFrame(x.codec, i)
		if err := n.Put(context.Background(), []chunk.Frame{f}); err != nil {
			b.Fatal(err)
		}
		if i/inPack%2 == 0 || i%5 < 2 {
			x.needed = append(x.needed, f.ID)
		}
	}
	if err := n.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
}
