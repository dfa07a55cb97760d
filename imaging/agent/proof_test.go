package agent_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// counting is a drive in front of an image file: it counts when it sees that the file was written to.
type counting struct {
	t       *testing.T
	source  string        // of the counter
	step    func() uint64 // what it counts for writes; nil: it is stuck
	unsafe  uint64
	serial  string
	written time.Time
	count   uint64
	asked   int
}

func (c *counting) state(d job.Disk) drive.State {
	c.asked++
	i, err := os.Stat(d.Path)
	if err != nil {
		c.t.Fatal(err)
	}
	if !i.ModTime().Equal(c.written) {
		c.written = i.ModTime()
		if c.step != nil {
			c.count += c.step()
		}
	}
	time.Sleep(20 * time.Millisecond) // a file's time goes in steps: what is written from now on shows
	w := &job.WriteCounter{Source: c.source, Serial: c.serial, Unsafe: c.unsafe}
	if c.source == "nvme" {
		w.Commands, w.Sectors = 1000+c.count, 77
	} else {
		w.Sectors = 1000 + c.count
	}
	return drive.State{Counter: w}
}

func by(n ...uint64) func() uint64 {
	i := 0
	return func() uint64 { i++; return n[(i-1)%len(n)] }
}

func TestADiskThatNobodyWroteToIsNotRead(t *testing.T) {
	for name, c := range map[string]struct {
		drive   counting
		skipped bool
		change  func(*pc, *counting, *job.Task)
	}{
		"NVMe":                          {counting{source: "nvme", step: by(1)}, true, nil},
		"NVMe that cuts writes in 3":    {counting{source: "nvme", step: by(3)}, true, nil},
		"ATA":                           {counting{source: "ata-statistics", step: by(8)}, true, nil},
		"ATA that counts other things":  {counting{source: "ata-statistics", step: by(24)}, true, nil},
		"a drive that is stuck":         {counting{source: "nvme"}, false, nil},
		"a drive that does as it likes": {counting{source: "nvme", step: by(1, 5, 2, 9, 4, 7)}, false, nil},
		"one byte was written": {counting{source: "nvme", step: by(1)}, false, func(p *pc, _ *counting, _ *job.Task) {
			damage(p.t, p.disks[0], inLog)
		}},
		"all of it is to be read": {counting{source: "nvme", step: by(1)}, false, func(_ *pc, _ *counting, k *job.Task) { k.Level = job.LevelFull }},
		"another drive":           {counting{source: "nvme", step: by(1)}, false, func(_ *pc, c *counting, _ *job.Task) { c.serial = "S2" }},
		"it lost power":           {counting{source: "nvme", step: by(1)}, false, func(_ *pc, c *counting, _ *job.Task) { c.unsafe++ }},
		"a name was given since": {counting{source: "nvme", step: by(1)}, false, func(_ *pc, _ *counting, k *job.Task) {
			k.Exceptions = []job.Exception{named("S104-08")}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p, hash := resettable(t)
			d := c.drive
			d.t, d.serial = t, "S1"
			p.drive = d.state
			p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
			r := p.life(func(k *job.Task) {
				k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick
				if c.change != nil {
					c.change(p, &d, k)
				}
			})
			q := r.Outcome.Proof
			if r.State != job.TaskDone || !q.Ok || q.Skipped != c.skipped || q.Skipped != (q.Read == 0) {
				t.Fatalf("outcome %+v, proof %+v\n%s", r.Outcome, q, p.log.String())
			}
			if lost := strings.Contains(q.Doubt, "lost its power"); lost != (name == "it lost power") || lost && q.Level != job.LevelFull {
				t.Errorf("level %s, doubt %q", q.Level, q.Doubt)
			}
			if !c.skipped {
				return
			}
			p.has("notice " + string(notices.ResetSkipped))
			r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
			if !r.Outcome.Proof.Skipped {
				t.Errorf("a skipped reset does not lead to the next one: %+v", r.Outcome.Proof)
			}
			damage(t, p.disks[0], inSuper)
			r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
			if q := r.Outcome.Proof; q.Skipped || q.Written == 0 || !q.Ok {
				t.Errorf("after something was written: %+v", q)
			}
		})
	}
}

// named is an exception: some bytes of the last block of the ESP's reserved sectors, which nothing else is in.
func named(name string) job.Exception {
	b := []byte(name)
	return job.Exception{Offset: inESP + 400, Length: int64(len(b)), Hash: hashed(b), Content: b, Why: "computer name"}
}

func TestTheServerIsToldOfProofsItHasNotHeardOf(t *testing.T) {
	p, hash := resettable(t)
	d := counting{t: t, source: "nvme", serial: "S1", step: by(1)}
	p.drive = d.state
	for _, id := range []string{"aa", "bb"} { // made without the server
		addProof(t, p.disks[0], job.Proof{ID: id, Manifest: hash, Ok: true, Level: job.LevelFull})
	}
	told := func() string {
		var ids []string
		p.server.Look(func() {
			for _, q := range p.server.Hellos[0].Proofs {
				ids = append(ids, q.ID[:2])
			}
		})
		return strings.Join(ids, " ")
	}
	p.life(func(k *job.Task) { k.Kind = job.KindInventory })
	if s := told(); !strings.HasSuffix(s, "aa bb") || len(strings.Fields(s)) != 3 {
		t.Errorf("the server is told of %q, want the deployment, aa and bb", s)
	}
	// It does not say that it keeps them: they are told again. Then it does.
	p.server.Welcomes = []job.Welcome{{State: job.StateEnrolled, Computer: "S104-07", Proofs: 3}}
	p.life(func(k *job.Task) { k.Kind = job.KindInventory })
	if s := told(); len(strings.Fields(s)) != 3 {
		t.Errorf("told again: %q", s)
	}
	p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
	if s := told(); s != "bb" {
		t.Errorf("after the server has them: %q, want the newest alone", s)
	}
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
	if s := told(); len(strings.Fields(s)) != 2 || !r.Outcome.Proof.Skipped {
		t.Errorf("told %q, proof %+v: forgetting the old ones must not count as writing", s, r.Outcome.Proof)
	}
}

// addProof keeps a proof on a disk's ARDOISE.
func addProof(t *testing.T, path string, q job.Proof) {
	t.Helper()
	ours(t, path, func(a *disk.Ardoise) {
		if err := a.Proofs().Add(q); err != nil {
			t.Fatal(err)
		}
	})
}

// ours opens the ARDOISE of an image file.
func ours(t *testing.T, path string, f func(*disk.Ardoise)) {
	t.Helper()
	d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		t.Fatalf("no ARDOISE: %v", err)
	}
	a, err := disk.OpenArdoise(d, *table.Ardoise)
	if err != nil {
		t.Fatal(err)
	}
	f(a)
}
