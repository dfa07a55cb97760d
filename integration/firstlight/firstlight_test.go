package firstlight_test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

// rooms limits how many PCs run at once.
type rooms chan struct{}

// take waits for a place and gives it back when the test ends.
func (r rooms) take(t *testing.T) {
	r <- struct{}{}
	t.Cleanup(func() { <-r })
}

// ran is what a PC prints when its own system has checked its own files.
const ran = `GOLDEN MASTER OK`

// TestFirstLight runs its PCs two at a time, so that all of it takes the time of the longest.
func TestFirstLight(t *testing.T) {
	t.Run("two PCs receive a master at once, sent once", class)
	places := make(rooms, 2)
	t.Run("a PC with Secure Boot receives a master and runs it", func(t *testing.T) {
		t.Parallel()
		places.take(t)
		slate(t)
	})
	t.Run("a master travels from PC to PC", func(t *testing.T) {
		t.Parallel()
		places.take(t) // of the reference PC, before the school is raised: both parts share it
		school := rig.Golden(t, "travel")
		captured := make(chan string, 1)
		t.Run("a BIOS PC outlives the death of its server and is captured", func(t *testing.T) {
			t.Parallel()
			defer close(captured)
			reference(t, school, captured)
		})
		t.Run("a UEFI PC outlives a power cut in mid-write", func(t *testing.T) {
			t.Parallel()
			places.take(t)
			secondCopy(t, school, captured)
		})
	})
}

// enrol switches a PC on and approves it by its code.
func enrol(t *testing.T, school *lab.School, pc *lab.PC) {
	t.Helper()
	rig.PowerOn(t, pc)
	code, err := school.Enrol(t.Context(), pc)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: code %s compared and approved", pc.Name, code)
}

// deploy orders a master for a PC, which then starts its disk or powers off.
func deploy(t *testing.T, school *lab.School, master string, pc *lab.PC, ending string) (job string) {
	t.Helper()
	job, err := school.Deploy(t.Context(), master, pc, ending)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// over waits until the daemon knows a job as done, and prints its figures.
func over(t *testing.T, school *lab.School, job string) {
	t.Helper()
	task, err := school.Done(t.Context(), job, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("job %s: %s: %+v", job, task.Computer, *task.Outcome)
}

// divided checks the partition table of a PC's disk, larger than the master's, with a tool that is not ours.
func divided(t *testing.T, pc *lab.PC) {
	t.Helper()
	for _, args := range [][]string{{"-v", "No problems found"}, {"-p", "ARDOISE"}} {
		out, err := exec.CommandContext(t.Context(), "sgdisk", args[0], pc.Disk()).CombinedOutput()
		if err != nil || !strings.Contains(string(out), args[1]) {
			t.Errorf("sgdisk %s says of the disk of %s, without %q: %v\n%s", args[0], pc.Name, args[1], err, out)
		}
	}
}

// holds checks that the disk of a PC, read from outside while it is off, holds a master in every byte that counts.
func holds(t *testing.T, school *lab.School, master string, pc *lab.PC) {
	t.Helper()
	if out, err := school.Verify(t.Context(), master, pc); err != nil {
		t.Errorf("the disk of %s does not hold %s: %v\n%s", pc.Name, master, err, out)
	}
}

// midwrite waits until a PC is in the middle of writing file data.
func midwrite(t *testing.T, pc *lab.PC) {
	t.Helper()
	rig.Await(t, pc, `^ardoise: phase data`, lab.WorkLimit)
	rig.Await(t, pc, `^ardoise: step restore [0-9]+ %`, lab.WorkLimit)
}

// phases prints when a PC reached which point.
func phases(t *testing.T, pc *lab.PC) {
	t.Helper()
	t.Logf("%s: %s", pc.Name, lab.PhaseLine(lab.Phases(pc.Lines())))
}

// said tells whether a PC printed something since its last power-on.
func said(pc *lab.PC, text string) bool {
	for _, line := range pc.Lines() {
		if strings.Contains(line.Text, text) {
			return true
		}
	}
	return false
}

// describe names the parts of a PC for the log.
func describe(pc *lab.PC) string {
	return fmt.Sprintf("%s: %s, %s disk, %s", pc.Name, pc.Firmware, pc.Bus, pc.NIC)
}
