package agent_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/chunk"
)

// life starts the PC once more against the same server and gives it one task.
func (p *pc) life(change func(*job.Task)) job.Report {
	t := p.t
	t.Helper()
	p.server.Look(func() { p.server.Keys, p.server.Hellos, p.server.Reports = nil, nil, nil })
	p.server.Close()
	address := p.server.Start("127.0.0.1:0")
	p.lives++
	p.order(func(k *job.Task) {
		k.Nonce, k.Version = "life "+string(rune('a'+p.lives)), 1
		change(k)
	})
	if _, err := p.run(limit(t), address); err != nil {
		t.Logf("the agent ends with %v", err)
	}
	return last(p.server)
}

// resettable returns a PC that got its master.
func resettable(t *testing.T) (p *pc, hash string) {
	t.Helper()
	p = newPC(t, blank(t, 700<<20))
	_, hash = captured(t, p)
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash })
	if r.State != job.TaskDone {
		t.Fatalf("deploy: %+v, outcome %+v\n%s", r, r.Outcome, p.log.String())
	}
	return p, hash
}

// damage overwrites what lies at some places of the disk, as a pupil with a disk editor might, and returns what was there.
func damage(t *testing.T, path string, places ...int64) [][]byte {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var was [][]byte
	for _, off := range places {
		b := make([]byte, 512)
		if _, err := f.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
		was = append(was, bytes.Clone(b))
		for i := range b {
			b[i] ^= 0x5A
		}
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
	}
	return was
}

// holds checks that places of the disk have some content.
func holds(t *testing.T, path string, want [][]byte, places ...int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for i, off := range places {
		b := make([]byte, 512)
		if _, err := f.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b, want[i]) {
			t.Errorf("byte %d of the disk is not what it was", off)
		}
	}
}

// Places of the reference disk: the backup boot sector of its ESP, superblock and journal of its root.
const (
	inESP   = 1<<20 + 6*512
	inSuper = 36700160 + 1024
	inLog   = 36700160 + 1024*1024
)

func TestAResetPutsADamagedDiskRight(t *testing.T) {
	p, hash := resettable(t)
	if q := last(p.server).Outcome.Proof; q == nil || !q.Ok || q.Level != job.LevelFull || q.Task != "7/1" || q.Written == 0 || q.FromNet == 0 {
		t.Fatalf("the proof of the deployment is %+v", q)
	}
	was := damage(t, p.disks[0], inESP, inSuper, inLog)
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level, k.Countdown = job.KindReset, hash, job.LevelFull, 1 })
	holds(t, p.disks[0], was, inESP, inSuper, inLog)
	if r.State != job.TaskDone || r.Outcome.Code != "ok" || r.Outcome.ProvenAt.IsZero() {
		t.Fatalf("last report %+v, outcome %+v\n%s", r, r.Outcome, p.log.String())
	}
	q := r.Outcome.Proof
	if q == nil || !q.Ok || q.Manifest != hash || q.Written == 0 || q.Differed == 0 || q.Read < 2*q.Differed || q.FromNet == 0 ||
		q.Origin != "task" || len(q.ID) != 32 || q.Clock != "server" || q.At.IsZero() || q.Offline || q.Failure != "" {
		t.Errorf("the proof is %+v", q)
	}
	var steps []string
	for _, s := range r.Timings {
		steps = append(steps, s.Step)
	}
	if want := "[checking countdown look repair read-back end]"; want != "["+strings.Join(steps, " ")+"]" {
		t.Errorf("the steps that were timed are %v", steps)
	}
	p.has("notice reset-countdown info", "notice looking info", "notice repairing info: This computer is being put back",
		"notice reset-done info: This computer is clean")
	id := q.ID

	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelFull })
	q = r.Outcome.Proof
	if r.State != job.TaskDone || !q.Ok || q.Written != 0 || q.Differed != 0 || q.FromNet != 0 || q.Read == 0 || q.ID == id {
		t.Errorf("the reset of a clean disk: %+v, proof %+v", r.Outcome, q)
	}
	steps = nil
	for _, s := range r.Timings {
		steps = append(steps, s.Step)
	}
	if want := "[checking countdown look end]"; want != "["+strings.Join(steps, " ")+"]" {
		t.Errorf("the steps of the reset of a clean disk are %v", steps)
	}
	p.has("notice reset-nothing info: This computer is clean")
}

func TestAQuickResetReadsLittle(t *testing.T) {
	p, hash := resettable(t)
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelFull })
	all := r.Outcome.Proof.Read
	was := damage(t, p.disks[0], inESP, inSuper)
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
	q := r.Outcome.Proof
	if q == nil || !q.Ok || q.Asked != job.LevelQuick || q.Level != job.LevelFull || q.Doubt == "" || q.Written == 0 {
		t.Errorf("a superblock that is damaged is a doubt: %+v\n%s", q, p.log.String())
	}
	holds(t, p.disks[0], was, inESP, inSuper)
	was = damage(t, p.disks[0], inESP)
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
	q = r.Outcome.Proof
	if q == nil || !q.Ok || q.Level != job.LevelQuick || q.Doubt != "" || q.Written == 0 || q.Read >= 2*all {
		t.Errorf("the quick reset: %+v, a full one reads %d\n%s", q, all, p.log.String())
	}
	holds(t, p.disks[0], was, inESP)
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Level = job.KindReset, hash, job.LevelQuick })
	if q = r.Outcome.Proof; !q.Ok || q.Level != job.LevelQuick || q.Written != 0 || q.Read >= all {
		t.Errorf("the quick reset of a clean disk: %+v, a full one reads %d", q, all)
	}
	p.has("quick: ")
}

func TestAResetOfAnotherVersionIsADeployment(t *testing.T) {
	p, _ := resettable(t)
	p.server.Look(func() { p.server.Keys = nil })
	p.server.Close()
	other := capturedFrom(t, p, referenceWith(t, []byte("the next version")))
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version, k.Level = job.KindReset, other, 2, job.LevelQuick })
	q := r.Outcome.Proof
	if q == nil || !q.Ok || q.Level != job.LevelFull || q.Doubt != "the disk held debian@1: this was a deployment" || q.Written == 0 {
		t.Errorf("%+v", q)
	}
	p.disks = []string{blank(t, 700<<20)}
	r = p.life(func(k *job.Task) { k.Kind, k.Manifest, k.Version, k.Level = job.KindReset, other, 2, job.LevelQuick })
	if q := r.Outcome.Proof; q == nil || !q.Ok || q.Doubt != "nothing on the disk said what it held: this was a deployment" {
		t.Errorf("%+v", q)
	}
}

func TestAResetThatFailsSaysSoInItsProof(t *testing.T) {
	p, hash := resettable(t)
	damage(t, p.disks[0], inSuper)
	all := p.server.Chunks
	p.server.Look(func() { p.server.Chunks = nil })
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindReset, hash })
	if q := r.Outcome.Proof; r.State != job.TaskFailed || r.Outcome.Code != string(notices.MasterDamaged) || q == nil || q.Ok || q.Failure == "" {
		t.Fatalf("outcome %+v, proof %+v", r.Outcome, r.Outcome.Proof)
	}
	p.server.Look(func() { p.server.Chunks = all })
	if r = p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindReset, hash }); !r.Outcome.Proof.Ok {
		t.Errorf("the second try: %+v", r.Outcome)
	}
}

// hashed is the BLAKE3-256 of some bytes, hexadecimal.
func hashed(b []byte) string { return chunk.Of(b).String() }

func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}
