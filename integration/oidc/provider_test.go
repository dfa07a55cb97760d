package oidc_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/sqlite"
	login "github.com/ardoise/ardoise/integration/oidc"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start starts the provider on a port of this machine ("0": any), which sends browsers back to the address given.
func start(t *testing.T, port, redirect string) *running {
	t.Helper()
	p, err := login.Start(t.Context(), "../..", port, redirect)
	check(t, err)
	t.Cleanup(p.Stop)
	return &running{p.Issuer, p.Stop}
}

// running is the provider's process.
type running struct {
	issuer string
	stop   func()
}

// school is the console's side: the pages that begin and finish a login, over real people.
type school struct {
	t        *testing.T
	web      *httptest.Server
	provider *oidc.Provider
	people   *people.People
	options  oidc.Options
	issuer   *running
}

func open(t *testing.T, roles map[string]people.Role) *school {
	t.Helper()
	s := &school{t: t}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /login", s.begin)
	mux.HandleFunc("GET /oidc/callback", s.finish)
	mux.HandleFunc("GET /rooms", s.page)
	s.web = httptest.NewServer(mux)
	t.Cleanup(s.web.Close)
	s.issuer = start(t, "0", s.web.URL+"/oidc/callback")
	s.options = oidc.Options{Issuer: s.issuer.issuer, ClientID: "ardoise", ClientSecret: "secret of ardoise", RedirectURL: s.web.URL + "/oidc/callback",
		Key: bytes.Repeat([]byte{7}, 32), Roles: roles, Scopes: []string{"groups"}}
	s.configure(nil)
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"))
	check(t, err)
	t.Cleanup(func() { _ = store.Close() })
	s.people, err = people.Open(t.Context(), people.Options{Store: store})
	check(t, err)
	return s
}

// configure makes the console's side anew, as a restart with other options does.
func (s *school) configure(change func(*oidc.Options)) {
	s.t.Helper()
	o := s.options
	if change != nil {
		change(&o)
	}
	p, err := oidc.New(o)
	check(s.t, err)
	s.provider = p
}

func (s *school) begin(w http.ResponseWriter, r *http.Request) {
	address, cookie, err := s.provider.Begin(r.Context(), r.URL.Query().Get("next"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "oidc", Value: cookie, Path: "/oidc/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, address, http.StatusSeeOther)
}

// finish lets somebody in, or says which refusal it was in the header "Refused".
func (s *school) finish(w http.ResponseWriter, r *http.Request) {
	var cookie string
	if c, err := r.Cookie("oidc"); err == nil {
		cookie = c.Value
	}
	who, next, err := s.provider.Finish(r.Context(), cookie, r.URL.Query())
	var session people.Session
	if err == nil {
		session, err = s.people.LoginExternal(r.Context(), who.External(r.RemoteAddr))
	}
	if err != nil {
		w.Header().Set("Refused", codeOf(err))
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Value: session.Token, Path: "/", HttpOnly: true})
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *school) page(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie("session")
	if err == nil {
		var caller people.Caller
		if caller, err = s.people.BySession(r.Context(), c.Value, r.RemoteAddr); err == nil {
			_, _ = io.WriteString(w, "hello "+caller.Login+" the "+string(caller.Role))
			return
		}
	}
	http.Error(w, err.Error(), http.StatusUnauthorized)
}

// browser is somebody's browser. As it is led from page to page, pass may change or stop a step.
type browser struct {
	t    *testing.T
	c    *http.Client
	pass func(*url.URL) bool // nil: everything; false stops there
	at   *url.URL            // where it stopped
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	check(t, err)
	b := &browser{t: t}
	b.c = &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		b.at = r.URL
		if b.pass != nil && !b.pass(r.URL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	return b
}

// page is what a browser shows.
type page struct {
	at      *url.URL
	status  int
	refused string
	text    string
}

func (b *browser) read(r *http.Response, err error) page {
	b.t.Helper()
	check(b.t, err)
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	check(b.t, err)
	return page{at: r.Request.URL, status: r.StatusCode, refused: r.Header.Get("Refused"), text: string(text)}
}

func (b *browser) get(address string) page {
	b.t.Helper()
	return b.read(b.c.Get(address))
}

// login walks from the console through the provider's pages, as the account given, and back.
func (b *browser) login(s *school, account string) page {
	b.t.Helper()
	p := b.get(s.web.URL + "/login?next=/rooms")
	for range 3 { // the provider asks who it is, then whether the console may know
		if !strings.Contains(p.at.Path, "/interaction/") {
			return p
		}
		p = b.submit(p, account)
	}
	return p
}

var (
	formAction = regexp.MustCompile(`<form[^>]*\baction="([^"]+)"`)
	formPrompt = regexp.MustCompile(`<input[^>]*\bname="prompt"[^>]*\bvalue="([^"]+)"`)
)

// submit fills in the form of a page of the provider.
func (b *browser) submit(p page, account string) page {
	b.t.Helper()
	action, prompt := formAction.FindStringSubmatch(p.text), formPrompt.FindStringSubmatch(p.text)
	if action == nil || prompt == nil {
		b.t.Fatalf("%s has no form (%d): %.2000s", p.at, p.status, p.text)
	}
	to, err := p.at.Parse(action[1])
	check(b.t, err)
	return b.read(b.c.PostForm(to.String(), url.Values{"prompt": {prompt[1]}, "login": {account}, "password": {"any"}}))
}
