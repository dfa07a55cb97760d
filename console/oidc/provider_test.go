package oidc_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/ardoise/ardoise/console/oidc"
	"github.com/ardoise/ardoise/fleet/people"
)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails unless err is an error with that code.
func refused(t testing.TB, name string, err error, code oidc.Code) {
	t.Helper()
	var wrong *oidc.Error
	if !errors.As(err, &wrong) || wrong.Code != code {
		t.Errorf("%s: error = %v, want %s", name, err, code)
	}
}

type claims = map[string]any

// liar is a provider that says what a test tells it; the real one, which does not lie, is in integration/oidc.
type liar struct {
	t   testing.TB
	web *httptest.Server
	key *ecdsa.PrivateKey
	at  time.Time // of the console's clock

	mu        sync.Mutex
	asked     int                                               // for its description
	describe  func(w http.ResponseWriter, said claims)          // nil: truly
	token     func(claims)                                      // changes the token's claims
	sign      func(payload []byte) string                       // nil: with key
	answer    func(claims)                                      // changes the answer of the token endpoint
	more      claims                                            // of the person
	moreWrite func(w http.ResponseWriter, r *http.Request) bool // true: it has answered
	nonce     string
}

func newLiar(t testing.TB) *liar {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	l := &liar{t: t, key: key, at: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), more: claims{"sub": "s1"}}
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", l.description)
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		l.write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: l.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("/token", l.tokens)
	mux.HandleFunc("/me", func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.moreWrite == nil || !l.moreWrite(w, r) {
			l.write(w, l.more)
		}
	})
	l.web = httptest.NewServer(mux)
	t.Cleanup(l.web.Close)
	return l
}

func (l *liar) write(w http.ResponseWriter, x any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(x)
}

func (l *liar) description(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	said := claims{"issuer": l.web.URL, "authorization_endpoint": l.web.URL + "/auth", "token_endpoint": l.web.URL + "/token", "jwks_uri": l.web.URL + "/keys",
		"userinfo_endpoint": l.web.URL + "/me", "id_token_signing_alg_values_supported": []string{"ES256"}}
	if l.describe != nil {
		l.describe(w, said)
		return
	}
	l.write(w, said)
}

func (l *liar) tokens(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := claims{"iss": l.web.URL, "sub": "s1", "aud": "ardoise", "nonce": l.nonce, "iat": l.at.Unix(), "exp": l.at.Add(time.Minute).Unix()}
	if l.token != nil {
		l.token(said)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		panic(err)
	}
	sign := l.sign
	if sign == nil {
		sign = func(payload []byte) string {
			return signed(jose.ES256, jose.JSONWebKey{Key: l.key, KeyID: "1"}, payload)
		}
	}
	answer := claims{"access_token": "a token", "token_type": "Bearer", "id_token": sign(payload)}
	if l.answer != nil {
		l.answer(answer)
	}
	l.write(w, answer)
}

// signed signs claims; what cannot be signed is a mistake of the test.
func signed(alg jose.SignatureAlgorithm, key any, payload []byte) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, nil)
	if err != nil {
		panic(err)
	}
	x, err := s.Sign(payload)
	if err != nil {
		panic(err)
	}
	out, err := x.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

// provider is the console's side.
func (l *liar) provider(change func(*oidc.Options)) *oidc.Provider {
	l.t.Helper()
	o := oidc.Options{Issuer: l.web.URL, ClientID: "ardoise", ClientSecret: "a secret of the client that is long", RedirectURL: "https://console.lan/oidc/callback",
		Key: bytes.Repeat([]byte{1}, 32), Now: func() time.Time { return l.at }}
	if change != nil {
		change(&o)
	}
	p, err := oidc.New(o)
	check(l.t, err)
	return p
}

// login goes through a login.
func (l *liar) login(t testing.TB, p *oidc.Provider, next string) (oidc.Identity, string, error) {
	t.Helper()
	address, cookie, err := p.Begin(t.Context(), next)
	if err != nil {
		return oidc.Identity{}, "", err
	}
	u, err := url.Parse(address)
	check(t, err)
	l.mu.Lock()
	l.nonce = u.Query().Get("nonce")
	l.mu.Unlock()
	return p.Finish(t.Context(), cookie, url.Values{"state": {u.Query().Get("state")}, "code": {"x"}})
}

func TestOptionsThatCannotBeAreRefused(t *testing.T) {
	good := oidc.Options{Issuer: "https://id.example", ClientID: "x", RedirectURL: "https://console.lan/oidc/callback", Key: make([]byte, 32)}
	if _, err := oidc.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*oidc.Options){
		"an issuer that others listen to": func(o *oidc.Options) { o.Issuer = "http://id.example" },
		"an issuer with a password":       func(o *oidc.Options) { o.Issuer = "https://a:b@id.example" },
		"no issuer":                       func(o *oidc.Options) { o.Issuer = "" },
		"a file":                          func(o *oidc.Options) { o.Issuer = "file:///etc/passwd" },
		"a return that others listen to":  func(o *oidc.Options) { o.RedirectURL = "http://console.lan/" },
		"a return with a fragment":        func(o *oidc.Options) { o.RedirectURL += "#x" },
		"no client":                       func(o *oidc.Options) { o.ClientID = "" },
		"a short key":                     func(o *oidc.Options) { o.Key = make([]byte, 16) },
		"no such role":                    func(o *oidc.Options) { o.Roles = map[string]people.Role{"x": "root"} },
		"places without a role":           func(o *oidc.Options) { o.Places = map[string][]string{"x": {"zola"}} },
		"places of who has all": func(o *oidc.Options) {
			o.Roles, o.Places = map[string]people.Role{"x": people.Administrator}, map[string][]string{"x": {"zola"}}
		},
		"two scopes in one": func(o *oidc.Options) { o.Scopes = []string{"groups offline_access"} },
		"an empty scope":    func(o *oidc.Options) { o.Scopes = []string{""} },
	} {
		o := good
		change(&o)
		if _, err := oidc.New(o); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestWhatTheBrowserIsSentWith(t *testing.T) {
	l := newLiar(t)
	p := l.provider(func(o *oidc.Options) { o.Scopes = []string{"groups"} })
	seen := map[string]bool{}
	for range 20 {
		address, cookie, err := p.Begin(t.Context(), "/")
		check(t, err)
		u, err := url.Parse(address)
		check(t, err)
		q := u.Query()
		if q.Get("response_type") != "code" || q.Get("client_id") != "ardoise" || q.Get("code_challenge_method") != "S256" || q.Get("scope") != "openid profile email groups" ||
			q.Get("redirect_uri") != "https://console.lan/oidc/callback" || strings.Contains(address, "secret") {
			t.Fatalf("the browser is sent to %s", address)
		}
		for _, s := range []string{q.Get("state"), q.Get("nonce"), q.Get("code_challenge"), cookie} {
			if len(s) < 43 || seen[s] {
				t.Fatalf("%q is short, or was there before", s)
			}
			seen[s] = true
		}
	}
	if l.asked != 1 {
		t.Errorf("the provider was asked %d times what it is", l.asked)
	}
}

func TestTheLoginEndsOnAPageOfTheConsole(t *testing.T) {
	l := newLiar(t)
	p := l.provider(nil)
	for next, want := range map[string]string{"/rooms/S104?x=1#y": "/rooms/S104?x=1#y", "": "/", "https://evil.example/": "/", "//evil.example": "/", `/\evil.example`: "/",
		"/a\r\nSet-Cookie: x": "/", "javascript:alert(1)": "/", "/\t/evil.example": "/", "rooms": "/", "/" + strings.Repeat("x", 2000): "/"} {
		if _, got, err := l.login(t, p, next); err != nil || got != want {
			t.Errorf("%.40q ends at %q, %v", next, got, err)
		}
	}
}

func TestDescriptionsThatMakeNoSense(t *testing.T) {
	l := newLiar(t)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { l.write(w, claims{"issuer": l.web.URL}) }))
	t.Cleanup(elsewhere.Close)
	for name, describe := range map[string]func(http.ResponseWriter, claims){
		"a page":         func(w http.ResponseWriter, _ claims) { _, _ = w.Write([]byte("<html>")) },
		"an error":       func(w http.ResponseWriter, _ claims) { w.WriteHeader(http.StatusInternalServerError) },
		"nothing":        func(w http.ResponseWriter, _ claims) { l.write(w, claims{}) },
		"another issuer": func(w http.ResponseWriter, said claims) { said["issuer"] = "https://id.example"; l.write(w, said) },
		"a door to listen at": func(w http.ResponseWriter, said claims) {
			said["token_endpoint"] = "http://id.example/"
			l.write(w, said)
		},
		"keys to listen at": func(w http.ResponseWriter, said claims) { said["jwks_uri"] = "http://id.example/"; l.write(w, said) },
		"people to listen at": func(w http.ResponseWriter, said claims) {
			said["userinfo_endpoint"] = "http://id.example/"
			l.write(w, said)
		},
		"no keys": func(w http.ResponseWriter, said claims) { delete(said, "jwks_uri"); l.write(w, said) },
		"a script": func(w http.ResponseWriter, said claims) {
			said["authorization_endpoint"] = "javascript:alert(1)"
			l.write(w, said)
		},
		"somewhere else": func(w http.ResponseWriter, _ claims) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusFound)
		},
		"two megabytes": func(w http.ResponseWriter, said claims) {
			said["x"] = strings.Repeat("x", 2<<20)
			l.write(w, said)
		},
	} {
		l.describe = describe
		_, _, err := l.provider(nil).Begin(t.Context(), "/")
		refused(t, name, err, oidc.CodeDown)
		if len(err.Error()) > 500 {
			t.Errorf("%s: the error has %d bytes", name, len(err.Error()))
		}
	}
}

// What the provider said of itself is used as long as it cannot be asked again; and it is not asked by everybody at once.
func TestTheDescriptionIsKept(t *testing.T) {
	l := newLiar(t)
	p := l.provider(nil)
	begin := func() error { _, _, err := p.Begin(t.Context(), "/"); return err }
	asked := func(want int) {
		t.Helper()
		if l.asked != want {
			t.Errorf("it was asked %d times, want %d", l.asked, want)
		}
	}
	fail := func(w http.ResponseWriter, _ claims) { w.WriteHeader(http.StatusServiceUnavailable) }
	l.describe = fail
	refused(t, "down", begin(), oidc.CodeDown)
	refused(t, "down", begin(), oidc.CodeDown)
	asked(1)
	l.describe = nil
	refused(t, "just up", begin(), oidc.CodeDown)
	l.at = l.at.Add(10 * time.Second)
	check(t, begin())
	l.at = l.at.Add(time.Hour - time.Second)
	check(t, begin())
	asked(2)
	l.describe = fail
	l.at = l.at.Add(time.Second)
	check(t, begin())
	check(t, begin())
	asked(3)
	l.at = l.at.Add(240 * time.Hour)
	check(t, begin())
	l.describe = nil
	l.at = l.at.Add(time.Minute)
	check(t, begin())
	asked(5)
	var wait sync.WaitGroup
	l.at = l.at.Add(time.Hour)
	for range 20 {
		wait.Go(func() {
			if err := begin(); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	asked(6)
}
