package boot_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/ardoise/ardoise/imaging/agent/boot"
	"github.com/ardoise/ardoise/imaging/agent/notices"
)

const ca = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func TestParametersOfTheKernelCommandLine(t *testing.T) {
	mac := net.HardwareAddr{0x52, 0x54, 0, 0xab, 0xcd, 0xef}
	for name, c := range map[string]struct {
		line    string
		mac     net.HardwareAddr
		lang    notices.Lang
		stay    bool
		missing string
	}{
		"as our GRUB writes it": {"BOOT_IMAGE=vmlinuz quiet ardoise.server=10.0.0.1:7443 ardoise.ca=" + ca + " ardoise.mac=52:54:00:ab:cd:ef", mac, notices.French, false, ""},
		"upper case, dashes":    {"ardoise.server=a:1 ardoise.ca=" + strings.ToUpper(ca) + " ardoise.mac=52-54-00-AB-CD-EF ardoise.lang=en", mac, notices.English, false, ""},
		"BOOTIF":                {"ardoise.server=a:1 ardoise.ca=" + ca + " BOOTIF=01-52-54-00-ab-cd-ef ardoise.stay=1\n", mac, notices.French, true, ""},
		"quoted":                {`x="a b ardoise.stay=1" ardoise.server="[fd00::1]:1" ardoise.ca=` + ca, nil, notices.French, false, ""},
		"no server":             {"ardoise.ca=" + ca + " ardoise.lang=en", nil, notices.English, false, "ardoise.server"},
		"server without port":   {"ardoise.server=10.0.0.1 ardoise.ca=" + ca, nil, notices.French, false, "ardoise.server"},
		"half a fingerprint":    {"ardoise.server=a:1 ardoise.ca=" + ca[:32], nil, notices.French, false, "ardoise.ca"},
		"a MAC that is none":    {"ardoise.server=a:1 ardoise.ca=" + ca + " ardoise.mac=52:54:00", nil, notices.French, false, ""},
	} {
		p, err := boot.ParseParameters(c.line)
		var bad *boot.ParameterError
		if c.missing == "" && err != nil || c.missing != "" && (!errors.As(err, &bad) || bad.Name != c.missing) {
			t.Errorf("%s: %v", name, err)
		}
		if p.MAC.String() != c.mac.String() || p.Lang != c.lang || p.Stay != c.stay {
			t.Errorf("%s: got %+v", name, p)
		}
	}
}

func TestWhatWasChosenInTheMenu(t *testing.T) {
	for line, want := range map[string]string{
		"":                                       " network",
		"ardoise.wish=reset ardoise.origin=disk": "reset disk",
		"ardoise.wish=work ardoise.origin=network":          "work network",
		"ardoise.wish=rescue":                               "rescue network",
		"ardoise.wish=inventory ardoise.origin=sdb":         "inventory network",
		"ardoise.wish=format ardoise.origin=disk":           " disk",
		"ardoise.wish=reset ardoise.wish=reinstall":         "reinstall network",
		`x="ardoise.wish=reset" ardoise.origin=disk`:        " disk",
		"ardoise.wish=RESET ardoise.origin=disk splash=off": " disk",
	} {
		p, err := boot.ParseParameters(line + " ardoise.server=a:1 ardoise.ca=" + ca)
		if got := p.Wish + " " + p.Origin; err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", line, got, err, want)
		}
	}
}

func FuzzParameters(f *testing.F) {
	f.Add("quiet ardoise.server=10.0.0.1:7443 ardoise.ca=" + ca + ` ardoise.mac=52:54:00:ab:cd:ef x="y z"`)
	f.Fuzz(func(t *testing.T, line string) {
		p, err := boot.ParseParameters(line)
		if err == nil && p.Server == "" || p.MAC != nil && len(p.MAC) != 6 || p.Lang == "" {
			t.Errorf("%q gives %+v, %v", line, p, err)
		}
	})
}

// Lines of Debian 13's kernel 6.12, as depmod writes them.
func modules() fstest.MapFS {
	return fstest.MapFS{
		"modules.alias": {Data: []byte(`# Aliases extracted from modules themselves.
alias pci:v00008086d000010D3sv*sd*bc*sc*i* e1000e
alias pci:v00008086d0000100Esv*sd*bc*sc*i* e1000
alias pci:v000010ECd00008168sv*sd*bc*sc*i* r8169
alias pci:v*d*sv*sd*bc01sc06i01* ahci
alias pci:v*d*sv*sd*bc01sc08i02* nvme
alias virtio:d00000001v* virtio_net
alias usb:v0BDAp8153d*dc*dsc*dp*ic*isc*ip*in* r8152
alias usb:v*p*d*dc*dsc*dp*ic02isc0Din*ip00in* cdc_ncm
alias scsi:t-0x00* sd_mod
alias acpi*:PNP0C0A:* battery
alias dmi*:svn*Some Vendor*:pn[A-F]?x* odd-one
alias mdio:00000000000111001100???????????? realtek
`)},
		"modules.dep": {Data: []byte(`kernel/drivers/net/ethernet/realtek/r8169.ko: kernel/drivers/net/mdio/mdio_devres.ko kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/mdio/mdio_devres.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/phy/libphy.ko:
kernel/drivers/net/phy/realtek.ko: kernel/drivers/net/phy/libphy.ko
kernel/drivers/net/usb/cdc-ncm.ko: kernel/drivers/net/usb/usbnet.ko
kernel/drivers/net/usb/usbnet.ko:
`)},
		"modules.softdep": {Data: []byte("softdep r8169 pre: realtek\nsoftdep libcrc32c pre: crc32c post: x y-z\n")},
	}
}

func TestDevicesFindTheirDrivers(t *testing.T) {
	x, err := boot.ReadIndex(modules())
	if err != nil {
		t.Fatal(err)
	}
	for alias, want := range map[string][]string{
		"pci:v00008086d000010D3sv00008086sd00000000bc02sc00i00": {"e1000e"},
		"pci:v000010ECd00008168sv00001028sd000008A1bc02sc00i00": {"r8169"},
		"pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01": {"ahci"},
		"pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02": {"nvme"},
		"virtio:d00000001v00001AF4":                             {"virtio_net"},
		"virtio:d00000002v00001AF4":                             nil,
		"usb:v0BDAp8153d3000dc00dsc00dp00icFFiscFFip00in00":     {"r8152"},
		"scsi:t-0x00":                           {"sd_mod"},
		"scsi:t-0x05":                           nil,
		"acpi:PNP0C0A:":                         {"battery"},
		"dmi:bvnX:svnSome Vendor:pnB/xyz:":      {"odd_one"},
		"dmi:bvnX:svnSome Vendor:pnG/xyz:":      nil,
		"":                                      nil,
		"mdio:00000000000111001100100000010110": {"realtek"},
	} {
		if got := x.Match(alias); strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("Match(%q) = %v, want %v", alias, got, want)
		}
	}
	if d := cmp.Diff([]string{"realtek", "libphy", "mdio_devres"}, x.Before("r8169")); d != "" {
		t.Errorf("before r8169: %s", d)
	}
	if f, ok := x.File("cdc_ncm"); !ok || f != "kernel/drivers/net/usb/cdc-ncm.ko" {
		t.Errorf("file of cdc_ncm: %q, %v", f, ok)
	}
}

func FuzzModalias(f *testing.F) {
	f.Add("pci:v*d*sv*sd*bc01sc06i01*", "pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01")
	f.Add("dmi*:svn*Some*:pn[A-F]?x*", "dmi:svnSome:pnBbx")
	f.Add("a[", "a[")
	f.Add("*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, s string) {
		x, err := boot.ReadIndex(fstest.MapFS{"modules.alias": {Data: []byte("alias " + pattern + " m\n")}})
		if err != nil {
			return
		}
		_ = x.Match(s)
		plain := len(strings.Fields(pattern)) == 1 && strings.TrimSpace(pattern) == pattern && !strings.ContainsAny(pattern, "*?[\n")
		if plain && pattern[0] != '#' && len(x.Match(pattern)) != 1 {
			t.Errorf("a pattern without wild cards does not match itself: %q", pattern)
		}
	})
}

func archive(t testing.TB, records ...cpio.Record) []byte {
	t.Helper()
	var b bytes.Buffer
	w := cpio.Newc.Writer(&b)
	for _, r := range append(records, cpio.TrailerRecord) {
		if err := w.WriteRecord(r); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func unpack(t testing.TB, b []byte, l boot.Limits) (string, error) {
	t.Helper()
	outer := t.TempDir()
	inner := filepath.Join(outer, "root")
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(inner)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = root.Close() }()
	err = boot.Unpack(root, bytes.NewReader(b), l)
	entries, rerr := os.ReadDir(outer)
	if rerr != nil || len(entries) != 1 {
		t.Fatalf("something was written beside the root: %v, %v", entries, rerr)
	}
	return inner, err
}

func TestArchiveIsUnpacked(t *testing.T) {
	b := archive(t, cpio.Directory("lib", 0o755), cpio.Symlink("lib64", "lib"), cpio.StaticFile("lib64/libc.so", "elf", 0o755),
		cpio.StaticFile("/absolute/is/below", "root", 0o644), cpio.StaticFile("lib/libc.so", "newer", 0o755), cpio.Directory("lib64", 0o755))
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"plain": b, "zstd": z.EncodeAll(b, nil)} {
		dir, err := unpack(t, content, boot.Limits{})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for file, want := range map[string]string{"lib/libc.so": "newer", "absolute/is/below": "root"} {
			if got, err := os.ReadFile(filepath.Join(dir, file)); err != nil || string(got) != want {
				t.Errorf("%s: %s = %q, %v", name, file, got, err)
			}
		}
		if i, err := os.Stat(filepath.Join(dir, "lib64/libc.so")); err != nil || i.Mode().Perm() != 0o755 {
			t.Errorf("%s: mode %v, %v", name, i, err)
		}
	}
}

func TestTricksAndBombsAreRefused(t *testing.T) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression))
	if err != nil {
		t.Fatal(err)
	}
	big := archive(t, cpio.StaticFile("zeros", string(make([]byte, 4<<20)), 0o644))
	huge := archive(t, cpio.StaticFile("x", "1", 0o644))
	copy(huge[6+8*11:], "FFFFFFFF") // name length
	claims := archive(t, cpio.StaticFile("x", "1", 0o644))
	copy(claims[6+8*6:], "FFFFFFFF") // file size
	for name, c := range map[string]struct {
		b []byte
		l boot.Limits
	}{
		"goes up":                   {archive(t, cpio.StaticFile("../evil", "x", 0o644)), boot.Limits{}},
		"goes up in the middle":     {archive(t, cpio.StaticFile("a/../../evil", "x", 0o644)), boot.Limits{}},
		"through an absolute link":  {archive(t, cpio.Symlink("out", "/tmp"), cpio.StaticFile("out/evil-ardoise", "x", 0o644)), boot.Limits{}},
		"through a link up":         {archive(t, cpio.Symlink("out", ".."), cpio.StaticFile("out/evil", "x", 0o644)), boot.Limits{}},
		"a device":                  {archive(t, cpio.CharDev("sda", 0o600, 8, 0)), boot.Limits{}},
		"more bytes than allowed":   {z.EncodeAll(big, nil), boot.Limits{Bytes: 1 << 20}},
		"more entries than allowed": {archive(t, cpio.StaticFile("a", "", 0), cpio.StaticFile("b", "", 0)), boot.Limits{Entries: 2}},
		"a name of 4 GiB":           {huge, boot.Limits{}},
		"a file that claims 4 GiB":  {claims, boot.Limits{}},
		"cut short":                 {big[:1000], boot.Limits{}},
		"not an archive":            {[]byte(strings.Repeat("hello ", 100)), boot.Limits{}},
		"zstd of nothing":           {z.EncodeAll(nil, nil), boot.Limits{}},
		"nothing":                   {nil, boot.Limits{}},
		"zstd that is cut short":    {z.EncodeAll(big, nil)[:40], boot.Limits{}},
		"no trailer":                {big[:len(big)-128], boot.Limits{}},
	} {
		if _, err := unpack(t, c.b, c.l); err == nil {
			t.Errorf("%s: it is unpacked", name)
		}
	}
}

func TestFilesWithSeveralNames(t *testing.T) {
	one := func(name, content string) cpio.Record {
		r := cpio.StaticFile(name, content, 0o644)
		r.Ino, r.NLink, r.Major = 7, 2, 1
		return r
	}
	head := func(r cpio.Record, size int) []byte {
		b := fmt.Appendf(nil, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", r.Ino, r.Mode, 0, 0, r.NLink, 0, size, r.Major, 0, 0, 0, len(r.Name)+1, 0, r.Name)
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	// The content comes with the last name, as cpio(1) writes it.
	b := append(head(one("a", ""), 0), head(one("b", "text"), 4)...)
	b = append(b, "text"...)
	b = append(b, archive(t)...)
	dir, err := unpack(t, b, boot.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{"a", "b"} {
		if got, err := os.ReadFile(filepath.Join(dir, n)); err != nil || string(got) != "text" {
			t.Errorf("%s = %q, %v", n, got, err)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add(archive(f, cpio.Directory("lib", 0o755), cpio.Symlink("lib64", "lib"), cpio.StaticFile("lib64/x", "elf", 0o755)))
	f.Add(archive(f, cpio.Symlink("out", "/tmp"), cpio.StaticFile("out/evil", "x", 0o644)))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _ = unpack(t, b, boot.Limits{Bytes: 1 << 16, Entries: 50})
	})
}
