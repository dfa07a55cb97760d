package web

import (
	"context"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/job"
)

func TestAHelperIsAddedAndItsKeyIsToldOnce(t *testing.T) {
	s, _ := furnished(t)
	zoe := s.as("zoe")
	if status, body := zoe.get("/helpers"); status != http.StatusOK || !strings.Contains(body, "There is no helper") {
		t.Errorf("an empty list: %d", status)
	}
	status, body := zoe.post("/helpers", url.Values{"name": {"cdi-pi"}, "site": {"zola"}})
	secret := regexp.MustCompile(`&#34;secret&#34;: &#34;([A-Za-z0-9_-]{43})&#34;`).FindStringSubmatch(body)
	if status != http.StatusOK || secret == nil || !strings.Contains(body, "ardoise helper run --key") {
		t.Fatalf("adding one: %d\n%s", status, body)
	}
	if _, body = zoe.get("/helpers"); strings.Contains(body, secret[1]) || !strings.Contains(body, "cdi-pi") || !strings.Contains(body, "Away") {
		t.Errorf("the secret is told twice, or the helper is not listed as away:\n%s", body)
	}
	for name, values := range map[string]url.Values{"no name": {"site": {"zola"}}, "a name that is none": {"name": {"<b>x"}, "site": {"zola"}},
		"a name that is taken": {"name": {"CDI-PI"}, "site": {"zola"}}} {
		status, body := zoe.post("/helpers", values)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-name"`) || strings.Contains(body, "<b>x") || strings.Contains(body, "secret") {
			t.Errorf("%s: %d", name, status)
		}
	}
	for name, values := range map[string]url.Values{"another site's": {"name": {"pi"}, "site": {unnamedSite}}, "nobody's": {"name": {"pi"}, "site": {"hugo"}}} {
		if status, body := zoe.post("/helpers", values); status != http.StatusForbidden && status != http.StatusNotFound || strings.Contains(body, "secret") {
			t.Errorf("%s: %d", name, status)
		}
	}
	for _, login := range []string{"claire", "remi"} {
		for _, path := range []string{"/helpers", "/helpers/cdi-pi/forget"} {
			if status, _ := s.as(login).post(path, url.Values{"name": {"pi"}, "site": {"zola"}}); status != http.StatusForbidden {
				t.Errorf("%s posts to %s: %d", login, path, status)
			}
		}
	}
	s.helps(secret[1])
	b := s.as("marie")
	b.language = "fr"
	if _, body = b.get("/helpers"); !strings.Contains(body, "Connecté") || !strings.Contains(body, "10.4.0.0/24") || !strings.Contains(body, "2 postes à sa portée") ||
		!strings.Contains(body, "Supprimer le relais cdi-pi") {
		t.Errorf("connected, in French:\n%s", body)
	}
	s.now = s.now.Add(12 * time.Minute)
	if _, body = s.as("marie").get("/settings"); !strings.Contains(body, "Silent for ten minutes") {
		t.Errorf("the settings do not say that it is silent:\n%s", body)
	}
	if status, _ := zoe.post("/helpers/cdi-pi/forget", nil); status != http.StatusSeeOther {
		t.Errorf("forgetting it: %d", status)
	}
	if _, err := s.fleet.HelperOf(secret[1]); err == nil {
		t.Error("its key is good all the same")
	}
	if status, _ := zoe.post("/helpers/cdi-pi/forget", nil); status != http.StatusNotFound {
		t.Errorf("forgetting it twice: %d", status)
	}
}

// helps is a question of a helper.
func (s *school) helps(secret string) {
	s.t.Helper()
	ctx, cancel := context.WithDeadline(s.t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	_, err := s.fleet.Errands(ctx, secret, "10.4.0.3", job.HelperPoll{Networks: []netip.Prefix{netip.MustParsePrefix("10.4.0.0/24")}})
	check(s.t, err)
}

func TestAPlanSaysWhoMayNotWake(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	b.language = "fr"
	_, body := b.get("/order?kind=deploy&room=S104&master=Bureautique@2&wake=1")
	if !strings.Contains(body, "aucun relais n’est dans son réseau") {
		t.Errorf("the plan does not warn:\n%s", body)
	}
}

// Who wakes computers that nobody's network has is told so at once.
func TestAWakeSaysWhatItLacks(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("paul")
	b.language = "fr"
	pc, err := s.fleet.Find("S104-01")
	check(t, err)
	if status, _ := b.post("/computers/"+pc.ID+"/wake", nil); status != http.StatusSeeOther {
		t.Errorf("waking one: %d", status)
	}
	if _, body := b.get("/computers/" + pc.ID); !strings.Contains(body, "aucun relais n’est dans son réseau.") {
		t.Errorf("the page does not say that it may not wake:\n%s", body)
	}
	if status, body := b.post("/order", url.Values{"kind": {"wake"}, "room": {"S104"}}); status != http.StatusSeeOther {
		t.Errorf("waking a room: %d\n%s", status, body)
	}
	if _, body := b.get("/rooms/S104"); !strings.Contains(body, "3 postes réveillés. S104-01, S104-02, S104-03") || !strings.Contains(body, "réveil incertain") {
		t.Errorf("the room's page does not say it:\n%s", body)
	}
}
