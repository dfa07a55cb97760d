package firstlight_test

import (
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/api"
	"github.com/ardoise/ardoise/integration/lab"
)

// slate is the whole round of a PC with an empty disk under Secure Boot, and then a day with nothing to do.
func slate(t *testing.T) {
	school := raise(t, "secureboot")
	pc := add(t, school, lab.Hardware{Name: "slate", Firmware: lab.SecureBoot, Bus: lab.Virtio})
	t.Log(describe(pc))
	enrol(t, school, pc)
	job := deploy(t, school, "golden", pc)
	await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
	await(t, pc, ran, lab.BootLimit)
	phases(t, pc)
	pc.PowerCut()
	task := proven(t, school, job, "golden@1", pc)
	t.Logf("slate: %+v", *task.Outcome)
	if !said(pc, "Secure Boot") && !said(pc, "secureboot") {
		t.Error("the kernel did not say that Secure Boot is on: the round proved less than it says")
	}

	// Nothing to do: the firmware is told "not found" and goes to the disk. The agent must not run.
	powerOn(t, pc)
	line := await(t, pc, ran, lab.BootLimit)
	if said(pc, "ardoise: ") {
		t.Error("the agent ran although there was nothing to do")
	}
	t.Logf("slate: with nothing to do its own system was up %.1f s after power-on", line.At.Seconds())
}

// reference is a BIOS PC whose server dies in mid-deploy, and which is captured afterwards.
func reference(t *testing.T, school *lab.School, captured chan<- string) {
	pc := add(t, school, lab.Hardware{Name: "reference", Firmware: lab.BIOS, Bus: lab.AHCI, NIC: "e1000"})
	t.Log(describe(pc))
	enrol(t, school, pc)
	job := deploy(t, school, "golden", pc)
	await(t, pc, `^ardoise: step restore ([2-9]|1[0-9])`, lab.WorkLimit)
	school.Daemon().Kill()
	await(t, pc, `^ardoise: notice server-lost`, 3*time.Minute)
	if err := school.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, pc, `^ardoise: done deploy golden@1`, lab.WorkLimit)
	await(t, pc, ran, lab.BootLimit)
	phases(t, pc)
	if err := pc.Press(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pc.WaitOff(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	proven(t, school, job, "golden@1", pc)

	capture := capture(t, school, pc)
	powerOn(t, pc)
	await(t, pc, `^ardoise: done capture golden@2`, lab.WorkLimit)
	if err := pc.WaitOff(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	phases(t, pc)
	task := proven(t, school, capture, "golden@2", pc)
	t.Logf("reference: captured: %+v", *task.Outcome)
	captured <- "golden@2"
}

// secondCopy is a UEFI PC that receives what was captured from the other, and loses its power while it is written.
func secondCopy(t *testing.T, school *lab.School, captured <-chan string) {
	pc := add(t, school, lab.Hardware{Name: "copy", Firmware: lab.UEFI, Bus: lab.NVMe, DiskSize: 1<<30 + 512<<20})
	t.Log(describe(pc))
	enrol(t, school, pc)
	master, ok := <-captured
	if !ok {
		t.Fatal("the reference PC was not captured; its own test says why")
	}
	job := deploy(t, school, master, pc)
	await(t, pc, `^ardoise: step restore ([2-9]|1[0-9])`, lab.WorkLimit)
	pc.PowerCut()
	phases(t, pc)

	powerOn(t, pc)
	await(t, pc, `^ardoise: done deploy `+master, lab.WorkLimit)
	await(t, pc, ran, lab.BootLimit)
	phases(t, pc)
	pc.PowerCut()
	proven(t, school, job, master, pc)
}

// capture orders the capture of a PC as the next version, after which it switches itself off.
func capture(t *testing.T, school *lab.School, pc *lab.PC) (job string) {
	t.Helper()
	var ordered api.Job
	if err := school.Ask(t.Context(), &ordered, "capture", "golden", "--computer", pc.Name, "--ending", "poweroff"); err != nil {
		t.Fatal(err)
	}
	return ordered.ID
}
