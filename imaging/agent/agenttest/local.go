package agenttest

import (
	"encoding/json"
	"net/http"

	"github.com/ardoise/ardoise/imaging/job"
)

// Grant signs a standing grant.
func (s *Server) Grant(g job.StandingGrant) job.Envelope {
	payload := must(json.Marshal(g))
	return job.Envelope{Payload: payload, Key: s.PublicKey(), Signature: s.Sign(job.ContextGrant, payload)}
}

func (s *Server) wish(w http.ResponseWriter, r *http.Request) {
	var v job.Wish
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil || s.Wish == nil {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	s.mu.Lock()
	s.Wishes = append(s.Wishes, v.Wish)
	s.mu.Unlock()
	t, err := s.Wish(Key(r), v.Wish)
	if err != nil {
		w.WriteHeader(http.StatusConflict)
		answer(w, job.Problem{Code: "policy", Detail: err.Error()})
		return
	}
	w.WriteHeader(http.StatusAccepted)
	if t.ID != "" {
		s.Order(t)
	}
}

func (s *Server) local(w http.ResponseWriter, r *http.Request) {
	if s.Local == nil {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	answer(w, s.Local(Key(r)))
}

func (s *Server) localFile(w http.ResponseWriter, r *http.Request) {
	b, ok := s.LocalFiles[r.PathValue("name")]
	if !ok {
		refuse(w, http.StatusNotFound, "not-found")
		return
	}
	_, _ = w.Write(b)
}

func (s *Server) told(w http.ResponseWriter, r *http.Request) {
	var v job.LocalState
	if err := json.NewDecoder(r.Body).Decode(&v); err != nil {
		refuse(w, http.StatusBadRequest, "bad-request")
		return
	}
	s.mu.Lock()
	s.Locals = append(s.Locals, v)
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}
