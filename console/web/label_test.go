package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/access"
)

// A label that somebody photographed is replaced from its own sheet, and who made and replaced it is in the audit log.
func TestALabelIsReplaced(t *testing.T) {
	s, _ := furnished(t)
	paul := s.as("paul")
	if _, body := paul.get("/labels?computer=S104-02"); !strings.Contains(body, `method="post" action="/labels"`) {
		t.Fatalf("the label of one computer cannot be replaced\n%s", body)
	}
	if _, body := paul.get("/labels?room=S104"); strings.Contains(body, `action="/labels"`) {
		t.Error("all labels of a room can be replaced by one button")
	}
	old, err := s.desk("paul").Label(t.Context(), "S104-02")
	check(t, err)
	if status, body := paul.post("/labels", url.Values{"computer": {"S104-02"}}); status != http.StatusSeeOther {
		t.Fatalf("replacing: %d\n%s", status, body)
	}
	anew, err := s.desk("paul").Label(t.Context(), "S104-02")
	check(t, err)
	if status, _ := s.browser().get("/l/" + old); status != http.StatusNotFound || anew == old {
		t.Errorf("the label that was replaced: %d", status)
	}
	if status, _ := s.browser().get("/l/" + anew); status != http.StatusOK {
		t.Errorf("the new label: %d", status)
	}
	if status, _ := s.as("claire").post("/labels", url.Values{"computer": {"S104-02"}}); status != http.StatusForbidden {
		t.Errorf("a teacher replaces labels: %d", status)
	}
	if status, _ := s.as("zoe").post("/labels", url.Values{"computer": {"S104-02"}}); status != http.StatusNotFound {
		t.Errorf("a technician of another site replaces labels: %d", status)
	}
	found, err := s.desk("marie").Audit(t.Context(), access.AuditFilter{})
	check(t, err)
	count := map[string]int{}
	for _, e := range found {
		if e.What == "S104-02" && e.Result == access.Done && e.Who == "paul" {
			count[e.Action]++
		}
	}
	if count["label make"] != 1 || count["label replace"] != 1 {
		t.Errorf("the audit log has %v", count)
	}
}
