package restore

import (
	"bytes"
	"cmp"
	"slices"
	"sort"
	"sync"

	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// ledger keeps what is known of each entry and of each distinct chunk while a carousel is at work: 14 bytes an entry.
type ledger struct {
	table  *manifest.Table
	order  []uint32          // entries, by id and then by number
	number []uint32          // of the distinct chunk of each entry, in the order of first appearance
	lasts  func(uint32) bool // tells whether the content, once found in an entry's place, can be read there until the end

	mu      sync.Mutex
	entries []byte                   // need of each entry
	needs   []byte                   // need of each distinct chunk
	lacking []uint32                 // entries of each distinct chunk that are not known to be held
	changes uint64                   // of needs
	work    map[uint32]chan struct{} // distinct chunks that a Take is at; closed when it is over
}

func newLedger(t *manifest.Table, lasts func(uint32) bool) *ledger {
	n := t.Len()
	l := &ledger{table: t, lasts: lasts, order: make([]uint32, n), number: make([]uint32, n), changes: 1,
		entries: bytes.Repeat([]byte{NeedUnknown}, n), work: map[uint32]chan struct{}{}}
	for i := range l.order {
		l.order[i] = uint32(i)
	}
	slices.SortFunc(l.order, func(a, b uint32) int {
		ida, idb := t.At(int(a)).ID, t.At(int(b)).ID
		return cmp.Or(bytes.Compare(ida[:], idb[:]), cmp.Compare(a, b))
	})
	// First each entry gets the first one of its chunk, which then is replaced by that one's number.
	for k, i := range l.order {
		l.number[i] = i
		if k > 0 && t.At(int(l.order[k-1])).ID == t.At(int(i)).ID {
			l.number[i] = l.number[l.order[k-1]]
		}
	}
	for i, first := range l.number {
		if first == uint32(i) {
			l.number[i] = uint32(len(l.lacking))
			l.lacking = append(l.lacking, 1)
			continue
		}
		l.number[i] = l.number[first]
		l.lacking[l.number[i]]++
	}
	l.needs = bytes.Repeat([]byte{NeedUnknown}, len(l.lacking))
	for i, e := range t.All() {
		if len(e.Pieces) == 0 {
			l.set(uint32(i), NeedHeld)
		}
	}
	return l
}

// places returns the entries of a chunk: none if it is not of this master.
func (l *ledger) places(id chunk.ID) []uint32 {
	first, found := sort.Find(len(l.order), func(k int) int {
		other := l.table.At(int(l.order[k])).ID
		return bytes.Compare(id[:], other[:])
	})
	if !found {
		return nil
	}
	end := first + 1
	for end < len(l.order) && l.table.At(int(l.order[end])).ID == id {
		end++
	}
	return l.order[first:end]
}

// snapshot implements Receiver.Needs.
func (l *ledger) snapshot(into []byte, seen uint64) ([]byte, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if seen == l.changes {
		return into, seen
	}
	return append(into[:0], l.needs...), l.changes
}

// need returns what is known of entry i.
func (l *ledger) need(i uint32) byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.entries[i]
}

// judge enters the verdict on entry i, if there is none yet, and tells whether it did.
func (l *ledger) judge(i uint32, held bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.entries[i] != NeedUnknown {
		return false
	}
	if held {
		l.set(i, NeedHeld)
	} else {
		l.set(i, NeedMissing)
	}
	return true
}

// wrote enters that an entry was written.
func (l *ledger) wrote(i uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.set(i, NeedHeld)
}

// lackAll enters that everything is missing that is not known yet.
func (l *ledger) lackAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, need := range l.entries {
		if need == NeedUnknown {
			l.set(uint32(i), NeedMissing)
		}
	}
}

func (l *ledger) set(i uint32, need byte) {
	if l.entries[i] == NeedHeld || l.entries[i] == need {
		return
	}
	l.entries[i] = need
	c := l.number[i]
	now := l.needs[c]
	switch {
	case need == NeedHeld:
		if l.lacking[c]--; l.lacking[c] == 0 || l.lasts(i) {
			now = NeedHeld
		}
	case now == NeedUnknown:
		now = NeedMissing
	}
	if now != l.needs[c] {
		l.needs[c] = now
		l.changes++
	}
}

// claim gives a chunk to the caller, who ends with release. wanted is false when nothing of it has to be written; wait,
// when not nil, is closed when another has released it: then ask again.
func (l *ledger) claim(places []uint32) (wait <-chan struct{}, wanted bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.number[places[0]]
	if other, ok := l.work[c]; ok {
		return other, true
	}
	missing := func(i uint32) bool { return l.entries[i] == NeedMissing }
	// What lies in one place already is left to the scanner in those that are not known.
	if l.needs[c] == NeedHeld && (l.lacking[c] == 0 || !slices.ContainsFunc(places, missing)) {
		return nil, false
	}
	l.work[c] = make(chan struct{})
	return nil, true
}

func (l *ledger) release(places []uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.number[places[0]]
	close(l.work[c])
	delete(l.work, c)
}

// lacks enters into f what is not held.
func (l *ledger) lacks(f *findings) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, need := range l.entries {
		if need != NeedHeld {
			f.entries[i/64] |= 1 << (i % 64)
			f.count++
		}
	}
}
