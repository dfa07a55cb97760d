package oidc_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"

	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/fleet/people"
)

func TestTokensThatMustNotBeBelieved(t *testing.T) {
	l := newLiar(t)
	p := l.provider(nil)
	if _, _, err := l.login(t, p, "/"); err != nil {
		t.Fatalf("an honest one: %v", err)
	}
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	unix := func(d time.Duration) int64 { return l.at.Add(d).Unix() }
	for name, lie := range map[string]func(){
		"another issuer":            func() { l.token = func(c claims) { c["iss"] = "https://id.example" } },
		"another audience":          func() { l.token = func(c claims) { c["aud"] = "library" } },
		"two audiences, no party":   func() { l.token = func(c claims) { c["aud"] = []string{"library", "ardoise"} } },
		"another party":             func() { l.token = func(c claims) { c["azp"] = "library" } },
		"no audience":               func() { l.token = func(c claims) { delete(c, "aud") } },
		"another nonce":             func() { l.token = func(c claims) { c["nonce"] = "x" } },
		"no nonce":                  func() { l.token = func(c claims) { delete(c, "nonce") } },
		"no end":                    func() { l.token = func(c claims) { delete(c, "exp") } },
		"ended":                     func() { l.token = func(c claims) { c["exp"] = unix(-2*time.Minute - time.Second) } },
		"of tomorrow":               func() { l.token = func(c claims) { c["iat"] = unix(3 * time.Minute) } },
		"of last year":              func() { l.token = func(c claims) { c["iat"] = unix(-365 * 24 * time.Hour) } },
		"of never":                  func() { l.token = func(c claims) { delete(c, "iat") } },
		"not yet":                   func() { l.token = func(c claims) { c["nbf"] = unix(time.Hour) } },
		"nobody":                    func() { l.token = func(c claims) { delete(c, "sub") } },
		"somebody with a long name": func() { l.token = func(c claims) { c["sub"] = strings.Repeat("s", 256) } },
		"a number":                  func() { l.token = func(c claims) { c["sub"] = 1 } },
		"of another access token":   func() { l.token = func(c claims) { c["at_hash"] = "AAAAAAAAAAAAAAAAAAAAAA" } },
		"no token":                  func() { l.answer = func(c claims) { delete(c, "id_token") } },
		"nonsense":                  func() { l.sign = func([]byte) string { return "a.b.c" } },
		"not signed": func() {
			l.sign = func(b []byte) string {
				return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
			}
		},
		"signed by a stranger": func() {
			l.sign = func(b []byte) string { return signed(jose.ES256, jose.JSONWebKey{Key: stranger, KeyID: "1"}, b) }
		},
		"signed with the shared secret": func() {
			l.sign = func(b []byte) string { return signed(jose.HS256, []byte("a secret of the client that is long"), b) }
		},
		"claims of another": func() { l.more = claims{"sub": "s2", "email": "marie@lycee.test", "email_verified": true} },
		"claims of nobody":  func() { l.more = claims{"email": "marie@lycee.test", "email_verified": true} },
	} {
		l.token, l.answer, l.sign, l.more, l.moreWrite = nil, nil, nil, claims{"sub": "s1"}, nil
		lie()
		who, _, err := l.login(t, p, "/")
		refused(t, name, err, oidc.CodeBadToken)
		if !reflect.DeepEqual(who, oidc.Identity{}) {
			t.Errorf("%s gives %+v", name, who)
		}
	}
	l.token, l.answer, l.sign, l.more = nil, nil, nil, claims{"sub": "s1"}
	for name, write := range map[string]func(w http.ResponseWriter, r *http.Request) bool{
		"an error": func(w http.ResponseWriter, r *http.Request) bool { w.WriteHeader(http.StatusTeapot); return true },
		"two megabytes": func(w http.ResponseWriter, r *http.Request) bool {
			l.write(w, claims{"sub": "s1", "x": strings.Repeat("x", 2<<20)})
			return true
		},
	} {
		l.moreWrite = write
		_, _, err := l.login(t, p, "/")
		refused(t, name, err, oidc.CodeDown)
	}
	l.moreWrite = nil
	l.token = func(c claims) {
		c["exp"], c["iat"], c["aud"], c["azp"] = unix(-time.Minute), unix(time.Minute), []string{"library", "ardoise"}, "ardoise"
	}
	if _, _, err := l.login(t, p, "/"); err != nil {
		t.Errorf("a clock that is a minute off: %v", err)
	}
}

func TestWhatIsReadOfClaims(t *testing.T) {
	l := newLiar(t)
	p := l.provider(func(o *oidc.Options) {
		o.Roles, o.Claim = map[string]people.Role{"staff": people.Reader, "it": people.Technician, "boss": people.Administrator}, "memberOf"
	})
	base := oidc.Identity{Issuer: l.web.URL, Subject: "s1", Login: "s1", Mapped: true}
	for name, tt := range map[string]struct {
		token, more claims
		want        func(*oidc.Identity)
	}{
		"nothing":               {claims{}, claims{}, func(*oidc.Identity) {}},
		"a verified mail":       {claims{}, claims{"email": "Zoé.B@lycee.test", "email_verified": true}, func(i *oidc.Identity) { i.Mail, i.Login = "Zoé.B@lycee.test", "zo.b" }},
		"a mail of strings":     {claims{"email": "a.b@c.test", "email_verified": "true"}, claims{}, func(i *oidc.Identity) { i.Mail, i.Login = "a.b@c.test", "a.b" }},
		"a mail nobody checked": {claims{"email": "a.b@c.test", "email_verified": false}, claims{}, func(i *oidc.Identity) { i.Login = "a.b" }},
		"a mail, perhaps":       {claims{"email": "a.b@c.test"}, claims{}, func(i *oidc.Identity) { i.Login = "a.b" }},
		"a mail and another that was checked": {claims{"email": "boss@c.test"}, claims{"email": "a.b@c.test", "email_verified": true},
			func(i *oidc.Identity) { i.Login = "boss" }},
		"names":               {claims{"name": "Zoé\u202e B", "preferred_username": "__ZB 1'; --"}, claims{"name": "other"}, func(i *oidc.Identity) { i.Name, i.Login = "Zoé\ufffd B", "zb1--" }},
		"names of other kind": {claims{"name": 7, "preferred_username": []string{"x"}}, claims{}, func(*oidc.Identity) {}},
		"long names": {claims{"name": strings.Repeat("é", 500), "preferred_username": strings.Repeat("a", 500)}, claims{},
			func(i *oidc.Identity) { i.Name, i.Login = strings.Repeat("é", 100), strings.Repeat("a", 64) }},
		"one group":          {claims{"memberOf": "staff"}, claims{}, func(i *oidc.Identity) { i.Role = people.Reader }},
		"groups":             {claims{}, claims{"memberOf": []string{"x", "staff", "it"}}, func(i *oidc.Identity) { i.Role = people.Technician }},
		"other groups":       {claims{"memberOf": []string{"STAFF", "", "administrator"}, "groups": []string{"boss"}}, claims{}, func(*oidc.Identity) {}},
		"groups of no kind":  {claims{"memberOf": claims{"boss": true}}, claims{}, func(*oidc.Identity) {}},
		"groups in the text": {claims{"memberOf": "x boss"}, claims{}, func(*oidc.Identity) {}},
	} {
		l.token = func(c claims) {
			for k, v := range tt.token {
				c[k] = v
			}
		}
		l.more = claims{"sub": "s1"}
		for k, v := range tt.more {
			l.more[k] = v
		}
		want := base
		tt.want(&want)
		if got, _, err := l.login(t, p, "/"); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v\nwant %+v", name, got, err, want)
		}
	}
	x := base.External("192.0.2.1")
	if !reflect.DeepEqual(x, people.External{Issuer: l.web.URL, Subject: "s1", Login: "s1", Mapped: true, Address: "192.0.2.1"}) {
		t.Errorf("people get %+v", x)
	}
}

// Whatever claims a provider makes, what is read of them has the form of what people take.
func FuzzClaims(f *testing.F) {
	l := newLiar(f)
	p := l.provider(func(o *oidc.Options) { o.Roles = map[string]people.Role{"it": people.Technician} })
	f.Add("Zoé Curie", "zoe.curie@lycee.test", "zcurie", "it")
	f.Add("<script>alert(1)</script>", "a@b\r\nBcc: c@d", "../../etc", "")
	f.Add("\u202e\x00\xff", strings.Repeat("@", 300), "----", "it\x00")
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,63}$`)
	f.Fuzz(func(t *testing.T, name, mail, login, group string) {
		l.token = func(c claims) {
			c["name"], c["email"], c["preferred_username"], c["groups"] = name, mail, login, []string{group}
		}
		who, next, err := l.login(t, p, "/")
		check(t, err)
		if who.Subject != "s1" || who.Mail != "" || next != "/" || !form.MatchString(who.Login) || utf8.RuneCountInString(who.Name) > 100 ||
			strings.ContainsAny(who.Name, "\r\n\x00\u202e") || (who.Role == people.Technician) != (group == "it") {
			t.Errorf("read %+v", who)
		}
	})
}

// A cookie that is not ours, and an answer with it, never come to anything.
func FuzzFinish(f *testing.F) {
	l := newLiar(f)
	p := l.provider(nil)
	_, cookie, err := p.Begin(f.Context(), "/")
	check(f, err)
	f.Add(cookie, "state=x&code=y")
	f.Add(cookie[:40], "")
	f.Add("", "state=&code=y&error=z")
	f.Add(cookie+"A", "state=x&state=y;code")
	f.Fuzz(func(t *testing.T, cookie, query string) {
		q, _ := url.ParseQuery(query)
		who, next, err := p.Finish(t.Context(), cookie, q)
		if err == nil || !reflect.DeepEqual(who, oidc.Identity{}) || next != "" {
			t.Errorf("%+v, %q, %v", who, next, err)
		}
		refused(t, "a strange answer", err, oidc.CodeStale)
	})
}

// Where the provider's groups name places, too, a person has those of the groups that give his role.
func TestPlacesOfTheProvider(t *testing.T) {
	l := newLiar(t)
	p := l.provider(func(o *oidc.Options) {
		o.Roles = map[string]people.Role{"it-zola": people.Technician, "it-hugo": people.Technician, "it": people.Technician,
			"cn=profs,ou=zola": people.Teacher, "profs": people.Teacher, "boss": people.Administrator}
		o.Places = map[string][]string{"it-zola": {"zola"}, "it-hugo": {"hugo", "zola"}, "cn=profs,ou=zola": {"zola/S2", "zola/S1"}}
		o.Login, o.Scopes = "uid", []string{"groups", "openid", "groups"}
	})
	for name, tt := range map[string]struct {
		groups []string
		role   people.Role
		places []string
	}{
		"one school":                     {[]string{"it-zola"}, people.Technician, []string{"zola"}},
		"two schools":                    {[]string{"it-hugo", "it-zola"}, people.Technician, []string{"hugo", "zola"}},
		"all schools":                    {[]string{"it-hugo", "it"}, people.Technician, nil},
		"rooms of a school":              {[]string{"cn=profs,ou=zola", "profs"}, people.Teacher, []string{"zola/S1", "zola/S2"}},
		"a teacher who is a technician":  {[]string{"cn=profs,ou=zola", "it-zola"}, people.Technician, []string{"zola"}},
		"an administrator":               {[]string{"it-zola", "boss"}, people.Administrator, nil},
		"a teacher of whom nobody knows": {[]string{"profs"}, people.Teacher, nil},
		"nobody":                         {[]string{"x"}, "", nil},
	} {
		l.token = func(c claims) { c["groups"], c["uid"], c["preferred_username"] = tt.groups, "zb", "other" }
		l.more = claims{"sub": "s1"}
		got, _, err := l.login(t, p, "/")
		if err != nil || got.Role != tt.role || !got.Placed || len(got.Places)+len(tt.places) > 0 && !reflect.DeepEqual(got.Places, tt.places) || got.Login != "zb" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		if x := got.External("192.0.2.1"); !x.Placed || !reflect.DeepEqual(x.Places, got.Places) {
			t.Errorf("%s: people get %+v", name, x)
		}
	}
	address, _, err := p.Begin(t.Context(), "/")
	if err != nil || !strings.Contains(address, "scope=openid+profile+email+groups&") {
		t.Errorf("the browser is sent to %s, %v", address, err)
	}
}
