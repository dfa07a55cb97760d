package disk_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
)

// TestDiscardedBytesAreGoneAndOthersAreNot on an image file, and on a loop device, which hands it down to its file.
func TestDiscardedBytesAreGoneAndOthersAreNot(t *testing.T) {
	for _, how := range []string{"image file", "block device"} {
		t.Run(how, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "disk")
			whole := bytes.Repeat([]byte{0x5a}, 1<<20)
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
			if how == "block device" {
				out, err := exec.Command("losetup", "-f", "--show", path).Output()
				if err != nil {
					t.Skipf("no loop device: %v", err)
				}
				path = strings.TrimSpace(string(out))
				defer func() { _ = exec.Command("losetup", "-d", path).Run() }()
			}
			d, err := disk.Open(path, disk.Mode{Write: true})
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := errors.Join(d.Discard(8192, 65536), d.Discard(200_000, 300), d.Discard(300_001, 5000), d.Drop()); err != nil {
				t.Fatal(err)
			}
			have := make([]byte, len(whole))
			if _, err := d.ReadAt(have, 0); err != nil {
				t.Fatal(err)
			}
			clear(whole[8192 : 8192+65536])
			clear(whole[300_032:304_640]) // the whole sectors of it
			if !bytes.Equal(have, whole) {
				for i := range have {
					if have[i] != whole[i] {
						t.Fatalf("byte %d is %#x", i, have[i])
					}
				}
			}
			for _, e := range [][2]int64{{-4096, 8192}, {1 << 20, 4096}, {(1 << 20) - 4096, 8192}} {
				if d.Discard(e[0], e[1]) == nil {
					t.Errorf("%d bytes at %d of a disk of 1 MiB are discarded", e[1], e[0])
				}
			}
		})
	}
}
