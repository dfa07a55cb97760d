package debian_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/scripts/debian"
)

// cacheWith makes a cache that holds one real package, and its lock.
func cacheWith(t *testing.T) (*debian.Cache, debian.Lock) {
	t.Helper()
	dir := t.TempDir()
	root := filepath.Join(dir, "root")
	control := "Package: linux-image-9-amd64\nVersion: 9-1\nArchitecture: amd64\nMaintainer: x <x@example.org>\nDescription: x\n"
	for name, text := range map[string]string{"DEBIAN/control": control, "usr/share/x": "content\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(dir, "x.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", root, deb).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v: %s", err, out)
	}
	content, err := os.ReadFile(deb)
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	if err := os.Mkdir(filepath.Join(dir, "debs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(deb, filepath.Join(dir, "debs", sum+".deb")); err != nil {
		t.Fatal(err)
	}
	// A mirror that no machine reaches: whoever asks it fails.
	apt := debian.Apt{Dir: filepath.Join(dir, "apt"), Release: "trixie", Mirror: "file:/nonexistent/", Secure: "file:/nonexistent/"}
	return &debian.Cache{Dir: dir, Apt: apt, Notice: t.Logf},
		debian.Lock{{Package: "linux-image-9-amd64", Version: "9-1", Suite: "trixie/main", SHA256: sum}}
}

var wantKernel = debian.Want{Meta: map[string]string{"linux-image-amd64": "linux-image-"}}

func TestFetchAsksNobodyForWhatTheCacheHolds(t *testing.T) {
	cache, lock := cacheWith(t)
	taken, err := cache.Fetch(t.Context(), wantKernel, lock, false)
	if err != nil || len(taken) != 1 || taken[0] != lock[0] {
		t.Fatalf("Fetch = %v, %v; want %v", taken, err, lock)
	}
	tree, err := cache.Tree(t.Context(), taken[0])
	if err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(tree, "usr/share/x")); err != nil || string(text) != "content\n" {
		t.Errorf("unpacked file: %q, %v", text, err)
	}
}

func TestFetchDoesNotTakeADamagedPackageFromTheCache(t *testing.T) {
	cache, lock := cacheWith(t)
	file := filepath.Join(cache.Dir, "debs", lock[0].SHA256+".deb")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-1] ^= 1
	if err := os.WriteFile(file, content, 0o644); err != nil {
		t.Fatal(err)
	}
	if taken, err := cache.Fetch(t.Context(), wantKernel, lock, false); err == nil {
		t.Errorf("Fetch = %v; want the error of a mirror that is not there", taken)
	}
}
