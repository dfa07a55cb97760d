package agent_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent"
	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/wipe"
	"github.com/ardoise/ardoise/masters/chunk"
)

// does starts the PC once and has it do one task.
func (p *pc) does(change func(*job.Task)) (job.Report, job.Ending, error) {
	p.t.Helper()
	p.server.Look(func() { p.server.Keys = nil })
	address := p.server.Start("127.0.0.1:0")
	defer p.server.Close()
	p.order(change)
	e, err := p.run(limit(p.t), address)
	return last(p.server), e, err
}

func faultOf(err error) notices.Code {
	var f *agent.FaultError
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}

func TestVerifyFindsWhatDiffersAndWritesNothing(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	p.server.Close()
	deploy := func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 }
	if r, _, err := p.does(deploy); err != nil || r.State != job.TaskDone {
		t.Fatalf("deploy: %+v, %v\n%s", r, err, p.log.String())
	}
	before, err := os.ReadFile(p.disks[0])
	check(t, err)
	verify := func(k *job.Task) { k.Kind, k.Manifest, k.Version, k.Nonce = job.KindVerify, hash, 1, "v" }
	r, e, err := p.does(verify)
	if err != nil || e != job.EndPowerOff || r.State != job.TaskDone || r.Outcome.Verify == nil || r.Outcome.Verify.First != "" ||
		r.Outcome.Verify.Read == 0 || r.Outcome.ProvenAt.IsZero() {
		t.Errorf("verify: %+v, %v\n%s", r.Outcome, err, p.log.String())
	}
	// The disk itself says what it holds.
	r, _, err = p.does(func(k *job.Task) { k.Kind, k.Nonce, k.Master = job.KindVerify, "v2", "" })
	if err != nil || r.State != job.TaskDone || r.Outcome.Verify.Manifest != hash || r.Outcome.Verify.Master != "debian" {
		t.Errorf("verify of what it holds: %+v, %v\n%s", r.Outcome, err, p.log.String())
	}
	if after, _ := os.ReadFile(p.disks[0]); !bytes.Equal(before, after) {
		t.Error("a verify has changed the disk")
	}
	changed := bytes.Clone(before)
	at := bytes.Index(changed, bytes.Repeat([]byte{29, 'x'}, 1000))
	changed[at] ^= 1
	check(t, os.WriteFile(p.disks[0], changed, 0o600))
	r, e, err = p.does(verify)
	v := r.Outcome.Verify
	if err != nil || e != job.EndPowerOff || r.State != job.TaskFailed || r.Outcome.Code != job.CodeDiffers || v == nil || v.Chunks != 1 ||
		v.Bytes == 0 || v.First != "partition 2: /"+strings.Repeat("f", 30) || !r.Outcome.ProvenAt.IsZero() || r.Outcome.Unproven {
		t.Errorf("verify of a changed disk: %+v, %+v, %v\n%s", r.Outcome, v, err, p.log.String())
	}
	if after, _ := os.ReadFile(p.disks[0]); !bytes.Equal(changed, after) {
		t.Error("a verify has changed the disk")
	}
	p.disks = []string{blank(t, 100<<20)}
	_, _, err = p.does(func(k *job.Task) { k.Kind, k.Master = job.KindVerify, "" })
	if faultOf(err) != notices.VerifyNothing {
		t.Errorf("a disk of which nothing is known: %v", err)
	}
}

func TestWipeLeavesNothingAndSaysHow(t *testing.T) {
	p := newPC(t, reference(t), blank(t, 100<<20))
	p.attached = map[string]job.Disk{p.disks[0]: {Bus: "virtio", Model: "Slate", Serial: "S1"}}
	r, e, err := p.does(func(k *job.Task) {
		k.Kind, k.Countdown, k.Disk = job.KindWipe, 2, job.DiskRule{Serial: "S1"}
	})
	if err != nil || e != job.EndPowerOff || r.State != job.TaskDone {
		t.Fatalf("%+v, %v\n%s", r, err, p.log.String())
	}
	b, err := os.ReadFile(p.disks[0])
	check(t, err)
	if !bytes.Equal(b, make([]byte, len(b))) {
		t.Error("something is left")
	}
	untouched(t, p.disks[1])
	w := r.Outcome.Wipe
	if w == nil || w.Method != job.WipeOverwrite || w.Refused != "" || w.Verified != int64(len(b)) || w.Serial != "S1" || w.Model != "Slate" ||
		w.Ended.IsZero() || !r.Outcome.Unproven {
		t.Errorf("%+v", w)
	}
	p.has("notice wipe-countdown", "step wipe", "step read-back done", "done wipe "+p.disks[0], "notice wipe-done")
	marked := false
	p.server.Look(func() {
		for _, r := range p.server.Reports {
			marked = marked || r.Mark != nil && r.Mark.Kind == job.KindWipe
		}
	})
	if !marked {
		t.Error("the server was not told before the first write")
	}
}

func TestAWipeThatIsNotWantedTouchesNothing(t *testing.T) {
	p := newPC(t, blank(t, 100<<20))
	p.server.CancelMarks.Store(true)
	r, _, err := p.does(func(k *job.Task) { k.Kind = job.KindWipe })
	if err != nil || r.State != job.TaskCancelled || r.Outcome.Unproven {
		t.Errorf("cancelled at the last moment: %+v, %v", r.Outcome, err)
	}
	p.server.CancelMarks.Store(false)
	_, _, err = p.does(func(k *job.Task) {
		k.Kind, k.Nonce, k.Wipe = job.KindWipe, "n2", job.WipeOrder{Method: job.WipeSanitize}
	})
	if faultOf(err) != notices.WipeCannot {
		t.Errorf("a method that the disk does not know: %v", err)
	}
	untouched(t, p.disks[0])
	p.disks = append(p.disks, blank(t, 100<<20))
	if _, _, err = p.does(func(k *job.Task) { k.Kind, k.Nonce = job.KindWipe, "n3" }); faultOf(err) != notices.SeveralDisks {
		t.Errorf("two disks: %v", err)
	}
	untouched(t, p.disks[1])
}

// liar is a drive that reports an erasure complete and does nothing.
type liar struct{}

func (liar) Look() (wipe.Abilities, error) {
	return wipe.Abilities{Ways: []wipe.Way{{Method: job.WipeSanitize, Name: "NVMe Sanitize, block erase"}}}, nil
}
func (liar) Start(wipe.Way) error                 { return nil }
func (liar) Status(wipe.Way) (wipe.Status, error) { return wipe.Status{State: wipe.Complete}, nil }

func TestADriveThatLiesFailsItsWipe(t *testing.T) {
	p := newPC(t, reference(t))
	closed := false
	p.eraser = func(job.Disk) (wipe.Drive, func() error, error) {
		return liar{}, func() error { closed = true; return nil }, nil
	}
	r, _, err := p.does(func(k *job.Task) { k.Kind = job.KindWipe })
	w := r.Outcome.Wipe
	if faultOf(err) != notices.WipeRefused || r.State != job.TaskFailed || w == nil || w.Refused == "" || w.Reported != "" || !r.Outcome.Unproven || !closed {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestAScriptRunsOnlyIfItIsTheApprovedOne(t *testing.T) {
	p := newPC(t, reference(t))
	before, err := os.ReadFile(p.disks[0])
	check(t, err)
	text := []byte("echo on $ARDOISE_COMPUTER: $ARDOISE_DISK; test -s $ARDOISE_DISK || exit 9; exit $1 ")
	order := func(text []byte, limit int, writes bool, nonce string) func(*job.Task) {
		return func(k *job.Task) {
			k.Kind, k.Nonce = job.KindScript, nonce
			k.Script = job.ScriptOrder{Hash: chunk.Of(text).String(), Size: int64(len(text)), Name: "tidy up", Limit: limit, Writes: writes}
		}
	}
	p.server.Script = text
	r, e, err := p.does(order(text, 60, false, "s1"))
	if err != nil || e != job.EndPowerOff || r.State != job.TaskDone || r.Outcome.Output != "on S104-07: "+p.disks[0]+"\n" || r.Outcome.Unproven {
		t.Errorf("%+v, %v\n%s", r.Outcome, err, p.log.String())
	}
	failing := []byte("echo no; exit 7")
	p.server.Script = failing
	r, e, err = p.does(order(failing, 60, true, "s2"))
	if err != nil || e != job.EndPowerOff || r.State != job.TaskFailed || r.Outcome.Exit != 7 || r.Outcome.Code != "script-failed" || r.Outcome.Output != "no\n" ||
		!r.Outcome.Unproven {
		t.Errorf("%+v, %v", r.Outcome, err)
	}
	endless := []byte("echo first; sleep 600")
	p.server.Script = endless
	r, _, err = p.does(order(endless, 1, false, "s3"))
	if err != nil || r.Outcome.Exit != -1 || r.Outcome.Code != "script-limit" || r.Outcome.Output != "first\n" {
		t.Errorf("%+v, %v", r.Outcome, err)
	}
	p.server.Script = append(endless, "; rm -rf /"...)
	if _, _, err = p.does(order(endless, 1, false, "s4")); faultOf(err) != notices.ScriptAltered {
		t.Errorf("another script than the approved one: %v", err)
	}
	p.server.Script = nil
	if _, _, err = p.does(order(endless, 1, false, "s5")); faultOf(err) != notices.ServerProblem {
		t.Errorf("a script that is gone: %v", err)
	}
	if after, _ := os.ReadFile(p.disks[0]); !bytes.Equal(before, after) {
		t.Error("the disk has changed")
	}
}

func TestARunningScriptIsCancelled(t *testing.T) {
	p := newPC(t, blank(t, 100<<20))
	p.server.Script = []byte("echo begun; sleep 600")
	began := time.Now()
	go func() {
		for !strings.Contains(p.log.String(), "notice script-running") {
			time.Sleep(10 * time.Millisecond)
		}
		p.server.Cancel.Store(true)
	}()
	r, e, err := p.does(func(k *job.Task) {
		k.Kind, k.Script = job.KindScript, job.ScriptOrder{Hash: chunk.Of(p.server.Script).String(), Name: "long", Limit: 600}
	})
	if err != nil || e != job.EndPowerOff || r.State != job.TaskCancelled || time.Since(began) > 5*time.Minute {
		t.Errorf("%q, %+v, %v", e, r, err)
	}
	untouched(t, p.disks[0])
}

// After a script that writes, the disk must not be taken for what it was proven to be.
func TestAScriptThatWritesTakesTheProofAway(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	p.server.Close()
	if _, _, err := p.does(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 }); err != nil {
		t.Fatal(err)
	}
	p.server.Script = []byte("true")
	r, _, err := p.does(func(k *job.Task) {
		k.Kind, k.Nonce = job.KindScript, "s"
		k.Script = job.ScriptOrder{Hash: chunk.Of(p.server.Script).String(), Name: "touch", Limit: 60, Writes: true}
	})
	if err != nil || r.State != job.TaskDone || !r.Outcome.Unproven {
		t.Fatalf("%+v, %v", r.Outcome, err)
	}
	r, _, err = p.does(func(k *job.Task) {
		k.Kind, k.Nonce, k.Manifest, k.Version, k.Level = job.KindReset, "r", hash, 1, job.LevelQuick
	})
	if err != nil || r.Outcome.Proof == nil || r.Outcome.Proof.Level != job.LevelFull || r.Outcome.Proof.Doubt == "" {
		t.Errorf("a quick reset after it: %+v, %v", r.Outcome, err)
	}
}

func TestShutdownAndInventory(t *testing.T) {
	p := newPC(t, blank(t, 100<<20))
	p.drive = func(job.Disk) drive.State {
		return drive.State{Health: &drive.Health{Failing: true, Reallocated: 12, Pending: -1, Reported: -1, MediaErrors: -1, Used: -1, Spare: -1, PowerOn: 30_000, Celsius: 41}}
	}
	r, e, err := p.does(func(k *job.Task) { k.Kind, k.Ending = job.KindShutdown, "" })
	if err != nil || e != job.EndPowerOff || r.State != job.TaskDone {
		t.Errorf("%q, %+v, %v", e, r, err)
	}
	p.has("done shutdown", "notice shutdown info", "ending poweroff")
	r, e, err = p.does(func(k *job.Task) { k.Nonce = "i" })
	var h *job.DiskHealth
	p.server.Look(func() { h = p.server.Hellos[len(p.server.Hellos)-1].Inventory.Disks[0].Health })
	if err != nil || e != job.EndPowerOff || r.State != job.TaskDone || h == nil || h.State != job.HealthFailing || h.Reallocated != 12 || h.Celsius != 41 {
		t.Errorf("%q, %+v, %+v, %v", e, r, h, err)
	}
	untouched(t, p.disks[0])
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// untouched checks that nothing was ever written to a blank disk: its file has no blocks.
func untouched(t *testing.T, path string) {
	t.Helper()
	var s unix.Stat_t
	if err := unix.Stat(path, &s); err != nil || s.Blocks != 0 {
		t.Errorf("the disk was touched: %d blocks, %v", s.Blocks, err)
	}
}

// endless is a drive that goes on erasing itself until its PC loses its power.
type endless struct {
	liar
	cut func()
}

func (e endless) Start(wipe.Way) error               { e.cut(); return nil }
func (endless) Status(wipe.Way) (wipe.Status, error) { return wipe.Status{State: wipe.Running}, nil }

// Nothing on the disk is needed to go on, not even the key of the computer: it comes back as one without.
func TestAWipeGoesOnAfterAPowerCut(t *testing.T) {
	p := newPC(t, blank(t, 700<<20))
	_, hash := captured(t, p)
	p.server.Close()
	if _, _, err := p.does(func(k *job.Task) { k.Kind, k.Manifest, k.Version = job.KindDeploy, hash, 1 }); err != nil {
		t.Fatal(err)
	}
	p.server.Look(func() { p.server.Keys, p.server.Hellos = nil, nil })
	ctx, cut := context.WithCancel(limit(t))
	p.eraser = func(job.Disk) (wipe.Drive, func() error, error) {
		return endless{cut: cut}, func() error { return nil }, nil
	}
	wiping := func(k *job.Task) { k.Kind, k.Nonce = job.KindWipe, "w" }
	address := p.server.Start("127.0.0.1:0")
	p.order(wiping)
	if _, err := p.run(ctx, address); err == nil {
		t.Fatal("it went on without power")
	}
	p.server.Close()
	var first job.Hello
	p.server.Look(func() { first = p.server.Hellos[0] })
	p.eraser = nil
	r, e, err := p.does(wiping)
	var again job.Hello
	p.server.Look(func() { again = p.server.Hellos[len(p.server.Hellos)-1] })
	if first.NewKey || !again.NewKey || again.Interrupted != nil {
		t.Errorf("before: new key %v; after: new key %v, mark %+v", first.NewKey, again.NewKey, again.Interrupted)
	}
	b, rerr := os.ReadFile(p.disks[0])
	if err != nil || rerr != nil || e != job.EndPowerOff || r.State != job.TaskDone || !bytes.Equal(b, make([]byte, len(b))) {
		t.Errorf("%q, %+v, %v, %v", e, r.Outcome, err, rerr)
	}
}
