package api_test

import (
	"strings"
	"testing"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/imaging/job"
)

// A helper is added and forgotten by those who look after its site; readers see it, teachers do not.
func TestWhoMayAddHelpers(t *testing.T) {
	d := newDistrict(t)
	for _, tt := range []struct {
		who         string
		forget, add int
	}{{"teacher-zola", 404, 404}, {"reader-zola", 403, 403}, {"tech-hugo", 404, 404}, {"tech-zola", 200, 200}, {"admin", 200, 200}} {
		path := api.Prefix + "/helpers"
		if status, body := d.ask(tt.who, route{"DELETE", path + "/helper-zola"}, ""); status != tt.forget {
			t.Errorf("%s forgets a helper: %d %s", tt.who, status, body)
		}
		status, body := d.ask(tt.who, route{"POST", path}, `{"name":"helper-zola","site":"zola"}`)
		if status != tt.add && (status != 403 || tt.add == 200) {
			t.Errorf("%s adds a helper: %d %s", tt.who, status, body)
		}
		if told := strings.Contains(body, `"secret"`); told != (tt.add == 200) {
			t.Errorf("%s is told a secret: %v", tt.who, told)
		}
	}
	if status, body := d.ask("admin", route{"GET", api.Prefix + "/audit"}, ""); status != 200 || strings.Count(body, "helper forget") < 4 || !strings.Contains(body, "helper add") {
		t.Errorf("the audit log: %d %s", status, body)
	}
	if _, body := d.ask("admin", route{"GET", api.Prefix + "/helpers"}, ""); strings.Contains(body, "secret") || strings.Contains(body, "ash") || strings.Contains(body, job.PathHelper) {
		t.Errorf("the list tells more than it should: %s", body)
	}
}
