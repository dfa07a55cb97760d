package session

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/multicast/wire"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// blackHole is a socket that takes everything.
type blackHole struct{}

func (blackHole) Send([][]byte) error    { return nil }
func (blackHole) Source() netip.AddrPort { return netip.AddrPort{} }
func (blackHole) Close() error           { return nil }

// named is the Authoriser of a test: who asks says who it is.
type named struct{}

func (named) Authorise(r *http.Request) (string, error) { return r.Header.Get("Computer"), nil }

// still is a session at a time that only the test changes, with one master that nobody has frames of; it is not run.
type still struct {
	*Server
	t    *testing.T
	now  time.Time
	hash manifest.Hash
}

// smallMaster is a master of so many chunks.
func smallMaster(t *testing.T, count int) (Master, manifest.Hash) {
	t.Helper()
	size := int64(count) * chunk.MaxSize
	m := &manifest.Manifest{
		Name: "small", Version: 1, Created: time.Unix(1_800_000_000, 0).UTC(), NameCount: 1, Names: manifest.HashOf([]byte("no names")),
		Disk:    manifest.Disk{Size: size, SectorSize: 512, Table: manifest.NoTable},
		Volumes: []manifest.Volume{{Length: size, Used: size, Kind: "unknown", Order: manifest.ByPosition, Reason: "made for a test", Unit: 512}},
	}
	for i := range count {
		m.Chunks.Append(manifest.Entry{ID: chunk.ID{byte(i + 1)}, Length: chunk.MaxSize, Index: uint32(i),
			Pieces: []manifest.Piece{{Length: chunk.MaxSize, Offset: int64(i) * chunk.MaxSize}}})
	}
	var encoded bytes.Buffer
	hash, err := m.Encode(&encoded)
	if err != nil {
		t.Fatal(err)
	}
	return Master{Manifest: encoded.Bytes(), Signature: manifest.Signature{Key: "test", Signature: []byte("not proven here"), Hash: hash}}, hash
}

func newStill(t *testing.T, o ServerOptions) *still {
	t.Helper()
	s := &still{t: t, now: time.Unix(1_800_000_000, 0)}
	m, hash := smallMaster(t, 10)
	s.hash = hash
	o.Masters, o.Frames, o.Authoriser, o.Secret = []Master{m}, &shelf{frames: map[chunk.ID]chunk.Frame{}}, named{}, make([]byte, 32)
	o.Random, o.Now, o.Log = strings.NewReader(strings.Repeat("x", 36)), func() time.Time { return s.now }, slog.New(slog.DiscardHandler)
	o.Dial = func(netip.AddrPort) (PacketSender, error) { return blackHole{}, nil }
	var err error
	if s.Server, err = NewServer(o); err != nil {
		t.Fatal(err)
	}
	return s
}

// ask makes a request of a computer, and returns the answer's status.
func (s *still) ask(computer, path string, body any) int {
	s.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, path, strings.NewReader(string(raw)))
	r.Header.Set("Computer", computer)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Code
}

func (s *still) join(computer string) {
	s.t.Helper()
	if got := s.ask(computer, "/join", wire.Join{Manifest: s.hash, Multicast: true}); got != http.StatusOK {
		s.t.Fatalf("joining: %d", got)
	}
}

func TestReportsOfOneComputerAreCounted(t *testing.T) {
	s := newStill(t, ServerOptions{})
	s.join("liar")
	s.join("other")
	taken := 0
	for range 100 {
		switch got := s.ask("liar", "/report", wire.Report{}); got {
		case http.StatusOK:
			taken++
		case http.StatusTooManyRequests:
		default:
			t.Fatalf("a report: %d", got)
		}
	}
	if taken != reportBurst {
		t.Errorf("%d reports at once are taken, want %v", taken, reportBurst)
	}
	for i := range 1000 { // ten times a second, as a receiver reports
		s.now = s.now.Add(100 * time.Millisecond)
		if got := s.ask("other", "/report", wire.Report{}); got != http.StatusOK {
			t.Fatalf("report %d of an honest computer: %d", i, got)
		}
	}
	if got := s.ask("liar", "/report", wire.Report{}); got != http.StatusOK {
		t.Errorf("a report after a rest: %d", got)
	}
}

// Who reports for ever and gets no further, and fetches nothing, holds a session for ten minutes.
func TestWhoDoesNotGetOnHoldsNobody(t *testing.T) {
	s := newStill(t, ServerOptions{Expected: 1})
	s.join("stuck")
	missing := []wire.MasterRuns{{Runs: wire.Runs{{Count: 10, Value: wire.Missing}}}}
	lacking := func(symbols uint8) wire.Report {
		return wire.Report{Needs: missing, Deficits: []wire.GenerationRuns{{}, {Generation: 1, Runs: wire.Runs{{Count: 2, Value: symbols}}}}}
	}
	pass := func(minutes int, report func(minute int) wire.Report, also func()) (over bool) {
		for minute := range minutes {
			for range 60 {
				s.now = s.now.Add(time.Second)
				if got := s.ask("stuck", "/report", report(minute)); got != http.StatusOK {
					t.Fatalf("a report: %d", got)
				}
				s.mu.Lock()
				for { // what is to be sent, is
					if _, _, ok := s.sender.Next(s.now); !ok {
						break
					}
				}
				over, _ = s.upkeep(s.now)
				s.mu.Unlock()
				if over {
					return true
				}
			}
			also()
		}
		return false
	}
	nothing := func() {}
	if pass(30, func(minute int) wire.Report { return lacking(uint8(100 - minute)) }, nothing) {
		t.Fatal("the session ended while the computer got on")
	}
	if pass(30, func(int) wire.Report { return lacking(9) }, func() {
		if got := s.ask("stuck", "/symbols", wire.Ask{Blocks: []wire.BlockAsk{{Symbols: []byte{0}}}}); got != http.StatusOK {
			t.Fatalf("asking for symbols: %d", got)
		}
	}) {
		t.Fatal("the session ended while the computer fetched symbols")
	}
	if !pass(12, func(int) wire.Report { return lacking(9) }, nothing) {
		t.Fatal("the session goes on")
	}
}

// As long as nothing was planned, nobody is stuck: a room may wait for its last computer all night.
func TestWaitingIsNotBeingStuck(t *testing.T) {
	s := newStill(t, ServerOptions{Expected: 2, HoldOff: 24 * time.Hour})
	s.join("early")
	for range 60 {
		s.now = s.now.Add(time.Minute)
		if got := s.ask("early", "/report", wire.Report{Needs: []wire.MasterRuns{{Runs: wire.Runs{{Count: 10, Value: wire.Missing}}}}}); got != http.StatusOK {
			t.Fatalf("a report: %d", got)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if all, done := s.alive(s.now); done || len(all) != 1 {
		t.Errorf("it is not waited for: %v", all)
	}
}
