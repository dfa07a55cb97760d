package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/agenttest"
	"github.com/ardoise/ardoise/imaging/agent/efi"
	"github.com/ardoise/ardoise/imaging/job"
)

// site is a server and a computer that has its token.
type site struct {
	authority  *agenttest.Authority
	server     *httptest.Server
	token      job.RunningToken
	path       string
	asked      []string // methods and tokens
	answer     func(w http.ResponseWriter, r *http.Request)
	firmware   *vars
	menu       bool  // there is a start menu on the disk
	menuFault  error // why it cannot be told anything
	asks       int   // how often it was told to start the agent
	sealed     bool
	unattended bool
	restarts   int
	out, told  bytes.Buffer
	in         string
	person     bool
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{authority: agenttest.NewAuthority(), person: true, in: "oui\n", path: filepath.Join(t.TempDir(), "reset.json")}
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(job.RunningReset{State: job.RunningWaiting, Computer: "S104-17", Master: "salle", Version: 3})
	}
	mux := http.NewServeMux()
	mux.HandleFunc(job.PathRunningReset, func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.Method+" "+r.Header.Get("Authorization"))
		s.answer(w, r)
	})
	s.server = httptest.NewUnstartedServer(mux)
	s.server.TLS = &tls.Config{Certificates: []tls.Certificate{s.authority.Leaf(nil)}, MinVersion: tls.VersionTLS13} // its dates are over
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	sum := s.authority.Fingerprint()
	s.token = job.RunningToken{Server: s.server.Listener.Addr().String(), CA: hex.EncodeToString(sum[:]), Computer: "S104-17", Token: "a-token"}
	return s
}

func (s *site) run(t *testing.T, args ...string) int {
	t.Helper()
	if s.token.Server != "" {
		b, err := json.Marshal(s.token)
		if err == nil {
			err = os.WriteFile(s.path, b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tick := make(chan time.Time, countTo)
	for range countTo {
		tick <- time.Time{}
	}
	s.out.Reset()
	s.told.Reset()
	p := pc{in: strings.NewReader(s.in), out: &s.out, complaints: &s.told, person: s.person, words: spoken([]string{"", "fr_FR.UTF-8"}),
		token: s.path, restart: func() error { s.restarts++; return nil }, tick: tick, sealed: func() bool { return s.sealed }}
	p.askMenu = func() (bool, error) {
		if s.menuFault != nil || !s.menu {
			return false, s.menuFault
		}
		s.asks++
		return true, nil
	}
	if s.firmware != nil {
		p.firmware = s.firmware
	}
	defer func() { s.unattended = p.unattended }()
	return p.run(t.Context(), args)
}

// vars are firmware's variables.
type vars struct {
	content map[string][]byte
	refuse  error
}

func (v *vars) Get(name string) ([]byte, error) {
	b, ok := v.content[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

func (v *vars) Set(name string, content []byte) error {
	if v.refuse != nil {
		return v.refuse
	}
	v.content[name] = content
	return nil
}

func (v *vars) List() ([]string, error) {
	var out []string
	for name := range v.content {
		out = append(out, name)
	}
	return out, nil
}

func entry(t *testing.T, description string, attributes uint32, kinds ...uint8) []byte {
	t.Helper()
	o := efi.LoadOption{Attributes: attributes, Description: description}
	for _, k := range kinds {
		o.Path = append(o.Path, efi.Node{Type: 3, SubType: k, Data: make([]byte, 23)})
	}
	b, err := o.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOrdersAReset(t *testing.T) {
	s := newSite(t)
	if code := s.run(t); code != 0 {
		t.Fatalf("exit %d: %s", code, &s.told)
	}
	want := "S104-17\nRemettre ce poste à zéro au prochain démarrage ?"
	if out := s.out.String(); !strings.HasPrefix(out, want) || !strings.Contains(out, "S104-17 sera remis à zéro (salle@3) à son prochain démarrage.") {
		t.Errorf("said %q", out)
	}
	if len(s.asked) != 1 || s.asked[0] != "POST Bearer a-token" || s.restarts != 0 {
		t.Errorf("asked %q, %d restarts", s.asked, s.restarts)
	}
	for _, in := range []string{"\n", "non\n", "", "oh non\n"} {
		if s.in = in; s.run(t) != exitRefused || len(s.asked) != 1 {
			t.Errorf("%q is taken for yes: %q", in, s.asked)
		}
	}
	if s.person = false; s.run(t) != exitUsage || len(s.asked) != 1 {
		t.Errorf("nobody was there: %q", s.asked)
	}
	if s.run(t, "--yes", "--restart") != 0 || s.restarts != 1 || !strings.Contains(s.out.String(), "Redémarrage dans 10 s") {
		t.Errorf("%d restarts, said %q", s.restarts, &s.out)
	}
}

func TestCtrlCEndsTheCountdown(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	p := pc{out: &s.out, words: english(), tick: make(chan time.Time), restart: func() error { s.restarts++; return nil }}
	cancel()
	if err := p.countDown(ctx); err != nil || s.restarts > 0 || !strings.Contains(s.out.String(), "Not restarted") {
		t.Errorf("%v, %d restarts, %q", err, s.restarts, &s.out)
	}
}

func TestStatusAndCancelAskNobody(t *testing.T) {
	s := newSite(t)
	s.person = false
	s.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		_ = json.NewEncoder(w).Encode(job.RunningReset{State: job.RunningNone, Computer: "S104-17", Clean: time.Unix(1e9, 0)})
	}
	if code := s.run(t, "--status"); code != 0 || !strings.Contains(s.out.String(), "S104-17 : aucune remise à zéro n'attend.") ||
		!strings.Contains(s.out.String(), "prouvé propre") {
		t.Errorf("exit %d, said %q", code, &s.out)
	}
	if code := s.run(t, "--cancel"); code != exitRefused || !strings.Contains(s.told.String(), "hint: demandez à un technicien") {
		t.Errorf("exit %d, said %q", code, &s.told)
	}
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(job.RunningReset{State: job.RunningNone, Computer: "S104-17"})
	}
	if code := s.run(t, "--cancel"); code != 0 || !strings.Contains(s.out.String(), "S104-17 : aucune") {
		t.Errorf("exit %d, said %q", code, &s.out)
	}
}

func TestWhatServersSayWrong(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request)
		exit   int
		says   string
	}{
		"the policy forbids it": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(job.Problem{Code: "policy", Detail: "room S104 is never reset\x1b[2J\u202e\nerror: all is well"})
		}, exitRefused, "le serveur refuse : room S104 is never reset [2J  error: all is well"},
		"a word of a megabyte": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusConflict)
			_, _ = w.Write(bytes.Repeat([]byte("a"), 1<<20))
		}, exitRefused, "aaa"},
		"a token that is revoked": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }, exitRefused,
			"ne connaît plus le jeton"},
		"too often": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) }, exitRefused, "trop de remises"},
		"a fault":   {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, exitIO, "ne répond pas"},
		"elsewhere": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://10.0.0.1/", http.StatusFound)
		}, exitRefused, "302"},
		"no JSON":    {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, exitDamaged, "not what the contract says"},
		"an emptied": {func(w http.ResponseWriter, _ *http.Request) {}, exitDamaged, "not what the contract says"},
		"a state nobody knows": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"State":"wiped"}`)) }, exitDamaged,
			`le serveur dit "wiped"`},
		"a huge answer": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, `{"State":"none","Computer":%q}`, strings.Repeat("x", 1<<20))
		}, exitIO, "more than 65536 bytes"},
		"a line cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, exitIO, "ne répond pas"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.answer = c.answer
			code := s.run(t, "--yes", "--restart")
			told := s.told.String()
			if code != c.exit || !strings.Contains(told, c.says) || strings.Count(told, "\n") != 2 || len(told) > 1000 || s.restarts > 0 {
				t.Errorf("exit %d, said %q", code, told)
			}
			for _, r := range told + s.out.String() {
				if r < ' ' && r != '\n' || r == '\u202e' {
					t.Errorf("control character %q in %q", r, told)
				}
			}
		})
	}
}

func TestNamesOfAnEvilServerAreShownHarmless(t *testing.T) {
	s := newSite(t)
	s.answer = func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(job.RunningReset{State: job.RunningWaiting, Computer: "a\x1b]0;b\a" + strings.Repeat("c", 9000), Master: "\r\nm"})
	}
	if code := s.run(t, "--yes"); code != 0 || len(s.out.String()) > 1000 || strings.ContainsAny(s.out.String(), "\x1b\a\r") {
		t.Errorf("exit %d, said %q", code, &s.out)
	}
}

func TestOnlyTheSchoolsServerGetsTheToken(t *testing.T) {
	s := newSite(t)
	sum := agenttest.NewAuthority().Fingerprint()
	s.token.CA = hex.EncodeToString(sum[:])
	if code := s.run(t, "--yes"); code != exitDamaged || len(s.asked) > 0 || !strings.Contains(s.told.String(), "n'est pas celui de cet établissement") {
		t.Errorf("exit %d, asked %q, said %q", code, s.asked, &s.told)
	}
}

func TestTokenFiles(t *testing.T) {
	for name, change := range map[string]func(*job.RunningToken){
		"no port":            func(k *job.RunningToken) { k.Server = "10.0.0.1" },
		"a path":             func(k *job.RunningToken) { k.Server = "10.0.0.1/x:443" },
		"a user":             func(k *job.RunningToken) { k.Server = "a@10.0.0.1:443" },
		"a short hash":       func(k *job.RunningToken) { k.CA = k.CA[:62] },
		"no token":           func(k *job.RunningToken) { k.Token = "" },
		"a header in it":     func(k *job.RunningToken) { k.Token = "a\r\nX: y" },
		"a very long token":  func(k *job.RunningToken) { k.Token = strings.Repeat("a", 129) },
		"letters of a token": func(k *job.RunningToken) { k.Token = "jeton-é" },
	} {
		s := newSite(t)
		change(&s.token)
		if code := s.run(t, "--yes"); code != exitDamaged || len(s.asked) > 0 {
			t.Errorf("%s: exit %d, asked %q, said %q", name, code, s.asked, &s.told)
		}
	}
	s := newSite(t)
	if code := s.run(t, "--yes", "--token", s.path+".none"); code != exitIO || !strings.Contains(s.told.String(), "hint: un technicien") {
		t.Errorf("no file: exit %d, said %q", code, &s.told)
	}
	for _, args := range [][]string{{"--what"}, {"now"}, {"--status", "--cancel"}, {"--status", "--restart"}, {"--cancel", "--yes"}, {"--menu", "--yes"}, {"--menu", "--status"}} {
		if code := s.run(t, args...); code != exitUsage || !strings.Contains(s.told.String(), "hint: usage") {
			t.Errorf("%q: exit %d, said %q", args, code, &s.told)
		}
	}
	if code := s.run(t, "--help"); code != 0 || !strings.Contains(s.out.String(), "--restart") {
		t.Errorf("help: exit %d, %q", code, &s.out)
	}
}

// order is firmware's variable for an order of entries.
func order(list ...uint16) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint16(b, n)
	}
	return b
}

func TestTheMenuComesFirstAgain(t *testing.T) {
	windows, ours, system := entry(t, "Windows Boot Manager", 1), entry(t, "Ardoise", 1), entry(t, "Ardoise: system", 1)
	for name, c := range map[string]struct {
		order  []byte
		add    map[string][]byte
		sealed bool
		refuse error
		exit   int
		want   []byte // the order; nil: as it was
		says   string
	}{
		"Windows has put itself first": {order: order(0, 5, 2), want: order(5, 0, 2), says: "de nouveau en premier"},
		"it was left out":              {order: order(0, 2), want: order(5, 0, 2), says: "de nouveau en premier"},
		"it is first":                  {order: order(5, 0, 2), says: "déjà en premier"},
		"there is no order":            {order: nil, want: order(5), says: "de nouveau en premier"},
		"a double":                     {order: order(0, 7, 5), add: map[string][]byte{"Boot0007": ours}, want: order(7, 0, 5), says: "de nouveau"},
		"switched off":                 {order: order(0, 5), add: map[string][]byte{"Boot0005": entry(t, "Ardoise", 0)}, says: "pas de menu"},
		"no menu room":                 {order: order(0, 5), add: map[string][]byte{"Boot0005": system}, says: "pas de menu"},
		"BitLocker":                    {order: order(0, 5), sealed: true, exit: exitRefused, says: "clé de récupération"},
		"BitLocker, and it is first":   {order: order(5, 0), sealed: true, says: "déjà en premier"},
		"firmware lets nobody":         {order: order(0, 5), refuse: fs.ErrPermission, exit: exitIO, says: "administrateur"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.token.Server, s.person, s.sealed = "", false, c.sealed // it needs neither a token nor a person
			s.firmware = &vars{content: map[string][]byte{"Boot0000": windows, "Boot0005": ours, "Boot0002": entry(t, "PXE", 1, 11, 12)}, refuse: c.refuse}
			if c.order != nil {
				s.firmware.content["BootOrder"] = c.order
			}
			maps.Copy(s.firmware.content, c.add)
			want := c.want
			if want == nil {
				want = c.order
			}
			code := s.run(t, "--menu")
			if got := s.firmware.content["BootOrder"]; code != c.exit || !bytes.Equal(got, want) || !strings.Contains(s.out.String()+s.told.String(), c.says) {
				t.Errorf("exit %d, order % x, said %q and %q", code, got, &s.out, &s.told)
			}
			if len(s.asked) > 0 || !s.unattended || s.firmware.content["BootNext"] != nil {
				t.Errorf("asked %q, waits for a person %v", s.asked, !s.unattended)
			}
		})
	}
	s := newSite(t)
	if code := s.run(t, "--menu"); code != exitRefused || !strings.Contains(s.told.String(), "pas accessible") {
		t.Errorf("without UEFI: exit %d, said %q", code, &s.told)
	}
}

func TestTheNextStartIsTheAgents(t *testing.T) {
	for name, c := range map[string]struct {
		content map[string][]byte
		refuse  error
		want    string // BootNext
		says    string
	}{
		"the network first in order": {map[string][]byte{"BootOrder": order(0, 5, 2), "Boot0000": entry(t, "Windows Boot Manager", 1),
			"Boot0002": entry(t, "PXE 1", 1, 11, 12), "Boot0005": entry(t, "PXE 2", 1, 11, 12), "Boot0001": entry(t, "Ardoise", 1),
			"Boot0003": entry(t, "HTTP", 1, 11, 12, 24), "Boot0004": entry(t, "PXE v6", 1, 11, 13)}, nil, "\x05\x00", "« PXE 2 »"},
		"ARDOISE": {map[string][]byte{"BootOrder": order(7), "Boot0007": entry(t, "Ardoise: system", 1), "Boot0008": entry(t, "Ardoise", 1),
			"Boot0009": entry(t, "PXE", 0, 11, 12)}, nil, "\x08\x00", "« Ardoise »"},
		"neither":          {map[string][]byte{"Boot0007": entry(t, "Ardoise: system", 1)}, nil, "", "Démarrez comme toujours"},
		"rubbish":          {map[string][]byte{"Boot0001": {1, 2}, "BootOrder": {1}}, nil, "", "Démarrez comme toujours"},
		"not allowed":      {map[string][]byte{"Boot0002": entry(t, "PXE", 1, 11, 12)}, fs.ErrPermission, "", "Démarrez comme toujours"},
		"full":             {map[string][]byte{"Boot0002": entry(t, "PXE", 1, 11, 12)}, errors.New("no space\x1b"), "", "BootNext: no space "},
		"an evil firmware": {map[string][]byte{"Boot0002": entry(t, "PX\x1bE"+strings.Repeat("x", 2000), 1, 12)}, nil, "\x02\x00", "« PX E"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.firmware = &vars{content: c.content, refuse: c.refuse}
			code := s.run(t, "--yes")
			if got := string(c.content["BootNext"]); code != 0 || got != c.want || !strings.Contains(s.out.String(), c.says) ||
				strings.ContainsRune(s.out.String(), '\x1b') {
				t.Errorf("exit %d, BootNext %q, said %q", code, got, &s.out)
			}
		})
	}
}

// Where firmware cannot start the network next the start menu on the disk is told to start the agent: one that nobody touches
// would start the system.
func TestTheStartMenuBeginsTheReset(t *testing.T) {
	network := map[string][]byte{"Boot0002": entry(t, "PXE", 1, 11, 12), "Boot0001": entry(t, "Ardoise", 1)}
	for name, c := range map[string]struct {
		firmware map[string][]byte // nil: a BIOS
		menu     bool
		fault    error
		asks     int
		says     string
	}{
		"a BIOS":                  {nil, true, nil, 1, "commencera la remise à zéro de lui-même"},
		"a BIOS without a menu":   {nil, false, nil, 0, "Démarrez comme toujours"},
		"a BIOS and no right":     {nil, true, fs.ErrPermission, 0, "choisissez-y « Remettre a zero »"},
		"a BIOS and a bad disk":   {nil, true, errors.New("read error\x1b"), 0, "n'a pas pu être prévenu : read error "},
		"no entry of the network": {map[string][]byte{"Boot0001": entry(t, "Ardoise", 1)}, true, nil, 1, "« Ardoise »"},
		"an entry of the network": {network, true, nil, 0, "« PXE »"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.menu, s.menuFault = c.menu, c.fault
			if c.firmware != nil {
				s.firmware = &vars{content: c.firmware}
			}
			code := s.run(t, "--yes")
			if code != 0 || s.asks != c.asks || !strings.Contains(s.out.String(), c.says) || strings.ContainsRune(s.out.String(), '\x1b') {
				t.Errorf("exit %d, asked %d times, said %q", code, s.asks, &s.out)
			}
			if begins := strings.Contains(s.out.String(), "de lui-même"); begins != (c.asks > 0) || begins && strings.Contains(s.out.String(), "comme toujours") {
				t.Errorf("said %q", &s.out)
			}
		})
	}
}

func FuzzToken(f *testing.F) {
	f.Add([]byte(`{"server":"10.0.0.1:8443","ca":"` + strings.Repeat("ab", 32) + `","computer":"x","token":"t"}`))
	f.Add([]byte(`{"server":"[fe80::1%eth0]:1"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, _, err := parseToken(b)
		if err != nil {
			return
		}
		r, err := http.NewRequest(http.MethodPost, "https://"+k.Server+job.PathRunningReset, nil)
		if err != nil {
			return // the client says so
		}
		if r.URL.Path != job.PathRunningReset || r.URL.User != nil || strings.ContainsAny(k.Token, " \r\n") {
			t.Fatalf("token file %q leads to %s", b, r.URL)
		}
	})
}
