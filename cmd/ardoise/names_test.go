package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/agentapi"
)

// certified is a site with a certificate of its own authority.
func certified(t *testing.T, names ...string) *site {
	t.Helper()
	ca, err := agentapi.OpenCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ca: ca, o: serveOptions{console: consoleFlags{names: names}}, console: &net.TCPListener{}}
	s.known.Store(&[]netip.Addr{netip.MustParseAddr("192.0.2.7")})
	s.certificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.leaf.Load(), nil }
	if err := s.certify(ownNames(t.Context(), &s.o.console)); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheCertificateHasTheNamesOfThisServer(t *testing.T) {
	s := certified(t, "Ardoise.Lycee.example", "203.0.113.9", "2001:db8::7")
	s.o.console.url = "https://console.example:8443"
	if err := s.recertify(ownNames(t.Context(), &s.o.console), time.Now()); err != nil {
		t.Fatal(err)
	}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ardoise", "localhost", strings.ToLower(host), "ardoise.lycee.example", "console.example", "192.0.2.7",
		"203.0.113.9", "2001:db8::7"} {
		if !s.covers(name) {
			t.Errorf("the certificate does not have %s", name)
		}
	}
	for _, name := range []string{"other.example", "192.0.2.8", "", "*"} {
		if s.covers(name) {
			t.Errorf("the certificate has %q", name)
		}
	}
	// A browser that trusts the site's authority believes it.
	leaf, err := s.consoleLeaf()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	authority, err := x509.ParseCertificate(s.leaf.Load().Certificate[1])
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(authority)
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: "ardoise.lycee.example"}); err != nil {
		t.Error(err)
	}
}

func TestTheCertificateIsMadeAnewWhenNamesChangeAndBeforeItExpires(t *testing.T) {
	s := certified(t)
	now := time.Now()
	names := ownNames(t.Context(), &s.o.console)
	first := s.leaf.Load()
	made := func(what string, names []string, at time.Time, anew bool) {
		t.Helper()
		before := s.leaf.Load()
		if err := s.recertify(names, at); err != nil {
			t.Fatal(err)
		}
		if (s.leaf.Load() != before) != anew {
			t.Errorf("%s: made anew %v, want %v", what, !anew, anew)
		}
	}
	made("nothing has changed", names, now, false)
	made("a year later less a month and a day", names, now.AddDate(0, 0, 366), false)
	made("a month before its end", names, now.AddDate(0, 0, 368), true)
	made("the machine has another name", append(names, "renamed.example"), now, true)
	if !s.covers("renamed.example") || first == s.leaf.Load() {
		t.Error("it does not have the new name")
	}
	made("and keeps it", append(names, "renamed.example"), now, false)
}

func TestTheDoctorLooksAtTheCertificate(t *testing.T) {
	s := certified(t)
	now := time.Now()
	wants := func(what string, at time.Time, state string, words ...string) {
		t.Helper()
		checks := s.nameChecks(at)
		if len(checks) != 1 || checks[0].State != state {
			t.Errorf("%s: %+v, want %s", what, checks, state)
			return
		}
		for _, word := range words {
			if !strings.Contains(checks[0].Detail+" "+checks[0].Hint, word) {
				t.Errorf("%s: %+v, want %q in it", what, checks[0], word)
			}
		}
	}
	wants("all is well", now, access.CheckOK, "ardoise", "localhost")
	wants("a month before its end", now.AddDate(0, 0, 370), access.CheckWarn, "days", "restart")
	wants("after its end", now.AddDate(0, 0, 400), access.CheckBad, "expired")
	wants("a clock that is years back", now.AddDate(-3, 0, 0), access.CheckBad, "clock")
	h := s.names.Watch(http.NotFoundHandler(), s.covers, func(*http.Request) bool { return true })
	for _, host := range []string{"ardoise:8443", "srv01.lycee.example:8443", "srv01.lycee.example"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	wants("people come by another name", time.Now(), access.CheckWarn, "srv01.lycee.example", "--console-name srv01.lycee.example")
	wants("a day later nobody did", time.Now().Add(25*time.Hour), access.CheckOK)
	if err := s.recertify(append(ownNames(t.Context(), &s.o.console), "srv01.lycee.example"), now); err != nil {
		t.Fatal(err)
	}
	wants("the certificate has it now", time.Now(), access.CheckOK)
	s.o.console.url, s.o.console.cert = "https://console.example", "/etc/ardoise/console.pem"
	wants("files that do not have the name that people are told", time.Now(), access.CheckWarn, "console.example", "/etc/ardoise/console.pem")
	s.console = nil
	if checks := s.nameChecks(now); checks != nil {
		t.Errorf("without a console: %+v", checks)
	}
}

func TestNamesThatCannotBe(t *testing.T) {
	for _, name := range []string{"https://x.example", "x.example:8443", "école.example", "a b", "-x", "*.example"} {
		var usage *usageError
		if err := (&consoleFlags{names: []string{name}}).check(); !errors.As(err, &usage) {
			t.Errorf("--console-name %q: %v", name, err)
		}
	}
	o := consoleFlags{names: []string{"a.example,B.example", "10.0.0.1"}}
	if err := o.check(); err != nil || !slices.Equal(o.names, []string{"a.example", "B.example", "10.0.0.1"}) {
		t.Errorf("%q, %v", o.names, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // a name server that does not answer
	if names := ownNames(ctx, &o); !slices.Contains(names, "b.example") || !slices.Contains(names, "ardoise") {
		t.Errorf("%q", names)
	}
}
