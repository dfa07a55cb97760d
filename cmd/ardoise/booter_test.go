package main

import (
	"net"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/pxe"
)

type noSigner struct{}

func (noSigner) Sign(string, []byte) []byte { return nil }
func (noSigner) Public() string             { return "" }

// A laptop that fetches the configurations of others must not make the guard think that they start in vain.
func TestConfigurationsThatOthersFetchCountForNobody(t *testing.T) {
	store, err := sqlite.Open(t.Context(), t.TempDir()+"/ardoise.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	pc, laptop := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 9}
	for name, tt := range map[string]struct {
		asker net.HardwareAddr
		loop  bool
	}{"the PC itself": {nil, true}, "another machine": {laptop, false}} {
		now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		f, err := fleet.Open(t.Context(), fleet.Options{Store: store, Signer: noSigner{}, SendUnknown: true, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			booter{fleet: f}.Saw(pxe.Event{MAC: pc, Stage: pxe.StageConfig, Asker: tt.asker})
			now = now.Add(time.Minute)
		}
		if got := !f.Boot(fleet.BootRequest{MAC: pc.String()}).Agent; got != tt.loop {
			t.Errorf("fetched five times by %s, it is held for a boot loop: %v, want %v", name, got, tt.loop)
		}
	}
}
