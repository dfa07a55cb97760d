package agentapi

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"sync"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/store"
)

// Healing is where chunks come back that the store has lost.
type Healing interface {
	// Absent returns those of the given chunks that the store has not got, at most so many.
	Absent(ids iter.Seq[chunk.ID], most int) []chunk.ID
	// Heal stores what a healer has of chunks, proven by their ids, and returns how many are here now that were not.
	Heal(ctx context.Context, h store.Healer, ids []chunk.ID) (healed int, failed, err error)
}

// offerTime is for how long a chunk that one computer was asked for is not asked of another, and a master that was found
// whole is not looked through again.
const offerTime = time.Minute

// offers remembers which lost chunks somebody was asked for, and which masters are whole: a room that is deployed at once
// would bring each chunk thirty times. The zero value is ready.
type offers struct {
	mu    sync.Mutex
	at    map[chunk.ID]time.Time
	whole map[string]time.Time // by the hash of the manifest
}

// choose returns what to ask one computer for: chunks of its master that are lost and that nobody was asked for lately.
func (o *offers) choose(h Healing, hash string, set chunkSet, now time.Time) []chunk.ID {
	o.mu.Lock() // held while looking: the others of the room need not look, too
	defer o.mu.Unlock()
	forget(o.whole, now)
	forget(o.at, now)
	if _, whole := o.whole[hash]; whole {
		return nil
	}
	absent := h.Absent(maps.Keys(set), job.MaxHeal+len(o.at))
	if o.at == nil {
		o.at, o.whole = map[chunk.ID]time.Time{}, map[string]time.Time{}
	}
	if len(absent) == 0 {
		o.whole[hash] = now
	}
	var chosen []chunk.ID
	for _, id := range absent {
		if _, asked := o.at[id]; !asked && len(chosen) < job.MaxHeal {
			o.at[id] = now
			chosen = append(chosen, id)
		}
	}
	return chosen
}

// forget removes what is older than offerTime.
func forget[K comparable](seen map[K]time.Time, now time.Time) {
	for k, at := range seen {
		if now.Sub(at) >= offerTime {
			delete(seen, k)
		}
	}
}

// deployed returns hash and chunks of the manifest that the caller's running task names.
func (s *Server) deployed(c caller) (hash string, set chunkSet, err error) {
	j, _, err := s.Fleet.Running(c.key)
	if err != nil {
		return "", nil, err
	}
	if j.Manifest == "" {
		return "", nil, refused(http.StatusForbidden, "not-yours", "the running task names no manifest")
	}
	set, err = s.sets.of(s.Masters, j.Manifest)
	return j.Manifest, set, err
}

// wanted tells a computer which chunks of its running deployment are lost.
func (s *Server) wanted(w http.ResponseWriter, _ *http.Request, c caller) error {
	hash, set, err := s.deployed(c)
	if err != nil {
		return err
	}
	var body []byte
	if s.Healing != nil {
		for _, id := range s.offers.choose(s.Healing, hash, set, s.now()) {
			body = append(body, id[:]...)
		}
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(body)
	return nil
}

// heal takes frames of lost chunks. The store passes over those that are not lost, or not any more; those of no business
// of the caller's are refused.
func (s *Server) heal(w http.ResponseWriter, r *http.Request, c caller) error {
	if s.Healing == nil {
		return refused(http.StatusForbidden, "not-yours", "nothing was asked for")
	}
	_, set, err := s.deployed(c)
	if err != nil {
		return err
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
			asked = append(asked, f.ID)
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
