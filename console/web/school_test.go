package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// school is a console with everything behind it, and the clock of a Tuesday morning in November.
type school struct {
	t       testing.TB
	now     time.Time
	fleet   *fleet.Fleet
	library *masters.Library
	people  *people.People
	house   *access.House
	web     *httptest.Server
	handler http.Handler
	first   string // secret of the first administrator's link
	store   *sqlite.Store
}

const testPassword = "une craie sur le bord du tableau"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSchool(t testing.TB) *school {
	t.Helper()
	return schoolWith(t, fleet.Change{})
}

// schoolWith is a school in which something is known from the start.
func schoolWith(t testing.TB, known fleet.Change) *school {
	t.Helper()
	s := &school{t: t, now: time.Date(2026, 11, 24, 10, 12, 0, 0, time.UTC)}
	dir := t.TempDir()
	clock := func() time.Time { return s.now }
	var err error
	s.library, err = masters.Open(dir, masters.Options{})
	check(t, err)
	s.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "ardoise.db"))
	check(t, err)
	t.Cleanup(func() { check(t, errors.Join(s.store.Close(), s.library.Close())) })
	check(t, s.store.Commit(t.Context(), known))
	s.fleet, err = fleet.Open(t.Context(), fleet.Options{Store: s.store, Archive: s.store, Signer: s.library.Key(), SendUnknown: true, Now: clock,
		Zone: time.UTC, Versions: access.Versions{Library: s.library}, Wake: func(context.Context, []string) error { return nil }})
	check(t, err)
	cheap := &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	s.people, err = people.Open(t.Context(), people.Options{Store: s.store, Now: clock, Cost: cheap})
	check(t, err)
	s.first, _, err = s.people.First(t.Context())
	check(t, err)
	s.house = &access.House{Fleet: s.fleet, Masters: s.library, People: s.people,
		Status: func() access.Status { return access.Status{Version: "1.0", Started: s.now.Add(-time.Hour)} },
		Doctor: func(context.Context) []access.Check {
			return []access.Check{{Name: "store", State: access.CheckOK, Detail: "everything is where it should be"},
				{Name: "dhcp", State: access.CheckWarn, Detail: "another boot server answers: 10.0.0.3", Hint: "switch it off"}}
		},
		Helping: func() ([]string, string) { return []string{"192.0.2.1:7443"}, strings.Repeat("ab", 32) }}
	ctx, cancel := context.WithCancel(context.Background())
	s.handler, err = (&Server{House: s.house, People: s.people, Now: clock, Zone: time.UTC, MenuHash: menuHash}).Handler(ctx)
	check(t, err)
	s.web = httptest.NewTLSServer(s.handler)
	t.Cleanup(func() { cancel(); s.web.Close() })
	return s
}

// person adds somebody who can log in.
func (s *school) person(login string, role people.Role, sites, rooms []string) {
	s.t.Helper()
	_, err := s.people.Add(s.t.Context(), people.Person{Login: login, Name: strings.ToUpper(login[:1]) + login[1:] + " Martin",
		Role: role, Sites: sites, Rooms: rooms}, testPassword)
	check(s.t, err)
}

// publish makes a version of a master out of noise.
func (s *school) publish(name, note string, chunks int) masters.Version {
	s.t.Helper()
	ids, frames := storetest.Frames(s.t, chunks, 5)
	ing, err := s.library.Begin(s.t.Context())
	check(s.t, err)
	defer ing.Close()
	check(s.t, ing.Put(s.t.Context(), frames))
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 60 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: ids[i], Length: f.Length, Stream: uint32(i), Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		check(s.t, w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}))
	}
	m.Names, m.NameCount, err = w.Close()
	check(s.t, err)
	m.Volumes = []manifest.Volume{{Length: 60 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	v, err := ing.Publish(s.t.Context(), name, masters.Meta{Author: "marie", Note: note}, m, bytes.NewReader(names.Bytes()))
	check(s.t, err)
	return v
}

// hello introduces the n-th computer and returns its code.
func (s *school) hello(n int, more func(*job.Inventory)) string {
	s.t.Helper()
	in := job.Inventory{UUID: fmt.Sprintf("4c4c4544-0042-4a10-8054-b7c04f5a%04x", n), Serial: fmt.Sprintf("CZC%07d", n),
		Manufacturer: "HP", Model: "HP ProDesk 400 G6", CPU: "Intel Core i5-9500", Cores: 6, MemoryBytes: 8 << 30,
		Firmware: "HP R01 02.19", UEFI: true, SecureBoot: true,
		Disks: []job.Disk{{Path: "/dev/nvme0n1", Size: 256_060_514_304, SectorSize: 512, Bus: "nvme", Model: "KIOXIA KBG40ZNV256G", Serial: fmt.Sprintf("Z0%06d", n)}}}
	if more != nil {
		more(&in)
	}
	w, err := s.fleet.Hello(s.t.Context(), fleet.Introduction{Key: fmt.Sprintf("key-%d", n), Address: fmt.Sprintf("10.4.%d.%d", n/200, n%200+10),
		Hello: job.Hello{AgentVersion: "1.0", MAC: fmt.Sprintf("52:54:00:00:%02x:%02x", n>>8, n&255), Inventory: in}})
	check(s.t, err)
	return w.Code
}

// computer enrols the n-th computer into a room.
func (s *school) computer(n int, name, room string) {
	s.t.Helper()
	_, err := s.fleet.Approve(s.t.Context(), fleet.Approval{Code: s.hello(n, nil), Name: name, By: "marie"})
	check(s.t, err)
	_, err = s.fleet.Place(s.t.Context(), []string{name}, room, "marie")
	check(s.t, err)
}

// room makes a room with computers numbered from first.
func (s *school) room(name, master string, first, count int) {
	s.t.Helper()
	_, err := s.fleet.SetRoom(s.t.Context(), name, "marie", func(r *fleet.Room) { r.Master = master })
	check(s.t, err)
	own := name[strings.IndexByte(name, '/')+1:]
	for i := range count {
		s.computer(first+i, fmt.Sprintf("%s-%02d", own, i+1), name)
	}
}

// give orders something for a room, or for computers.
func (s *school) give(o fleet.Order, v masters.Version) fleet.JobState {
	s.t.Helper()
	o.By = "marie"
	if v.Name != "" {
		o.Master, o.Version, o.Manifest = v.Name, v.Number, v.Hash.String()
	}
	j, err := s.fleet.Give(s.t.Context(), o)
	check(s.t, err)
	return j
}

// report fetches the task of the n-th computer, if it has not, and says how it stands.
func (s *school) report(n int, say func(*job.Report)) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	key := fmt.Sprintf("key-%d", n)
	_, err := s.fleet.Next(ctx, key)
	check(s.t, err)
	c, err := s.fleet.Find(fmt.Sprintf("52:54:00:00:%02x:%02x", n>>8, n&255))
	check(s.t, err)
	_, task, ok := s.fleet.Current(c.ID)
	if !ok {
		s.t.Fatalf("computer %d has no task", n)
	}
	r := job.Report{Task: task.ID, State: job.TaskRunning, Steps: []string{"disk", "manifest", "countdown", "restore", "boot"}}
	say(&r)
	_, err = s.fleet.Report(s.t.Context(), key, r)
	check(s.t, err)
}

// done ends the task of the n-th computer well.
func (s *school) done(n int) {
	s.report(n, func(*job.Report) {})
	s.report(n, func(r *job.Report) {
		r.State, r.Step = job.TaskDone, 4
		r.Outcome = &job.Outcome{Code: "ok", WrittenBytes: 21_400_000_000, ReadBytes: 43_000_000_000, StoredBytes: 9_800_000_000, Seconds: 312, ProvenAt: s.now}
	})
}

// browser is somebody's browser: it keeps cookies and follows no redirect.
type browser struct {
	s *school
	*http.Client
	language string
}

func (s *school) browser() *browser {
	s.t.Helper()
	jar, err := cookiejar.New(nil)
	check(s.t, err)
	transport := s.web.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS13}
	s.t.Cleanup(transport.CloseIdleConnections)
	return &browser{s, &http.Client{Jar: jar, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, "en"}
}

// as is a browser in which somebody has logged in.
func (s *school) as(login string) *browser {
	s.t.Helper()
	b := s.browser()
	if status, body := b.post("/login", url.Values{"login": {login}, "password": {testPassword}}); status != http.StatusSeeOther {
		s.t.Fatalf("logging in as %s: %d\n%s", login, status, body)
	}
	return b
}

func (b *browser) do(r *http.Request) (*http.Response, string) {
	b.s.t.Helper()
	r.Header.Set("Accept-Language", b.language)
	res, err := b.Do(r)
	check(b.s.t, err)
	body, err := io.ReadAll(res.Body)
	check(b.s.t, errors.Join(err, res.Body.Close()))
	return res, string(body)
}

func (b *browser) get(path string) (int, string) {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodGet, b.s.web.URL+path, nil)
	check(b.s.t, err)
	res, body := b.do(r)
	return res.StatusCode, body
}

func (b *browser) post(path string, form url.Values) (int, string) {
	b.s.t.Helper()
	r, err := http.NewRequestWithContext(b.s.t.Context(), http.MethodPost, b.s.web.URL+path, strings.NewReader(form.Encode()))
	check(b.s.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	res, body := b.do(r)
	return res.StatusCode, body
}
