package restore

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/disk/sweep"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

const (
	probes      = 64 // entries looked at before anything else
	takesAtOnce = 32 // bounds the memory of Take
)

// errOver is what Take says after Carousel.Run has returned.
var errOver = errors.New("the carousel is over")

// reception is the state of a run while a carousel is at work. It is the Receiver.
type reception struct {
	r      *run
	ledger *ledger
	joiner *joiner
	rooms  chan *room
	f      *findings // fills are the scanner's until fillsKnown

	run  context.Context
	ctx  context.Context // done with the run's, and at the first fault
	stop context.CancelCauseFunc
	gate sync.RWMutex // read by each Take

	breaking   sync.Mutex
	broken     atomic.Bool // breakDisk is over
	fillsKnown atomic.Bool
	breakable  []manifest.Extent // what breakDisk may zero or write over: by offset, apart from each other
}

// room is the memory of one Take.
type room struct {
	content []byte
	have    []byte // what the disk holds; nil until it is needed
}

// receive looks at the disk and takes what the carousel brings meanwhile, and returns what still differs after both.
func (r *run) receive(ctx context.Context) (*findings, error) {
	if r.o.Source == nil && len(r.patched) > 0 {
		return nil, &SourceError{Err: errors.New("chunks with exceptions inside need a source")}
	}
	if err := r.t.Drop(); err != nil {
		return nil, fmt.Errorf("dropping the cache: %w", err)
	}
	x := r.newReception()
	x.run = ctx
	x.ctx, x.stop = context.WithCancelCause(ctx)
	defer x.stop(nil)
	r.begin(PhaseReceive, r.total(r.everything()))
	r.scanRest(x.f)
	if err := r.findArdoise(x.f); err != nil {
		return nil, err
	}
	if err := x.probe(); err != nil {
		return nil, err
	}
	scanned := make(chan error, 1)
	go func() { scanned <- x.scan() }()
	if err := r.o.Carousel.Run(x.ctx, x); err != nil {
		r.report.CarouselError = err.Error()
	}
	x.gate.Lock() // waits for each Take that is at work; later ones are refused
	err := <-scanned
	if over := x.over(); over != nil {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	x.ledger.lacks(x.f)
	return x.f, nil
}

func (r *run) newReception() *reception {
	now := r.o.Now
	if now == nil {
		now = time.Now
	}
	x := &reception{r: r, f: r.noFindings(), joiner: newJoiner(r.w, r.o.Rotates, now), rooms: make(chan *room, takesAtOnce)}
	for range takesAtOnce {
		x.rooms <- nil
	}
	for _, v := range r.m.Volumes {
		x.breakable = append(x.breakable, v.Heads...)
	}
	x.breakable = merged(append(x.breakable, extents(r.plan.First)...))
	x.ledger = newLedger(&r.m.Chunks, x.lasts)
	return x
}

// merged returns the same places by offset, apart from each other.
func merged(all []manifest.Extent) []manifest.Extent {
	slices.SortFunc(all, func(a, b manifest.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	out := all[:0]
	for _, e := range all {
		if n := len(out); n > 0 && e.Offset <= out[n-1].End() {
			out[n-1].Length = max(out[n-1].End(), e.End()) - out[n-1].Offset
			continue
		}
		out = append(out, e)
	}
	return out
}

// lasts tells whether a copy of entry i's content can be had from its place until the run ends: intact, whatever may be
// broken.
func (x *reception) lasts(i uint32) bool {
	if _, patched := x.r.patched[i]; patched {
		return false
	}
	b := x.breakable
	for _, p := range x.r.m.Chunks.At(int(i)).Pieces {
		k := sort.Search(len(b), func(k int) bool { return b[k].End() > p.Offset })
		if k < len(b) && b[k].Offset < p.Offset+int64(p.Length) {
			return false
		}
	}
	return true
}

// probe looks at a few entries over the whole disk. When none is held, nothing else is looked at.
func (x *reception) probe() error {
	draw := x.r.o.Draw
	if draw == nil {
		draw = rand.IntN
	}
	h := x.r.newHasher()
	b := &sweep.Batch{}
	seen, held := 0, 0
	for k, n := 0, x.r.m.Chunks.Len(); k < probes; k++ {
		if err := x.over(); err != nil {
			return err
		}
		first, end := k*n/probes, (k+1)*n/probes
		if first == end {
			continue
		}
		if !x.r.disk.One(b, uint32(first+draw(end-first))) {
			continue // it is in no place
		}
		h.judge(b)
		seen++
		if len(h.wrong) == 0 {
			held++
		}
		x.r.advance(x.note(h, b))
	}
	if seen > 0 && held == 0 {
		x.ledger.lackAll()
		x.f.fills = x.r.m.Fills
		total := x.r.total(x.r.everything())
		for _, f := range x.f.fills {
			total -= f.Length
		}
		x.r.begin(PhaseReceive, total)
		x.fillsKnown.Store(true)
	}
	return nil
}

// scan judges, in disk order, what nobody has judged yet, and then the fills.
func (x *reception) scan() error {
	if x.fillsKnown.Load() {
		return nil
	}
	known := func(i uint32) bool { return x.ledger.need(i) != NeedUnknown }
	// Half of the cores are left to those who bring chunks.
	if err := x.r.sweep(x.ctx, (x.r.o.workers()+1)/2+1, known, x.note); err != nil {
		return err
	}
	if err := x.r.scanFills(x.ctx, x.f, x.r.m.Fills); err != nil {
		return err
	}
	x.fillsKnown.Store(true)
	return nil
}

// note enters the verdicts on a batch, and returns the bytes that are found held.
func (x *reception) note(h *hasher, b *sweep.Batch) int64 {
	var found int64
	wrong := h.wrong
	for k := range b.Found {
		i := b.Found[k].Index
		if len(wrong) > 0 && wrong[0] == i {
			wrong = wrong[1:]
			x.ledger.judge(i, false)
			continue
		}
		found += x.held(i)
	}
	return found
}

// held enters that entry i was found to be held, and returns its bytes unless that was known.
func (x *reception) held(i uint32) int64 {
	if !x.ledger.judge(i, true) {
		return 0
	}
	n := onDisk(x.r.m.Chunks.At(int(i)))
	x.r.came.held.Add(1)
	x.r.came.heldBytes.Add(n)
	return n
}

// Needs implements Receiver.
func (x *reception) Needs(into []byte, seen uint64) ([]byte, uint64) {
	return x.ledger.snapshot(into, seen)
}

// DiskRate implements Receiver.
func (x *reception) DiskRate() int64 { return x.joiner.meter.rate() }

// Take implements Receiver.
func (x *reception) Take(ctx context.Context, f chunk.Frame) error {
	if !x.gate.TryRLock() {
		return errOver
	}
	defer x.gate.RUnlock()
	places := x.ledger.places(f.ID)
	if len(places) == 0 {
		return nil
	}
	for {
		if err := x.ended(ctx); err != nil {
			return err
		}
		other, wanted := x.ledger.claim(places)
		if !wanted {
			return nil
		}
		if other == nil {
			break
		}
		select {
		case <-other:
		case <-ctx.Done():
		case <-x.ctx.Done():
		}
	}
	defer x.ledger.release(places)
	select {
	case m := <-x.rooms:
		if m == nil {
			m = &room{content: make([]byte, chunk.MaxSize+chunk.Spare)}
		}
		defer func() { x.rooms <- m }()
		content, err := x.open(m, f)
		if err != nil {
			return err
		}
		return x.place(m, places, content, f)
	case <-ctx.Done():
	case <-x.ctx.Done():
	}
	return x.ended(ctx)
}

// over says what has ended the run: its context's error, a fault, or nil.
func (x *reception) over() error {
	cause := context.Cause(x.ctx)
	if err := x.run.Err(); err != nil && cause == context.Cause(x.run) {
		return err
	}
	return cause
}

// ended says why a Take must not go on, or nil.
func (x *reception) ended(ctx context.Context) error {
	if err := x.over(); err != nil {
		return err
	}
	return ctx.Err()
}

// fail ends the run with err, unless something else has ended it already.
func (x *reception) fail(err error) error {
	x.stop(err)
	return err
}

// open proves a frame, and returns its content: in the frame itself where it lies there as it is.
func (x *reception) open(m *room, f chunk.Frame) ([]byte, error) {
	err := f.Check()
	if err == nil && len(f.Payload) == int(f.Length) && chunk.Of(f.Payload) == f.ID {
		return f.Payload, nil
	}
	if err == nil {
		var content []byte
		if content, err = x.r.codec.Open(m.content[:0], f); err == nil {
			return content, nil
		}
	}
	x.r.came.damaged.Add(1)
	return nil, err
}

// place writes a content to those of its places that lack it.
func (x *reception) place(m *room, places []uint32, content []byte, f chunk.Frame) error {
	var lack []uint32
	for _, i := range places {
		if want := x.r.m.Chunks.At(int(i)).Length; int(want) != len(content) {
			return x.fail(lengthError(f.ID, len(content), int(want)))
		}
		switch x.ledger.need(i) {
		case NeedHeld:
			continue
		case NeedUnknown:
			if err := x.over(); err != nil {
				return err
			}
			if x.holds(m, i, content) {
				x.r.advance(x.held(i))
				continue
			}
			x.ledger.judge(i, false)
		}
		lack = append(lack, i)
	}
	if len(lack) == 0 {
		return nil
	}
	if err := x.breakDisk(); err != nil {
		return err
	}
	var parts []part
	var n int64
	for _, i := range lack {
		for _, p := range x.r.m.Chunks.At(int(i)).Pieces {
			parts = x.r.w.split(parts, p.Offset, content[p.At:p.At+p.Length])
			n += int64(p.Length)
		}
	}
	if err := x.joiner.write(x.ctx, parts); err != nil {
		return x.fail(err)
	}
	for _, i := range lack {
		x.ledger.wrote(i)
	}
	x.r.came.chunks.Add(1)
	x.r.came.bytes.Add(int64(f.Size()))
	x.r.came.changed.Add(int64(len(lack)))
	x.r.advance(n)
	return nil
}

// holds tells whether entry i's place holds content, which is proven. What cannot be read does not.
func (x *reception) holds(m *room, i uint32, content []byte) bool {
	if m.have == nil {
		m.have = disk.Aligned(chunk.MaxSize + 2*readUnit)
	}
	for _, p := range x.r.m.Chunks.At(int(i)).Pieces {
		want := content[p.At : p.At+p.Length]
		if len(x.r.touching(p.Offset, int64(p.Length))) > 0 {
			want = bytes.Clone(want)
			x.r.overlay(want, p.Offset)
		}
		start := p.Offset / readUnit * readUnit
		end := min((p.Offset+int64(p.Length)+readUnit-1)/readUnit*readUnit, x.r.t.Size())
		have := m.have[:end-start]
		if _, err := x.r.read(have, start); err != nil {
			if _, err := x.r.read(have[p.Offset-start:][:p.Length], p.Offset); err != nil {
				return false
			}
		}
		if !bytes.Equal(have[p.Offset-start:][:p.Length], want) {
			return false
		}
	}
	return true
}

// breakDisk sets the mark and makes unmountable whatever may change, once, and durably before it returns. Others wait.
func (x *reception) breakDisk() error {
	if x.broken.Load() {
		return nil
	}
	x.breaking.Lock()
	defer x.breaking.Unlock()
	if x.broken.Load() {
		return nil
	}
	if err := x.over(); err != nil {
		return err
	}
	may := x.r.noFindings()
	may.table, may.makeArdoise, may.exceptions = x.f.table, x.f.makeArdoise, x.f.exceptions
	may.fills = x.r.m.Fills
	if x.fillsKnown.Load() {
		may.fills = x.f.fills
	}
	x.ledger.lacks(may)
	if err := x.r.breakDisk(x.ctx, may); err != nil {
		return x.fail(err)
	}
	if err := x.r.setMarks(x.ctx, PhaseData); err != nil {
		return x.fail(err)
	}
	x.broken.Store(true)
	return nil
}
