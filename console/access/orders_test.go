package access_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/fleet/people"
	"github.com/ardoise/ardoise/fleet/requests"
	"github.com/ardoise/ardoise/fleet/sqlite"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// school is a house with a room of four computers; two of them have a second disk.
type school struct {
	*access.House
	t        *testing.T
	versions []masters.Version // win@1 to win@3: three chunks, then one more each
	now      time.Time
	store    *sqlite.Store
}

func newSchool(t *testing.T) *school {
	t.Helper()
	dir := t.TempDir()
	s := &school{t: t, now: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)}
	library, err := masters.Open(dir, masters.Options{})
	s.must(err)
	s.store, err = sqlite.Open(t.Context(), filepath.Join(dir, "db"))
	s.must(err)
	t.Cleanup(func() { s.must(errors.Join(s.store.Close(), library.Close())) })
	ids, frames := storetest.Frames(t, 5, 7)
	for n := 3; n <= 5; n++ {
		s.versions = append(s.versions, s.publish(library, ids[:n], frames[:n]))
	}
	f, err := fleet.Open(t.Context(), fleet.Options{Store: s.store, Archive: s.store, Signer: nobodysKey{}, Zone: time.UTC,
		Versions: access.Versions{Library: library}, Now: func() time.Time { return s.now }})
	s.must(err)
	p, err := people.Open(t.Context(), people.Options{Store: s.store, Now: func() time.Time { return s.now },
		Cost: &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	s.must(err)
	asked, err := requests.Open(t.Context(), requests.Options{Store: s.store})
	s.must(err)
	s.House = &access.House{Fleet: f, Masters: library, People: p, Requests: asked, Now: func() time.Time { return s.now }}
	_, err = f.SetRoom(t.Context(), "S104", "m", func(*fleet.Room) {})
	s.must(err)
	for n := 1; n <= 4; n++ {
		w, err := f.Hello(t.Context(), fleet.Introduction{Key: fmt.Sprint("k", n), Address: "10.0.0.9", Hello: hello(n)})
		s.must(err)
		_, err = f.Approve(t.Context(), fleet.Approval{Code: w.Code, Name: fmt.Sprint("pc", n), Room: "S104"})
		s.must(err)
	}
	return s
}

func (s *school) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// hello is what a computer says of itself; those above two have a second disk.
func hello(n int) job.Hello {
	in := job.Hello{MAC: fmt.Sprintf("52:54:00:00:00:%02x", n), Inventory: job.Inventory{Serial: fmt.Sprint("SN-000", n),
		Manufacturer: "Acme", Model: "One", Disks: []job.Disk{{Path: "/dev/sda", Size: 1 << 30, SectorSize: 512, Bus: "sata", Serial: "SYS"}}}}
	if n > 2 {
		in.Inventory.Disks = append(in.Inventory.Disks, job.Disk{Path: "/dev/sdb", Size: 2 << 30, SectorSize: 512, Bus: "sata", Serial: "DATA"})
	}
	return in
}

func (s *school) publish(library *masters.Library, ids []chunk.ID, frames []chunk.Frame) masters.Version {
	s.t.Helper()
	ing, err := library.Begin(s.t.Context())
	s.must(err)
	defer ing.Close()
	s.must(ing.Put(s.t.Context(), frames))
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: ids[i], Length: f.Length, Stream: uint32(i), Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		s.must(w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprint("file ", i), Size: int64(f.Length)}))
	}
	m.Names, m.NameCount, err = w.Close()
	s.must(err)
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	v, err := ing.Publish(s.t.Context(), "win", masters.Meta{Author: "marie"}, m, bytes.NewReader(names.Bytes()))
	s.must(err)
	return v
}

func (s *school) desk(role people.Role) access.Desk {
	c := people.Caller{Login: string(role), Role: role, Via: people.ViaSession}
	if role == people.Teacher {
		c.Rooms = []string{"S104"}
	}
	return s.For(c)
}

// task asks for the task of a computer once.
func (s *school) task(n int) (out job.Task) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	e, err := s.Fleet.Next(ctx, fmt.Sprint("k", n))
	s.must(err)
	if e != nil {
		s.must(json.Unmarshal(e.Payload, &out))
	}
	return out
}

// does lets computers do their tasks.
func (s *school) does(o job.Outcome, pcs ...int) {
	s.t.Helper()
	for _, n := range pcs {
		if o.ProvenAt.IsZero() {
			o.ProvenAt = s.now
		}
		_, err := s.Fleet.Report(s.t.Context(), fmt.Sprint("k", n), job.Report{Task: s.task(n).ID, State: job.TaskDone, Outcome: &o})
		s.must(err)
	}
}

// deploy makes computers hold a version of win on the disk that SYS is the serial number of.
func (s *school) deploy(version int, pcs ...int) {
	s.t.Helper()
	o := access.Order{Kind: job.KindDeploy, Master: fmt.Sprintf("win@%d", version), Disk: job.DiskRule{Serial: "SYS"}}
	for _, n := range pcs {
		o.Computers = append(o.Computers, fmt.Sprint("pc", n))
	}
	_, err := s.desk(people.Administrator).Give(s.t.Context(), o)
	s.must(err)
	s.does(job.Outcome{Code: "ok"}, pcs...)
}

func (s *school) code(what string, err error, want string) {
	s.t.Helper()
	if err == nil || access.ErrorOf(err).Code != want {
		s.t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// A teacher resets computers to what they hold, where they hold it. A rule for the disk is a deployment by another way.
func TestATeacherChoosesNoDisk(t *testing.T) {
	s := newSchool(t)
	s.deploy(1, 3)
	teacher, tech := s.desk(people.Teacher), s.desk(people.Technician)
	for what, rule := range map[string]job.DiskRule{"the other disk": {Serial: "DATA"}, "its own disk": {Serial: "SYS"}} {
		o := access.Order{Kind: job.KindReset, Computers: []string{"pc3"}, Disk: rule}
		_, err := teacher.Give(t.Context(), o)
		s.code("a teacher resets "+what, err, "forbidden")
		_, err = teacher.Plan(o)
		s.code("a teacher plans to reset "+what, err, "forbidden")
		_, err = teacher.SetSchedule(t.Context(), access.Schedule{Name: "x", Days: []string{"mon"}, At: "22:00", Until: "23:00",
			Order: access.ScheduledOrder{Kind: job.KindReset, Computers: []string{"pc3"}, Disk: rule}})
		s.code("a teacher plans ahead to reset "+what, err, "forbidden")
	}
	_, err := tech.Give(t.Context(), access.Order{Kind: job.KindReset, Computers: []string{"pc3"}, Disk: job.DiskRule{Serial: "DATA"}})
	s.code("a technician resets the other disk to what it does not hold", err, "other-disk")
	_, err = teacher.Give(t.Context(), access.Order{Kind: job.KindReset, Computers: []string{"pc3"}})
	s.must(err)
	if got := s.task(3); got.Disk.Serial != "SYS" {
		t.Errorf("it is told to reset %+v", got.Disk)
	}
}

func TestWhatAnOrderNeeds(t *testing.T) {
	rule := job.DiskRule{Serial: "X"}
	for _, tt := range []struct {
		o    access.Order
		want people.Action
	}{
		{access.Order{Kind: job.KindReset}, people.ActionReset},
		{access.Order{Kind: job.KindReset, Master: "win"}, people.ActionDeploy},
		{access.Order{Kind: job.KindReset, Disk: rule}, people.ActionDeploy},
		{access.Order{Kind: job.KindDeploy}, people.ActionDeploy},
		{access.Order{Kind: job.KindStage}, people.ActionDeploy},
		{access.Order{Kind: job.KindWipe, Disk: rule}, people.ActionWipe},
		{access.Order{Kind: job.KindCapture, Master: "win"}, people.ActionCapture},
		{access.Order{Kind: job.KindScript}, people.ActionScript},
		{access.Order{Kind: job.KindShutdown}, people.ActionShutdown},
		{access.Order{Kind: job.KindVerify, Master: "win"}, people.ActionInspect},
		{access.Order{Kind: job.KindInventory}, people.ActionInspect},
	} {
		if got := access.ActionOf(tt.o); got != tt.want {
			t.Errorf("%s %s %+v needs %s, want %s", tt.o.Kind, tt.o.Master, tt.o.Disk, got, tt.want)
		}
	}
}

// A plan counts what is not on the disks yet, says how long it takes, and what each computer becomes.
func TestAPlanAddsUp(t *testing.T) {
	s := newSchool(t)
	s.deploy(1, 1, 2)
	s.deploy(2, 3)
	_, err := s.Fleet.SetRoom(t.Context(), "S104", "m", func(r *fleet.Room) {
		c, err := s.Fleet.Find("pc1")
		s.must(err)
		r.Teacher, r.Hours = c.ID, [2]string{"08:00", "18:00"}
	})
	s.must(err)
	s.now = s.now.Add(time.Minute) // their agents are gone
	s.task(2)
	size := func(version int) int64 {
		m, err := s.Masters.Open(s.versions[version-1])
		s.must(err)
		return s.Masters.StoredBytes(m)
	}
	v1, v2, v3 := size(1), size(2), size(3)
	d := s.desk(people.Administrator)
	plan := func(o access.Order) access.Plan {
		t.Helper()
		p, err := d.Plan(o)
		s.must(err)
		return p
	}
	pc := func(names ...string) []string { return names }
	for name, tt := range map[string]struct {
		o       access.Order
		air     int64
		bytes   int64
		becomes string
		seconds bool
	}{
		"what is there":              {access.Order{Kind: job.KindDeploy, Master: "win@1", Computers: pc("pc1", "pc2")}, 0, s.versions[0].UsedBytes, "win@1", true},
		"one version on":             {access.Order{Kind: job.KindDeploy, Master: "win@2", Computers: pc("pc1")}, v2 - v1, s.versions[1].UsedBytes, "win@2", true},
		"two on, for several":        {access.Order{Kind: job.KindDeploy, Master: "win", Computers: pc("pc1", "pc2", "pc3")}, v3 - v1, s.versions[2].UsedBytes, "win@3", true},
		"the same, each for itself":  {access.Order{Kind: job.KindDeploy, Master: "win", Computers: pc("pc1", "pc2", "pc3"), Unicast: true}, 2*(v3-v1) + v3 - v2, s.versions[2].UsedBytes, "win@3", true},
		"an empty disk":              {access.Order{Kind: job.KindDeploy, Master: "win", Disk: job.DiskRule{Serial: "SYS"}, Computers: pc("pc1", "pc4")}, v3, s.versions[2].UsedBytes, "win@3", true},
		"stage":                      {access.Order{Kind: job.KindStage, Master: "win", Computers: pc("pc1")}, v3, s.versions[2].UsedBytes, "win@3", true},
		"a reset":                    {access.Order{Kind: job.KindReset, Computers: pc("pc3")}, 0, s.versions[1].UsedBytes, "win@2", true},
		"a reset to another version": {access.Order{Kind: job.KindReset, Master: "win@3", Computers: pc("pc3")}, v3 - v2, s.versions[2].UsedBytes, "win@3", true},
		"a check":                    {access.Order{Kind: job.KindVerify, Computers: pc("pc3")}, 0, s.versions[1].UsedBytes, "win@2", true},
		"a wipe":                     {access.Order{Kind: job.KindWipe, Computers: pc("pc1")}, 0, 0, "", false},
	} {
		p := plan(tt.o)
		if p.AirBytes != tt.air || p.Bytes != tt.bytes || (p.Seconds >= 150) != tt.seconds {
			t.Errorf("%s: %d bytes on air, %d kept, %d s; want %d and %d", name, p.AirBytes, p.Bytes, p.Seconds, tt.air, tt.bytes)
		}
		for _, x := range p.Targets {
			if x.Target != tt.becomes || x.Refusal != nil {
				t.Errorf("%s: %s becomes %q, %v; want %q", name, x.Computer, x.Target, x.Refusal, tt.becomes)
			}
		}
	}
	p := plan(access.Order{Kind: job.KindReset, Rooms: []string{"S104"}, Skip: true})
	if want := []string{"lessons until 18:00: pc1, pc2, pc3", "it is the teacher's computer of its room: pc1"}; !slices.Equal(p.Warnings, want) {
		t.Errorf("the warnings are %q, want %q", p.Warnings, want)
	}
	if p.InAgent != 1 {
		t.Errorf("%d of them are in the agent, want 1", p.InAgent)
	}
	// Once its cache has told, that is what counts.
	s.must(s.Fleet.Told(t.Context(), "k3", job.LocalState{Place: true, Cached: []job.Cached{{Manifest: s.versions[2].Hash.String(), Missing: 77}}}))
	if p := plan(access.Order{Kind: job.KindDeploy, Master: "win", Computers: pc("pc3")}); p.AirBytes != 77 {
		t.Errorf("%d bytes on air, want the 77 that its cache lacks", p.AirBytes)
	}
}

// What a room does not allow, a plan does not promise.
func TestAPlanPromisesNoResetWithoutTheServerThatTheRoomForbids(t *testing.T) {
	s := newSchool(t)
	offline := func() string {
		t.Helper()
		p, err := s.desk(people.Administrator).Plan(access.Order{Kind: job.KindDeploy, Master: "win", Computers: []string{"pc1"}})
		s.must(err)
		return p.Targets[0].OfflineReset
	}
	if got := offline(); got != "no, because room S104 has no start menu" {
		t.Errorf("without a menu: %q", got)
	}
	set := func(change func(*fleet.Room)) {
		_, err := s.Fleet.SetRoom(t.Context(), "S104", "m", change)
		s.must(err)
	}
	set(func(r *fleet.Room) { r.Menu = true })
	if got := offline(); strings.Contains(got, "S104") || got == "" {
		t.Errorf("with a menu: %q", got)
	}
	set(func(r *fleet.Room) { r.Policy = job.PolicyNever })
	if got := offline(); got != "no, because computers of room S104 are never reset" {
		t.Errorf("never reset: %q", got)
	}
}

// A map says of a computer what its own page says: that it can be reset without the server, or why not.
func TestAFloorSaysWhichResetsNeedNoServer(t *testing.T) {
	s := newSchool(t)
	s.deploy(2, 1)
	_, err := s.Fleet.SetRoom(t.Context(), "S104", "m", func(r *fleet.Room) { r.Menu = true })
	s.must(err)
	d := s.desk(people.Administrator)
	floor, err := d.Floor("", nil)
	s.must(err)
	said := map[string]bool{}
	for _, x := range floor {
		c, err := d.Computer(x.ID)
		s.must(err)
		if x.OfflineReset != c.OfflineReset || !strings.HasPrefix(x.OfflineReset, "no, because ") || d.Spot(c).OfflineReset != c.OfflineReset {
			t.Errorf("the map says of %s %q, its page %q", x.Name, x.OfflineReset, c.OfflineReset)
		}
		said[x.OfflineReset] = true
	}
	if len(floor) != 4 || len(said) != 2 { // one is proven to hold something
		t.Errorf("%d computers: %v", len(floor), said)
	}
}

// What a computer told of its last reset is told whole: also what was found different, and where it came from.
func TestTheLastProofIsToldWhole(t *testing.T) {
	s := newSchool(t)
	s.deploy(2, 1)
	_, err := s.desk(people.Administrator).Give(t.Context(), access.Order{Kind: job.KindReset, Computers: []string{"pc1"}})
	s.must(err)
	s.does(job.Outcome{Code: "ok", Proof: &job.Proof{ID: strings.Repeat("a1", 16), Ok: true, Master: "win", Version: 2, Level: job.LevelFull,
		Read: 500, Differed: 77, Written: 66, FromCache: 30, FromNet: 20, Seconds: 3}}, 1)
	c, err := s.desk(people.Administrator).Computer("pc1")
	s.must(err)
	told, err := json.Marshal(c.Clean)
	s.must(err)
	for _, want := range []string{`"read_bytes":500`, `"differed_bytes":77`, `"written_bytes":66`, `"from_cache_bytes":30`, `"from_network_bytes":20`, `"seconds":3`} {
		if !strings.Contains(string(told), want) {
			t.Errorf("the last proof lacks %s: %s", want, told)
		}
	}
}
