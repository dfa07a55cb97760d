package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"testing"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

// TestAResetLeavesOurBootCode: on the disk of a BIOS PC of a menu room, boot code and boot gap are ours (DESIGN 6,
// "Exceptions": deploy, reset and verify ignore them).
func TestAResetLeavesOurBootCode(t *testing.T) {
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	path := withArdoise(t, data, "m", 600*mib)
	d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		t.Fatal(err)
	}
	content := map[string][]byte{"boot.img": bytes.Repeat([]byte{0xEB, 0x63}, 256)}
	boot := job.LocalBoot{Menu: true, Config: "menu"}
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg", "vmlinuz", "stage1.img", "stage2.img", "core.img", "boot.img"} {
		if content[name] == nil {
			content[name] = bytes.Repeat([]byte(name+" "), 1000)
		}
		if name == "core.img" {
			clear(content[name][0x1f4:0x1fc])
		}
		sum := blake3.Sum256(content[name])
		boot.Files = append(boot.Files, job.BootFile{Name: name, Size: int64(len(content[name])), Hash: hex.EncodeToString(sum[:])})
	}
	_, err = local.Install(t.Context(), local.Options{Device: d, Part: *table.Ardoise, Boot: boot, BIOS: true,
		Fetch: func(_ context.Context, f job.BootFile) (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(content[f.Name])), nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	before := make([]byte, disk.BootCodeSize)
	read := func(b []byte) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.ReadAt(b, 0); err != nil {
			t.Fatal(err)
		}
	}
	read(before)
	if v := must(t, "master", "verify", "m", "--disk", path, "--data", data); v.Equal == nil || !*v.Equal {
		t.Errorf("verify = %+v", v)
	}
	for _, level := range []string{"--quick", "--full"} {
		exit, out, complaints := ardoise("reset", "m", "--disk", path, "--data", data, level, "--json")
		var r resetResult
		if err := json.Unmarshal([]byte(out), &r); exit != 0 || err != nil {
			t.Fatalf("exit %d, %v: %s", exit, err, complaints)
		}
		after := make([]byte, disk.BootCodeSize)
		if read(after); !bytes.Equal(before, after) {
			t.Errorf("%s: the boot code of the start menu is gone; %d bytes written", level, r.WrittenBytes)
		}
		if r.WrittenBytes != 0 {
			t.Errorf("%s wrote %d bytes to a disk that holds its master", level, r.WrittenBytes)
		}
	}
}

// Names and keys of a computer's own were written past the file systems: their records do not tell of them, so no reset of
// such a disk may rest on these.
func TestAQuickResetDoubtsADiskWithBytesOfItsOwn(t *testing.T) {
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	path := withArdoise(t, data, "m", 600*mib)
	quick := func() (r resetResult) {
		exit, out, complaints := ardoise("reset", "m", "--disk", path, "--data", data, "--quick", "--json")
		if err := json.Unmarshal([]byte(out), &r); exit != 0 || err != nil {
			t.Fatalf("exit %d, %v: %s", exit, err, complaints)
		}
		return r
	}
	if r := quick(); r.Level != job.LevelQuick {
		t.Fatalf("without them: %+v", r)
	}
	d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil {
		t.Fatal(err)
	}
	a, err := disk.OpenArdoise(d, *table.Ardoise)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Proofs().Add(job.Proof{ID: "1", Ok: true, Exceptions: "a hash"}); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if r := quick(); r.Level != job.LevelFull || r.Doubt == "" {
		t.Errorf("with them: %+v", r)
	}
}
