package session

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/multicast/wire"
)

// The probe leaves once, when the first frames are planned, and is the one that those who have joined listen for.
func TestTheProbeIsSentWhenFramesAreAboutToCome(t *testing.T) {
	type probe struct {
		group netip.AddrPort
		tag   udp.Tag
	}
	sent := make(chan probe, 2)
	s := newStill(t, ServerOptions{Expected: 1, Probe: func(_ context.Context, group netip.AddrPort, tag udp.Tag) error {
		sent <- probe{group, tag}
		return nil
	}})
	raw, err := json.Marshal(wire.Join{Manifest: s.hash, Multicast: true})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/join", strings.NewReader(string(raw)))
	r.Header.Set("Computer", "pc")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	var joined wire.Joined
	if err := json.Unmarshal(w.Body.Bytes(), &joined); err != nil {
		t.Fatal(err)
	}
	var want probe
	if want.group, want.tag, err = probeOf(joined.Secret, joined.Salt, joined.Session); err != nil {
		t.Fatal(err)
	}
	for _, ch := range joined.Channels {
		if ch.Group == want.group {
			t.Errorf("stream %d goes to the probe's group", ch.Stream)
		}
		if key, err := wire.DeriveKey(joined.Secret, joined.Salt, joined.Session, ch.Stream); err != nil || udp.Tag(key) == want.tag {
			t.Errorf("stream %d has the probe's mark for its key: %v", ch.Stream, err)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.probe(t.Context())
	}()
	look := func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.now = s.now.Add(3 * time.Second) // so that the next generation may be made
		s.upkeep(s.now)
	}
	look()
	select {
	case <-sent:
		t.Fatal("it is sent before anybody has said what it misses")
	case <-time.After(50 * time.Millisecond):
	}
	for _, missing := range []uint32{2, 9} {
		report := wire.Report{Needs: []wire.MasterRuns{{Runs: wire.Runs{{Count: missing, Value: wire.Missing}, {Count: 10 - missing, Value: wire.Held}}}}}
		if got := s.ask("pc", "/report", report); got != http.StatusOK {
			t.Fatalf("a report: %d", got)
		}
		for range 1000 { // the first pass ends
			if _, _, ok := s.sender.Next(s.now); !ok {
				break
			}
		}
		look()
	}
	if got := <-sent; got != want {
		t.Errorf("%+v is sent, a computer listens for %+v", got, want)
	}
	<-done
	if n := len(s.stocks); n != 3 {
		t.Errorf("%d generations were made", n)
	}
	if len(sent) > 0 {
		t.Error("it is sent again")
	}
}
