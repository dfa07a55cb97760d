package oidc_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/fleet/people"
)

// codeOf is the stable word of a refusal.
func codeOf(err error) string {
	var wrong *oidc.Error
	var refused *people.RefusedError
	switch {
	case errors.As(err, &wrong):
		return string(wrong.Code)
	case errors.As(err, &refused):
		return string(refused.Code)
	}
	return "?"
}

// invite adds somebody whom the provider will prove.
func (s *school) invite(x people.Person) {
	s.t.Helper()
	_, err := s.people.Add(s.t.Context(), x, "")
	check(s.t, err)
}

func (s *school) inviteMarie() {
	s.t.Helper()
	s.invite(people.Person{Login: "mcurie", Name: "Marie", Mail: "marie@lycee.test", Role: people.Technician, Sites: []string{"zola"}})
}

func TestWhoIsInvitedComesInByTheProvider(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	b := newBrowser(t)
	if p := b.login(s, "marie"); p.status != http.StatusOK || p.text != "hello mcurie the technician" || p.at.Path != "/rooms" {
		t.Fatalf("she lands at %s: %d %s", p.at, p.status, p.text)
	}
	x, err := s.people.Find("mcurie")
	check(t, err)
	if x.OIDC != s.issuer.issuer+" marie" || x.Provided {
		t.Errorf("she is kept as %+v", x)
	}
	if p := newBrowser(t).login(s, "marie"); p.text != "hello mcurie the technician" { // from another place, known by her account
		t.Errorf("the second time: %d %s", p.status, p.text)
	}
	for account, code := range map[string]people.Code{"mallory": people.CodeNotInvited, "stranger": people.CodeNotInvited} {
		if p := newBrowser(t).login(s, account); p.refused != string(code) || p.status != http.StatusForbidden {
			t.Errorf("%s is answered %d %s", account, p.status, p.text)
		}
	}
	log, err := s.people.Entries(t.Context(), people.AuditQuery{Action: "login"})
	check(t, err)
	if len(log) != 4 || log[3].Who != "mcurie" || log[3].Detail != "by "+s.issuer.issuer || log[0].Result != people.ResultRefused {
		t.Errorf("the log: %+v", log)
	}
}

// Only the mail of mallory's account is Marie's, and the provider says that nobody has checked it.
func TestAMailThatNobodyCheckedOpensNothing(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	if p := newBrowser(t).login(s, "mallory"); p.refused != string(people.CodeNotInvited) {
		t.Fatalf("mallory is answered %d %s", p.status, p.text)
	}
	if x, err := s.people.Find("mcurie"); err != nil || !x.Invited() {
		t.Errorf("Marie's account is now %+v, %v", x, err)
	}
}

func TestGroupsOfTheProviderGiveRoles(t *testing.T) {
	s := open(t, map[string]people.Role{"teachers": people.Teacher, "it-department": people.Technician})
	for account, want := range map[string]string{"marie": "hello marie the teacher", "jean": "hello jean the technician"} {
		if p := newBrowser(t).login(s, account); p.text != want {
			t.Errorf("%s: %d %s", account, p.status, p.text)
		}
	}
	if p := newBrowser(t).login(s, "stranger"); p.refused != string(people.CodeNotInvited) {
		t.Errorf("who is in no group that counts: %d %s", p.status, p.text)
	}
	x, err := s.people.Find("jean")
	check(t, err)
	if !x.Provided || x.Name != "Jean <script>" || x.Mail != "jean@lycee.test" {
		t.Errorf("jean is kept as %+v", x)
	}
	// The console maps differently from now on: the next login follows.
	s.configure(func(o *oidc.Options) { o.Roles = map[string]people.Role{"it-department": people.Reader} })
	if p := newBrowser(t).login(s, "jean"); p.text != "hello jean the reader" {
		t.Errorf("jean: %d %s", p.status, p.text)
	}
	if p := newBrowser(t).login(s, "marie"); p.refused != string(people.CodeNotInvited) {
		t.Errorf("marie, whose group counts no more: %d %s", p.status, p.text)
	}
}

// answer walks to the moment at which the browser would bring the provider's answer to the console, and stops.
func (b *browser) answer(s *school, account string, change func(*url.URL)) *url.URL {
	b.t.Helper()
	b.pass = func(u *url.URL) bool {
		if strings.HasSuffix(u.Path, "/auth") && change != nil {
			change(u)
		}
		return u.Path != "/oidc/callback"
	}
	b.login(s, account)
	b.pass = nil
	if b.at.Path != "/oidc/callback" || b.at.Query().Get("code") == "" {
		b.t.Fatalf("the walk stopped at %s", b.at)
	}
	return b.at
}

// with changes the query of an address.
func with(u *url.URL, change func(url.Values)) *url.URL {
	out, q := *u, u.Query()
	change(q)
	out.RawQuery = q.Encode()
	return &out
}

func TestAnswersThatAreNotToThisQuestion(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	refused := func(name string, p page, code oidc.Code) {
		t.Helper()
		if p.refused != string(code) || p.status != http.StatusForbidden {
			t.Errorf("%s is answered %d %s", name, p.status, p.text)
		}
	}
	victim, hers := newBrowser(t), newBrowser(t)
	at := victim.answer(s, "marie", nil)
	refused("another browser's answer", hers.get(at.String()), oidc.CodeStale)
	other := hers.answer(s, "stranger", nil)
	refused("the answer to another question", hers.get(at.String()), oidc.CodeStale)
	refused("no answer at all", hers.get(s.web.URL+"/oidc/callback"), oidc.CodeStale)
	refused("an answer without a code", hers.get(with(other, func(q url.Values) { q.Del("code") }).String()), oidc.CodeStale)
	refused("two states", hers.get(with(other, func(q url.Values) { q.Add("state", "x") }).String()), oidc.CodeStale)
	refused("another provider's answer", hers.get(with(other, func(q url.Values) { q.Set("iss", "https://id.example") }).String()), oidc.CodeBadToken)
	refused("nobody's answer", hers.get(with(other, func(q url.Values) { q.Del("iss") }).String()), oidc.CodeBadToken)
	refused("a no", hers.get(with(other, func(q url.Values) { q.Set("error", "access_denied"); q.Del("code") }).String()), oidc.CodeDenied)
	// A code that was caught, put behind one's own question: the provider asks for the verifier of the other browser.
	caught := with(other, func(q url.Values) { q.Set("code", at.Query().Get("code")) })
	refused("a code that was caught", hers.get(caught.String()), oidc.CodeRefused)

	b := newBrowser(t)
	at = b.answer(s, "marie", nil)
	if p := b.get(at.String()); p.text != "hello mcurie the technician" {
		t.Fatalf("Marie: %d %s", p.status, p.text)
	}
	refused("the same code again", b.get(at.String()), oidc.CodeRefused)

	b = newBrowser(t)
	at = b.answer(s, "marie", func(u *url.URL) { *u = *with(u, func(q url.Values) { q.Set("nonce", "of the attacker") }) })
	refused("a token with another nonce", b.get(at.String()), oidc.CodeBadToken)
	b = newBrowser(t)
	at = b.answer(s, "marie", func(u *url.URL) { *u = *with(u, func(q url.Values) { q.Del("nonce") }) })
	refused("a token without a nonce", b.get(at.String()), oidc.CodeBadToken)
}

func TestAPersonMaySayNo(t *testing.T) {
	s := open(t, nil)
	b := newBrowser(t)
	p := b.get(s.web.URL + "/login")
	if p = b.get(p.at.String() + "/abort"); p.refused != string(oidc.CodeDenied) {
		t.Errorf("she lands at %s: %d %s", p.at, p.status, p.text)
	}
}

func TestCookiesOfOtherTimesAndPlaces(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	try := func(name string, change func(*oidc.Options), cookie func(string) string, code oidc.Code) {
		t.Helper()
		s.configure(nil)
		b := newBrowser(t)
		at := b.answer(s, "marie", nil)
		s.configure(change)
		if cookie != nil {
			home := at.ResolveReference(&url.URL{Path: "/oidc/"})
			b.c.Jar.SetCookies(home, []*http.Cookie{{Name: "oidc", Value: cookie(b.c.Jar.Cookies(at)[0].Value), Path: "/oidc/"}})
		}
		if p := b.get(at.String()); p.refused != string(code) {
			t.Errorf("%s: %d %s", name, p.status, p.text)
		}
	}
	now := func(d time.Duration) func(*oidc.Options) {
		return func(o *oidc.Options) { o.Now = func() time.Time { return time.Now().Add(d) } }
	}
	try("eleven minutes later", now(11*time.Minute), nil, oidc.CodeStale)
	try("a clock that was set back", now(-time.Hour), nil, oidc.CodeStale)
	try("another key", func(o *oidc.Options) { o.Key = bytes.Repeat([]byte{8}, 32) }, nil, oidc.CodeStale)
	try("another client", func(o *oidc.Options) { o.ClientID = "library" }, nil, oidc.CodeStale)
	try("one bit", nil, func(c string) string {
		b, err := base64.RawURLEncoding.DecodeString(c)
		check(t, err)
		b[len(b)/2] ^= 1
		return base64.RawURLEncoding.EncodeToString(b)
	}, oidc.CodeStale)
	try("half of it", nil, func(c string) string { return c[:len(c)/2] }, oidc.CodeStale)
	try("nothing", nil, func(string) string { return "" }, oidc.CodeStale)
	try("a wrong secret", func(o *oidc.Options) { o.ClientSecret = "of somebody else" }, nil, oidc.CodeRefused)
	try("nothing wrong", nil, nil, "")
}

// A clock may be off a little: the box of a school has no better one than its battery's.
func TestClocksThatAreOff(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	for off, want := range map[time.Duration]oidc.Code{-time.Minute: "", time.Minute: "", -10 * time.Minute: oidc.CodeBadToken, 30 * time.Minute: oidc.CodeBadToken} {
		s.configure(func(o *oidc.Options) { o.Now = func() time.Time { return time.Now().Add(off) } })
		if p := newBrowser(t).login(s, "marie"); p.refused != string(want) {
			t.Errorf("%s: %d %s", off, p.status, p.text)
		}
	}
}

// swapped sends what the console asks for as another client of the same provider, so that what comes back is signed by the
// provider, for somebody else.
type swapped struct{ client string }

func (s swapped) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/token") {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, err
		}
		form.Del("client_id")
		form.Del("client_secret")
		body = []byte(form.Encode())
		r = r.Clone(context.WithoutCancel(r.Context()))
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.SetBasicAuth(s.client, url.QueryEscape("secret of "+s.client))
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestATokenForSomebodyElseIsRefused(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	for client, want := range map[string]string{"ardoise": "", "library": string(oidc.CodeBadToken)} {
		s.configure(func(o *oidc.Options) { o.Client = &http.Client{Transport: swapped{client}} })
		b := newBrowser(t)
		at := b.answer(s, "marie", func(u *url.URL) { *u = *with(u, func(q url.Values) { q.Set("client_id", client) }) })
		p := b.get(at.String())
		if p.refused != want || want != "" && !strings.Contains(p.text, "audience") {
			t.Errorf("a token for %s: %d %s", client, p.status, p.text)
		}
	}
}

// The provider is down as the daemon starts, comes, goes in the middle of a login and comes back with other keys. Who has
// a password never notices.
func TestAProviderThatComesAndGoes(t *testing.T) {
	s := open(t, nil)
	s.inviteMarie()
	const password = "trois chats gris dorment"
	_, err := s.people.Add(t.Context(), people.Person{Login: "local", Name: "Local", Role: people.Administrator}, password)
	check(t, err)
	s.issuer.stop()
	var late time.Duration
	now := func() time.Time { return time.Now().Add(late) }
	s.configure(func(o *oidc.Options) { o.Now = now })
	down := func(when string) {
		t.Helper()
		if _, _, err := s.provider.Begin(t.Context(), "/"); codeOf(err) != string(oidc.CodeDown) {
			t.Errorf("%s: %v", when, err)
		}
		if _, err := s.people.Login(t.Context(), "local", password, "192.0.2.1"); err != nil {
			t.Errorf("%s, who has a password: %v", when, err)
		}
	}
	down("at the start")
	port := s.issuer.issuer[strings.LastIndexByte(s.issuer.issuer, ':')+1:]
	s.issuer = start(t, port, s.options.RedirectURL)
	down("a moment after it failed") // not everybody waits for it again
	late += 10 * time.Second
	if p := newBrowser(t).login(s, "marie"); p.text != "hello mcurie the technician" {
		t.Fatalf("once it is up: %d %s", p.status, p.text)
	}
	b := newBrowser(t)
	at := b.answer(s, "marie", nil)
	s.issuer.stop()
	if p := b.get(at.String()); p.refused != string(oidc.CodeDown) {
		t.Errorf("gone in the middle: %d %s", p.status, p.text)
	}
	start(t, port, s.options.RedirectURL)
	if p := newBrowser(t).login(s, "marie"); p.text != "hello mcurie the technician" {
		t.Errorf("with new keys: %d %s", p.status, p.text)
	}
}
