package kmod_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/ulikunitz/xz"

	"github.com/ardoise/ardoise/scripts/kmod"
)

// lines of Debian 13's kernel 6.12, some hundred times shorter.
var tables = map[string]string{
	"modules.dep": "kernel/drivers/net/ethernet/realtek/r8169.ko.xz: kernel/drivers/net/phy/libphy.ko.xz kernel/drivers/net/mdio/mdio_devres.ko.xz\n" +
		"kernel/drivers/net/phy/libphy.ko.xz:\n" +
		"kernel/drivers/net/mdio/mdio_devres.ko.xz: kernel/drivers/net/phy/libphy.ko.xz\n" +
		"kernel/drivers/net/phy/realtek.ko.xz: kernel/drivers/net/phy/libphy.ko.xz\n" +
		"kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz\n" +
		"kernel/fs/jbd2/jbd2.ko.xz:\nkernel/fs/mbcache.ko.xz:\n" +
		"kernel/crypto/crc32c_generic.ko.xz:\n" +
		"kernel/arch/x86/crypto/crc32c-intel.ko.xz:\n" +
		"kernel/drivers/gpu/drm/i915/i915.ko.xz: kernel/fs/mbcache.ko.xz\n",
	"modules.alias": "# Aliases extracted from modules themselves.\n" +
		"alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169\n" +
		"alias mdio:0000000000011100110010010001???? realtek\n" +
		"alias fs-ext4 ext4\nalias crypto-crc32c crc32c_intel\nalias crypto-crc32c crc32c_generic\nalias pci:v00008086d* i915\n",
	"modules.softdep": "# Soft dependencies extracted from modules themselves.\n" +
		"softdep r8169 pre: realtek\nsoftdep ext4 pre: crypto-crc32c\nsoftdep jbd2 post: i915\nsoftdep mbcache i915\n",
	"modules.builtin": "kernel/drivers/virtio/virtio_pci.ko\nkernel/drivers/char/tpm/tpm-tis.ko\n",
}

func table(t *testing.T) *kmod.Table {
	t.Helper()
	dir := t.TempDir()
	for name, text := range tables {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tab, err := kmod.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestClosureBringsAllThatIsNeeded(t *testing.T) {
	for why, c := range map[string]struct{ wishes, want []string }{
		"a driver, what it needs and what it asks for": {[]string{"r8169"}, []string{"libphy", "mdio_devres", "r8169", "realtek"}},
		"all who offer an algorithm":                   {[]string{"ext4"}, []string{"crc32c_generic", "crc32c_intel", "ext4", "jbd2", "mbcache"}},
		"a path with a wildcard":                       {[]string{"kernel/drivers/net/phy/*"}, []string{"libphy", "realtek"}},
		"either spelling":                              {[]string{"crc32c-intel"}, []string{"crc32c_intel"}},
		"inside the kernel: nothing to bring":          {[]string{"virtio_pci", "tpm_tis"}, []string{}},
	} {
		t.Run(why, func(t *testing.T) {
			got, err := table(t).Closure(c.wishes)
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("closure, %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestClosureRefusesWhatTheKernelHasNot(t *testing.T) {
	for _, wish := range []string{"r8168", "kernel/drivers/net/wifi/*"} {
		var unknown *kmod.UnknownError
		if got, err := table(t).Closure([]string{"ext4", wish}); !errors.As(err, &unknown) || unknown.Wish != wish {
			t.Errorf("%s: %v, %v; want an UnknownError", wish, got, err)
		}
	}
}

func TestIndexSpeaksOfTheChosenAlone(t *testing.T) {
	tab := table(t)
	chosen, err := tab.Closure([]string{"r8169", "ext4"})
	if err != nil {
		t.Fatal(err)
	}
	index := tab.Index(chosen)
	if strings.Contains(string(index["modules.alias"]), "i915") {
		t.Error("modules.alias names a driver that is not there")
	}
	if n := strings.Count(string(index["modules.alias"]), "\n"); n != 5 {
		t.Errorf("modules.alias has %d lines, want 5:\n%s", n, index["modules.alias"])
	}
	for _, want := range []string{
		// realtek is asked for, not needed: last, so loaded before r8169, and libphy before both.
		"kernel/drivers/net/ethernet/realtek/r8169.ko: kernel/drivers/net/mdio/mdio_devres.ko kernel/drivers/net/phy/realtek.ko kernel/drivers/net/phy/libphy.ko\n",
		// Only the portable CRC: the other refuses to load on an old CPU.
		"kernel/fs/ext4/ext4.ko: kernel/fs/jbd2/jbd2.ko kernel/fs/mbcache.ko kernel/crypto/crc32c_generic.ko\n",
	} {
		if !strings.Contains(string(index["modules.dep"]), want) {
			t.Errorf("modules.dep lacks\n%s\nin\n%s", want, index["modules.dep"])
		}
	}
	if got := string(index["modules.builtin"]); !strings.Contains(got, "kernel/drivers/virtio/virtio_pci.ko\n") {
		t.Errorf("modules.builtin: %q", got)
	}
}

func TestReadRefusesATableThatLeavesItsFolder(t *testing.T) {
	dir := t.TempDir()
	for name, text := range tables {
		if name == "modules.dep" {
			text = "../../../../etc/x.ko:\n"
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := kmod.Read(dir); err == nil {
		t.Error("a module outside the kernel's folder was taken")
	}
}

func TestObjectIsUnpacked(t *testing.T) {
	tab := table(t)
	want := bytes.Repeat([]byte("module "), 1000)
	var packed bytes.Buffer
	w, err := xz.WriterConfig{CheckSum: xz.CRC32}.NewWriter(&packed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(want); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(tab.Dir, "kernel/fs/mbcache.ko.xz")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, packed.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := tab.Object("mbcache"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(want))
	}
	if err := os.WriteFile(file, packed.Bytes()[:packed.Len()-20], 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tab.Object("mbcache"); err == nil {
		t.Error("half a module was taken for a whole one")
	}
}

func TestSignedLooksAtTheEnd(t *testing.T) {
	signed := []byte("\x7fELF...~Module signature appended~\n")
	if !kmod.Signed(signed) || kmod.Signed(slices.Concat(signed, []byte("x"))) {
		t.Error("a signature is what a module ends in, and nothing else")
	}
}
