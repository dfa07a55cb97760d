package grub_test

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/pxe/grub"
)

func agent(args ...string) grub.Agent {
	return grub.Agent{
		Server: netip.MustParseAddr("10.9.0.2"), HTTPPort: 80, Arguments: args,
		BIOS: []grub.Transport{grub.TFTP, grub.HTTP}, UEFI: []grub.Transport{grub.HTTP, grub.TFTP},
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{
		"console=ttyS0,115200n8": "console=ttyS0,115200n8",
		"":                       "''",
		"a b":                    "'a b'",
		"$net_default_mac":       "'$net_default_mac'",
		"x;reboot":               "'x;reboot'",
		`a\b"c`:                  `'a\b"c'`,
	} {
		if got, err := grub.Quote(in); err != nil || got != want {
			t.Errorf("%q: got %s, %v", in, got, err)
		}
	}
	var bad *grub.ArgumentError
	for _, in := range []string{"it's", "two\nlines", "caf\u00e9", "\x00"} {
		if _, err := grub.Quote(in); !errors.As(err, &bad) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestMAC(t *testing.T) {
	mac, ok := grub.MAC("grub/mac-52:54:00:12:34:56.cfg")
	if !ok || mac.String() != "52:54:00:12:34:56" {
		t.Errorf("got %v, %v", mac, ok)
	}
	for _, name := range []string{
		"grub/mac-.cfg", "grub/mac-52:54:00:12:34.cfg", "grub/mac-5254.0012.3456.cfg", "grub/grub.cfg", "mac-52:54:00:12:34:56.cfg",
		"grub/mac-52:54:00:12:34:56.cfg/x", "grub/mac-zz:54:00:12:34:56.cfg", "grub/mac-00:00:00:00:fe:80:00:00.cfg",
		"grub/mac-01:00:5e:00:00:01.cfg", "grub/mac-ff:ff:ff:ff:ff:ff.cfg", "grub/mac-00:00:00:00:00:00.cfg",
	} {
		if mac, ok := grub.MAC(name); ok {
			t.Errorf("%s gave %v", name, mac)
		}
	}
}

// TestGRUBAcceptsEveryConfiguration asks GRUB's own parser.
func TestGRUBAcceptsEveryConfiguration(t *testing.T) {
	text, err := agent("ardoise.server=10.9.0.2:7443", "console=ttyS0", "a b;c", "$x", "{", "}").Config()
	if err != nil {
		t.Fatal(err)
	}
	for name, config := range map[string]string{"common": grub.Common(), "disk": grub.Disk(), "agent": text} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grub.cfg")
			if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("grub-script-check", path).CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, config)
			}
			// A script that ends opens GRUB's shell.
			if !strings.HasSuffix(strings.TrimSuffix(strings.TrimSpace(config), "\nfi"), "reboot") {
				t.Error("the script comes to its end")
			}
			if strings.Contains(config, "menuentry") {
				t.Error("there is a menu to stop at")
			}
		})
	}
}

func TestAgentConfigRefusesWhatItCannotQuote(t *testing.T) {
	var bad *grub.ArgumentError
	if _, err := agent("x'; reboot; '").Config(); !errors.As(err, &bad) {
		t.Errorf("got %v", err)
	}
}

func TestCoreHoldsOurAddress(t *testing.T) {
	cache := t.TempDir()
	m := grub.Maker{Cache: cache}
	one, err := m.Core(context.Background(), netip.MustParseAddr("10.9.0.2"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := m.Core(context.Background(), netip.MustParseAddr("10.9.0.3"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(one, two) {
		t.Error("two addresses have one image")
	}
	// A BIOS loads a network boot program below 640 KiB; PXE 2.1 section 3.5 leaves little more than half of it.
	if len(one) < 100<<10 || len(one) > 400<<10 {
		t.Errorf("the image has %d bytes", len(one))
	}
	// Without the program the cache must answer.
	kept, err := os.ReadDir(cache)
	if err != nil || len(kept) != 2 {
		t.Fatalf("cache: %v, %v", kept, err)
	}
	for _, k := range kept {
		b, err := os.ReadFile(filepath.Join(cache, k.Name()))
		if err != nil || !bytes.Equal(b, one) && !bytes.Equal(b, two) {
			t.Errorf("%s is neither image: %v", k.Name(), err)
		}
	}
}

func TestCoreSaysWhatIsMissing(t *testing.T) {
	var missing *grub.MkimageMissingError
	for name, m := range map[string]grub.Maker{
		"the program": {Mkimage: filepath.Join(t.TempDir(), "grub-mkimage")},
		"the modules": {Modules: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := m.Core(context.Background(), netip.MustParseAddr("10.9.0.2")); !errors.As(err, &missing) {
				t.Errorf("got %v", err)
			}
		})
	}
}
