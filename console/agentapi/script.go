package agentapi

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/ardoise/ardoise/fleet"
)

// script gives a computer the text of the script that its running task names, and no other. The computer proves it by the
// hash in its signed task.
func (s *Server) script(w http.ResponseWriter, _ *http.Request, c caller) error {
	text, err := s.Fleet.RunningScript(c.key)
	var r *fleet.RefusedError
	if errors.As(err, &r) && r.Code == fleet.CodeNoScript {
		return refused(http.StatusNotFound, "not-found", "this script is not kept any more")
	}
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text.Text)))
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write([]byte(text.Text)) // who has gone does not read
	return nil
}
