package reset_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/integration/lab/rig"
	"github.com/ardoise/ardoise/masters"
)

// What PCs print.
const (
	ran      = `GOLDEN MASTER OK .* boots=1 ` // its own system has checked its own files, and has never run before
	damaged  = `GOLDEN MASTER DAMAGED`
	menu     = `ardoise: menu` // GRUB, before it draws the menu
	deployed = `^ardoise: done deploy golden@1`
	clean    = `^ardoise: done reset golden@1`
)

// TestThePupilsReset is one room with two PCs of different firmware.
func TestThePupilsReset(t *testing.T) {
	school := rig.Golden(t, "reset")
	if out, err := school.Order(t.Context(), "room", "set", "S104", "--reset", "demand", "--level", "quick", "--menu", "on"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	pcs := []*lab.PC{
		rig.Add(t, school, lab.Hardware{Name: "secure", Firmware: lab.SecureBoot, Bus: lab.NVMe, DiskSize: 1 << 30}),
		rig.Add(t, school, lab.Hardware{Name: "legacy", Firmware: lab.BIOS, Bus: lab.AHCI, NIC: "e1000", DiskSize: 1 << 30}),
	}
	furnish(t, school, pcs)
	school.Daemon().Kill() // from here on nobody answers but the school's own DHCP server
	t.Run("room", func(t *testing.T) {
		for _, pc := range pcs {
			t.Run(pc.Name, func(t *testing.T) {
				t.Parallel()
				pupil(t, school, pc)
			})
		}
	})
	if t.Failed() {
		return
	}
	dying(t, school, pcs[1])
	told(t, school, pcs)
	asked(t, school, pcs[0])
}

// dying resets a PC of whose disk one sector cannot be read any more: the person in front of it is told which, and what the
// drive says of itself.
func dying(t *testing.T, school *lab.School, pc *lab.PC) {
	t.Helper()
	pc.BadSector = metadata(t, school)
	rig.PowerOn(t, pc)
	choose(t, school, pc, "dying")
	line := rig.Await(t, pc, fmt.Sprintf(`^ardoise: notice (disk-fault|not-proven) .*sector %d cannot be (read|written), SMART`, pc.BadSector), lab.WorkLimit)
	rig.Look(t, school, pc, "dying")
	pc.PowerCut()
	t.Logf("%s: %s", pc.Name, line.Text)
}

// metadata is a sector of the master's file system that every reset reads.
func metadata(t *testing.T, school *lab.School) int64 {
	t.Helper()
	library, err := masters.Open(school.Data, masters.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer library.Close()
	v, err := library.Resolve("golden@1")
	if err != nil {
		t.Fatal(err)
	}
	m, err := library.Open(v)
	if err != nil {
		t.Fatal(err)
	}
	for _, volume := range m.Volumes {
		for _, e := range m.Chunks.All() {
			if volume.Kind == "ext4" && e.Stream == volume.Meta && e.Index > 0 {
				return e.Pieces[0].Offset / 512
			}
		}
	}
	t.Fatal("the master has no ext4 volume")
	return 0
}

// furnish enrols the PCs, puts them into the room and deploys the master to both by one order.
func furnish(t *testing.T, school *lab.School, pcs []*lab.PC) {
	t.Helper()
	for _, pc := range pcs {
		rig.PowerOn(t, pc)
	}
	for _, pc := range pcs {
		if _, err := school.Enrol(t.Context(), pc); err != nil {
			t.Fatal(err)
		}
		if out, err := school.Order(t.Context(), "computer", "room", pc.Name, "S104"); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	job, err := school.DeployAll(t.Context(), "golden", pcs, "poweroff")
	if err != nil {
		t.Fatal(err)
	}
	for _, pc := range pcs {
		rig.Await(t, pc, deployed, lab.WorkLimit)
		rig.Off(t, pc)
		t.Logf("%s, deployed: %s", pc.Name, lab.PhaseLine(lab.Phases(pc.Lines())))
	}
	if _, err := school.AllDone(t.Context(), job, time.Minute); err != nil {
		t.Fatal(err)
	}
}

// pupil damages the PC, resets it from its menu, cuts its power while it is being reset again, and lets it finish.
func pupil(t *testing.T, school *lab.School, pc *lab.PC) {
	pc.DiskFirst = true // of a BIOS: its set-up; under UEFI the agent has arranged the boot order
	damage(t, pc)
	rig.PowerOn(t, pc)
	choose(t, school, pc, "reset")
	rig.Await(t, pc, `^ardoise: step look`, lab.WorkLimit)
	rig.Look(t, school, pc, "resetting")
	done := rig.Await(t, pc, clean, lab.WorkLimit)
	time.Sleep(time.Second)
	rig.Look(t, school, pc, "clean")
	own := rig.Await(t, pc, ran, lab.BootLimit)
	rig.Off(t, pc)
	t.Logf("%s, reset with the server off: %s; its own system %.1f s after power-on: %s", pc.Name,
		lab.PhaseLine(lab.Phases(pc.Lines())), own.At.Seconds(), done.Text)
	damage(t, pc)
	rig.PowerOn(t, pc)
	choose(t, school, pc, "again")
	outlive(t, school, pc, map[lab.Firmware]int{lab.SecureBoot: 2, lab.BIOS: 3}[pc.Firmware])
	spotless(t, pc)
}

// outlive cuts the power of a PC that is being reset, at so many random points, and lets it finish. Where nothing is left to
// write, the PC goes on to its own system: a cut in the read-back leaves that. Then it is damaged and reset once more, until all
// cuts are made.
func outlive(t *testing.T, school *lab.School, pc *lab.PC, cuts int) {
	t.Helper()
	again := func(picture string) {
		rig.PowerOn(t, pc)
		choose(t, school, pc, picture)
	}
	for before, done := "", 0; ; {
		end := ran + `|` + damaged
		if done < cuts {
			end += `|^ardoise: phase (break|data|metadata|heads|verify)`
		}
		own := rig.Await(t, pc, end, lab.WorkLimit)
		switch {
		case strings.Contains(own.Text, "phase"):
			time.Sleep(time.Duration(rand.IntN(900)) * time.Millisecond) // a random point
			pc.PowerCut()
			done++
			before = lastPhase(pc)
			t.Logf("%s: power cut %d after %q", pc.Name, done, pc.Lines()[len(pc.Lines())-1].Text)
			rig.PowerOn(t, pc)
		case strings.Contains(own.Text, "DAMAGED") && strings.Contains(before, "break"):
			// The cut came before the mark: nothing was written, and the pupil sits at the PC as it was.
			t.Logf("%s: cut before the first write: it started what it had", pc.Name)
			rig.Off(t, pc)
			again("once-more")
			before = ""
		case strings.Contains(own.Text, "DAMAGED"):
			t.Fatalf("%s starts a system that is neither the pupil's nor the master's: %s", pc.Name, own.Text)
		case done == cuts:
			rig.Off(t, pc)
			t.Logf("%s: after the last of %d power cuts its own system was up %.1f s after power-on: %s", pc.Name, cuts, own.At.Seconds(),
				lab.PhaseLine(lab.Phases(pc.Lines())))
			return
		default: // clean before all cuts were made
			rig.Off(t, pc)
			spotless(t, pc)
			damage(t, pc)
			again("yet-again")
			before = ""
		}
	}
}

// choose waits for the menu, looks at it, and takes its second entry.
func choose(t *testing.T, school *lab.School, pc *lab.PC, picture string) {
	t.Helper()
	shown := rig.Await(t, pc, menu, lab.BootLimit)
	t.Logf("%s: menu %.1f s after power-on", pc.Name, shown.At.Seconds())
	// GRUB draws a moment after it says so; the first key also ends the countdown.
	time.Sleep(1500 * time.Millisecond)
	for _, key := range []string{"down", "ret"} {
		if err := pc.Type(t.Context(), key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(700 * time.Millisecond)
		rig.Look(t, school, pc, picture+"-"+key)
	}
}

// damage is what a pupil with root's rights does: through the file system, on the disk of a PC that is off.
func damage(t *testing.T, pc *lab.PC) {
	t.Helper()
	mounted(t, pc, func(dir string) {
		var files []string
		err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/boot/") {
				files = append(files, path)
			}
			return err
		})
		for i, path := range files {
			if i%3 == 0 && err == nil {
				err = os.WriteFile(path, []byte("a pupil was here"), 0o644)
			}
		}
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "game"), make([]byte, 3<<20), 0o755)); err != nil {
			t.Error(err)
		}
	})
}

// mounted does something with the system volume of a PC that is off.
func mounted(t *testing.T, pc *lab.PC, do func(dir string)) {
	t.Helper()
	start, length := system(t, pc)
	dir := t.TempDir()
	run(t, "mount", "-o", fmt.Sprintf("loop,offset=%d,sizelimit=%d", start, length), pc.Disk(), dir)
	do(dir)
	run(t, "umount", dir)
	for range 100 {
		if out, err := exec.Command("losetup", "-j", pc.Disk()).Output(); err == nil && len(out) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("the disk of %s is still in use", pc.Name)
}

// system returns where the volume of the master's system lies.
func system(t *testing.T, pc *lab.PC) (start, length int64) {
	t.Helper()
	d, err := disk.Open(pc.Disk(), disk.Mode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Partitions {
		if p.Name == "root" {
			start, length = p.Start, p.Length
		}
	}
	return start, length
}

// told starts the server again, and the PCs tell it at their next reset what they did without it.
func told(t *testing.T, school *lab.School, pcs []*lab.PC) {
	t.Helper()
	if err := school.StartDaemon(t.Context()); err != nil {
		t.Fatal(err)
	}
	pc := pcs[0]
	rig.PowerOn(t, pc)
	choose(t, school, pc, "online")
	rig.Await(t, pc, clean, lab.WorkLimit)
	rig.Await(t, pc, ran, lab.BootLimit)
	rig.Off(t, pc)
	said, err := school.Order(t.Context(), "computer", "show", pc.Name)
	if err != nil || !strings.Contains(said, "proven clean") {
		t.Errorf("the server says of %s: %v\n%s", pc.Name, err, said)
	}
	t.Log(said)
	spotless(t, pc)
}

// asked resets a PC that has been asked for it from its own system: the server has an order for it, and the start menu was told
// to start the agent (disk.Sysfs.Ask; here from outside). Nobody touches a key.
func asked(t *testing.T, school *lab.School, pc *lab.PC) {
	t.Helper()
	damage(t, pc)
	if out, err := school.Order(t.Context(), "reset", "--computer", pc.Name, "--yes"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	d, err := disk.Open(pc.Disk(), disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err == nil && table.Ardoise == nil {
		err = errors.New("there is no ARDOISE")
	}
	if err == nil {
		var ours *disk.Ardoise
		if ours, err = disk.OpenArdoise(d, *table.Ardoise); err == nil {
			err = ours.SetNext(disk.NextWork)
		}
	}
	if err = errors.Join(err, d.Close()); err != nil {
		t.Fatal(err)
	}
	rig.PowerOn(t, pc)
	done := rig.Await(t, pc, clean, lab.WorkLimit)
	own := rig.Await(t, pc, ran, lab.BootLimit)
	rig.Off(t, pc)
	t.Logf("%s, asked from its own system: %s; its own system %.1f s after power-on", pc.Name, done.Text, own.At.Seconds())
	spotless(t, pc)
}

// spotless looks at the system volume of a PC that is off: of what was done to it nothing is left.
func spotless(t *testing.T, pc *lab.PC) {
	t.Helper()
	mounted(t, pc, func(dir string) {
		if _, err := os.Stat(filepath.Join(dir, "game")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s still has the pupil's game: %v", pc.Name, err)
		}
	})
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// lastPhase is the last phase of a reset that a PC told before its power went.
func lastPhase(pc *lab.PC) string {
	last := ""
	for _, line := range pc.Lines() {
		if strings.HasPrefix(line.Text, "ardoise: phase ") {
			last = line.Text
		}
	}
	return last
}
