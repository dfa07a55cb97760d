//go:build soak

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const (
	// leastMemory is the memory of the smallest PC that must carry a million files, in bytes.
	leastMemory = 1 << 30
	// captureMemory is the most that a capture may take of it, and of any disk's.
	captureMemory = 512 << 20
)

// TestAMillionFilesFitAPCOfOneGiB captures, restores and verifies a file system of a million small files and one file
// of 2 TiB that is all hole, with the program as it is built, and prints the time and the memory of each.
func TestAMillionFilesFitAPCOfOneGiB(t *testing.T) {
	dir, err := os.MkdirTemp("/var/tmp", "ardoise-million-") // some 5 GiB, which a /tmp in memory could not hold
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	at := func(name string) string { return filepath.Join(dir, name) }
	run := func(what, name string, args ...string) {
		t.Helper()
		c := exec.Command(name, args...)
		c.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
		start := time.Now()
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", what, err, out)
		}
		peak := c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
		t.Logf("%s: %.0f s, %d MiB at most", what, time.Since(start).Seconds(), peak>>20)
		most := int64(leastMemory)
		if what == "capture" {
			most = captureMemory
		}
		if name == at("ardoise") && peak > most {
			t.Errorf("%s took %d bytes of memory, want %d at most", what, peak, most)
		}
	}
	run("build", "go", "build", "-o", at("ardoise"), ".")
	for i := range 1_000_000 {
		folder := filepath.Join(dir, "tree", fmt.Sprint(i/1000))
		if i%1000 == 0 {
			if err := os.MkdirAll(folder, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(i)), fmt.Appendf(nil, "the file of number %d", i), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, size := range map[string]int64{"tree/hole": 2 << 40, "master": 3 << 30, "pc": 3 << 30} {
		if err := errors.Join(os.WriteFile(at(name), nil, 0o600), os.Truncate(at(name), size)); err != nil {
			t.Fatal(err)
		}
	}
	run("mke2fs", "mke2fs", "-q", "-F", "-t", "ext4", "-b", "1024", "-N", "1100000", "-d", at("tree"), at("master"))
	run("capture", at("ardoise"), "master", "capture", "million", "--data", at("data"), "--disk", at("master"))
	run("restore", at("ardoise"), "master", "restore", "million", "--data", at("data"), "--disk", at("pc"))
	run("verify", at("ardoise"), "master", "verify", "million", "--data", at("data"), "--disk", at("pc"))
	run("e2fsck", "e2fsck", "-fn", at("pc"))
}
