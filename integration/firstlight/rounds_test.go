package firstlight_test

import (
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// slate is the whole round of a PC with an empty disk under Secure Boot, and then a day with nothing to do.
func slate(t *testing.T) {
	school := rig.Golden(t, "secureboot")
	pc := rig.Add(t, school, lab.Hardware{Name: "slate", Firmware: lab.SecureBoot, Bus: lab.Virtio})
	t.Log(describe(pc))
	enrol(t, school, pc)
	job := deploy(t, school, "golden", pc, "poweroff")
	rig.Await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
	rig.Off(t, pc)
	phases(t, pc)
	if !said(pc, "Secure Boot is enabled") && !said(pc, "Secure boot enabled") {
		t.Error("the kernel did not say that Secure Boot is on: the round proved less than it says")
	}
	over(t, school, job)
	holds(t, school, "golden@1", pc)
	divided(t, pc)

	// Nothing to do: the firmware is told "not found" and goes to the disk. The agent must not run.
	rig.PowerOn(t, pc)
	line := rig.Await(t, pc, ran+` .* secureboot=1 boots=1 `, lab.BootLimit)
	if said(pc, "ardoise: ") {
		t.Error("the agent ran although there was nothing to do")
	}
	rig.Off(t, pc)
	t.Logf("slate: with nothing to do its own system was up %.1f s after power-on: %s", line.At.Seconds(), line.Text)
}

// reference is a BIOS PC whose server dies in mid-deploy, which restarts into its own system, and is captured afterwards.
func reference(t *testing.T, school *lab.School, captured chan<- string) {
	pc := rig.Add(t, school, lab.Hardware{Name: "reference", Firmware: lab.BIOS, Bus: lab.AHCI, NIC: "e1000"})
	t.Log(describe(pc))
	enrol(t, school, pc)
	job := deploy(t, school, "golden", pc, "disk")
	midwrite(t, pc)
	school.Daemon().Kill()
	rig.Await(t, pc, `^ardoise: notice server-lost`, 3*time.Minute)
	if err := school.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	rig.Await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
	over(t, school, job)
	rig.Await(t, pc, ran+` .* boots=1 `, lab.BootLimit) // and switches itself off, cleanly
	rig.Off(t, pc)
	phases(t, pc)

	job = capture(t, school, pc)
	rig.PowerOn(t, pc)
	rig.Await(t, pc, `^ardoise: done capture golden@2`, lab.WorkLimit)
	rig.Off(t, pc)
	phases(t, pc)
	over(t, school, job) // its own disk differs from the capture in the journal: a master's is cleared
	captured <- "golden@2"
}

// secondCopy is a UEFI PC that receives what was captured from the other, and loses its power while it is written.
func secondCopy(t *testing.T, school *lab.School, captured <-chan string) {
	pc := rig.Add(t, school, lab.Hardware{Name: "copy", Firmware: lab.UEFI, Bus: lab.NVMe, DiskSize: 1<<30 + 512<<20})
	t.Log(describe(pc))
	enrol(t, school, pc)
	master, ok := <-captured
	if !ok {
		t.Fatal("the reference PC was not captured; its own test says why")
	}
	job := deploy(t, school, master, pc, "poweroff")
	midwrite(t, pc)
	pc.PowerCut()
	phases(t, pc)
	if out, err := school.Verify(t.Context(), master, pc); err == nil {
		t.Fatalf("the power was cut too late: the disk holds the master already\n%s", out)
	}

	rig.PowerOn(t, pc)
	rig.Await(t, pc, `^ardoise: done deploy `+master, lab.WorkLimit)
	rig.Off(t, pc)
	phases(t, pc)
	over(t, school, job)
	holds(t, school, master, pc)

	rig.PowerOn(t, pc)
	line := rig.Await(t, pc, ran+` .* boots=2 `, lab.BootLimit) // it has run once on the reference PC
	rig.Off(t, pc)
	t.Logf("copy: %s", line.Text)
}

// capture orders the capture of a PC as the next version, after which it switches itself off.
func capture(t *testing.T, school *lab.School, pc *lab.PC) (job string) {
	t.Helper()
	var ordered access.Job
	if err := school.Ask(t.Context(), &ordered, "capture", "golden", "--computer", pc.Name, "--end", "poweroff"); err != nil {
		t.Fatal(err)
	}
	return ordered.ID
}
