package initramfs_test

import (
	"bytes"
	"debug/elf"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/scripts/initramfs"
)

// put writes a program below a tree.
func put(t *testing.T, tree, name string, content []byte) {
	t.Helper()
	file := filepath.Join(tree, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestProgramBringsItsLibraries(t *testing.T) {
	mke2fs := read(t, "/usr/sbin/mke2fs")
	program, err := elf.NewFile(bytes.NewReader(mke2fs))
	if err != nil {
		t.Fatal(err)
	}
	needed, err := program.ImportedLibraries()
	if err != nil || len(needed) < 4 {
		t.Fatalf("mke2fs of the host names %d libraries: %v", len(needed), err)
	}

	// Two trees like two packages: the program here, all libraries of the host there.
	one, two := t.TempDir(), t.TempDir()
	put(t, one, "usr/sbin/mke2fs", mke2fs)
	if err := os.MkdirAll(filepath.Join(two, "usr/lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/usr/lib/x86_64-linux-gnu", filepath.Join(two, "usr/lib/x86_64-linux-gnu")); err != nil {
		t.Fatal(err)
	}
	put(t, two, "usr/lib64/ld-linux-x86-64.so.2", read(t, "/lib64/ld-linux-x86-64.so.2"))

	var a initramfs.Archive
	if err := a.Program(initramfs.Trees{one, two}, "usr/sbin/mke2fs"); err != nil {
		t.Fatal(err)
	}
	for _, name := range needed {
		if !a.Has("lib/x86_64-linux-gnu/" + name) {
			t.Errorf("%s is missing", name)
		}
	}
	if !a.Has("usr/sbin/mke2fs") || !a.Has("lib64/ld-linux-x86-64.so.2") {
		t.Error("the program or its loader is missing")
	}

	var missing *initramfs.MissingError
	if err := a.Program(initramfs.Trees{one}, "usr/sbin/mke2fs"); !errors.As(err, &missing) {
		t.Errorf("without the package of its libraries: %v; want a MissingError", err)
	}
}

func TestFindStaysWithinTheTrees(t *testing.T) {
	tree := t.TempDir()
	put(t, tree, "usr/bin/tool", []byte("mine"))
	for name, target := range map[string]string{
		"usr/bin/absolute": "/bin/tool", "usr/bin/up": "../../../../../../../bin/tool", "usr/bin/loop": "loop",
		"usr/bin/host": "/etc/hostname",
	} {
		if err := os.Symlink(target, filepath.Join(tree, name)); err != nil {
			t.Fatal(err)
		}
	}
	trees := initramfs.Trees{tree}
	for _, name := range []string{"usr/bin/tool", "bin/tool", "/usr/bin/absolute", "bin/up"} {
		if file, err := trees.Find(name); err != nil || file != filepath.Join(tree, "usr/bin/tool") {
			t.Errorf("Find(%s) = %s, %v", name, file, err)
		}
	}
	for _, name := range []string{"usr/bin/loop", "usr/bin/host", "usr/bin/none", "../../etc/hostname"} {
		if file, err := trees.Find(name); err == nil {
			t.Errorf("Find(%s) = %s, want an error", name, file)
		}
	}
}
