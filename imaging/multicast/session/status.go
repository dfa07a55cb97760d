package session

import (
	"time"

	"github.com/ardoise/ardoise/imaging/multicast"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// LoggedEvent is something that a computer reported.
type LoggedEvent struct {
	Time     time.Time
	Computer string
	wire.Event
}

// Gap is a chunk that the store could not give.
type Gap struct {
	Chunk  chunk.ID
	Reason string
}

// Status is what people and programs see of a session, at its server.
type Status struct {
	Session     uint32
	Started     time.Time
	Masters     []manifest.Hash
	Channels    []wire.Channel
	Generations int
	Chunks      int      // distinct ones of the masters
	Planned     int      // of these, those in generations
	Data        int64    // bytes of frames in generations
	Packets     []uint64 // sent, by stream
	Refused     uint64   // packets that the network card did not take
	Rescued     uint64   // symbols that were fetched by HTTPS
	Finished    bool     // no generation will follow
	Unreadable  []Gap
	Events      []LoggedEvent // the last ones
	Sender      multicast.Status
}

// Status returns what there is to see now.
func (s *Server) Status() Status {
	now := s.o.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	st := Status{
		Session: s.number, Started: s.started, Masters: s.composer.hashes, Channels: s.channels, Generations: len(s.stocks),
		Chunks: len(s.composer.ids), Refused: s.refused.Load(), Rescued: s.rescued,
		Finished: s.finished, Events: append([]LoggedEvent(nil), s.events...), Sender: s.sender.Status(now),
	}
	for i := range s.sent {
		st.Packets = append(st.Packets, s.sent[i].Load())
	}
	for _, g := range s.stocks {
		st.Planned += len(g.ids)
		st.Data += g.Data
	}
	for id, reason := range s.gaps {
		st.Unreadable = append(st.Unreadable, Gap{Chunk: id, Reason: reason})
	}
	return st
}

// note keeps what a member has reported besides numbers. The caller holds the lock.
func (s *Server) note(now time.Time, m *member, events []wire.Event) {
	for _, e := range events {
		if m.noted++; m.noted > maxEvents {
			return // who reports more than that has nothing to say
		}
		s.events = append(s.events, LoggedEvent{Time: now, Computer: m.name, Event: e})
		s.o.Log.Info("a computer reports", "session", s.number, "computer", m.name, "event", e.Code, "text", e.Text)
	}
	if more := len(s.events) - maxEvents; more > 0 {
		s.events = append(s.events[:0], s.events[more:]...)
	}
}
