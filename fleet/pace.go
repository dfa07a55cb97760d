package fleet

import (
	"maps"
	"sync"
	"time"
)

const (
	// stagger is the time between two computers of a room that are woken: thirty power supplies that charge at once trip its
	// breaker. Rooms have their own, and do not wait for each other.
	stagger = 200 * time.Millisecond
	// farTurn is later than any turn of ours but after a flood of orders, or a clock that was set back: then turns begin anew.
	farTurn = 10 * time.Minute
	// wakesAtOnce is in how many rooms the first is woken at once.
	wakesAtOnce = 32
)

// pace says when packets go out. The zero value is ready.
type pace struct {
	mu    sync.Mutex
	rooms map[string]time.Time // when the next computer of a room may be woken, by its full name, folded
	turns map[string]time.Time // of computers, by id, that are yet to come
}

// take gives each computer its turn among those of its room, those without a room among those of their site. Who has one that is
// yet to come gets no other.
func (p *pace) take(all []sleeper, now time.Time) (out []paced) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rooms == nil {
		p.rooms, p.turns = map[string]time.Time{}, map[string]time.Time{}
	}
	over := func(_ string, at time.Time) bool { return !at.After(now) || at.Sub(now) > farTurn }
	maps.DeleteFunc(p.rooms, over)
	maps.DeleteFunc(p.turns, over)
	for _, x := range all {
		if _, has := p.turns[x.ID]; has {
			continue
		}
		at := now
		if next, ok := p.rooms[x.place]; ok {
			at = next
			p.turns[x.ID] = at
		}
		p.rooms[x.place] = at.Add(stagger)
		out = append(out, paced{x, at.Sub(now)})
	}
	return out
}

// paced is a computer that is woken after a moment.
type paced struct {
	sleeper
	after time.Duration
}
