package sources

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/scripts/debian"
)

// kernelTree lays out a kernel package without modules.
func kernelTree(t *testing.T) string {
	t.Helper()
	tree := t.TempDir()
	for name, text := range map[string]string{
		"boot/vmlinuz-6.12.1+deb13-amd64":                            "kernel",
		"usr/lib/modules/6.12.1+deb13-amd64/modules.builtin":         "kernel/fs/fuse/virtiofs.ko\n",
		"usr/lib/modules/6.12.1+deb13-amd64/modules.builtin.modinfo": "",
		"usr/lib/modules/6.12.1+deb13-amd64/modules.order":           "",
	} {
		file := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

func TestKernelIsIndexedWhereItsPackageLaysIt(t *testing.T) {
	tree := kernelTree(t)
	for _, when := range []string{"first", "second"} { // the second time the link to usr/lib is there
		k, err := openKernel(t.Context(), tree)
		if err != nil {
			t.Fatalf("%s time: %v", when, err)
		}
		if k.Version != "6.12.1+deb13-amd64" {
			t.Errorf("version %q", k.Version)
		}
		if got, err := k.Modules.Closure([]string{"virtiofs"}); err != nil || len(got) != 0 {
			t.Errorf("a module inside the kernel: %v, %v", got, err)
		}
	}
}

func TestKernelPackageWithTwoImagesIsRefused(t *testing.T) {
	tree := kernelTree(t)
	if err := os.WriteFile(filepath.Join(tree, "boot/vmlinuz-7"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := openKernel(t.Context(), tree); err == nil {
		t.Errorf("took %s of two", k.Version)
	}
}

func TestLockComesBackAsWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "debian.lock")
	if lock, err := readLock(file); err != nil || lock != nil {
		t.Fatalf("no lock yet: %v, %v", lock, err)
	}
	want := debian.Entry{Package: "zlib1g", Version: "1:1.3", Suite: "trixie/main",
		SHA256: "8c27c342230503b73dfde629642c3b352e87b554e06d60cf58772f236a305ceb"}
	if err := writeLock(file, debian.Lock{want}); err != nil {
		t.Fatal(err)
	}
	if lock, err := readLock(file); err != nil || len(lock) != 1 || lock[0] != want {
		t.Errorf("read %v, %v", lock, err)
	}
}
