package browser

import (
	"crypto/tls"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// rest looks at the pages of the house: the log of who did what, its health, tokens, and people who change.
func (s *school) rest(karim *window) {
	s.look("/audit", "audit")
	s.must("room set", "S104", "karim", "wipe")
	s.fill(map[string]string{"who": "karim"})
	s.goes("form[action='/audit'] button.main")
	if who := eval[string](s.window, `[...new Set([...document.querySelectorAll("table.rows tbody td:nth-child(3)")].map((e) => e.querySelector("bdi").innerText))].join()`); who != "karim" {
		s.t.Errorf("the log of karim is of %q", who)
	}
	s.goes("main .head .acts a[href*=verify]")
	s.until(`!!document.querySelector(".flash.good")`)
	s.look("/health", "health")
	if n := len(eval[string](s.window, "document.querySelector('main').innerText")); n < 200 {
		s.t.Errorf("the health of the house is told in %d characters", n)
	}
	s.look("/settings", "settings")
	s.helpers()
	if status, body := s.fetch("/settings/post", url.Values{"at": {"07:00"}, "language": {"fr"}, "mail": {"1"}, "host": {"smtp.lycee.test"}, "port": {"587"},
		"tls": {"starttls"}, "user": {"ardoise"}, "password": {"secret"}, "from": {"ardoise@lycee.test"}, "to": {"marie@lycee.test karim@lycee.test"},
		"hook": {"1"}, "url": {"https://chat.lycee.test/hooks/ardoise"}}.Encode()); status != http.StatusOK {
		s.t.Errorf("where the report goes is answered with %d: %.300s", status, body)
	}
	s.fetch("/settings/sites/-", url.Values{"title": {"Lycée Zola"}, "mail": {"proviseur@lycee.test"}}.Encode())
	s.look("/settings/post", "post")
	if at := eval[string](s.window, `document.querySelector("#f-host").value + " " + document.querySelector("#f-url").value`); at != "smtp.lycee.test https://chat.lycee.test/hooks/ardoise" {
		s.t.Errorf("the page says that the report goes to %s", at)
	}
	s.token()
	s.changes(karim)
}

// api is how the API answers with a token.
func (s *school) api(token, path string) int {
	s.t.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // loopback
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.base+path, nil)
	check(s.t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	out, err := client.Do(r)
	check(s.t, err)
	check(s.t, out.Body.Close())
	return out.StatusCode
}

// token makes one, which is shown once and works, and forgets it.
func (s *school) token() {
	s.visit("/account")
	s.fill(map[string]string{"token": "tableur"})
	s.tick("input[name=scopes][value=read]")
	s.goes("form[action='/account/token'] button.main")
	secret := eval[string](s.window, `document.querySelector(".secret code").innerText.trim()`)
	if status := s.api(secret, "/api/v1/rooms"); !strings.HasPrefix(secret, "ard_") || status != http.StatusOK {
		s.t.Errorf("with the token %.8s… the rooms are answered with %d", secret, status)
	}
	s.visit("/account")
	if eval[bool](s.window, `document.body.innerText.includes("`+secret+`")`) {
		s.t.Error("a token is shown twice")
	}
	s.must("tableur")
	s.goes("form[action='/account/forget'] button")
	if status := s.api(secret, "/api/v1/rooms"); status != http.StatusUnauthorized {
		s.t.Errorf("a token that was forgotten is answered with %d", status)
	}
}

// changes makes a technician a reader, which ends his session while he looks at the map, then shuts him out, and in again.
func (s *school) changes(karim *window) {
	karim.visit("/")
	karim.until(`!!document.querySelector("#pulse:not(.lost)")`)
	s.look("/people", "people")
	link := eval[string](s.window, `[...document.querySelectorAll("main table tr")].find((e) => e.children[1]?.innerText.trim() === "karim").querySelector("a").getAttribute("href")`)
	person := func(button string) {
		s.visit(link)
		s.goes(button)
	}
	s.visit(link)
	s.judge()
	s.shoot("person")
	s.tick("input[name=role][value=reader]")
	s.goes("form[action='" + link + "'] button.main")
	karim.refusals = append(karim.refusals, "/events")
	karim.visit("/rooms/S104")
	if at := eval[string](karim, "location.pathname"); at != "/login" {
		s.t.Errorf("a role was changed, and its session goes on at %s", at)
	}
	karim.enter("karim")
	karim.visit("/rooms/S104")
	if eval[bool](karim, `!!document.querySelector("main a[href^='/order']")`) {
		s.t.Error("a reader may order")
	}
	person("form[action='" + link + "/disable'] button")
	karim.visit("/")
	if at := eval[string](karim, "location.pathname"); at != "/login" {
		s.t.Errorf("somebody who was shut out is at %s", at)
	}
	karim.fill(map[string]string{"login": "karim", "password": passwordOf("karim")})
	karim.refusals = append(karim.refusals, "/login")
	karim.goes("form[action='/login'] button")
	if !eval[bool](karim, `location.pathname === "/login" && !!document.querySelector(".flash.bad")`) {
		s.t.Error("somebody who was shut out comes in")
	}
	person("form[action='" + link + "/enable'] button")
	karim.enter("karim")
	karim.quiet()
}

// plain walks without scripts: login, map, room, a reset and a deployment, and what asks in a dialog.
func (s *school) plain(w *window) {
	w.visit("/")
	w.press("form[action='/logout'] button")
	w.unscripted()
	w.enter("nora")
	if eval[bool](w, `getComputedStyle(document.querySelector("#pulse")).display !== "none"`) {
		s.t.Error("a page without scripts says that it is live")
	}
	w.shoot("map-plain")
	w.goes("a[href='/rooms/S104']")
	w.until(`document.querySelectorAll(".tile[data-name^='S104']").length === 8`)
	w.goes("a[href='/order?kind=reset&room=S104']")
	w.retype("#f-typed", "something else")
	w.refusals = append(w.refusals, "/order")
	w.goes("#go")
	w.until(`!!document.querySelector("#e-typed")`)
	w.sentence()
	w.later()
	w.goes("#go")
	w.until(`location.pathname.startsWith("/jobs/")`)
	cancel := func() {
		w.click("[data-dialog=cancel]")
		w.until(`getComputedStyle(document.querySelector("#cancel")).display === "block"`)
		w.click("#cancel [data-close]")
		w.until(`getComputedStyle(document.querySelector("#cancel")).display === "none"`)
		w.click("[data-dialog=cancel]")
		w.goes("#cancel button.danger")
		w.until(`document.querySelectorAll("#rows .s-cancelled").length > 0`)
	}
	cancel()
	w.visit("/")
	w.goes("a[href='/order?kind=deploy&room=CDI']")
	w.goes("a.choice.is-stable")
	w.sentence()
	w.later()
	w.goes("#go")
	w.until(`location.pathname.startsWith("/jobs/")`)
	w.must("CDI-02")
	cancel()
	w.quiet()
}

// provided lets somebody in by the provider of the school, whose account was invited by its mail.
func (s *school) provided() {
	s.order(s.t, "person", "invite", "jean", "--name", "Jean", "--mail", "jean@lycee.test", "--role", "technician")
	w := s.another()
	w.visit("/rooms/CDI")
	w.until(`location.pathname === "/login"`)
	w.judge()
	w.shoot("login-provider")
	w.goes("a[href^='/oidc/begin']")
	w.until(`location.protocol === "http:" && !!document.querySelector("input[name=login]")`)
	w.fill(map[string]string{"login": "jean", "password": "any"})
	w.goes("button[type=submit]")
	w.goes("button[type=submit]") // the console may know
	w.until(`location.pathname === "/rooms/CDI" && !!document.querySelector(".who")`)
	if who := eval[string](w, `document.querySelector(".who").textContent`); who != "Jean" {
		s.t.Errorf("who came in by the provider is %q", who)
	}
	w.press("form[action='/logout'] button")
	// Somebody else's account of the same provider
	x := s.another()
	x.refusals = append(x.refusals, "/oidc/callback")
	x.visit("/login")
	x.goes("a[href^='/oidc/begin']")
	x.until(`location.protocol === "http:" && !!document.querySelector("input[name=login]")`)
	x.fill(map[string]string{"login": "stranger", "password": "any"})
	x.goes("button[type=submit]")
	x.goes("button[type=submit]")
	x.until(`location.origin === "` + s.base + `" && !!document.querySelector(".flash.bad")`)
	x.judge()
}
