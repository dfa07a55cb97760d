package agentapi

import (
	"context"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxPoll is the longest question of a helper, in bytes: 64 networks and 32 IDs.
const maxPoll = 16 << 10

// helper lets a helper wait for computers to wake.
func (s *Server) helper(w http.ResponseWriter, r *http.Request, c caller) error {
	secret, err := s.admit(r, c, func(secret string) error {
		_, err := s.Fleet.HelperOf(secret)
		return err
	})
	if err != nil {
		return err
	}
	var poll job.HelperPoll
	if err := s.read(w, r, maxPoll, &poll); err != nil {
		return err
	}
	_ = http.NewResponseController(w).SetWriteDeadline(s.now().Add(pollTime + requestTime))
	ctx, cancel := context.WithTimeout(r.Context(), pollTime)
	defer cancel()
	work, err := s.Fleet.Errands(ctx, secret, c.address, poll)
	if err != nil {
		return err
	}
	if len(work) == 0 {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return respond(w, http.StatusOK, job.HelperWork{Wake: work})
}
