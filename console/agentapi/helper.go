package agentapi

import (
	"context"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
)

// maxPoll is the longest question of a helper, in bytes: 64 networks and 32 IDs.
const maxPoll = 16 << 10

// helper lets a helper wait for computers to wake. A right secret is let in from an address, too, that has shown wrong ones:
// a pupil behind the same router must not keep it out.
func (s *Server) helper(w http.ResponseWriter, r *http.Request, c caller) error {
	secret, err := bearer(r)
	if err == nil {
		_, err = s.Fleet.HelperOf(secret)
	}
	if err != nil {
		if err := s.barred(c); err != nil {
			return err
		}
		return s.judged(r, c, err)
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
