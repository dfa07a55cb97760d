package agentapi

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
)

// Healing is where chunks come back that the store has lost.
type Healing interface {
	// Lost returns chunks whose frames were found damaged and that are nowhere else, at most so many.
	Lost(most int) []chunk.ID
	// Heal stores what a healer has of chunks, proven by their ids, and returns how many are here now that were not.
	Heal(ctx context.Context, h store.Healer, ids []chunk.ID) (healed int, failed, err error)
}

const (
	maxLost   = 1 << 16     // chunks that are looked at for one computer
	offerTime = time.Minute // for which a chunk that one computer was asked for is not asked of another
)

// offers remembers which lost chunks somebody was asked for: a room that is deployed at once would bring each thirty
// times. The zero value is ready.
type offers struct {
	mu sync.Mutex
	at map[chunk.ID]time.Time
}

// choose returns what to ask one computer for: lost chunks of its set that nobody was asked for lately.
func (o *offers) choose(lost []chunk.ID, set chunkSet, now time.Time) []chunk.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, at := range o.at {
		if now.Sub(at) >= offerTime {
			delete(o.at, id)
		}
	}
	if o.at == nil {
		o.at = map[chunk.ID]time.Time{}
	}
	var chosen []chunk.ID
	for _, id := range lost {
		if len(chosen) == job.MaxHeal {
			break
		}
		if _, mine := set[id]; !mine {
			continue
		}
		if _, asked := o.at[id]; asked {
			continue
		}
		o.at[id] = now
		chosen = append(chosen, id)
	}
	return chosen
}

// deployed returns the chunks of the manifest that the caller's running task names.
func (s *Server) deployed(c caller) (chunkSet, error) {
	j, _, err := s.Fleet.Running(c.key)
	if err != nil {
		return nil, err
	}
	if j.Manifest == "" {
		return nil, refused(http.StatusForbidden, "not-yours", "the running task names no manifest")
	}
	return s.sets.of(s.Masters, j.Manifest)
}

// wanted tells a computer which chunks of its running deployment are lost.
func (s *Server) wanted(w http.ResponseWriter, _ *http.Request, c caller) error {
	var lost []chunk.ID
	if s.Healing != nil {
		lost = s.Healing.Lost(maxLost)
	}
	var ids []chunk.ID
	if len(lost) > 0 { // else no manifest need be read
		set, err := s.deployed(c)
		if err != nil {
			return err
		}
		ids = s.offers.choose(lost, set, s.now())
	}
	var body []byte
	for _, id := range ids {
		body = append(body, id[:]...)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(body)
	return nil
}

// heal takes frames of lost chunks. Those that are not lost, or not any more, are passed over; those of no business of the
// caller's are refused.
func (s *Server) heal(w http.ResponseWriter, r *http.Request, c caller) error {
	if s.Healing == nil {
		return refused(http.StatusForbidden, "not-yours", "nothing was asked for")
	}
	set, err := s.deployed(c)
	if err != nil {
		return err
	}
	lost := chunkSet{}
	for _, id := range s.Healing.Lost(maxLost) {
		lost[id] = struct{}{}
	}
	body, done := s.stream(w, r, job.MaxHeal*chunk.MaxFrameSize)
	defer done()
	healed := 0
	for last := false; !last; {
		var batch []chunk.Frame
		if batch, last, err = readBatch(body); err != nil {
			return err
		}
		var asked []chunk.ID
		for _, f := range batch {
			if _, mine := set[f.ID]; !mine {
				return refused(http.StatusForbidden, "not-yours", "chunk %s is not of the running task", f.ID)
			}
			if _, want := lost[f.ID]; want {
				asked = append(asked, f.ID)
			}
		}
		n, _, err := s.Healing.Heal(r.Context(), given(batch), asked)
		if err != nil {
			return fmt.Errorf("keeping frames: %w", err)
		}
		healed += n
	}
	done()
	if healed > 0 {
		s.log().Info("a computer gave back chunks that were lost", "address", c.address, "healed", healed)
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// given is frames that somebody has sent, as a healer.
type given []chunk.Frame

var _ store.Healer = given(nil)

// Heal implements store.Healer. The store takes only what it asked for.
func (g given) Heal(_ context.Context, _ []chunk.ID, yield func(chunk.Frame) error) error {
	for _, f := range g {
		if err := yield(f); err != nil {
			return err
		}
	}
	return nil
}
