package boot

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

func plant(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// A hub shows its device only once it has a driver, and a driver needs others first.
func TestDriversAreLoadedUntilNothingNewAppears(t *testing.T) {
	folder, sys := t.TempDir(), t.TempDir()
	plant(t, filepath.Join(folder, "modules.alias"), "alias pci:v1* xhci-pci\nalias usb:v2* r8152\nalias usb:v3* broken\n")
	plant(t, filepath.Join(folder, "modules.dep"), "k/xhci-pci.ko: k/xhci-hcd.ko k/usbcore.ko\nk/xhci-hcd.ko: k/usbcore.ko\nk/usbcore.ko:\nk/r8152.ko: k/mii.ko\nk/mii.ko:\nk/broken.ko:\nloop/a.ko: loop/b.ko\nloop/b.ko: loop/a.ko\n")
	plant(t, filepath.Join(sys, "devices/pci0/0/modalias"), "pci:v1d\n")
	var mu sync.Mutex
	var loaded []string
	d := &Drivers{folder: folder, sys: sys}
	d.insert = func(path string) error {
		mu.Lock()
		defer mu.Unlock()
		name := moduleName(path)
		if name == "broken" {
			return errors.New("key was rejected by service")
		}
		loaded = append(loaded, name)
		if name == "xhci_pci" {
			plant(t, filepath.Join(sys, "devices/pci0/0/usb1/modalias"), "usb:v2p")
			plant(t, filepath.Join(sys, "devices/pci0/0/usb2/modalias"), "usb:v3p")
		}
		return nil
	}
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	var faults []error
	for n := 1; n > 0; {
		var more []error
		n, more = d.LoadAll()
		faults = append(faults, more...)
	}
	if want := []string{"usbcore", "xhci_hcd", "xhci_pci", "mii", "r8152"}; !slices.Equal(loaded, want) {
		t.Errorf("loaded %v, want %v", loaded, want)
	}
	if len(faults) != 1 {
		t.Errorf("faults %v, want the broken one alone", faults)
	}
	// A loop of dependencies ends, and stage two's index makes it try again what was refused.
	_ = d.Load("a")
	if err := d.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, again := d.LoadAll(); len(again) != 1 {
		t.Errorf("after a new index: %v", again)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = d.Settle(ctx, func() int { return 1 })
}
