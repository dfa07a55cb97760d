package main

import (
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
)

func testLocalBoots(t *testing.T) *localBoots {
	t.Helper()
	s := &site{log: slog.New(slog.DiscardHandler), kernelArgs: "console=ttyS0 quiet"}
	s.o.boot, s.o.data = t.TempDir(), t.TempDir()
	for _, name := range localNames() {
		if err := os.WriteFile(filepath.Join(s.o.boot, name), []byte("content of "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := newLocalBoots(s)
	return l
}

func TestLocalFilesAreWhatTheirHashesSay(t *testing.T) {
	l := testLocalBoots(t)
	for range 2 {
		list, err := l.Files(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range list {
			names = append(names, f.Name)
			src, err := l.Open(t.Context(), f.Name)
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(src)
			if err != nil {
				t.Fatal(err)
			}
			if sum := blake3.Sum256(b); hex.EncodeToString(sum[:]) != f.Hash || int64(len(b)) != f.Size {
				t.Errorf("%s has %d bytes, not those announced", f.Name, len(b))
			}
			if err := src.Close(); err != nil {
				t.Error(err)
			}
		}
		if want := "shimx64.efi grubx64.efi vmlinuz stage1.img stage2.img grub.cfg boot.img core.img"; strings.Join(names, " ") != want {
			t.Errorf("files %v, want %s", names, want)
		}
		// An update of the boot environment counts at the next contact.
		if err := os.WriteFile(filepath.Join(l.site.o.boot, "vmlinuz"), []byte("a newer kernel"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"../site.secret", "boot.json", "", "/etc/passwd"} {
		if _, err := l.Open(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestLocalFilesOfAHostWithoutGRUBForBIOS(t *testing.T) {
	l := testLocalBoots(t)
	l.maker.Modules = t.TempDir()
	list, err := l.Files(t.Context())
	if err != nil || len(list) != 6 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.Remove(filepath.Join(l.site.o.boot, "vmlinuz")); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Files(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a kernel: %v", err)
	}
}

func TestMenuOfARoom(t *testing.T) {
	l := testLocalBoots(t)
	l.site.o.agentPort = 7443
	var err error
	if l.site.ca, err = agentapi.OpenCA(t.TempDir(), time.Now()); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		policy job.Policy
		reset  bool
		want   []string
		not    []string
	}{
		"on demand":           {job.PolicyDemand, true, []string{"--id reset", "set default=disk", "ardoise.server=10.1.2.3:7443", "console=ttyS0 quiet", "ardoise.stage2=", "ardoise.mac=52:54:00:12:34:56"}, []string{"--users"}},
		"at each start":       {job.PolicyStart, true, []string{"set default=reset"}, nil},
		"nothing to reset to": {job.PolicyStart, false, []string{"set default=disk"}, []string{"--id reset"}},
		"never":               {job.PolicyNever, true, []string{"set default=disk"}, []string{"--id reset"}},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := l.Menu(t.Context(), agentapi.LocalMenu{Computer: fleet.Computer{MACs: []string{"52:54:00:12:34:56"}},
				Room: fleet.Room{Lang: "fr", Policy: c.policy, Menu: true}, Reset: c.reset, Server: netip.MustParseAddr("10.1.2.3")})
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range c.want {
				if !strings.Contains(text, w) {
					t.Errorf("%q is not in the menu", w)
				}
			}
			for _, w := range c.not {
				if strings.Contains(text, w) {
					t.Errorf("%q is in the menu", w)
				}
			}
		})
	}
}
