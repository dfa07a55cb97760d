package fleet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
)

// house is a fleet on a real file that can be killed: everything not committed is gone, as after kill -9.
type house struct {
	*fleet.Fleet
	t       *testing.T
	path    string
	store   *sqlite.Store
	now     time.Time
	unknown bool
	log     bytes.Buffer // written by nobody else while the fleet is asked

	versions fleet.Versions
	personal fleet.Personaliser
	secret   []byte
	waking   sync.Mutex      // guards woken
	woken    [][]string      // whom the daemon woke
	paces    []time.Duration // after which it was to be woken, if not at once
	networks []netip.Prefix
	mute     error // of waking; nil: it works
}

// wake stands for Wake-on-LAN.
func (h *house) wake(_ context.Context, macs []string) error {
	h.waking.Lock()
	defer h.waking.Unlock()
	h.woken = append(h.woken, macs)
	return h.mute
}

// later does at once what has its turn after a moment.
func (h *house) later(after time.Duration, do func()) {
	h.paces = append(h.paces, after)
	do()
}

// fakeSigner signs with its name: what signatures are worth is tested where they are made.
type fakeSigner struct{}

func (fakeSigner) Sign(context string, payload []byte) []byte {
	return append([]byte(context), payload...)
}
func (fakeSigner) Public() string { return "key" }

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, path: filepath.Join(t.TempDir(), "ardoise.db"), now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), unknown: true}
	h.open()
	t.Cleanup(func() { check(t, h.store.Close()) })
	return h
}

// forgetful is a store of a daemon that is never killed.
type forgetful struct{}

func (forgetful) Load(context.Context) (fleet.Snapshot, error)                    { return fleet.Snapshot{}, nil }
func (forgetful) Commit(context.Context, fleet.Change) error                      { return nil }
func (forgetful) Events(context.Context, fleet.EventQuery) ([]fleet.Event, error) { return nil, nil }

// immortal is a house whose daemon lives on.
func immortal(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, now: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)}
	var err error
	h.Fleet, err = fleet.Open(context.Background(), fleet.Options{Store: forgetful{}, Signer: fakeSigner{},
		Now: func() time.Time { return h.now }})
	check(t, err)
	return h
}

func (h *house) open() {
	h.t.Helper()
	var err error
	h.store, err = sqlite.Open(context.Background(), h.path)
	check(h.t, err)
	h.Fleet, err = fleet.Open(context.Background(), fleet.Options{Store: h.store, Archive: h.store, Signer: fakeSigner{}, SendUnknown: h.unknown,
		Now: func() time.Time { return h.now }, Log: slog.New(slog.NewTextHandler(&h.log, nil)), Zone: time.UTC, Wake: h.wake, Later: h.later,
		Networks: func() []netip.Prefix { return h.networks }, Versions: h.versions, Personal: h.personal, Secret: h.secret})
	check(h.t, err)
}

// kill ends the daemon between two instructions and starts it again.
func (h *house) kill() {
	h.t.Helper()
	if h.store == nil {
		return
	}
	check(h.t, h.store.Close())
	h.open()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantCode wants a refusal.
func wantCode(t *testing.T, what string, err error, code fleet.Code) {
	t.Helper()
	var r *fleet.RefusedError
	if !errors.As(err, &r) || r.Code != code {
		t.Errorf("%s: %v, want refused as %s", what, err, code)
	}
}

func hello(n int) job.Hello {
	return job.Hello{AgentVersion: "t", MAC: mac(n), Inventory: job.Inventory{UUID: uuid(n), Serial: fmt.Sprintf("SN-%04d", n),
		Manufacturer: "Acme", Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata", Serial: "D"}}}}
}

func mac(n int) string  { return fmt.Sprintf("52:54:00:00:%02x:%02x", n>>8, n&255) }
func uuid(n int) string { return fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a%04x", n) }

func (h *house) hello(key string, in job.Hello) job.Welcome {
	h.t.Helper()
	w, err := h.Hello(context.Background(), fleet.Introduction{Key: key, Address: "10.0.0.9", Hello: in})
	check(h.t, err)
	return w
}

// enrol makes a computer called name with a key.
func (h *house) enrol(key, name string, in job.Hello) fleet.Computer {
	h.t.Helper()
	w := h.hello(key, in)
	c, err := h.Approve(context.Background(), fleet.Approval{Code: w.Code, Name: name, By: "marie"})
	check(h.t, err)
	return c
}

func (h *house) order(kind job.Kind, computers ...string) fleet.JobState {
	h.t.Helper()
	o := fleet.Order{Kind: kind, Computers: computers, Master: "m", By: "marie"}
	if kind == job.KindDeploy || kind == job.KindStage {
		o.Version, o.Manifest = 3, "hash"
	}
	j, err := h.Give(context.Background(), o)
	check(h.t, err)
	return j
}

// next asks for a task once.
func (h *house) next(key string) *job.Envelope {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	e, err := h.Next(ctx, key)
	check(h.t, err)
	return e
}

func (h *house) report(key string, r job.Report) job.ReportReply {
	h.t.Helper()
	reply, err := h.Report(context.Background(), key, r)
	check(h.t, err)
	return reply
}

func (h *house) state(id string) fleet.Task {
	h.t.Helper()
	j, err := h.JobByID(id)
	check(h.t, err)
	return j.Tasks[0]
}

func (h *house) computer(ref string) fleet.Computer {
	h.t.Helper()
	c, err := h.Find(ref)
	check(h.t, err)
	return c
}
