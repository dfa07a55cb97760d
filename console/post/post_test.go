package post_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/post"
)

// hostile is a report with names that computers and people have chosen with care.
func hostile(_ context.Context, of post.Audience, since, until time.Time) (post.Report, error) {
	return post.Report{Box: "lycée Zola", Site: of.Title, Link: "https://ardoise.example:8443/jobs/12", Since: since, Until: until, Jobs: []post.Job{{
		ID: "12", Kind: "deploy", What: "Bureautique@7", By: "Élodie\r\nBcc: all@example.org", Ended: until.Add(-time.Hour), Total: 28, Done: 27,
		Failed: []post.Failure{{Computer: `<script>alert(1)</script>`, Room: "S104", Happened: "le disque ne répond plus", Do: "changez-le"}}}}}, nil
}

// clock is a time that tests move.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func morning(hour, minute int) time.Time {
	return time.Date(2026, 11, 23, hour, minute, 0, 0, time.UTC)
}

// opened opens a post whose reports go to a mail server and a hook.
func opened(t *testing.T, c *clock, source post.Source, trust *tls.Config, s post.Settings) (*post.Post, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "post.json")
	p := post.Open(post.Options{Path: path, Source: source, Now: c.Now, Zone: time.UTC, TLS: trust})
	if err := p.Set(s); err != nil {
		t.Fatal(err)
	}
	return p, path
}

// smtp runs a real SMTP server that takes mail by STARTTLS only, and returns its address, its mailbox and what trusts it.
func smtp(t *testing.T) (address, box string, trust *tls.Config) {
	return smtpd(t, "--tlscert", "--tlskey")
}

// authority makes a certificate for this machine, as files cert.pem and key.pem of a folder, and what trusts it.
func authority(t *testing.T) (dir string, own, trust *tls.Config) {
	t.Helper()
	dir = t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return dir, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, &tls.Config{RootCAs: pool}
}

// smtpd is smtp with the certificate and its key as other options of the server; none: it knows no TLS.
func smtpd(t *testing.T, options ...string) (address, box string, trust *tls.Config) {
	t.Helper()
	dir, _, trust := authority(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	box = filepath.Join(dir, "box")
	args := []string{"-m", "aiosmtpd", "-n", "-l", address}
	for i, option := range options {
		args = append(args, option, filepath.Join(dir, []string{"cert.pem", "key.pem"}[i]))
	}
	server := exec.Command("/usr/bin/python3", append(args, "-c", "aiosmtpd.handlers.Mailbox", box)...)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			return address, box, trust
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the SMTP server does not listen")
	return "", "", nil
}

// letters reads what a mailbox has.
func letters(t *testing.T, box string) []*mail.Message {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(box, "new", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*mail.Message
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		m, err := mail.ReadMessage(f)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, m)
	}
	return out
}

// parts decodes the bodies of a letter by their type.
func parts(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out[kind] = string(body)
	}
}

func TestTheMorningsReportArrivesOnceByMail(t *testing.T) {
	address, box, trust := smtp(t)
	c := &clock{morning(1, 0)}
	p, path := opened(t, c, hostile, trust, post.Settings{At: "07:00", Language: notices.French, Mail: &post.Mail{Server: address,
		TLS: post.StartTLS, From: "ardoise@example.org", To: []string{"tech@example.org", "chef@example.org"}}})
	for _, at := range []time.Time{morning(6, 59), morning(7, 0), morning(7, 1), morning(23, 0)} {
		c.now = at
		if err := p.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	again := post.Open(post.Options{Path: path, Source: hostile, Now: c.Now, Zone: time.UTC, TLS: trust})
	if err := again.Tick(t.Context()); err != nil { // a restart sends nothing again
		t.Fatal(err)
	}
	got := letters(t, box)
	if len(got) != 1 {
		t.Fatalf("%d letters arrived", len(got))
	}
	h := got[0].Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || subject != "Ardoise lycée Zola : 27 postes sur 28 sont prêts, 1 à regarder" {
		t.Errorf("%q, %v", subject, err)
	}
	if to, err := h.AddressList("To"); err != nil || len(to) != 2 {
		t.Errorf("%v, %v", to, err)
	}
	if h.Get("Bcc") != "" {
		t.Error("the name of a person has added a recipient")
	}
	bodies := parts(t, got[0])
	for _, want := range []string{"Déploiement Bureautique@7: 27 sur 28 faits", "<script>alert(1)</script> (S104): le disque ne répond plus", "Maintenant: changez-le", "https://ardoise.example:8443/jobs/12"} {
		if !strings.Contains(bodies["text/plain"], want) {
			t.Errorf("the text does not say %q:\n%s", want, bodies["text/plain"])
		}
	}
	if html := bodies["text/html"]; strings.Contains(html, "<script>") || !strings.Contains(html, "&lt;script&gt;alert(1)") {
		t.Errorf("the page says\n%s", html)
	}
}

func TestAServerThatNobodyVouchesForGetsNothing(t *testing.T) {
	address, box, _ := smtp(t)
	c := &clock{morning(1, 0)}
	p, _ := opened(t, c, hostile, nil, post.Settings{At: "07:00", Language: notices.English, Mail: &post.Mail{Server: address, TLS: post.StartTLS,
		User: "u", Password: "p", From: "a@example.org", To: []string{"b@example.org"}}})
	var unknown *tls.CertificateVerificationError
	if got, err := p.Try(t.Context()); err != nil || len(got) != 1 || !errors.As(got[0].Trouble, &unknown) || got[0].Trouble.Code != post.MailUntrusted {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := len(letters(t, box)); n != 0 {
		t.Errorf("%d letters arrived", n)
	}
}

func TestAHookIsTriedAgainAndSigned(t *testing.T) {
	var bodies [][]byte
	var signature string
	broken := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if broken {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		bodies, signature = append(bodies, body), r.Header.Get(post.SignatureHeader)
	}))
	defer server.Close()
	c := &clock{morning(1, 0)}
	p, _ := opened(t, c, hostile, nil, post.Settings{At: "07:00", Language: notices.English, Hook: &post.Hook{URL: server.URL, Secret: "s3cret"}})
	c.now = morning(7, 0)
	if err := p.Tick(t.Context()); err == nil {
		t.Fatal("a hook that answers 502 has taken it")
	}
	if all := post.Troubles(p.Standing().Failure); len(all) != 1 || all[0].Code != post.HookRefused || !strings.Contains(all[0].Says, "502") {
		t.Errorf("nobody is told that the hook does not take reports: %v", all)
	}
	broken = false
	c.now = morning(7, 2)
	if err := p.Tick(t.Context()); err != nil || len(bodies) != 0 {
		t.Fatalf("tried again too soon: %v, %d", err, len(bodies))
	}
	c.now = morning(7, 6)
	if err := p.Tick(t.Context()); err != nil || len(bodies) != 1 {
		t.Fatalf("%v, %d", err, len(bodies))
	}
	mac := hmac.New(sha256.New, []byte("s3cret"))
	mac.Write(bodies[0])
	if want := "sha256=" + hex.EncodeToString(mac.Sum(nil)); signature != want {
		t.Errorf("signed %s, want %s", signature, want)
	}
	var r post.Report
	if err := json.Unmarshal(bodies[0], &r); err != nil || r.Jobs[0].Failed[0].Room != "S104" || !r.Until.Equal(morning(7, 0)) {
		t.Errorf("%v: %+v", err, r)
	}
}

func TestAQuietNightSendsNothing(t *testing.T) {
	calls := 0
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer server.Close()
	c := &clock{morning(1, 0)}
	p, _ := opened(t, c, func(_ context.Context, _ post.Audience, since, until time.Time) (post.Report, error) {
		return post.Report{Since: since, Until: until}, nil
	}, nil, post.Settings{At: "07:00", Language: notices.French, Hook: &post.Hook{URL: server.URL}})
	c.now = morning(7, 0)
	if err := p.Tick(t.Context()); err != nil || calls != 0 {
		t.Errorf("%v, %d calls", err, calls)
	}
	if got, err := p.Try(t.Context()); err != nil || len(got) != 1 || got[0].Trouble != nil || calls != 1 {
		t.Errorf("a trial: %+v, %v, %d calls", got, err, calls)
	}
}

func TestSettings(t *testing.T) {
	good := func() post.Settings {
		return post.Settings{At: "07:00", Language: notices.French,
			Mail: &post.Mail{Server: "mail.example.org:587", TLS: post.StartTLS, User: "u", Password: "geheim", From: "a@example.org", To: []string{"b@example.org"}},
			Hook: &post.Hook{URL: "https://example.org/h", Secret: "s"}}
	}
	for field, spoil := range map[string]func(*post.Settings){
		"at":       func(s *post.Settings) { s.At = "7:00" },
		"language": func(s *post.Settings) { s.Language = "de" },
		"server":   func(s *post.Settings) { s.Mail.Server = "mail.example.org" },
		"tls":      func(s *post.Settings) { s.Mail.TLS = "" },
		"password": func(s *post.Settings) { s.Mail.TLS = post.Plain },
		"from":     func(s *post.Settings) { s.Mail.From = "a@example.org\r\nBcc: c@example.org" },
		"to":       func(s *post.Settings) { s.Mail.To = []string{"nobody"} },
		"url":      func(s *post.Settings) { s.Hook.URL = "file:///etc/passwd" },
	} {
		s := good()
		spoil(&s)
		var bad *post.FieldError
		if err := s.Check(); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	c := &clock{morning(1, 0)}
	p, path := opened(t, c, hostile, nil, good())
	shown := p.Standing().Settings
	if raw, _ := json.Marshal(shown); strings.Contains(string(raw), "geheim") {
		t.Errorf("a secret is shown: %s", raw)
	}
	if err := p.Set(shown); err != nil { // given back as it was shown
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(path); err != nil || !strings.Contains(string(raw), "geheim") {
		t.Errorf("the password is gone: %v", err)
	}
	for field, steal := range map[string]func(*post.Settings){
		"password": func(s *post.Settings) { s.Mail.Server = "thief.example.org:587" },
		"secret":   func(s *post.Settings) { s.Hook.URL = "https://thief.example.org/h" },
	} {
		s := p.Standing().Settings
		steal(&s)
		var bad *post.FieldError
		if err := p.Set(s); !errors.As(err, &bad) || bad.Field != field {
			t.Errorf("a %s goes to a server that it was not for: %v", field, err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}

// A file of settings that is damaged, or that a stricter Check refuses, keeps nobody from their work: it is said, nothing is
// sent, and what lay there is kept when new settings take its place.
func TestSettingsThatCannotBeReadStopNothingElse(t *testing.T) {
	for name, bad := range map[string]string{"cut": `{"settings": {"at": "07:`, "refused": `{"settings": {"at": "7", "language": "fr"}}`} {
		path := filepath.Join(t.TempDir(), "post.json")
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		c := &clock{morning(6, 0)}
		p := post.Open(post.Options{Path: path, Source: hostile, Now: c.Now, Zone: time.UTC})
		told := post.Troubles(p.Standing().Failure)
		if len(told) != 1 || told[0].Code != post.Unread || told[0].Where != path || told[0].Says == "" {
			t.Fatalf("%s: the troubles are %+v", name, told)
		}
		if _, ok := notices.Find(told[0].Code); !ok {
			t.Errorf("%s has no sentence", told[0].Code)
		}
		c.now = morning(8, 0)
		if err := p.Tick(t.Context()); err != nil || p.Standing().Failure == nil {
			t.Errorf("%s: a tick: %v, %v", name, err, p.Standing().Failure)
		}
		if raw, err := os.ReadFile(path); err != nil || string(raw) != bad {
			t.Errorf("%s: before anybody set anything the file is %q, %v", name, raw, err)
		}
		if err := p.Set(post.Settings{At: "07:00", Language: notices.French}); err != nil || p.Standing().Failure != nil {
			t.Errorf("%s: new settings: %v, %v", name, err, p.Standing().Failure)
		}
		if raw, err := os.ReadFile(path + ".bad-20261123T080000"); err != nil || string(raw) != bad {
			t.Errorf("%s: what lay there is %q, %v", name, raw, err)
		}
		if s := post.Open(post.Options{Path: path, Source: hostile, Now: c.Now}).Standing(); s.Failure != nil || s.Settings.At != "07:00" {
			t.Errorf("%s: after a restart: %+v", name, s)
		}
	}
}

// Each site's people get a report of their own computers, and a way that took it is not tried again because of another.
func TestASitesPeopleGetTheirOwnReportOnce(t *testing.T) {
	address, box, trust := smtp(t)
	broken := true
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if broken {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	defer server.Close()
	c := &clock{morning(1, 0)}
	p := post.Open(post.Options{Path: filepath.Join(t.TempDir(), "post.json"), Source: hostile, Now: c.Now, Zone: time.UTC, TLS: trust,
		Sites: func() []post.Audience {
			return []post.Audience{{Site: "zola", Title: "Lycée Zola", To: []string{"zola@example.org"}}, {Site: "hugo"}}
		}})
	if err := p.Set(post.Settings{At: "07:00", Language: notices.French, Mail: &post.Mail{Server: address, TLS: post.StartTLS, From: "a@example.org"},
		Hook: &post.Hook{URL: server.URL}}); err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{morning(7, 0), morning(7, 6)} {
		c.now = at
		if err := p.Tick(t.Context()); err == nil {
			t.Error("a hook that is a teapot takes reports")
		}
	}
	if x := p.Standing(); !x.Sent.IsZero() || x.Failure == nil {
		t.Errorf("it stands as %+v", x)
	}
	broken = false
	c.now = morning(7, 12)
	if err := p.Tick(t.Context()); err != nil {
		t.Fatal(err)
	}
	if x := p.Standing(); !x.Sent.Equal(c.now) || x.Failure != nil || !x.Next.Equal(morning(31, 0)) {
		t.Errorf("it stands as %+v", x)
	}
	got := letters(t, box)
	if len(got) != 1 {
		t.Fatalf("%d letters arrived", len(got))
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(got[0].Header.Get("Subject"))
	if to := got[0].Header.Get("To"); err != nil || to != "<zola@example.org>" || !strings.Contains(subject, "Lycée Zola") {
		t.Errorf("to %s: %q, %v", to, subject, err)
	}
}

// What a server refuses, or is not, comes back as something that a person can be told.
func TestWhyAReportIsNotTaken(t *testing.T) {
	tls1, _, trust := smtp(t)
	plain, _, _ := smtpd(t)
	closed := freeAddress(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says what no mail server says
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	go func() {
		for {
			c, err := silent.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("HTTP/1.1 400 what?\r\n\r\n"))
			_ = c.Close()
		}
	}()
	mail := func(m post.Mail) post.Settings {
		m.From, m.To = "a@example.org", append(m.To, "b@example.org")
		return post.Settings{Language: notices.French, Mail: &m}
	}
	refusing := func(line, answer string) post.Settings {
		return mail(post.Mail{Server: scripted(t, nil, line, answer), TLS: post.Plain})
	}
	_, own, _ := authority(t)
	leaf, err := x509.ParseCertificate(own.Certificates[0].Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	trust.RootCAs.AddCert(leaf)
	for name, tt := range map[string]struct {
		settings post.Settings
		code     string
		says     string
	}{
		"no such name":      {mail(post.Mail{Server: "mail.invalid:587", TLS: post.StartTLS}), post.MailNoName, ""},
		"nobody listens":    {mail(post.Mail{Server: closed, TLS: post.StartTLS}), post.MailNoAnswer, "refused"},
		"no STARTTLS":       {mail(post.Mail{Server: plain, TLS: post.StartTLS}), post.MailNoStartTLS, ""},
		"no TLS there":      {mail(post.Mail{Server: plain, TLS: post.Implicit}), post.MailNoSMTP, "TLS"},
		"no mail server":    {mail(post.Mail{Server: silent.Addr().String(), TLS: post.Plain}), post.MailNoSMTP, "HTTP"},
		"a wrong password":  {mail(post.Mail{Server: tls1, TLS: post.StartTLS, User: "u", Password: "p"}), post.MailLogin, "535"},
		"nobody logs in":    {mail(post.Mail{Server: scripted(t, own, "-", ""), TLS: post.Implicit, User: "u", Password: "p"}), post.MailNoLogin, "AUTH"},
		"the sender":        {refusing("MAIL", "550 5.7.1 not you"), post.MailFrom, "not you"},
		"a recipient":       {refusing("RCPT", "554 5.7.1 relay access denied"), post.MailTo, "relay access denied"},
		"the letter":        {refusing(".", "554 5.6.0 too rude"), post.MailRefused, "too rude"},
		"the hook's name":   {post.Settings{Language: notices.French, Hook: &post.Hook{URL: "https://hook.invalid/secret"}}, post.HookNoName, ""},
		"the hook's answer": {post.Settings{Language: notices.French, Hook: &post.Hook{URL: "http://" + closed + "/secret"}}, post.HookNoAnswer, "refused"},
	} {
		p, _ := opened(t, &clock{morning(1, 0)}, hostile, trust, tt.settings)
		got, err := p.Try(t.Context())
		if err != nil || len(got) != 1 || got[0].Trouble == nil {
			t.Errorf("%s: %+v, %v", name, got, err)
			continue
		}
		x := got[0].Trouble
		if x.Code != tt.code || !strings.Contains(x.Says, tt.says) || strings.Contains(x.Says, "secret") || strings.ContainsAny(x.Says, "\r\n") {
			t.Errorf("%s: %s, %q", name, x.Code, x.Says)
		}
		for _, l := range []notices.Language{notices.French, notices.English} {
			if n, ok := notices.Find(x.Code); !ok || len(n.Say(l, x.Where, x.Says).Do) < 20 {
				t.Errorf("%s: nobody is told in %s what to do", x.Code, l)
			}
		}
	}
	p, _ := opened(t, &clock{morning(1, 0)}, hostile, trust, post.Settings{Language: notices.French, Mail: &post.Mail{Server: tls1, TLS: post.StartTLS, From: "a@example.org"}})
	var bad *post.FieldError
	if _, err := p.Try(t.Context()); !errors.As(err, &bad) || bad.Field != "to" {
		t.Errorf("a report for nobody: %v", err)
	}
}

// A server that takes connections and says nothing, as one that waits for TLS does, is not waited for without end.
func TestAServerThatSaysNothingIsGivenUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	let := make(chan struct{})
	go func() {
		c, err := silent.Accept()
		if err == nil {
			_, _ = io.Copy(io.Discard, c) // until we hang up
			_ = c.Close()
			close(let)
		}
	}()
	p := post.Open(post.Options{Path: filepath.Join(t.TempDir(), "post.json"), Source: hostile, Patience: 200 * time.Millisecond})
	if err := p.Set(post.Settings{Language: notices.French, Mail: &post.Mail{Server: silent.Addr().String(), TLS: post.StartTLS, From: "a@example.org", To: []string{"b@example.org"}}}); err != nil {
		t.Fatal(err)
	}
	got, err := p.Try(t.Context())
	if err != nil || len(got) != 1 || got[0].Trouble == nil || got[0].Trouble.Code != post.MailNoSMTP {
		t.Errorf("got %+v, %v", got, err)
	}
	<-let
}

// TLS from the first byte, with a server that takes the letter.
func TestAReportGoesByTLS(t *testing.T) {
	_, own, trust := authority(t)
	p, _ := opened(t, &clock{morning(1, 0)}, hostile, trust, post.Settings{Language: notices.English,
		Mail: &post.Mail{Server: scripted(t, own, "-", ""), TLS: post.Implicit, From: "a@example.org", To: []string{"b@example.org"}}})
	if got, err := p.Try(t.Context()); err != nil || len(got) != 1 || got[0].Trouble != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scripted is a mail server that takes everything but one line.
func scripted(t *testing.T, secure *tls.Config, line, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			converse(c, line, answer)
		}
	}()
	return l.Addr().String()
}

func converse(c net.Conn, line, answer string) {
	defer c.Close()
	say := func(s string) { _, _ = io.WriteString(c, s+"\r\n") }
	say("220 scripted")
	data := false
	for in := bufio.NewScanner(c); in.Scan(); {
		switch got := in.Text(); {
		case data && got != ".":
		case strings.HasPrefix(got, line):
			data = false
			say(answer)
		case got == "DATA":
			data = true
			say("354 go on")
		case got == "QUIT":
			say("221 bye")
			return
		default:
			data = false
			say("250 fine")
		}
	}
}
