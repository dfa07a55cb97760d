package agentapi_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/sessions"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// site is a daemon's inside: everything but network boot and orders, on real files and real TLS.
type site struct {
	t       *testing.T
	dir     string
	address string // stays over restarts

	library  *masters.Library
	fleet    *fleet.Fleet
	sessions *sessions.Manager
	air      air
	local    agentapi.LocalBoots
	ca       *agentapi.CA
	server   *agentapi.Server
	stop     func()
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), address: "127.0.0.1:0"}
	if err := os.WriteFile(filepath.Join(s.dir, "stage2.img"), bytes.Repeat([]byte("stage two "), 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(func() { s.stop() })
	return s
}

// start opens the folder and serves it; after stop it does so again, on the same address.
func (s *site) start() {
	s.t.Helper()
	var err error
	s.library, err = masters.Open(s.dir, masters.Options{PackSize: 600 << 10})
	check(s.t, err)
	store, err := sqlite.Open(s.t.Context(), filepath.Join(s.dir, "ardoise.db"))
	check(s.t, err)
	s.fleet, err = fleet.Open(s.t.Context(), fleet.Options{Store: store, Signer: s.library.Key(), Wake: func(context.Context, []string) error { return nil }})
	check(s.t, err)
	s.sessions = s.manager(store)
	s.ca, err = agentapi.OpenCA(filepath.Join(s.dir, "ca"), time.Now())
	check(s.t, err)
	leaf, err := s.ca.Issue([]netip.Addr{netip.MustParseAddr("127.0.0.1")}, []string{"localhost"}, time.Now())
	check(s.t, err)
	two, err := agentapi.OpenStageTwo(filepath.Join(s.dir, "stage2.img"))
	check(s.t, err)
	l, err := net.Listen("tcp", s.address)
	check(s.t, err)
	s.address = l.Addr().String()
	s.server = &agentapi.Server{Fleet: s.fleet, Masters: agentapi.Library{Library: s.library},
		Captures: agentapi.Library{Library: s.library}, Certificate: func() *tls.Certificate { return &leaf },
		SigningKeys: s.library.TrustedKeys, StageTwo: two, Spool: s.dir, Healing: s.library,
		Sessions: s.sessions, Local: s.local}
	ctx, cancel := context.WithCancel(context.Background())
	done, ended := make(chan error, 1), make(chan error, 1)
	go func() { done <- s.server.Serve(ctx, l) }()
	go func() { ended <- s.sessions.Run(ctx) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		check(s.t, <-done)
		check(s.t, <-ended)
		check(s.t, store.Close())
		check(s.t, s.library.Close())
	}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// agent is a computer's side of the contract, with a key of its own.
type agent struct {
	s    *site
	key  string
	http *http.Client
}

// agent makes a computer that has a key; keyless makes one that has none.
func (s *site) agent() *agent {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(s.t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	check(s.t, err)
	parsed, err := x509.ParseCertificate(der)
	check(s.t, err)
	a := s.keyless(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	a.key = agentapi.KeyID(parsed.RawSubjectPublicKeyInfo)
	return a
}

func (s *site) keyless(certificates ...tls.Certificate) *agent {
	config := &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: certificates,
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			sum := sha256.Sum256(raw[len(raw)-1])
			if hex.EncodeToString(sum[:]) != s.ca.Fingerprint() {
				return fmt.Errorf("the chain ends in %x", sum)
			}
			return nil
		}}
	transport := &http.Transport{TLSClientConfig: config}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &agent{s: s, http: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// call sends a body, JSON unless it is bytes, and returns status and answer.
func (a *agent) call(method, path string, body any) (int, []byte) {
	a.s.t.Helper()
	raw, ok := body.([]byte)
	if !ok && body != nil {
		var err error
		raw, err = json.Marshal(body)
		check(a.s.t, err)
	}
	r, err := http.NewRequestWithContext(a.s.t.Context(), method, "https://"+a.s.address+path, bytes.NewReader(raw))
	check(a.s.t, err)
	if bytes.HasPrefix(raw, []byte("--"+boundary)) {
		r.Header.Set("Content-Type", partsType)
	}
	answer, err := a.http.Do(r)
	check(a.s.t, err)
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	check(a.s.t, err)
	return answer.StatusCode, content
}

// must calls and decodes an answer that must be 2xx.
func must[T any](a *agent, method, path string, body any) T {
	a.s.t.Helper()
	status, content := a.call(method, path, body)
	var out T
	if status/100 != 2 {
		a.s.t.Fatalf("%s %s = %d %s", method, path, status, content)
	}
	if len(content) > 0 {
		check(a.s.t, json.Unmarshal(content, &out))
	}
	return out
}

// problem calls and returns the problem that it must get.
func (a *agent) problem(method, path string, body any) (int, job.Problem) {
	a.s.t.Helper()
	status, content := a.call(method, path, body)
	var p job.Problem
	if status < 400 || json.Unmarshal(content, &p) != nil || p.Code == "" {
		a.s.t.Errorf("%s %s = %d %.200s, want a problem", method, path, status, content)
	}
	return status, p
}

func hello(n int) job.Hello {
	mac := fmt.Sprintf("52:54:00:00:00:%02x", n)
	return job.Hello{AgentVersion: "test", MAC: mac, Inventory: job.Inventory{
		UUID: fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a32%02x", n), Serial: fmt.Sprintf("SN-%04d", n), Manufacturer: "Ardoise",
		Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata", Serial: "D1"}},
		NICs:  []job.NIC{{Name: "eth0", MAC: mac, Link: true}},
	}}
}

// enrol introduces the agent and approves it as a person does.
func (a *agent) enrol(h job.Hello, name string) {
	a.s.t.Helper()
	w := must[job.Welcome](a, http.MethodPost, job.PathHello, h)
	if w.State != job.StatePending || len(w.Code) != 6 {
		a.s.t.Fatalf("hello = %+v, want pending with a code", w)
	}
	_, err := a.s.fleet.Approve(a.s.t.Context(), fleet.Approval{Code: w.Code, Name: name, By: "marie"})
	check(a.s.t, err)
	w = must[job.Welcome](a, http.MethodPost, job.PathHello, h)
	if w.State != job.StateEnrolled || w.Computer != name || w.ID == "" {
		a.s.t.Fatalf("hello = %+v, want enrolled as %s", w, name)
	}
}

// task asks for the waiting task.
func (a *agent) task() job.Task {
	a.s.t.Helper()
	e := must[job.Envelope](a, http.MethodGet, job.PathTask, nil)
	var t job.Task
	check(a.s.t, json.Unmarshal(e.Payload, &t))
	return t
}

// capture orders a capture.
func (s *site) capture(computer, master string) fleet.JobState {
	s.t.Helper()
	j, err := s.fleet.Give(s.t.Context(), fleet.Order{Kind: job.KindCapture, Computers: []string{computer}, Master: master, By: "marie"})
	check(s.t, err)
	return j
}

// deploy orders a deployment of a version.
func (s *site) deploy(v masters.Version, computers ...string) fleet.JobState {
	s.t.Helper()
	j, err := s.fleet.Give(s.t.Context(), fleet.Order{Kind: job.KindDeploy, Computers: computers, Master: v.Name, Version: v.Number,
		Manifest: v.Hash.String(), By: "marie"})
	check(s.t, err)
	return j
}

// described is what a capture hands over for chunks: a manifest and its names table.
func described(t *testing.T, frames []chunk.Frame) (encoded, names []byte) {
	t.Helper()
	var table, out bytes.Buffer
	w := manifest.NewNamesWriter(&table)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: f.ID, Length: f.Length, Stream: uint32(i),
			Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		check(t, w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}))
	}
	var err error
	m.Names, m.NameCount, err = w.Close()
	check(t, err)
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	_, err = m.Encode(&out)
	check(t, err)
	return out.Bytes(), table.Bytes()
}

// published puts a version into the library without the network.
func (s *site) published(name string, frames []chunk.Frame) masters.Version {
	s.t.Helper()
	i, err := s.library.Begin(s.t.Context())
	check(s.t, err)
	defer i.Close()
	check(s.t, i.Put(s.t.Context(), frames))
	encoded, names := described(s.t, frames)
	v, err := i.PublishEncoded(s.t.Context(), name, masters.Meta{Author: "marie"}, encoded, bytes.NewReader(names))
	check(s.t, err)
	return v
}

func pack(ids ...chunk.ID) []byte {
	var out []byte
	for _, id := range ids {
		out = append(out, id[:]...)
	}
	return out
}

func packed(frames ...chunk.Frame) []byte {
	var out []byte
	for _, f := range frames {
		out = f.AppendTo(out)
	}
	return out
}
