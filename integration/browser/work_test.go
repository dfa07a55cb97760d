package browser

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/integration/oidc"
)

// TestASchoolAtWork walks through what people do once the school is set up: each walk takes the school as those before it
// left it.
func TestASchoolAtWork(t *testing.T) {
	d := newDaemon(t)
	check(t, os.Mkdir(d.data, 0o700))
	master(t, d)
	port := freePort(t)
	console := "127.0.0.1:" + port
	provider, err := oidc.Start(t.Context(), "../..", "0", "https://"+console+"/oidc/callback")
	check(t, err)
	t.Cleanup(provider.Stop)
	d.env = []string{"ARDOISE_OIDC_SECRET=secret of ardoise"}
	d.serve(t, "--console", console, "--console-url", "https://"+console, "--oidc-issuer", provider.Issuer, "--oidc-name", "ENT")
	s := &school{daemon: d, window: open(t, d), image: filepath.Join(t.TempDir(), "pc.img"), joins: true}
	picture(t, s.image)
	s.settle()
	karim := s.joined("technician", "karim")
	watch := s.schedule()
	s.mapByMouseAndKeys(karim)
	s.allButTwo()
	s.promoteByHand()
	s.captureAndForget()
	s.together()
	s.fired(watch)
	s.certificate()
	s.instead(karim)
	s.forms()
	s.sheets()
	s.hostileNames()
	s.rest(karim)
	s.plain(s.joined("technician", "nora"))
	s.provided()
	s.quiet()
}

// picture makes the disk that a computer of the crowd captures.
func picture(t *testing.T, image string) {
	t.Helper()
	check(t, os.WriteFile(image, []byte(strings.Repeat("une craie, un tableau\n", 1<<16)), 0o600))
	check(t, os.Truncate(image, 8<<20))
}

// settle makes the administrator, the rooms and the computers, as the other test does step by step.
func (s *school) settle() {
	t := s.daemon
	s.visit(t.link)
	s.fill(map[string]string{"login": "marie", "name": "Marie Martin", "password": passwordOf("marie"), "again": passwordOf("marie")})
	s.press("form[action^='/first'] button")
	s.until(`location.pathname === "/"`)
	s.order(s.t, "master", "promote", masters+"@1", "stable")
	for _, room := range []string{"S104", "CDI"} {
		s.order(s.t, "room", "set", room, "--master", masters+"@stable")
	}
	s.agents(s.t)
	for i := range room + others {
		name, in := fmt.Sprintf("S104-%02d", i+1), "S104"
		if i >= room {
			name, in = fmt.Sprintf("CDI-%02d", i-room+1), "CDI"
		}
		s.order(s.t, "computer", "approve", s.codes[i], "--name", name, "--room", in)
	}
}

// joined makes somebody and opens the window in which he has taken the invitation.
func (s *school) joined(role, login string) *window {
	said := s.order(s.t, "person", "invite", login, "--role", role)
	_, path, found := strings.Cut(said, "/invite/")
	if !found {
		s.t.Fatalf("no invitation in %s", said)
	}
	w := s.another()
	w.refusals = append(w.refusals, "/invite/")
	w.visit("/invite/" + strings.Fields(path)[0])
	w.fill(map[string]string{"password": passwordOf(login), "again": passwordOf(login)})
	w.press("form[action^='/invite'] button")
	w.until(`location.pathname === "/"`)
	return w
}
