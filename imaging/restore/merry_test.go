package restore_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
)

// merryGoRound is a carousel that brings what it has in an order of chance, from several goroutines, among rubbish: each
// frame twice, other content under each id, and chunks of another master.
type merryGoRound struct {
	frames  map[chunk.ID]chunk.Frame
	seed    uint64
	callers int   // goroutines; 0 = 4
	clean   bool  // no rubbish
	stop    int   // ends after so many frames; 0 = when all were brought
	err     error // what Run returns then

	begin func(restore.Receiver) // called first; may be nil
	end   func(restore.Receiver) // called last; may be nil

	mu      sync.Mutex
	brought int
	damaged int
	fault   error // of a Take
}

// script is the frames in the order in which they come.
func (c *merryGoRound) script() []chunk.Frame {
	var ids []chunk.ID
	for id := range c.frames {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b chunk.ID) int { return slices.Compare(a[:], b[:]) })
	var all []chunk.Frame
	for n, id := range ids {
		f := c.frames[id]
		all = append(all, f)
		if c.clean {
			continue
		}
		wrong, foreign := f, chunk.Frame{Codec: 0, Length: 3, Payload: []byte{byte(n), byte(n >> 8), 77}}
		foreign.ID = chunk.Of(foreign.Payload)
		switch wrong.Payload = slices.Clone(f.Payload); n % 3 {
		case 0:
			wrong.Payload[len(wrong.Payload)/2] ^= 1
		case 1:
			wrong.Length++
		case 2:
			wrong.Codec, wrong.Payload = 0, make([]byte, f.Length)
		}
		all = append(all, f, wrong, foreign)
	}
	rnd := rand.New(rand.NewPCG(c.seed, 3))
	rnd.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if c.stop > 0 {
		all = all[:min(c.stop, len(all))]
	}
	return all
}

func (c *merryGoRound) Run(ctx context.Context, r restore.Receiver) error {
	if c.begin != nil {
		c.begin(r)
	}
	if c.end != nil {
		defer c.end(r)
	}
	next := make(chan chunk.Frame)
	var callers sync.WaitGroup
	if c.callers == 0 {
		c.callers = 4
	}
	for range c.callers {
		callers.Add(1)
		go func() {
			defer callers.Done()
			for f := range next {
				c.note(r.Take(ctx, f))
			}
		}()
	}
	for _, f := range c.script() {
		next <- f
	}
	close(next)
	callers.Wait()
	if c.fault != nil {
		return c.fault
	}
	return c.err
}

func (c *merryGoRound) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.brought++
	var damaged *chunk.DamagedError
	switch {
	case errors.As(err, &damaged):
		c.damaged++
	case err != nil && c.fault == nil:
		c.fault = err
	}
}

// receiving is the same run with a carousel that brings everything, and a probe that can be repeated.
func receiving(o restore.Options, tm *testMaster, seed uint64) restore.Options {
	return turning(o, &merryGoRound{frames: tm.source.frames, seed: seed})
}

func turning(o restore.Options, c *merryGoRound) restore.Options {
	o.Carousel = c
	o.Draw = rand.New(rand.NewPCG(c.seed, 4)).IntN
	return o
}

// left is how many chunks have each need.
func left(r restore.Receiver) (missing, held, unknown int) {
	needs, _ := r.Needs(nil, 0)
	for _, n := range needs {
		switch n {
		case restore.NeedMissing:
			missing++
		case restore.NeedHeld:
			held++
		case restore.NeedUnknown:
			unknown++
		}
	}
	return missing, held, unknown
}
