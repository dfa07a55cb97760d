package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ardoise/ardoise/masters/chunk"
)

// Live calls yield with the id of every chunk that something needs: versions, running plans. Its error, and that of
// yield, end it. What it leaves out is removed by the second collection that does not find it, so who cannot name all
// must fail.
type Live func(ctx context.Context, yield func(chunk.ID) error) error

// Work is what all long work on a store can be told. The zero value is ready.
type Work struct {
	Rate     int64                                 // most bytes read a second; 0: as fast as it goes
	Progress func(phase string, done, total int64) // bytes, or chunks where the phase is mark; nil: nobody looks
}

func (w Work) show(phase string, done, total int64) {
	if w.Progress != nil {
		w.Progress(phase, done, total)
	}
}

// within is the time that reading n bytes may take.
func (w Work) within(n int) time.Duration {
	if w.Rate <= 0 {
		return 0
	}
	return time.Duration(float64(n) / float64(w.Rate) * float64(time.Second))
}

// pause waits as long as reading n bytes may take.
func (s *Store) pause(ctx context.Context, w Work, n int) error {
	if w.Rate <= 0 {
		return ctx.Err()
	}
	return s.sleep(ctx, w.within(n))
}

// Collected is what a collection found and did.
type Collected struct {
	LiveChunks     int   `json:"live_chunks"`
	LiveBytes      int64 `json:"live_bytes"`
	WaitingChunks  int   `json:"waiting_chunks"` // needed by nothing, removed by the next collection
	WaitingBytes   int64 `json:"waiting_bytes"`
	DeadChunks     int   `json:"dead_chunks"` // needed by nothing in two collections: removed, or in a pack that is mostly live
	DeadBytes      int64 `json:"dead_bytes"`
	MissingChunks  int   `json:"missing_chunks"` // needed, but not in the store
	RewrittenPacks int   `json:"rewritten_packs"`
	RemovedPacks   int   `json:"removed_packs"`
	MovedBytes     int64 `json:"moved_bytes"` // frames copied into new packs
	FreedBytes     int64 `json:"freed_bytes"` // of files removed, less files made
	NoRoom
}

// NoRoom is what a work left as it was, since it copies before it removes and the disk is too full for that.
type NoRoom struct {
	SkippedPacks int   `json:"skipped_packs,omitempty"`
	LackingBytes int64 `json:"lacking_bytes,omitempty"` // what the least of them lacks
}

// Cycles. Every entry of the index carries the cycle in which its chunk was last needed: a collection gives its own to
// what Live names and to what sessions pin, and so does every session that is told that a chunk is here. An entry that
// carries neither this cycle nor the one before is a tombstone, 0: only that may be removed, and only while it is one.
const seenCycles = 63 // 1 ..= 63, then again: older ones have become tombstones long since

// seen returns what an entry carries that is needed now. Call with mu held.
func (s *Store) seen() uint8 { return uint8(1 + s.cycle%seenCycles) }

// leastLive is the share of a pack, in per cent, below which it is rewritten.
const leastLive = 60

// enter waits until no other upkeep runs.
func (s *Store) enter(ctx context.Context) error {
	select {
	case s.upkeep <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) leave() { <-s.upkeep }

// Collect removes what nothing needs: chunks that neither this collection nor the one before found needed, in packs of
// which less than 60 % is needed. Captures and deployments go on meanwhile. On an error nothing that is needed is gone.
func (s *Store) Collect(ctx context.Context, live Live, w Work) (Collected, error) {
	var c Collected
	if err := s.enter(ctx); err != nil {
		return c, err
	}
	defer s.leave()
	youngest, pinned := s.beginCycle()
	m := marker{s: s, w: w, bad: s.badByID()}
	err := m.mark(ctx, pinned, live)
	if err != nil {
		s.mu.Lock()
		s.cycle-- // what was marked stays marked a cycle longer
		s.mu.Unlock()
		return c, fmt.Errorf("finding what is needed: %w", err)
	}
	c.MissingChunks = m.missing
	perPack := s.account(&c)
	r := &rewriter{s: s, w: w, drops: true, todo: s.poorPacks(perPack, youngest)}
	err = r.run(ctx)
	c.RewrittenPacks, c.RemovedPacks, c.MovedBytes, c.FreedBytes = r.rewritten, r.removed, r.moved, r.freed
	c.NoRoom = NoRoom{SkippedPacks: r.skipped, LackingBytes: r.lacking}
	if err == nil {
		err = s.checkpointIfRoom() // two cycles count across restarts
	}
	if err != nil {
		return c, fmt.Errorf("rewriting packs: %w", err)
	}
	return c, nil
}

// beginCycle begins a cycle and returns what sessions hold at that moment: the packs from that number on, and chunks.
// What they are told later is marked when they are told.
func (s *Store) beginCycle() (youngest uint32, pinned []chunk.ID) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cycle++
	s.stale = true
	youngest = s.next
	if s.open != nil {
		youngest = s.open.number
	}
	for n := range s.sessions {
		youngest = min(youngest, n.first)
		pinned = slices.AppendSeq(pinned, maps.Keys(n.pins))
	}
	return youngest, pinned
}

// marker gives entries the present cycle.
type marker struct {
	s       *Store
	w       Work
	bad     map[chunk.ID][]frameAt
	batch   []chunk.ID
	marked  int64
	missing int
}

const markBatch = 1024 // ids marked while others wait

func (m *marker) mark(ctx context.Context, pinned []chunk.ID, live Live) error {
	add := func(id chunk.ID) error {
		if m.batch = append(m.batch, id); len(m.batch) == markBatch {
			m.flush()
			return ctx.Err()
		}
		return nil
	}
	for _, id := range pinned {
		if err := add(id); err != nil {
			return err
		}
	}
	m.flush()
	m.missing = 0 // a session may pin what is not durable yet
	err := live(ctx, add)
	m.flush()
	return err
}

func (m *marker) flush() {
	if len(m.batch) == 0 {
		return
	}
	s := m.s
	s.mu.Lock()
	seen := s.seen()
	for _, id := range m.batch {
		p, ok := s.known.get(id)
		switch {
		case !ok:
			m.missing++
			m.markBad(id, seen)
		case p.seen != seen:
			p.seen = seen
			s.known.put(id, p)
		}
	}
	total := int64(s.known.count)
	s.mu.Unlock()
	m.marked += int64(len(m.batch))
	m.batch = m.batch[:0]
	m.w.show("mark", min(m.marked, total), total)
}

// badByID returns where the damaged frames of each chunk lie.
func (s *Store) badByID() map[chunk.ID][]frameAt {
	s.mu.RLock()
	defer s.mu.RUnlock()
	places := map[chunk.ID][]frameAt{}
	for at, q := range s.bad {
		places[q.ID] = append(places[q.ID], at)
	}
	return places
}

// markBad remembers that the chunk of a quarantined frame is needed. Call with mu held.
func (m *marker) markBad(id chunk.ID, seen uint8) {
	for _, at := range m.bad[id] {
		if q, still := m.s.bad[at]; still {
			q.seen = seen
			m.s.bad[at] = q
		}
	}
}

// account makes tombstones of what was needed neither in this cycle nor in the one before, and returns the bytes that
// are not tombstones in each pack.
func (s *Store) account(c *Collected) map[uint32]int64 {
	perPack := map[uint32]int64{}
	for shard := range shardCount {
		s.mu.Lock()
		now, before := s.seen(), uint8(1+(s.cycle-1)%seenCycles)
		s.known.edit(shard, func(_ chunk.ID, p place) place {
			switch p.seen {
			case now:
				c.LiveChunks++
				c.LiveBytes += int64(p.size)
			case before:
				c.WaitingChunks++
				c.WaitingBytes += int64(p.size)
			default:
				p.seen = 0
				c.DeadChunks++
				c.DeadBytes += int64(p.size)
				return p
			}
			perPack[p.pack] += int64(p.size)
			return p
		})
		s.mu.Unlock()
	}
	return perPack
}

// poorPacks returns the packs that are to be rewritten: those of which too little is needed, and those damaged as a
// whole. Packs that an open session may have filled, and those with a frame that is lost but needed, stay. Those of which
// nothing is needed come first: removing them takes no room.
func (s *Store) poorPacks(perPack map[uint32]int64, youngest uint32) []uint32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var poor []uint32
	for number, p := range s.packs {
		if number < youngest && !s.precious(number) && (p.damaged || perPack[number]*100 < p.size*leastLive) {
			poor = append(poor, number)
		}
	}
	slices.SortFunc(poor, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(min(1, perPack[a]), min(1, perPack[b])), cmp.Compare(a, b))
	})
	return poor
}

// precious tells whether a pack has a damaged frame whose chunk is needed and known nowhere else: the medium may give it
// back some day. Call with mu held.
func (s *Store) precious(number uint32) bool {
	for at, q := range s.bad {
		if at.pack != number {
			continue
		}
		_, healed := s.known.get(q.ID)
		if needed := q.seen == s.seen() || q.seen == uint8(1+(s.cycle-1)%seenCycles); needed && !healed {
			return true
		}
	}
	return false
}
