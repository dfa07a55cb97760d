package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/console/relay"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestHelpersAreAddedAndForgotten(t *testing.T) {
	d := newDaemon(t)
	file := filepath.Join(t.TempDir(), "pi.json")
	wants := func(code int, says string, args ...string) string {
		t.Helper()
		got, out, complaints := ardoise(append(args, "--data", d.data)...)
		if got != code || !strings.Contains(out+complaints, says) {
			t.Errorf("ardoise %s: %d %s%s, want %d and %q", strings.Join(args, " "), got, out, complaints, code, says)
		}
		return out
	}
	wants(0, "ardoise helper run --key "+file, "helper", "add", "pi", "--out", file)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	key, _, err := relay.ParseKey(raw)
	if info, _ := os.Stat(file); err != nil || key.Name != "pi" || info.Mode().Perm() != 0o600 {
		t.Errorf("the key: %+v, %v, %v", key, info.Mode(), err)
	}
	wants(3, "hint:", "helper", "add", "pi2", "--out", file)
	other := filepath.Join(t.TempDir(), "other.json")
	wants(3, "there is one of this name already", "helper", "add", "PI", "--out", other)
	wants(2, "cannot be a name", "helper", "add", "a b", "--out", other)
	wants(3, "no site zola", "helper", "add", "z", "--site", "zola", "--out", other)
	if _, err := os.Stat(other); err == nil {
		t.Error("a refusal leaves a key file")
	}
	if again, err := os.ReadFile(file); err != nil || !bytes.Equal(raw, again) {
		t.Errorf("the key of another is overwritten: %v", err)
	}
	var all []access.Helper
	if err := json.Unmarshal([]byte(wants(0, `"away"`, "helper", "list", "--json")), &all); err != nil || len(all) != 1 || all[0].Name != "pi" {
		t.Errorf("listed: %+v, %v", all, err)
	}
	if out := wants(0, `"secret"`, "helper", "add", "second"); strings.Contains(out, key.Secret) {
		t.Error("two helpers have one secret")
	}
	d.kill()
	d.start()
	wants(0, "second", "helper", "list")
	wants(0, "pi: forgotten", "helper", "forget", "pi")
	wants(3, "there is no helper pi", "helper", "forget", "pi")
}

// plain signs nothing: no task is handed out.
type plain struct{}

func (plain) Sign(string, []byte) []byte { return nil }
func (plain) Public() string             { return "" }

func TestTheDoctorNamesHelpersThatAreSilent(t *testing.T) {
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ardoise.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	f, err := fleet.Open(t.Context(), fleet.Options{Store: store, Signer: plain{}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	if checks := helpers(f); checks != nil {
		t.Errorf("without helpers: %+v", checks)
	}
	secrets := map[string]string{}
	for _, name := range []string{"cdi", "lab"} {
		if secrets[name], _, err = f.AddHelper(t.Context(), name, "", "marie"); err != nil {
			t.Fatal(err)
		}
	}
	ask := func(name string) {
		ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancel()
		if _, err := f.Errands(ctx, secrets[name], "10.2.0.5", job.HelperPoll{}); err != nil {
			t.Fatal(err)
		}
	}
	said := func() (all []string) {
		for _, c := range helpers(f) {
			if c.State == access.CheckWarn && (c.Hint == "" || strings.Contains(notices.In(notices.French, "", c.Hint), "\u2068")) {
				t.Errorf("the hint is %q", notices.In(notices.French, "", c.Hint))
			}
			all = append(all, c.State+" "+notices.In(notices.French, "", c.Detail))
		}
		return all
	}
	for _, step := range []struct {
		after time.Duration
		asks  []string
		want  []string
	}{
		{time.Minute, []string{"cdi", "lab"}, []string{"ok 2 sur 2 sont connectés"}},
		{9 * time.Minute, []string{"cdi"}, []string{"ok 1 sur 2 sont connectés"}},
		{time.Minute, []string{"cdi"}, []string{"warn le relais lab ne dit rien depuis 10 minutes"}},
		{3 * time.Hour, nil, []string{"warn le relais cdi ne dit rien depuis 3 heures", "warn le relais lab ne dit rien depuis 3 heures"}},
		{0, []string{"lab"}, []string{"warn le relais cdi ne dit rien depuis 3 heures"}},
	} {
		now = now.Add(step.after)
		for _, name := range step.asks {
			ask(name)
		}
		if got := said(); !slices.Equal(got, step.want) {
			t.Errorf("it says %q, want %q", got, step.want)
		}
	}
}

func TestAHelperIsToldEveryAddressOfTheServer(t *testing.T) {
	ca, err := agentapi.OpenCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ca: ca, log: slog.New(slog.DiscardHandler), o: serveOptions{agentPort: 7443}}
	known := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("10.4.0.1"), netip.MustParseAddr("fd00::1")}
	s.known.Store(&known)
	s.o.console.url, s.o.console.names = "https://ardoise.school.example:8443", []string{"ardoise.school.example", "10.9.0.1"}
	servers, print := s.helping()
	if want := []string{"10.4.0.1:7443", "[fd00::1]:7443", "ardoise.school.example:7443", "10.9.0.1:7443"}; !slices.Equal(servers, want) || print != ca.Fingerprint() {
		t.Errorf("told %q, want %q", servers, want)
	}
	raw, err := json.Marshal(job.HelperKey{Servers: servers, CA: print, Name: "pi", Secret: "x"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := relay.ParseKey(raw); err != nil {
		t.Errorf("a helper does not take it: %v", err)
	}
	known = known[:1]
	s.o.console = consoleFlags{}
	if servers, _ := s.helping(); !slices.Equal(servers, []string{"127.0.0.1:7443"}) {
		t.Errorf("without a network: %q", servers)
	}
}
