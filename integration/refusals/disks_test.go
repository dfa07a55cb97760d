package refusals_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/integration/lab/rig"
)

func TestOrderForADiskThatDoesNotFitIsRefused(t *testing.T) {
	school := rig.Golden(t, "disks")
	space := plug(t, school, "agents", "10.77.0.40")
	tests := map[string]struct {
		disks []job.Disk
		words []string
		extra []string
	}{
		"a disk smaller than the master": {disks: []job.Disk{diskOf("/dev/sda", 64<<20, 512)}, words: []string{"small"}},
		"a disk with sectors of 4096":    {disks: []job.Disk{diskOf("/dev/sda", 2<<30, 4096)}, words: []string{"4096"}},
		"two disks that match":           {disks: []job.Disk{diskOf("/dev/sda", 2<<30, 512), diskOf("/dev/sdb", 3<<30, 512)}},
		"no disk":                        {},
	}
	number := 0
	for name, tt := range tests {
		number++
		t.Run(name, func(t *testing.T) {
			pc := "disks-" + string(rune('a'+number))
			enrolled(t, school, space, pc, computer(number, tt.disks...))
			_, err := school.Order(t.Context(), "deploy", "golden", "--computer", pc, "--yes")
			wantRefusal(t, err, 3, append(tt.words, pc)...)
			if jobs, err := school.Order(t.Context(), "job", "list"); err != nil || strings.Contains(jobs, pc) {
				t.Errorf("a refused order left a job: %v\n%s", err, jobs)
			}
		})
	}
	t.Run("a master that does not exist", func(t *testing.T) {
		pc := "disks-well"
		enrolled(t, school, space, pc, computer(77, diskOf("/dev/sda", 2<<30, 512)))
		_, err := school.Order(t.Context(), "deploy", "no-such-master", "--computer", pc, "--yes")
		wantRefusal(t, err, 3, "no-such-master")
	})
}

func TestRestoreLeavesADiskThatDoesNotFitUntouched(t *testing.T) {
	school := rig.Golden(t, "restore")
	if err := school.Daemon().Stop(10e9); err != nil { // the library is opened by one at a time
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small.raw")
	before := bytes.Repeat([]byte("not yours "), 64<<20/10)
	if err := os.WriteFile(small, before, 0o600); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, within(t, school, "", "master", "restore", "golden", "--disk", small, "--data", school.Data), 3, "small")
	if after, err := os.ReadFile(small); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a disk that was refused was written to (%v)", err)
	}
	device := loop4096(t)
	wantRefusal(t, within(t, school, "", "master", "restore", "golden", "--disk", device, "--data", school.Data), 3, "4096")
	first := make([]byte, 1<<20)
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Read(first); err != nil || !bytes.Equal(first, make([]byte, len(first))) {
		t.Errorf("a disk with other sectors was written to (%v)", err)
	}
}

// loop4096 makes an empty block device of 2 GiB with logical sectors of 4096 bytes.
func loop4096(t *testing.T) string {
	t.Helper()
	image := filepath.Join(t.TempDir(), "4kn.raw")
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 2<<30); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("losetup", "--find", "--show", "--sector-size", "4096", image).Output()
	if err != nil {
		t.Fatalf("losetup: %v", err)
	}
	device := strings.TrimSpace(string(out))
	t.Cleanup(func() {
		if out, err := exec.Command("losetup", "--detach", device).CombinedOutput(); err != nil {
			t.Errorf("losetup --detach: %v %s", err, out)
		}
	})
	return device
}
