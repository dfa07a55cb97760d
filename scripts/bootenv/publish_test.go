package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ardoise/ardoise/scripts/debian"
	"github.com/ardoise/ardoise/scripts/initramfs"
	"github.com/ardoise/ardoise/scripts/kmod"
	"github.com/ardoise/ardoise/scripts/sources"
)

func TestPublishDescribesWhatItWrote(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "boot")
	files := map[string][]byte{"vmlinuz": []byte("kernel"), "shimx64.efi": []byte("no PE at all")}
	taken := debian.Lock{{Package: "zlib1g", Version: "2"}, {Package: "btrfs-progs", Version: "1"}}
	if err := publish(dir, "6.12", taken, files); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "boot.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	// printf kernel | sha256sum
	f := m.Files["vmlinuz"]
	if f.Size != 6 || f.SHA256 != "6923dd1bc0460082c5d55a831908c24a282860b7f1cd6c2b79cf1bc8857c639c" || len(f.BLAKE3) != 64 {
		t.Errorf("vmlinuz is described as %+v", f)
	}
	if m.Kernel != "6.12" || m.Packages[0].Package != "btrfs-progs" {
		t.Errorf("boot.json: %+v", m)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.part"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// packagesOf makes the tree of a kernel package with a few modules, none of them signed.
func packagesOf(t *testing.T) *sources.Packages {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"modules.dep": "kernel/x.ko:\n", "modules.alias": "", "modules.builtin": "", "kernel/x.ko": "not signed",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	table, err := kmod.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &sources.Packages{Kernel: &sources.Kernel{Version: "6.12", Modules: table}}
}

func TestAModuleWithoutSignatureIsRefused(t *testing.T) {
	p := packagesOf(t)
	var a initramfs.Archive
	err := p.Kernel.Add(&a, nil, []string{"x"}, []string{"x"})
	if err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("Add = %v; under Secure Boot that module would not load", err)
	}
}

func TestListsNameNothingTwice(t *testing.T) {
	all := append(stageOneModules(), stageTwoModules()...)
	for i, m := range all {
		if kmod.Name(m) != m && !strings.Contains(m, "/") {
			t.Errorf("%s: the kernel spells it %s", m, kmod.Name(m))
		}
		if slices.Contains(all[i+1:], m) {
			t.Errorf("module %s is listed twice", m)
		}
	}
	for name, target := range links() {
		at := filepath.Join(filepath.Dir(name), target)
		if _, isLink := links()[at]; !isLink && !slices.Contains(tools(), at) {
			t.Errorf("%s leads to %s, which is no tool of stage two", name, at)
		}
	}
}

func TestPackTakesFromTheCacheWhatItPackedBefore(t *testing.T) {
	var a initramfs.Archive
	a.File("init", []byte("agent"), true)
	cache := t.TempDir()
	first, err := pack(&a, cache)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := filepath.Glob(filepath.Join(cache, "stage", "*.zst"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("kept %v, %v", kept, err)
	}
	var plain bytes.Buffer
	if err := a.Write(&plain); err != nil {
		t.Fatal(err)
	}
	if r, err := cpio.Newc.Reader(bytes.NewReader(plain.Bytes())).ReadRecord(); err != nil || r.Name != "init" {
		t.Errorf("first record %q, %v", r.Name, err)
	}
	second, err := pack(&a, cache)
	if err != nil || !bytes.Equal(first, second) {
		t.Errorf("packed twice, it differs: %v", err)
	}
}
