package local_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/imaging/agent/local"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/manifest"
)

const mib = 1 << 20

// rig is a disk with an ARDOISE, and a server.
type rig struct {
	d       *disk.Disk
	part    manifest.Partition
	data    map[string][]byte // what the server gives
	boot    job.LocalBoot
	fetched []string
	bios    bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, mib+disk.ArdoiseSize); err != nil {
		t.Fatal(err)
	}
	d, err := disk.Open(path, disk.Mode{Read: true, Write: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	master := bytes.Repeat([]byte{0x33}, 512)
	master[510], master[511] = 0x55, 0xAA
	if _, err := d.WriteAt(master, 0); err != nil {
		t.Fatal(err)
	}
	r := &rig{d: d, part: manifest.Partition{Number: 4, Start: mib, Length: disk.ArdoiseSize}, data: map[string][]byte{}}
	if _, err := disk.MakeArdoise(d, r.part, 512, disk.MakeOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "grub.cfg", "vmlinuz", "stage1.img", "stage2.img", "core.img"} {
		r.data[name] = bytes.Repeat([]byte(name+" "), 1000)
	}
	clear(r.data["core.img"][0x1f4:0x1fc])
	r.data["boot.img"] = bytes.Repeat([]byte{0xEB, 0x63}, 256)
	r.boot = job.LocalBoot{Menu: true, Config: "menu one", Grant: grant(t, 3)}
	r.announce()
	return r
}

// announce lists the files as the server does.
func (r *rig) announce() {
	r.boot.Files = nil
	for _, name := range []string{"shimx64.efi", "grubx64.efi", "vmlinuz", "stage1.img", "stage2.img", "grub.cfg", "boot.img", "core.img"} {
		sum := blake3.Sum256(r.data[name])
		r.boot.Files = append(r.boot.Files, job.BootFile{Name: name, Size: int64(len(r.data[name])), Hash: hex.EncodeToString(sum[:])})
	}
}

func (r *rig) options() local.Options {
	return local.Options{Device: r.d, Part: r.part, Boot: r.boot, BIOS: r.bios,
		Fetch: func(_ context.Context, f job.BootFile) (io.ReadCloser, error) {
			r.fetched = append(r.fetched, f.Name)
			return io.NopCloser(bytes.NewReader(r.data[f.Name])), nil
		}}
}

func (r *rig) install(t *testing.T) local.Result {
	t.Helper()
	r.fetched = nil
	out, err := local.Install(t.Context(), r.options())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func grant(t *testing.T, counter uint64) job.Envelope {
	t.Helper()
	payload, err := json.Marshal(job.StandingGrant{Computer: "S104-07", Counter: counter})
	if err != nil {
		t.Fatal(err)
	}
	return job.Envelope{Payload: payload, Key: "k", Signature: []byte{1}}
}

// menu returns the menu that counts, and the kernel beside it.
func (r *rig) menu(t *testing.T) (menu, kernel string) {
	t.Helper()
	a, err := disk.OpenArdoise(r.d, r.part)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		f, err := a.BootFile(name)
		if err != nil || f == nil {
			t.Fatalf("%s: %v, %v", name, f, err)
		}
		b, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return read(disk.MenuFile), read("vmlinuz")
}

func TestInstallFetchesWhatDiffersAndNothingElse(t *testing.T) {
	r := newRig(t)
	if out := r.install(t); !out.Changed || len(r.fetched) != 6 {
		t.Errorf("first: %+v, fetched %v", out, r.fetched)
	}
	if out := r.install(t); out.Changed || len(r.fetched) != 0 || out.Fetched != 0 {
		t.Errorf("all is right: %+v, fetched %v", out, r.fetched)
	}
	// A new menu takes the files of the generation beside it.
	r.boot.Config = "menu two"
	if out := r.install(t); !out.Changed || len(r.fetched) != 0 {
		t.Errorf("another menu: %+v, fetched %v", out, r.fetched)
	}
	if menu, kernel := r.menu(t); menu != "menu two" || kernel != string(r.data["vmlinuz"]) {
		t.Errorf("menu %q, kernel of %d bytes", menu, len(kernel))
	}
	r.data["vmlinuz"] = bytes.Repeat([]byte("newer kernel"), 500)
	r.announce()
	if out := r.install(t); !out.Changed || len(r.fetched) != 1 || r.fetched[0] != "vmlinuz" || out.Fetched != int64(len(r.data["vmlinuz"])) {
		t.Errorf("another kernel: %+v, fetched %v", out, r.fetched)
	}
	// Somebody who is root changes the menu.
	at := r.find(t, "menu two")
	if _, err := r.d.WriteAt([]byte("evil"), at); err != nil {
		t.Fatal(err)
	}
	if out := r.install(t); !out.Changed {
		t.Error("a changed menu was taken for ours")
	}
	if menu, kernel := r.menu(t); menu != "menu two" || kernel != string(r.data["vmlinuz"]) {
		t.Errorf("menu %q, kernel of %d bytes", menu, len(kernel))
	}
}

// find looks for the first place of a text on the disk: generation A's.
func (r *rig) find(t *testing.T, text string) int64 {
	t.Helper()
	b := make([]byte, mib)
	for off := int64(0); off < r.d.Size(); off += mib {
		if _, err := r.d.ReadAt(b, off); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if i := bytes.Index(b, []byte(text)); i >= 0 {
			return off + int64(i)
		}
	}
	t.Fatalf("%q is nowhere", text)
	return 0
}

func TestFilesOfANewerServerAreLeftOut(t *testing.T) {
	r := newRig(t)
	r.boot.Files = append(r.boot.Files, job.BootFile{Name: "something.new", Size: 1, Hash: "00"})
	if out := r.install(t); !out.Changed || len(r.fetched) != 6 {
		t.Errorf("%+v, fetched %v", out, r.fetched)
	}
	if out := r.install(t); out.Changed {
		t.Error("all is right, and it was written again")
	}
}

func TestAServerThatLiesChangesNothing(t *testing.T) {
	r := newRig(t)
	r.install(t)
	r.boot.Config = "menu two"
	r.data["vmlinuz"] = bytes.Repeat([]byte("right kernel"), 500)
	r.announce()
	r.data["vmlinuz"] = bytes.Repeat([]byte("wrong kernel"), 500)
	var altered *disk.AlteredError
	if _, err := local.Install(t.Context(), r.options()); !errors.As(err, &altered) || altered.Name != "vmlinuz" {
		t.Errorf("got %v", err)
	}
	if menu, _ := r.menu(t); menu != "menu one" {
		t.Errorf("menu %q counts", menu)
	}
	down := r.options()
	gone := errors.New("no server")
	down.Fetch = func(context.Context, job.BootFile) (io.ReadCloser, error) { return nil, gone }
	if _, err := local.Install(t.Context(), down); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	if menu, _ := r.menu(t); menu != "menu one" {
		t.Errorf("menu %q counts", menu)
	}
}

func TestGrantsFollowTheirCounter(t *testing.T) {
	r := newRig(t)
	r.install(t)
	a, err := disk.OpenArdoise(r.d, r.part)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		give    job.Envelope
		keeps   uint64 // counter; 0: none
		changed bool
		refused bool
	}{
		{grant(t, 3), 3, false, false},
		{grant(t, 2), 3, false, true},
		{grant(t, 5), 5, true, false},
		{job.Envelope{}, 0, true, false},
		{job.Envelope{}, 0, false, false},
		{grant(t, 6), 6, true, false},
	} {
		r.boot.Grant = c.give
		out := r.install(t)
		var lower *disk.LowerCounterError
		if out.Changed != c.changed || errors.As(out.GrantRefused, &lower) != c.refused {
			t.Errorf("%s: %+v", c.give.Payload, out)
		}
		var g job.StandingGrant
		have, err := a.Grant().Load()
		if err == nil && have != nil {
			err = json.Unmarshal(have.Payload, &g)
		}
		if err != nil || g.Counter != c.keeps {
			t.Errorf("%s: grant %d is kept, %v", c.give.Payload, g.Counter, err)
		}
	}
}

func TestBIOSComputersStartFromARDOISEOnlyInMenuRooms(t *testing.T) {
	r := newRig(t)
	r.bios = true
	before := make([]byte, 512)
	if _, err := r.d.ReadAt(before, 0); err != nil {
		t.Fatal(err)
	}
	out := r.install(t)
	if len(out.Exceptions) != 1 || out.Exceptions[0].Why != disk.WhyStartMenu {
		t.Fatalf("exceptions %v", out.Exceptions)
	}
	if again := r.install(t); again.Changed || len(again.Exceptions) != 1 {
		t.Errorf("the second time: %+v", again)
	}
	later, err := local.Exceptions(r.d, r.part)
	if err != nil || len(later) != 1 || later[0].Hash != out.Exceptions[0].Hash {
		t.Errorf("later: %v, %v", later, err)
	}
	r.boot.Menu, r.boot.Files, r.boot.Config = false, nil, ""
	if out := r.install(t); !out.Changed || len(out.Exceptions) != 0 {
		t.Errorf("no menu room any more: %+v", out)
	}
	after := make([]byte, 512)
	if _, err := r.d.ReadAt(after, 0); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the first sector is not the master's again: %v", err)
	}
	if there, err := disk.HasMenu(r.d, r.part); err != nil || there {
		t.Errorf("there is a menu: %v, %v", there, err)
	}
	if out := r.install(t); out.Changed {
		t.Errorf("the second time: %+v", out)
	}
	// A server that cannot make GRUB for BIOS says so on the screen of each PC.
	r.boot.Menu, r.boot.Config = true, "menu one"
	r.announce()
	r.boot.Files = r.boot.Files[:6]
	var no *disk.NoBootCodeError
	if _, err := local.Install(t.Context(), r.options()); !errors.As(err, &no) {
		t.Errorf("without boot.img: %v", err)
	}
}

func TestOtherPartitionsAreRefused(t *testing.T) {
	r := newRig(t)
	if _, err := r.d.WriteAt(make([]byte, 512), mib); err != nil {
		t.Fatal(err)
	}
	var not *disk.NoArdoiseError
	if _, err := local.Install(t.Context(), r.options()); !errors.As(err, &not) {
		t.Errorf("install: %v", err)
	}
	if _, err := local.Exceptions(r.d, r.part); !errors.As(err, &not) {
		t.Errorf("exceptions: %v", err)
	}
}
