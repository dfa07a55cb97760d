package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"syscall"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/durable"
)

const (
	scrubName    = "scrub"
	contentEvery = 4    // rounds, of which one proves contents, not only checksums
	maxNamed     = 1000 // damaged frames that a report names one by one
)

// Scrub is how a store is read through.
type Scrub struct {
	Work
	Healer  Healer // nil: none
	Needed  Live   // what the healer is asked for beside damaged frames: chunks that are not here at all; nil: nothing
	Whole   bool   // from the first pack, not from where the last scrub stopped
	Content bool   // prove the content of every frame in this round, not only in each fourth
}

// Scrubbed is what a scrub found.
type Scrubbed struct {
	Round   int           `json:"round"`
	Content bool          `json:"content"` // contents were proven too
	Packs   int           `json:"packs"`
	Frames  int           `json:"frames"`
	Bytes   int64         `json:"read_bytes"`
	Bad     []Quarantined `json:"bad,omitempty"`     // found damaged now; at most 1000
	Damaged []string      `json:"damaged,omitempty"` // packs that are damaged as a whole; collecting rewrites them
	Healed  int           `json:"healed"`            // chunks that the healer gave
	Sound   int           `json:"sound_again"`       // frames in quarantine that were read soundly after all
	Lost    int           `json:"lost"`              // chunks of damaged frames that are nowhere else, after all this

	Unhealed string `json:"unhealed,omitempty"` // why the healer gave no more
}

// scrubState is the file "scrub": where the next scrub goes on. Losing it costs reading again.
type scrubState struct {
	Round int    `json:"round"`
	Next  uint32 `json:"next"` // pack
}

// Scrub reads all packs to the end of the round. A damaged frame is quarantined: named, not served any more, and its
// chunk wanted again, unless the healer gives it. Only one scrub runs at a time; everything else goes on meanwhile.
func (s *Store) Scrub(ctx context.Context, o Scrub) (Scrubbed, error) {
	select {
	case s.scrubs <- struct{}{}:
		defer func() { <-s.scrubs }()
	case <-ctx.Done():
		return Scrubbed{}, ctx.Err()
	}
	at := s.readScrubState()
	if o.Whole {
		at.Next = 0
	}
	x := scrubber{s: s, o: o, report: Scrubbed{Round: at.Round, Content: o.Content || at.Round%contentEvery == 0}}
	s.mu.RLock()
	numbers := sortedKeys(s.packs)
	for _, number := range numbers {
		if number >= at.Next {
			x.total += s.packs[number].size
		}
	}
	s.mu.RUnlock()
	for _, number := range numbers {
		if number < at.Next {
			continue
		}
		if err := x.pack(ctx, number); err != nil {
			return x.report, fmt.Errorf("scrubbing pack %d: %w", number, err)
		}
		at.Next = number + 1
		if err := s.writeScrubState(at); err != nil {
			return x.report, err
		}
	}
	if err := x.healRest(ctx); err != nil {
		return x.report, err
	}
	return x.report, s.writeScrubState(scrubState{Round: at.Round + 1})
}

func (s *Store) readScrubState() scrubState {
	var at scrubState
	b, err := durable.ReadFile(s.fs, filepath.Join(s.dir, scrubName), 1<<10)
	if err == nil {
		err = json.Unmarshal(b, &at)
	}
	if err != nil || at.Round < 1 {
		return scrubState{Round: 1}
	}
	return at
}

func (s *Store) writeScrubState(at scrubState) error {
	b, err := json.Marshal(at)
	if err == nil {
		err = durable.WriteFile(s.fs, filepath.Join(s.dir, scrubName), append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing how far the scrub is: %w", err)
	}
	return nil
}

// scrubber is one scrub under way.
type scrubber struct {
	s       *Store
	o       Scrub
	report  Scrubbed
	total   int64
	buf     []byte
	content []byte
	found   []chunk.ID // damaged in the present pack
}

// pack reads one pack.
func (x *scrubber) pack(ctx context.Context, number uint32) error {
	s := x.s
	h := s.handles.use(number) // so that it is not removed under our eyes
	defer s.handles.release(h)
	s.mu.RLock()
	p, there := s.packs[number]
	s.mu.RUnlock()
	if !there {
		return nil
	}
	c, err := s.readContents(number)
	if errors.Is(err, fs.ErrNotExist) {
		s.losePack(number)
		x.report.Damaged = append(x.report.Damaged, fmt.Sprintf("pack %d: its file is gone", number))
		return nil
	}
	if errors.Is(err, syscall.EIO) { // not even its size: the others are to be read all the same
		x.report.Damaged = append(x.report.Damaged, (&PackError{Pack: number, Reason: mediumFails}).Error())
		return nil
	}
	if err != nil {
		return err
	}
	if c.damage != nil {
		x.report.Damaged = append(x.report.Damaged, c.damage.Error())
		s.markDamaged(number, c.damage)
		c.entries = s.withIndexed(number, c.entries)
	}
	x.report.Packs++
	if err := x.frames(ctx, number, s.served(number, c.entries)); err != nil {
		return err
	}
	if err := x.retry(number, c.entries); err != nil {
		return err
	}
	if err := x.heal(ctx, x.found); err != nil {
		return err
	}
	x.found = x.found[:0]
	x.report.Bytes += p.size
	x.o.show("scrub", x.report.Bytes, x.total)
	return nil
}

// markDamaged remembers that a pack is damaged as a whole.
func (s *Store) markDamaged(number uint32, damage *PackError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, there := s.packs[number]
	if !there || p.damaged {
		return
	}
	p.damaged = true
	s.packs[number] = p
	s.damaged = append(s.damaged, damage)
	s.stale = true
}

// served returns the entries of a pack that the index knows there.
func (s *Store) served(number uint32, entries []entry) []entry {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []entry
	for _, e := range entries {
		if p, ok := s.known.get(e.id); ok && p.pack == number && p.offset == e.offset {
			out = append(out, e)
		}
	}
	return out
}

// frames proves frames.
func (x *scrubber) frames(ctx context.Context, number uint32, entries []entry) error {
	for len(entries) > 0 {
		n := neighbouring(entries)
		group := entries[:n]
		entries = entries[n:]
		frames, err := x.s.readFrames(&x.buf, number, group)
		if err != nil {
			return err
		}
		x.report.Frames += len(group)
		for _, f := range frames {
			if !x.report.Content {
				break
			}
			if err := x.prove(f, frameAt{number, offsetOf(group, f.ID)}); err != nil {
				return err
			}
		}
		x.name(number, group)
		last := group[n-1]
		if err := x.s.pause(ctx, x.o.Work, int(last.offset+last.size-group[0].offset)); err != nil {
			return err
		}
	}
	return nil
}

// prove proves the content of a frame.
func (x *scrubber) prove(f chunk.Frame, at frameAt) error {
	content, err := x.s.codec.Open(x.content, f)
	var damaged *chunk.DamagedError
	if errors.As(err, &damaged) {
		return x.s.quarantine(f.ID, at, damaged.Reason)
	}
	x.content = content
	return err
}

// name reports which of the frames are in quarantine now.
func (x *scrubber) name(number uint32, group []entry) {
	x.s.mu.RLock()
	defer x.s.mu.RUnlock()
	for _, e := range group {
		q, bad := x.s.bad[frameAt{number, e.offset}]
		if !bad {
			continue
		}
		x.found = append(x.found, q.ID)
		if len(x.report.Bad) < maxNamed {
			x.report.Bad = append(x.report.Bad, q)
		}
	}
}

// retry reads the frames of a pack once more that are in quarantine since before this scrub: a medium has its good days.
func (x *scrubber) retry(number uint32, entries []entry) error {
	fresh := map[frameAt]bool{}
	for _, q := range x.report.Bad {
		fresh[frameAt{q.Pack, q.Offset}] = true
	}
	h := x.s.handles.use(number)
	defer x.s.handles.release(h)
	for _, e := range entries {
		at := frameAt{number, e.offset}
		x.s.mu.RLock()
		_, bad := x.s.bad[at]
		x.s.mu.RUnlock()
		if !bad || fresh[at] {
			continue
		}
		b := make([]byte, e.size)
		n, err := x.s.handles.readAt(h, b, int64(e.offset))
		if err != nil {
			continue // as it was
		}
		f, damaged := parseFrame(b[:n], e.id, e.size)
		if damaged != nil {
			continue
		}
		if _, err := x.s.codec.Open(nil, f); err != nil {
			continue
		}
		if err := x.s.recovered(e, at); err != nil {
			return err
		}
		x.report.Sound++
	}
	return nil
}

// heal asks the healer for what this scrub has found, so that a deployment need not wait for the end of a round.
func (x *scrubber) heal(ctx context.Context, lost []chunk.ID) error {
	if x.o.Healer == nil || len(lost) == 0 {
		return nil
	}
	healed, failed, err := x.s.Heal(ctx, x.o.Healer, lost)
	x.report.Healed += healed
	if failed != nil {
		x.report.Unhealed = failed.Error()
	}
	return err
}

// healRest asks the healer for every chunk that is lost: what was found before, and what is needed and not here at all.
func (x *scrubber) healRest(ctx context.Context) error {
	lost := x.s.Lost(math.MaxInt)
	if x.o.Healer != nil && x.o.Needed != nil {
		err := x.o.Needed(ctx, func(id chunk.ID) error {
			if _, here := x.s.Has(id); !here {
				lost = append(lost, id)
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	if err := x.heal(ctx, lost); err != nil {
		return err
	}
	x.report.Lost = len(x.s.Lost(math.MaxInt))
	return nil
}
