package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/agentapi"
)

func TestARunningSystemIsToldOfTheAddressInItsNetwork(t *testing.T) {
	ca, err := agentapi.OpenCA(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	s := &site{ca: ca, o: serveOptions{agentPort: 7443}}
	known := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.168.1.2"), netip.MustParseAddr("10.4.0.1"),
		netip.MustParseAddr("fd00::1")}
	s.known.Store(&known)
	for at, want := range map[string]string{"10.4.7.7": "10.4.0.1:7443", "192.168.1.200": "192.168.1.2:7443",
		"::ffff:10.4.1.1": "10.4.0.1:7443", "fd00::77": "[fd00::1]:7443", "": "192.168.1.2:7443", "nonsense": "192.168.1.2:7443"} {
		if got, fingerprint := s.running(at); got != want || fingerprint != ca.Fingerprint() {
			t.Errorf("at %q: %s, want %s", at, got, want)
		}
	}
	known = known[:1]
	if got, _ := s.running("10.4.7.7"); got != "127.0.0.1:7443" {
		t.Errorf("without a network: %s", got)
	}
}

func TestTheSitesSecretIsMadeOnceAndNeverReplaced(t *testing.T) {
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "keys"), 0o700); err != nil {
		t.Fatal(err)
	}
	first, err := keyFile(filepath.Join(data, secretName))
	if err != nil || len(first) != 32 {
		t.Fatalf("%x, %v", first, err)
	}
	again, err := keyFile(filepath.Join(data, secretName))
	if err != nil || !bytes.Equal(first, again) {
		t.Errorf("asked again: %x, %v", again, err)
	}
	path := filepath.Join(data, secretName)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
	if err := os.Truncate(path, 5); err != nil {
		t.Fatal(err)
	}
	if got, err := keyFile(filepath.Join(data, secretName)); err == nil {
		t.Errorf("a cut secret is taken, or replaced: %x", got)
	}
}
