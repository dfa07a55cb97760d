package multicast

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// group says in which rounds the deficits of a member count.
type group uint8

const (
	groupNear group    = iota // fast stream, lacks about as much as most do: served first
	groupFar                  // fast stream, lacks much more: late, slow, or a liar; served when nobody near lacks anything
	groupSlow                 // slow stream
	groups                    // how many have rounds
	groupNone = groups        // counts for no round
)

// stream returns whose rounds serve the group.
func (g group) stream() uint8 {
	if g == groupSlow {
		return wire.StreamSlow
	}
	return wire.StreamFast
}

// block is what the sender knows of one block. want and most tell of deficits that were reported after all that was
// sent of the block had passed: what is in flight is never counted twice. They start again when a round serves it.
type block struct {
	last   [wire.Streams]uint64 // sequence of the last symbol sent, 0 none
	open   uint16               // members of the fast stream that need the block or cannot tell: kept until it is passed
	want   [groups]uint16       // members that lack symbols of it
	rounds uint16               // symbols sent in rounds
	most   [groups]uint8        // the largest deficit since the last round
	epoch  [wire.Streams]uint8  // counts the rounds that served it
	parity uint8                // parity symbols sent
	again  uint8                // next source symbol when parity is used up
}

// maxRounds bounds the symbols that rounds send of one block, whatever members report.
const maxRounds = 16 * wire.BlockSymbols

// exhausted tells whether only HTTPS may still serve what is lacked of the block: a small rest after all parity was
// sent, or the bound is reached.
func (b *block) exhausted(deficit uint8) bool {
	return b.rounds >= maxRounds || b.parity >= wire.ParitySymbols && deficit <= smallDeficit
}

// smallDeficit is what a member may ask for by HTTPS while multicast goes on: more would crowd its port.
const smallDeficit = 16

// generation is one announced piece of the stream.
type generation struct {
	wire.Generation
	index, total uint32
	blocks       []block
	indexNext    uint32 // first pass: the next block of the index,
	next         uint32 // and of the data
	announced    time.Time
	told         bool // the members know it, or had the time to
	unreported   int  // members of the fast stream that have said nothing of it yet
	lackingIndex int  // entries of near and far members for blocks of the index
}

// passed tells whether the first pass of the fast stream is past a block.
func (g *generation) passed(b uint32) bool {
	if b < g.index {
		return b < g.indexNext
	}
	return b < g.next
}

// left returns how many blocks of first pass are left.
func (g *generation) left() uint32 { return g.index - g.indexNext + g.total - g.next }

// needed tells whether anybody needs the first pass of a block.
func (g *generation) needed(b uint32) bool { return g.unreported > 0 || g.blocks[b].open > 0 }

// entry is one deficit of one member that counts.
type entry struct {
	block uint32
	need  uint8
	epoch uint8
}

// add counts a deficit of a member of the group.
func (s *Sender) add(g *generation, gr group, block uint32, need uint8) entry {
	b := &g.blocks[block]
	e := entry{block: block, need: need, epoch: b.epoch[gr.stream()]}
	if gr >= groups {
		return e
	}
	if b.want[gr]++; b.want[gr] == 1 {
		s.lacking[gr]++
	}
	if need > b.most[gr] {
		s.demand[gr] += int64(need - b.most[gr])
		b.most[gr] = need
	}
	if block < g.index && gr != groupSlow {
		g.lackingIndex++
	}
	return e
}

// remove takes a deficit back that add counted, unless a round has served the block since.
func (s *Sender) remove(g *generation, gr group, e entry) {
	b := &g.blocks[e.block]
	if gr >= groups || b.epoch[gr.stream()] != e.epoch || b.want[gr] == 0 {
		return
	}
	if b.want[gr]--; b.want[gr] == 0 {
		s.lacking[gr]--
		s.demand[gr] -= int64(b.most[gr])
		b.most[gr] = 0
	}
	if e.block < g.index && gr != groupSlow {
		g.lackingIndex--
	}
}

// served forgets the deficits of a block in a stream: a round takes care of them, later reports tell what it did.
func (s *Sender) served(g *generation, block uint32, stream uint8) {
	b := &g.blocks[block]
	b.epoch[stream]++
	for gr := range groups {
		if gr.stream() != stream || b.want[gr] == 0 {
			continue
		}
		if block < g.index && gr != groupSlow {
			g.lackingIndex -= int(b.want[gr])
		}
		s.lacking[gr]--
		s.demand[gr] -= int64(b.most[gr])
		b.want[gr], b.most[gr] = 0, 0
	}
}

// withdraw takes all deficits of a member out of the rounds.
func (s *Sender) withdraw(m *member) {
	for i, list := range m.lacks {
		for _, e := range list {
			s.remove(s.generations[i], m.group, e)
		}
		m.lacks[i] = list[:0]
	}
	m.lack = 0
}

// regroup moves a member and what it lacks to another group.
func (s *Sender) regroup(m *member, to group) {
	if m.group == to {
		return
	}
	for i, list := range m.lacks {
		g := s.generations[i]
		for j, e := range list {
			current := g.blocks[e.block].epoch[m.group.stream()] == e.epoch
			s.remove(g, m.group, e)
			if current && m.group.stream() == to.stream() {
				list[j] = s.add(g, to, e.block, e.need)
			}
		}
		if m.group.stream() != to.stream() {
			m.lacks[i] = list[:0]
		}
	}
	m.group = to
}

// take replaces what a member lacks of a generation by what it reports now. The deficits count only when count is
// called, once it is known what the member lacks in all.
func (s *Sender) take(m *member, i int, runs wire.Runs) {
	g := s.generations[i]
	if m.open {
		if m.runs[i] == nil {
			g.unreported--
		}
		g.reopen(m.runs[i], runs)
	}
	if runs == nil {
		runs = wire.Runs{}
	}
	m.runs[i] = runs

	old := m.lacks[i]
	for _, e := range old {
		s.remove(g, m.group, e)
		m.lack -= int64(e.need)
	}
	list, at := m.spare[:0], 0
	stream := m.group.stream()
	for pos, run := range bounded(runs, g.total) {
		if run.Value == 0 || run.Value == wire.Unknown {
			continue
		}
		for b := pos; b < pos+run.Count; b++ {
			if m.group != groupSlow && !g.passed(b) {
				if b >= g.index {
					break
				}
				continue
			}
			bl := &g.blocks[b]
			if bl.last[stream] > m.covers || s.passing(g, b) {
				continue
			}
			need := min(run.Value, uint8(g.Symbols(b)))
			for at < len(old) && old[at].block < b {
				at++
			}
			if at < len(old) && old[at].block == b && old[at].epoch != bl.epoch[stream] {
				m.helped.see(need < old[at].need)
			}
			list = append(list, entry{block: b, need: need, epoch: bl.epoch[stream]})
			m.lack += int64(need)
		}
	}
	m.lacks[i], m.spare = list, old
}

// passing tells whether the first pass of a block is under way: it lies in the present span.
func (s *Sender) passing(g *generation, b uint32) bool {
	if front := g.next; b+wire.Interleave < front && b >= g.index || b >= front {
		return false
	}
	st := &s.streams[wire.StreamFast]
	for i := range st.n {
		if w := &st.span[i]; w.g == g && w.block == b && !w.round {
			return true
		}
	}
	return false
}

// count counts what a member lacks of a generation in its group's rounds.
func (s *Sender) count(m *member, i int) {
	for _, e := range m.lacks[i] {
		s.add(s.generations[i], m.group, e.block, e.need)
	}
}

// uncount takes it back, and forgets what a round has served since.
func (s *Sender) uncount(m *member, i int) {
	g := s.generations[i]
	stream := m.group.stream()
	kept := m.lacks[i][:0]
	for _, e := range m.lacks[i] {
		s.remove(g, m.group, e)
		if e.epoch == g.blocks[e.block].epoch[stream] {
			kept = append(kept, e)
		} else {
			m.lack -= int64(e.need)
		}
	}
	m.lacks[i] = kept
}

// reopen counts for the first pass who needs which of the blocks ahead, given what a member reported before and now.
func (g *generation) reopen(before, now wire.Runs) {
	open := func(r wire.Runs, i int) bool { return i >= len(r) || r[i].Value != 0 }
	var pos, endBefore, endNow uint64
	i, j := -1, -1
	total := uint64(g.total)
	if before == nil {
		endBefore = total + 1 // nothing was counted: as if all had been 0
	}
	for pos < total {
		for pos >= endBefore {
			if i++; i < len(before) {
				endBefore += uint64(before[i].Count)
			} else {
				endBefore = total
			}
		}
		for pos >= endNow {
			if j++; j < len(now) {
				endNow += uint64(now[j].Count)
			} else {
				endNow = total
			}
		}
		end := min(endBefore, endNow, total)
		was, is := before != nil && open(before, i), now != nil && open(now, j)
		if was != is {
			for b := max(uint32(pos), min(g.next, g.total)); b < uint32(end); b++ {
				if is {
					g.blocks[b].open++
				} else if g.blocks[b].open > 0 {
					g.blocks[b].open--
				}
			}
		}
		pos = end
	}
}

// bounded yields the runs with their position, cut at total.
func bounded(runs wire.Runs, total uint32) func(yield func(uint32, wire.Run) bool) {
	return func(yield func(uint32, wire.Run) bool) {
		var pos uint32
		for _, run := range runs {
			if run.Count = min(run.Count, total-pos); run.Count == 0 || !yield(pos, run) {
				return
			}
			pos += run.Count
		}
	}
}
