package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/fleet/people"
)

func TestTheFirstAdministratorComesByALinkThatWorksOnce(t *testing.T) {
	s := newSchool(t)
	b := s.browser()
	if status, body := b.get("/"); status != http.StatusSeeOther || strings.Contains(body, "S104") {
		t.Errorf("the map without a session: %d %s", status, body)
	}
	if status, _ := b.get("/first/" + strings.Repeat("A", 43)); status != http.StatusNotFound {
		t.Errorf("a guessed link: %d", status)
	}
	form := url.Values{"login": {"marie"}, "name": {"Marie <Martin>"}, "password": {testPassword}, "again": {"another"}}
	status, body := b.post("/first/"+s.first, form)
	if status != http.StatusUnprocessableEntity || !strings.Contains(body, "Marie &lt;Martin&gt;") || !strings.Contains(body, `id="e-again"`) {
		t.Errorf("two passwords that differ: %d\n%s", status, body)
	}
	form.Set("again", testPassword)
	if status, body := b.post("/first/"+s.first, form); status != http.StatusSeeOther {
		t.Fatalf("the first administrator: %d\n%s", status, body)
	}
	if status, body := b.get("/"); status != http.StatusOK || !strings.Contains(body, "The console is yours") || !strings.Contains(body, "Marie &lt;Martin&gt;") {
		t.Errorf("the map afterwards: %d\n%s", status, body)
	}
	if status, body := b.get("/"); status != http.StatusOK || strings.Contains(body, "The console is yours") {
		t.Errorf("a message is shown once, not again: %d\n%s", status, body)
	}
	if status, _ := s.browser().get("/first/" + s.first); status != http.StatusNotFound {
		t.Errorf("the link a second time: %d", status)
	}
}

func TestALoginEndsAndTellsStrangersNothing(t *testing.T) {
	s := newSchool(t)
	s.person("paul", people.Technician, nil, nil)
	b := s.browser()
	_, unknown := b.post("/login", url.Values{"login": {"nobody"}, "password": {"x"}})
	status, wrong := b.post("/login", url.Values{"login": {"paul"}, "password": {"x"}})
	if status != http.StatusUnprocessableEntity || strings.ReplaceAll(wrong, "paul", "nobody") != unknown {
		t.Errorf("a wrong password reads otherwise than an unknown login: %d\n%s\n%s", status, wrong, unknown)
	}
	slow := false
	for range 40 {
		status, _ = s.browser().post("/login", url.Values{"login": {"paul"}, "password": {"x"}})
		slow = slow || status == http.StatusTooManyRequests
	}
	if !slow {
		t.Error("forty wrong passwords were never slowed down")
	}
	s = newSchool(t)
	s.person("paul", people.Technician, nil, nil)
	b = s.as("paul")
	if status, _ := b.get("/"); status != http.StatusOK {
		t.Fatalf("the map: %d", status)
	}
	if status, _ := b.post("/logout", nil); status != http.StatusSeeOther {
		t.Errorf("logging out: %d", status)
	}
	if status, _ := b.get("/"); status != http.StatusSeeOther {
		t.Errorf("the map after logging out: %d", status)
	}
}

func TestAnAnswerSaysHowItMayBeUsed(t *testing.T) {
	s := newSchool(t)
	s.person("paul", people.Technician, nil, nil)
	b := s.browser()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.web.URL+"/login",
		strings.NewReader(url.Values{"login": {"paul"}, "password": {testPassword}}.Encode()))
	check(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, _ := b.do(r)
	var session *http.Cookie
	for _, k := range res.Cookies() {
		if k.Name == cookieSession {
			session = k
		}
	}
	if session == nil || !session.HttpOnly || !session.Secure || session.SameSite != http.SameSiteLaxMode || session.Path != "/" || session.Domain != "" {
		t.Errorf("the session's cookie is %+v", session)
	}
	for header, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"} {
		if !strings.Contains(res.Header.Get(header), want) {
			t.Errorf("%s is %q", header, res.Header.Get(header))
		}
	}
	if policy := res.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	// A form on another site must change nothing
	r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, s.web.URL+"/logout", nil)
	check(t, err)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if res, _ = b.do(r); res.StatusCode != http.StatusForbidden {
		t.Errorf("another site's form: %d", res.StatusCode)
	}
	if status, _ := b.get("/"); status != http.StatusOK {
		t.Errorf("the session after another site's form: %d", status)
	}
}

func TestAWayBackStaysInTheHouse(t *testing.T) {
	tests := map[string]string{"/rooms/S104": "/rooms/S104", "/?q=room%3AS104": "/?q=room%3AS104", "": "/", "//evil.example/": "/", "https://evil.example/": "/",
		"/\\evil.example": "/", "javascript:alert(1)": "/", "rooms": "/", "/a\r\nSet-Cookie: x=y": "/"}
	for path, want := range tests {
		if got := local(path); got != want {
			t.Errorf("local(%q) = %q, want %q", path, got, want)
		}
	}
}

func TestLanguagesAndAppearanceAreKept(t *testing.T) {
	s := newSchool(t)
	s.person("paul", people.Technician, nil, nil)
	b := s.browser()
	b.language = "fr-FR,fr;q=0.9,en;q=0.8"
	if _, body := b.get("/login"); !strings.Contains(body, `<html lang="fr"`) || !strings.Contains(body, "Se connecter") {
		t.Errorf("a French browser gets\n%s", body)
	}
	if status, _ := b.post("/preferences", url.Values{"language": {"en"}, "theme": {"dark"}, "back": {"/login"}}); status != http.StatusSeeOther {
		t.Errorf("choosing: %d", status)
	}
	if _, body := b.get("/login"); !strings.Contains(body, `<html lang="en" data-theme="dark"`) {
		t.Errorf("after choosing\n%s", body)
	}
	b = s.as("paul")
	_, _ = b.post("/preferences", url.Values{"language": {"fr"}, "back": {"https://evil.example"}})
	other := s.as("paul")
	if _, body := other.get("/"); !strings.Contains(body, `<html lang="fr"`) {
		t.Error("another browser of the same person does not know their language")
	}
}

func TestStaticFilesAreSmallAndStay(t *testing.T) {
	a, err := loadAssets()
	check(t, err)
	total := 0
	for path, f := range a.byPath {
		total += len(f.gzip)
		if len(f.zst) > len(f.plain) || len(f.gzip) > len(f.plain) {
			t.Errorf("%s is not smaller compressed", path)
		}
	}
	if total > 100_000 {
		t.Errorf("all static files have %d bytes compressed: with a page, a first visit may have 150,000", total)
	}
	s := newSchool(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.web.URL+a.url["app.css"], nil)
	check(t, err)
	r.Header.Set("Accept-Encoding", "gzip, zstd")
	res, body := s.browser().do(r)
	if res.Header.Get("Content-Encoding") != "zstd" || !strings.Contains(res.Header.Get("Cache-Control"), "immutable") || len(body) != len(a.byPath[a.url["app.css"]].zst) {
		t.Errorf("the style comes as %v, %d bytes", res.Header, len(body))
	}
	if status, _ := s.browser().get("/static/app.css"); status != http.StatusNotFound {
		t.Errorf("a name without its hash: %d", status)
	}
}
