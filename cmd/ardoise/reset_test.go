package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// resetOf resets a disk and returns what the command says.
func resetOf(t testing.TB, args ...string) (r resetResult) {
	t.Helper()
	exit, out, complaints := ardoise(append(append([]string{"reset"}, args...), "--json")...)
	if err := json.Unmarshal([]byte(out), &r); exit != 0 || err != nil {
		t.Fatalf("ardoise reset %s = exit %d, %v\n%s%s", strings.Join(args, " "), exit, err, out, complaints)
	}
	return r
}

// pupils changes the root of a disk as a lesson does: a file written, one removed.
func pupils(t testing.TB, disk string) {
	t.Helper()
	root, essay := rootOf(t, disk), filepath.Join(t.TempDir(), "essay")
	if err := os.WriteFile(essay, []byte(strings.Repeat("Moi aussi. ", 9000)), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "debugfs", "-w", "-R", "write "+essay+" moi", root)
	tool(t, "debugfs", "-w", "-R", "rm /etc/hostname", root)
	splice(t, disk, root, rootStart)
}

func TestADiskIsResetQuicklyAndFully(t *testing.T) {
	data, disk := t.TempDir(), schoolPC(t)
	must(t, "master", "capture", "salle", "--disk", disk, "--data", data)
	reset := []string{"salle", "--disk", disk, "--data", data}
	if r := resetOf(t, append(reset, "--quick")...); r.Level != "quick" || r.Asked != "quick" || r.Doubt != "" || r.WrittenBytes != 0 ||
		r.DifferedBytes != 0 || r.VouchedBytes == 0 || r.Version != "salle@1" {
		t.Errorf("quick on an untouched disk: %+v", r)
	}
	pupils(t, disk)
	quick := resetOf(t, append(reset, "--quick")...)
	if quick.Level != "quick" || quick.Doubt != "" || quick.WrittenBytes == 0 || quick.DifferedBytes == 0 {
		t.Errorf("quick: %+v", quick)
	}
	must(t, "master", "verify", "salle", "--disk", disk, "--data", data)
	pupils(t, disk)
	full := resetOf(t, reset...)
	if full.Level != "full" || full.Asked != "full" || full.VouchedBytes != 0 || full.ReadBytes <= quick.ReadBytes {
		t.Errorf("full: %+v after quick: %+v", full, quick)
	}
	must(t, "master", "verify", "salle", "--disk", disk, "--data", data)
	if err := os.WriteFile(disk, make([]byte, diskSize), 0o600); err != nil {
		t.Fatal(err)
	}
	blank := resetOf(t, append(reset, "--quick", "--discard")...)
	if blank.Level != "full" || blank.Asked != "quick" || !strings.Contains(blank.Doubt, "superblock") || blank.Discarded == 0 {
		t.Errorf("quick on a blank disk: %+v", blank)
	}
	must(t, "master", "verify", "salle", "--disk", disk, "--data", data)
	if _, out, _ := ardoise(append([]string{"reset"}, reset...)...); !strings.Contains(out, "the disk holds salle@1: nothing differed, nothing was written") {
		t.Errorf("in words: %s", out)
	}
}

func TestAResetThatMeansNothingIsRefused(t *testing.T) {
	data := t.TempDir()
	for _, args := range [][]string{
		{}, {"salle"}, {"salle", "--disk", "x", "--full", "--quick"}, {"--room", "S104", "--disk", "x"},
		{"salle", "--disk", "x", "--at", "22:00"}, {"a", "b"},
	} {
		refused(t, 2, append(append([]string{"reset"}, args...), "--data", data)...)
	}
	refused(t, 3, "reset", "salle", "--disk", "x", "--data", data)
}
