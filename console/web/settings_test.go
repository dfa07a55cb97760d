package web

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/post"
	"github.com/ardoise/ardoise/fleet/people"
)

// posts gives a school a post, whose reports tell of one computer that failed.
func (s *school) posts() {
	s.t.Helper()
	s.house.Post = post.Open(post.Options{Path: filepath.Join(s.t.TempDir(), "post.json"), Now: s.house.Now, Zone: time.UTC,
		Sites: func() []post.Audience {
			return []post.Audience{{Site: "zola", Title: "Lycée Émile-Zola", To: []string{"zola@example.org"}}}
		},
		Source: func(_ context.Context, of post.Audience, since, until time.Time) (post.Report, error) {
			return post.Report{Box: "ardoise", Site: of.Title, Since: since, Until: until, Jobs: []post.Job{{ID: "1", Kind: "deploy", Total: 2, Done: 1, Ended: since,
				Failed: []post.Failure{{Computer: "S104-07", Happened: "Le disque signale une panne.", Do: "Remplacez-le."}}}}}, nil
		}})
}

// mailServer is a real SMTP server without TLS, and its mailbox.
func mailServer(t *testing.T) (host, port, box string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	address := l.Addr().String()
	check(t, l.Close())
	box = filepath.Join(t.TempDir(), "box")
	server := exec.Command("/usr/bin/python3", "-m", "aiosmtpd", "-n", "-l", address, "-c", "aiosmtpd.handlers.Mailbox", box)
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	for range 200 {
		if c, err := net.Dial("tcp", address); err == nil {
			check(t, c.Close())
			host, port, err = net.SplitHostPort(address)
			check(t, err)
			return host, port, box
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the SMTP server does not listen")
	return "", "", ""
}

func letters(t *testing.T, box string) (out []string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(box, "new", "*"))
	check(t, err)
	for _, name := range names {
		raw, err := os.ReadFile(name)
		check(t, err)
		out = append(out, string(raw))
	}
	return out
}

func TestTheMorningReportIsSetAndTriedFromItsPage(t *testing.T) {
	s, _ := furnished(t)
	host, port, box := mailServer(t)
	var hooked, signature string
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		hooked, signature = string(raw), r.Header.Get(post.SignatureHeader)
	}))
	defer hook.Close()
	b := s.as("marie")
	if _, body := b.get("/settings"); !strings.Contains(body, "It is sent nowhere") || !strings.Contains(body, `href="/settings/post"`) {
		t.Error("the settings do not say that no report is sent")
	}
	form := url.Values{"at": {"07:00"}, "language": {"fr"}, "mail": {"1"}, "host": {host}, "port": {port}, "tls": {"none"}, "from": {"ardoise@example.org"},
		"to": {"tech@example.org\r\nchef@example.org"}, "hook": {"1"}, "url": {hook.URL + "/x"}, "secret": {"un secret bien gardé"}, "try": {"1"}}
	status, body := b.post("/settings/post", form)
	if got := letters(t, box); status != http.StatusOK || strings.Count(body, ">Sent<") != 3 || len(got) != 2 || hooked == "" || !strings.HasPrefix(signature, "sha256=") {
		t.Fatalf("%d: %d letters, hook %q %s\n%s", status, len(got), hooked, signature, body)
	}
	if strings.Contains(body, "bien gardé") || !strings.Contains(body, "never shown again") {
		t.Error("the secret comes back")
	}
	form.Set("secret", "") // unchanged
	form.Del("try")
	if status, _ := b.post("/settings/post", form); status != http.StatusSeeOther {
		t.Errorf("keeping: %d", status)
	}
	signature = ""
	form.Set("try", "1")
	if b.post("/settings/post", form); signature == "" {
		t.Error("the secret is gone")
	}
	form.Set("tls", "starttls") // which that server does not have
	for language, want := range map[string][]string{"en": {"does not offer STARTTLS", "port 465", ">Refused<"}, "fr": {"ne propose pas STARTTLS", "port 465", ">Refusé<"}} {
		b.language = language
		if status, body := b.post("/settings/post", form); status != http.StatusOK || !containsAll(body, want...) {
			t.Errorf("a refusal in %s: %d\n%s", language, status, body)
		}
	}
	b.language = "en"
	entries, err := s.people.Entries(t.Context(), people.AuditQuery{Action: "post try"})
	check(t, err)
	results := map[string]int{}
	for _, e := range entries {
		results[e.Result]++
		if strings.Contains(e.Detail+e.What, "bien gardé") {
			t.Error("the audit log has a secret")
		}
	}
	if results[access.Done] != 2 || results[access.Refused] != 2 {
		t.Errorf("the audit log has %v", results)
	}
	s.now = time.Date(2026, 11, 25, 7, 0, 0, 0, time.UTC)
	if err := s.house.Post.(*post.Post).Tick(t.Context()); err == nil {
		t.Error("a server without STARTTLS takes the morning's report")
	}
	b = s.as("marie") // a night is longer than a session
	if _, body := b.get("/settings/post"); !strings.Contains(body, "does not offer STARTTLS") {
		t.Error("nobody is told why the last report did not go")
	}
	if _, body := b.get("/settings"); !strings.Contains(body, "was not sent") {
		t.Error("the settings do not say that the last report did not go")
	}
}

func TestTheFormOfTheReportKeepsWhatWasTyped(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	good := func() url.Values {
		return url.Values{"at": {"06:30"}, "language": {"en"}, "mail": {"1"}, "host": {"smtp.example.org"}, "port": {"587"}, "tls": {"starttls"},
			"user": {"ardoise"}, "password": {"le mot de passe"}, "from": {"ardoise@example.org"}, "to": {"tech@example.org"}}
	}
	for field, spoil := range map[string]url.Values{
		"at":       {"at": {"7h"}},
		"language": {"language": {"de"}},
		"host":     {"host": {""}},
		"port":     {"port": {"70000"}},
		"tls":      {"tls": {"none"}},
		"user":     {"user": {""}},
		"from":     {"from": {"a@b\r\nBcc: c@d"}},
		"to":       {"to": {"nobody <script>"}},
		"url":      {"hook": {"1"}, "url": {"file:///etc/passwd"}},
	} {
		form := good()
		for k, x := range spoil {
			form[k] = x
		}
		status, body := b.post("/settings/post", form)
		if status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-`+field+`"`) || strings.Count(body, `class="bad" id="e-`) != 1 {
			t.Errorf("%s: %d, and the wrong field is not marked alone", field, status)
		}
		if strings.Contains(body, "le mot de passe\"") || strings.Contains(body, "<script>\n") {
			t.Errorf("%s: a secret, or markup, comes back", field)
		}
		if field != "host" && !strings.Contains(body, `value="smtp.example.org"`) {
			t.Errorf("%s: what was typed is lost", field)
		}
	}
	if status, _ := b.post("/settings/post", good()); status != http.StatusSeeOther {
		t.Fatalf("a good form: %d", status)
	}
	form := good()
	form.Set("password", "")
	form.Set("host", "thief.example.org")
	if status, body := b.post("/settings/post", form); status != http.StatusUnprocessableEntity || !strings.Contains(body, `id="e-password"`) {
		t.Errorf("a password goes to another server: %d", status)
	}
	for _, login := range []string{"paul", "zoe", "claire", "remi"} {
		x := s.as(login)
		if status, _ := x.get("/settings/post"); status != http.StatusForbidden {
			t.Errorf("%s sees where reports go: %d", login, status)
		}
		if status, _ := x.post("/settings/post", good()); status != http.StatusForbidden {
			t.Errorf("%s says where reports go: %d", login, status)
		}
	}
}

func TestSettingsSayHowTheServerWasStarted(t *testing.T) {
	s, _ := furnished(t)
	b := s.as("marie")
	if _, body := b.get("/settings"); !containsAll(body, "None known", "starts no computers from the network", "Everybody signs in with a login") {
		t.Error("what is off is not said")
	}
	ends, made := s.now.Add(72*time.Hour), s.now.Add(-time.Hour)
	s.house.Setup = func() access.Setup {
		return access.Setup{
			Console: &access.ConsoleSetup{Address: "https://ardoise.example", Names: []string{"ardoise.example", "10.0.0.2"}, Issuer: "Ardoise CA", Expires: ends},
			OIDC:    &access.OIDCSetup{Issuer: "https://id.example", Client: "ardoise", Redirect: "https://ardoise.example/oidc/callback", Roles: map[string]string{"<it>": "technician"}},
			Boot:    &access.BootSetup{Folder: "/usr/share/ardoise/boot", Kernel: "6.12.1", Packages: []string{"shim-signed 1.47"}, StageTwo: "ab12"},
			Backup:  &access.BackupSetup{At: made, File: "/mnt/backup/x", Bytes: 5_000_000, Versions: 3},
		}
	}
	check(t, s.fleet.OpenEnrolment(t.Context(), "S104", s.now.Add(time.Hour), 5, "marie"))
	_, body := b.get("/settings")
	for _, want := range []string{"https://ardoise.example", "10.0.0.2", "27 Nov 2026", ">Soon<", "https://id.example", "/oidc/callback", "&lt;it&gt;", "6.12.1", "shim-signed 1.47",
		"/mnt/backup/x", "5.00", "0 of 5"} {
		if !strings.Contains(body, want) {
			t.Errorf("the settings do not say %q", want)
		}
	}
	s.now = s.now.Add(96 * time.Hour)
	if _, body := s.as("marie").get("/settings"); !strings.Contains(body, ">Expired<") {
		t.Error("a certificate that has ended is not said to have")
	}
}

func containsAll(body string, words ...string) bool {
	for _, w := range words {
		if !strings.Contains(body, w) {
			return false
		}
	}
	return true
}
