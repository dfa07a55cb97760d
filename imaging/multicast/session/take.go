package session

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
)

// content is the bytes of one block, as long as frames in it are worked on.
type content struct {
	bytes []byte
	users atomic.Int32
}

// frameJob is a whole frame that is to be proven and written.
type frameJob struct {
	arrival *arrival
	frame   int
	bytes   []byte
	in      *content // where the bytes lie; nil: in memory of their own
}

// free gives a block's memory back when it was the last user.
func (c *Client) free(in *content) {
	if in != nil && in.users.Add(-1) == 0 {
		select {
		case c.spare <- in:
		default:
		}
	}
}

// cut takes complete blocks in order, makes up for lost symbols, and cuts frames out of them.
func (c *Client) cut() {
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && c.ctx.Err() == nil {
			c.more.Wait()
		}
		if c.ctx.Err() != nil {
			c.mu.Unlock()
			return
		}
		r := c.queue[0]
		c.queue = c.queue[1:]
		c.cutting++
		c.mu.Unlock()

		jobs := c.gather(r)
		for _, j := range jobs {
			select {
			case c.frames <- j:
			case <-c.ctx.Done():
				return
			}
		}
		c.mu.Lock()
		c.cutting--
		c.mu.Unlock()
	}
}

// gather rebuilds a block and finds the frames that are whole with it. From here on they count as handed on.
func (c *Client) gather(r ripe) []frameJob {
	a, b := r.arrival, r.incoming
	missing := uint64(0)
	for i := range b.sources {
		if b.symbols[i] == nil {
			missing++
		}
	}
	err := wire.Rebuild(&b.symbols, b.sources)
	var in *content
	select {
	case in = <-c.spare:
	default:
		in = &content{bytes: make([]byte, wire.BlockSize)}
	}
	_, off, n := a.Extent(b.block)
	data, isData := a.dataBlock(b.block)
	if err == nil {
		from, to := int64(0), n
		if isData {
			from, to = a.within(data)
		}
		b.copyTo(in.bytes[from:to], from)
	}
	in.users.Store(1)
	defer c.free(in)

	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.pool.put(&b.symbols)
	if a.episode != c.episode {
		return nil
	}
	if err != nil { // the state machine and we count differently: ask again rather than never
		c.o.Log.Error("a complete block cannot be rebuilt", "generation", a.Number, "block", b.block, "error", err)
		a.episode.recv.Polluted(a.Number, b.block)
		return nil
	}
	c.counts.repaired.Add(missing)
	if !isData {
		c.indexBlock(a, b.block, in.bytes[:n])
		return nil
	}
	return c.split(a, data, off, b, in)
}

// split finds the frames that are whole with a block of the data; those that lie in it alone are in in. The caller holds
// the lock.
func (c *Client) split(a *arrival, data uint32, off int64, b *incoming, in *content) []frameJob {
	var jobs []frameJob
	first, last := a.frames(data)
	for i := first; i < last; i++ {
		if a.states[i] != frameOpen {
			continue
		}
		if c.needs[a.places[i]] == wire.Held {
			c.finish(a, i)
			continue
		}
		from, to := a.span(i)
		if from == to {
			in.users.Add(1)
			a.states[i] = frameBusy
			jobs = append(jobs, frameJob{a, i, in.bytes[a.start(i)-off : a.ends[i]-off], in})
			continue
		}
		if bytes := c.piece(a, i, data, off, b); bytes != nil {
			a.states[i] = frameBusy
			jobs = append(jobs, frameJob{a, i, bytes, nil})
		}
	}
	return jobs
}

// piece copies what of a frame lies in a block, and returns the frame when it is whole. Where too many frames wait for
// their other parts, it is fetched by HTTPS. The caller holds the lock.
func (c *Client) piece(a *arrival, i int, data uint32, off int64, b *incoming) []byte {
	start, end := a.start(i), a.ends[i]
	p := a.partials[i]
	if p == nil {
		if c.fragments+end-start > c.mostFragments() {
			c.askFor(a, i)
			return nil
		}
		p = &partial{bytes: c.scraps.get(end - start)}
		a.partials[i] = p
		c.fragments += end - start
	}
	first, last := a.span(i)
	if !p.have[data-first] {
		from, to := max(start, off), min(end, off+wire.BlockSize)
		b.copyTo(p.bytes[from-start:to-start], from-off)
		p.have[data-first] = true
		c.unneed(a, data)
	}
	for b := range last - first + 1 {
		if !p.have[b] {
			return nil
		}
	}
	return p.bytes
}

// take hands frames to the holder.
func (c *Client) take() {
	for {
		select {
		case j := <-c.frames:
			c.takeOne(j)
			c.free(j.in)
		case <-c.ctx.Done():
			return
		}
	}
}

// errGone says that nobody takes frames any more.
var errGone = errors.New("the run has ended")

// takeOne proves that a frame is what its plan names, and has it written.
func (c *Client) takeOne(j frameJob) {
	frame, absent, err := c.parse(j)
	if err == nil && !absent {
		err = c.bring(frame)
	}
	c.settle(frameAt{j.arrival, j.frame}, frame, absent, err)
}

// settle notes what became of a frame.
func (c *Client) settle(at frameAt, f chunk.Frame, absent bool, err error) {
	a := at.arrival
	var damaged *chunk.DamagedError
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case errors.Is(err, errGone):
		return
	case err == nil && !absent:
		c.counts.taken.Add(int64(f.Size()))
		c.counts.takenFrames.Add(1)
		c.counts.content.Add(int64(f.Length))
		c.counts.lastTake.Store(c.o.Now().UnixNano())
	case err != nil && !errors.As(err, &damaged):
		c.diskFails(err)
		return
	}
	if a.episode != c.episode {
		return
	}
	switch {
	case absent:
		c.counts.absent.Add(1)
		c.notice(wire.Event{Code: wire.EventUnreadable, Generation: a.Number, Text: "the server could not read a chunk"})
		c.giveUp(a, at.frame)
	case err != nil:
		c.bad(a, at.frame, err.Error())
	default:
		c.finish(a, at.frame)
	}
	if missing, unknown := a.episode.recv.Lacks(); missing+unknown == 0 {
		signal(c.all)
	}
}

// parse reads a frame; absent tells that the server had not got it. What cannot be the frame of the plan's chunk is a
// *chunk.DamagedError. Its check sum is not looked at: the holder proves the content, and packets were proven.
func (c *Client) parse(j frameJob) (f chunk.Frame, absent bool, err error) {
	want := c.cat.id(j.arrival.places[j.frame])
	if string(j.bytes[:len(chunk.Magic)]) == string(make([]byte, len(chunk.Magic))) {
		return chunk.Frame{}, true, nil
	}
	h, err := chunk.ParseHeader(j.bytes)
	if err != nil {
		return f, false, err
	}
	f = chunk.Frame{ID: h.ID, Codec: h.Codec, Length: h.Length, Payload: j.bytes[chunk.HeaderSize:]}
	switch {
	case len(f.Payload) != int(h.Stored):
		return f, false, &chunk.DamagedError{ID: want, Reason: fmt.Sprintf("a frame of %d bytes, planned were %d", chunk.HeaderSize+int(h.Stored), len(j.bytes))}
	case f.ID != want:
		return f, false, &chunk.DamagedError{ID: want, Reason: fmt.Sprintf("the frame of chunk %s came in its place", f.ID)}
	}
	return f, false, nil
}

// bring hands a frame to the holder of the Run that goes on.
func (c *Client) bring(f chunk.Frame) error {
	c.mu.Lock()
	holder, ctx := c.holder, c.running
	if holder == nil {
		c.mu.Unlock()
		return errGone
	}
	c.taking.Add(1)
	c.mu.Unlock()
	defer c.taking.Done()
	err := holder.Take(ctx, f)
	if cause := context.Cause(ctx); err != nil && cause != nil && cancelled(cause) && errors.Is(err, cause) {
		return errGone
	}
	return err
}
