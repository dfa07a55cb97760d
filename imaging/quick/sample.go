package quick

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// isSwapMark knows what ends the first page of swap, in use or asleep.
func isSwapMark(s string) bool {
	switch s {
	case "SWAPSPACE2", "SWAP-SPACE", "LINHIB0001":
		return true
	}
	return strings.HasSuffix(s, "SUSPEND\x00")
}

// swapFiles takes back what was said of files that are used as swap: their content changes behind their inode's back.
func (l *look) swapFiles() error {
	const page = 4096
	mark := make([]byte, 10)
	for i, e := range l.m.Chunks.All() {
		stream := uint64(e.Stream)
		if e.Index != 0 || !l.sniff.has(stream) || !l.v.streams.has(stream) {
			continue
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		for size := uint32(page); size <= 16*page; size *= 2 {
			if err := l.readMark(e, mark, size-10); err != nil {
				return fmt.Errorf("entry %d: %w", i, err)
			}
			if isSwapMark(string(mark)) {
				l.v.streams.clear(stream)
				l.v.VouchedFiles--
				l.v.CheckedFiles++
				break
			}
		}
	}
	return nil
}

// readMark reads a few bytes of an entry's content from the disk; of a hole, zeros.
func (l *look) readMark(e manifest.Entry, b []byte, at uint32) error {
	clear(b)
	for _, p := range e.Pieces {
		if p.At <= at && at+uint32(len(b)) <= p.At+p.Length {
			return l.readAt(b, p.Offset+int64(at-p.At))
		}
	}
	return nil
}

// vouch enters the entries of the streams that are vouched for.
func (l *look) vouch() error {
	for i, e := range l.m.Chunks.All() {
		if len(e.Pieces) == 0 || !l.v.streams.has(uint64(e.Stream)) || l.touched(e) {
			continue
		}
		l.v.entries.set(uint64(i))
		l.v.VouchedChunks++
		l.v.VouchedBytes += onDisk(e)
	}
	for k, f := range l.m.Fills {
		l.v.VouchedBytes += f.Length
		for _, e := range l.v.Fill(k) {
			l.v.VouchedBytes -= e.Length
		}
	}
	return nil
}

// sample reads a part of what is vouched for. One byte that differs, and nothing is believed any more.
func (l *look) sample() error {
	draw := l.o.Draw
	if draw == nil {
		draw = systemDraw()
	}
	take := func() (bool, error) {
		n, err := draw(sampleShare)
		if err != nil {
			return false, doubtf("nothing random can be had: %v", err)
		}
		return n == 0, nil
	}
	taken := newBitset(uint64(l.m.Chunks.Len()))
	for i := range uint64(l.m.Chunks.Len()) {
		if !l.v.entries.has(i) {
			continue
		}
		ok, err := take()
		if err != nil {
			return err
		}
		if ok {
			taken.set(i)
		}
	}
	fills, err := l.drawFills(take)
	if err != nil {
		return err
	}
	total := l.v.VouchedBytes / sampleShare
	skip := func(i uint32) bool { return !taken.has(uint64(i)) }
	return l.beside(func() error { return l.sampleFills(fills) }, func() error {
		return l.disk.Sweep(l.ctx, readers(), skip, func() func(*sweep.Batch) error {
			return func(b *sweep.Batch) error { return l.sampled(b, total) }
		})
	})
}

// sampled judges what was drawn and read together.
func (l *look) sampled(b *sweep.Batch, total int64) error {
	for k := range b.Found {
		f := &b.Found[k]
		at := f.Entry.Pieces[0].Offset
		if f.Unread {
			return doubtf("%d bytes at byte %d of the disk cannot be read", f.Bytes(), at)
		}
		if f.ID() != f.Entry.ID {
			return doubtf("the sample at byte %d differs, though the record of its file does not", at)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.v.SampledBytes += b.Bytes
	l.tell(PhaseSample, l.v.SampledBytes, total)
	return nil
}

// drawFills draws from the fills that are vouched for, in steps of a chunk.
func (l *look) drawFills(take func() (bool, error)) ([]manifest.Fill, error) {
	var out []manifest.Fill
	for k, f := range l.m.Fills {
		for _, e := range without(f.Extent, l.v.Fill(k)) {
			for at := e.Offset; at < e.End(); at += chunk.MaxSize {
				taken, err := take()
				if err != nil {
					return nil, err
				}
				if taken {
					f.Extent = manifest.Extent{Offset: at, Length: min(chunk.MaxSize, e.End()-at)}
					out = append(out, f)
				}
			}
		}
	}
	return out, nil
}

// sampleFills reads and judges what was drawn of fills.
func (l *look) sampleFills(drawn []manifest.Fill) error {
	have, want := disk.Aligned(chunk.MaxSize), make([]byte, chunk.MaxSize)
	for _, f := range drawn {
		if err := l.ctx.Err(); err != nil {
			return err
		}
		b, want := have[:f.Length], want[:f.Length]
		if err := l.readAt(b, f.Offset); err != nil {
			return err
		}
		for i := range want {
			want[i] = f.Byte
		}
		l.overlayAt(want, f.Offset)
		if !bytes.Equal(b, want) {
			return doubtf("the sample at byte %d differs: it should be all %#02x", f.Offset, f.Byte)
		}
		l.mu.Lock()
		l.v.SampledBytes += f.Length
		l.mu.Unlock()
	}
	return nil
}

// systemDraw draws from the system's random source.
func systemDraw() func(n int) (int, error) {
	r := bufio.NewReaderSize(rand.Reader, 4096)
	return func(n int) (int, error) {
		limit := ^uint64(0) / uint64(n) * uint64(n) // above it some numbers would come more often than others
		for {
			var b [8]byte
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return 0, err
			}
			if v := binary.LittleEndian.Uint64(b[:]); v < limit {
				return int(v % uint64(n)), nil
			}
		}
	}
}
