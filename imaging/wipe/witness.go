package wipe

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ardoise/ardoise/masters/chunk"
)

const (
	maxWitnesses = 256
	witnessSize  = 64 << 10
	block        = 4 << 10 // what is compared: half a block of old data is old data, too
)

// witnesses are places of a disk whose bytes are known from before an erasure.
type witnesses struct{ places []place }

type place struct {
	offset int64
	was    [witnessSize / block]chunk.ID
	plain  [witnessSize / block]bool // it was all one value: nothing to be recognised
}

// place chooses places at random, one in each equal part of the disk. Every other one is filled with random bytes, which are
// read back before they are relied on; the others stay as the computer's user has left them.
func (r *run) place(ctx context.Context) (*witnesses, error) {
	room := r.size - 2*mib
	n := min(room/witnessSize, maxWitnesses)
	part := room / n / block * block
	w := &witnesses{}
	b, noise := make([]byte, witnessSize), make([]byte, witnessSize)
	for i := range n {
		off := mib + i*part
		if spare := (part - witnessSize) / block; spare > 0 {
			var draw [8]byte
			if _, err := io.ReadFull(r.Random, draw[:]); err != nil {
				return nil, fmt.Errorf("drawing a place: %w", err)
			}
			off += int64(binary.LittleEndian.Uint64(draw[:])%uint64(spare+1)) * block
		}
		p := place{offset: off}
		if i%2 == 0 {
			if _, err := io.ReadFull(r.Random, noise); err != nil {
				return nil, fmt.Errorf("drawing bytes: %w", err)
			}
			n, err := r.Target.WriteAt(noise, off)
			r.written += int64(n)
			if err != nil {
				return nil, fmt.Errorf("writing at byte %d: %w", off, err)
			}
			p.remember(noise)
		} else if _, err := r.Target.ReadAt(b, off); err == nil { // a sector that cannot be read cannot be recognised either
			p.remember(b)
		} else {
			continue
		}
		w.places = append(w.places, p)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if err := r.Target.Drop(); err != nil {
		return nil, err
	}
	for _, p := range w.places {
		if _, err := r.Target.ReadAt(b, p.offset); err != nil || p.left(b) != p.known() {
			return nil, errors.Join(fmt.Errorf("byte %d does not keep what is written there", p.offset), err)
		}
	}
	return w, nil
}

func (p *place) remember(b []byte) {
	for i := range p.was {
		part := b[i*block:][:block]
		p.was[i], p.plain[i] = chunk.Of(part), uniform(part)
	}
}

// known counts the blocks that would be recognised.
func (p *place) known() (n int) {
	for _, plain := range p.plain {
		if !plain {
			n++
		}
	}
	return n
}

// left counts the blocks that are as they were.
func (p *place) left(b []byte) (n int) {
	for i, was := range p.was {
		if !p.plain[i] && chunk.Of(b[i*block:][:block]) == was {
			n++
		}
	}
	return n
}

// aftermath is what was found after an erasure.
type aftermath struct {
	read    int64 // bytes that are not what they were
	unread  int   // places of 64 KiB
	uniform bool  // everything read was of one value, place by place, and all could be read
}

// after looks at the witnesses; without any, at places all over the disk.
func (r *run) after(ctx context.Context, w Way, before *witnesses) (aftermath, error) {
	if before == nil {
		before = &witnesses{}
		room := r.size - 2*mib
		n := min(room/witnessSize, maxWitnesses)
		for i := range n {
			p := place{offset: mib + i*(room/n)/block*block}
			for k := range p.plain {
				p.plain[k] = true
			}
			before.places = append(before.places, p)
		}
	}
	a := aftermath{uniform: true}
	if err := r.Target.Drop(); err != nil {
		return a, err
	}
	lied := &StillThereError{Way: w.Name}
	b := make([]byte, witnessSize)
	for i, p := range before.places {
		if err := ctx.Err(); err != nil {
			return a, err
		}
		if _, err := r.Target.ReadAt(b, p.offset); err != nil {
			a.unread++
			a.uniform = false
			continue
		}
		a.uniform = a.uniform && uniform(b)
		if n := p.left(b); n > 0 {
			if lied.Blocks == 0 {
				lied.Offset = p.offset
			}
			lied.Blocks += n
		}
		a.read += witnessSize
		r.Progress(Progress{Phase: PhaseReadBack, Way: w.Name, Done: int64(i+1) * witnessSize,
			Total: int64(len(before.places)) * witnessSize, Written: r.written})
	}
	switch {
	case lied.Blocks > 0:
		return a, lied
	case a.read == 0:
		return a, &FailedError{w.Name, errors.New("nothing of the disk can be read since")}
	}
	return a, nil
}

// uniform tells whether all bytes of b are the same.
func uniform(b []byte) bool { return bytes.Equal(b[1:], b[:len(b)-1]) }
