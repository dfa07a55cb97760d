package disk_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

// deployed is a disk of 512 MiB as sgdisk divides it, with an ARDOISE that holds a key.
func deployed(t testing.TB) string {
	t.Helper()
	path := image(t, 512*mib)
	tool(t, "", "sgdisk", "-n", "1:2048:+16M", "-t", "1:ef00", "-c", "1:EFI system partition", "-n", "2:0:+40M", "-t", "2:8300",
		"-n", "3:0:+320M", "-t", "3:ef00", "-c", "3:"+disk.ArdoiseName, "-n", "4:0:+64M", "-t", "4:"+disk.TypeCache, "-c", "4:"+disk.CacheName, path)
	d := mustOpen(t, path, disk.Mode{Write: true})
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || len(table.Partitions) != 3 {
		t.Fatalf("table %+v, %v", table, err)
	}
	a, err := disk.MakeArdoise(d, table.Partitions[2], 512, disk.MakeOptions{Serial: 7})
	if err == nil {
		err = errors.Join(a.Key().Store([]byte("private key")), d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// keyOf reads the key as the agent does: table, ARDOISE, slot. "": there is none.
func keyOf(t testing.TB, path string) string {
	t.Helper()
	d := mustOpen(t, path, disk.Mode{Read: true})
	defer d.Close()
	table, err := disk.ReadTable(d, d.Size(), d.SectorSize())
	if err != nil || table.Ardoise == nil {
		return ""
	}
	a, err := disk.OpenArdoise(d, *table.Ardoise)
	if err != nil {
		t.Fatal(err)
	}
	key, err := a.Key().Load()
	if err != nil {
		t.Fatal(err)
	}
	return string(key)
}

// firstMiB reads the beginning of an image.
func firstMiB(t testing.TB, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, mib)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

// noise is bytes that are no table: the signature of an MBR among them would be chance.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(b)
	return b
}

func TestAWipedBeginningLosesNeitherARDOISENorTheCache(t *testing.T) {
	for why, c := range map[string]struct {
		at      int64
		bytes   []byte
		primary bool // is still there
	}{
		"zeros over the first MiB":            {0, make([]byte, mib), false},
		"noise over the first MiB":            {0, noise(int(mib)), false},
		"zeros over sectors 0 and 1":          {0, make([]byte, 1024), false},
		"zeros over sector 0":                 {0, make([]byte, 512), true},
		"zeros over the entries in sector 0":  {446, make([]byte, 64), true},
		"zeros over them and the GPT's first": {446, append(append(make([]byte, 64), 0x55, 0xAA), make([]byte, 8192)...), false},
	} {
		path := deployed(t)
		good := mustRead(t, path)
		if good.Ardoise == nil || good.Cache == nil || len(good.Warnings) > 0 {
			t.Fatalf("table %+v", good)
		}
		change(t, path, c.at, c.bytes)
		got := mustRead(t, path)
		if got.Disk != good.Disk || got.Ardoise == nil || *got.Ardoise != *good.Ardoise || got.Cache == nil || *got.Cache != *good.Cache {
			t.Errorf("%s: table %+v", why, got)
			continue
		}
		said := strings.Join(got.Warnings, "\n")
		if !strings.Contains(said, "protective MBR is gone") || strings.Contains(said, "the backup was read") == c.primary || strings.Contains(said, "hybrid") {
			t.Errorf("%s: warnings %q", why, got.Warnings)
		}
		if key := keyOf(t, path); key != "private key" {
			t.Errorf("%s: key %q", why, key)
		}
		plan, err := disk.PlanOver(got, &manifest.Manifest{Disk: good.Disk, Partitions: good.Partitions}, 512*mib, 512, disk.Ours{})
		if err != nil {
			t.Fatal(err)
		}
		f := mustOpen(t, path, disk.Mode{Read: true})
		if ok, _ := plan.Holds(f); ok {
			t.Errorf("%s: the table counts as whole", why)
		}
		f.Close()
		apply(t, path, plan.Tables)
		if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
			t.Errorf("%s: once it is written again, %s", why, out)
		}
		if again := mustRead(t, path); len(again.Warnings) > 0 || again.Ardoise.Start != good.Ardoise.Start || keyOf(t, path) != "private key" {
			t.Errorf("%s: once it is written again, %+v", why, again)
		}
	}
}

// TestABackupGPTIsNotBelievedWhereAnotherSystemBegan: what others have made since is theirs, whatever lies at the disk's
// end. Each tool makes its own beginning elsewhere, so that it clears nothing here.
func TestABackupGPTIsNotBelievedWhereAnotherSystemBegan(t *testing.T) {
	path := deployed(t)
	for why, make := range map[string]func(path string){
		"an MBR with a partition": func(p string) { tool(t, "label: dos\nstart=2048, size=20480, type=7\n", "sfdisk", "-q", p) },
		"an MBR without any":      func(p string) { tool(t, "label: dos\nlabel-id: 0x1234abcd\n", "sfdisk", "-q", p) },
		"an MBR of a larger disk": func(p string) {
			e := []byte{0, 0, 0, 0, 0x83, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 1}
			change(t, p, 446, append(append(e, make([]byte, 48)...), 0x55, 0xAA))
		},
		"FAT":   func(p string) { tool(t, "", "mkfs.fat", "-F32", p) },
		"exFAT": func(p string) { tool(t, "", "mkfs.exfat", p) },
		"NTFS":  func(p string) { tool(t, "", "mkntfs", "-q", "-Q", "-F", p) },
		"ext4":  func(p string) { tool(t, "", "mke2fs", "-q", "-t", "ext4", p) },
		"ext2":  func(p string) { tool(t, "", "mke2fs", "-q", "-t", "ext2", "-b", "1024", p) },
		"XFS":   func(p string) { tool(t, "", "mkfs.xfs", "-q", p) },
		"btrfs": func(p string) { tool(t, "", "mkfs.btrfs", "-q", p) },
		"swap":  func(p string) { tool(t, "", "mkswap", "-q", p) },
		"LVM":   func(p string) { change(t, p, 512, append([]byte("LABELONE\x01"), make([]byte, 503)...)) },
		"LUKS":  func(p string) { change(t, p, 0, append([]byte("LUKS\xba\xbe\x00\x02"), noise(4096)...)) },
	} {
		other := image(t, 512*mib)
		make(other)
		change(t, path, 0, firstMiB(t, other))
		got, err := read(t, path)
		if err == nil && (got.Disk.Table == manifest.GPT || got.Ardoise != nil || got.Cache != nil) {
			t.Errorf("%s: table %+v", why, got)
		}
		if key := keyOf(t, path); key != "" {
			t.Errorf("%s: key %q", why, key)
		}
	}
}

func TestABackupGPTIsBelievedOnlyWhereItLeadsToARDOISE(t *testing.T) {
	path := deployed(t)
	change(t, path, 0, make([]byte, mib))
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end := make([]byte, 33*512)
	at := 512*mib - int64(len(end))
	if _, err := f.ReadAt(end, at); err != nil {
		t.Fatal(err)
	}
	place := mustRead(t, path).Ardoise.Start
	boot := make([]byte, 512)
	if _, err := f.ReadAt(boot, place); err != nil {
		t.Fatal(err)
	}
	header := func(do func([]byte)) func([]byte) {
		return func(b []byte) {
			h := b[32*512:]
			do(h)
			clear(h[16:20])
			binary.LittleEndian.PutUint32(h[16:], crc32.ChecksumIEEE(h[:92]))
		}
	}
	for why, spoil := range map[string]func(b []byte){
		"its header damaged":           func(b []byte) { b[32*512+60] ^= 1 },
		"its entries damaged":          func(b []byte) { b[5] ^= 1 },
		"the header of another sector": header(func(h []byte) { h[24] ^= 1 }),
		"not a backup":                 header(func(h []byte) { binary.LittleEndian.PutUint64(h[32:], 2) }),
		"a partition behind the end": func(b []byte) {
			binary.LittleEndian.PutUint64(b[40:], 1<<40)
			header(func(h []byte) { binary.LittleEndian.PutUint32(h[88:], crc32.ChecksumIEEE(b[:128*128])) })(b)
		},
	} {
		spoilt := bytes.Clone(end)
		spoil(spoilt)
		change(t, path, at, spoilt)
		if got := mustRead(t, path); got.Disk.Table != manifest.NoTable || len(got.Partitions)+len(got.Own)+len(got.Warnings) > 0 {
			t.Errorf("%s: table %+v", why, got)
		}
	}
	change(t, path, at, end)
	change(t, path, place, make([]byte, 512))
	if got := mustRead(t, path); got.Disk.Table != manifest.NoTable || got.Cache != nil {
		t.Errorf("ARDOISE formatted: table %+v", got)
	}
	change(t, path, place, boot)
	if key := keyOf(t, path); key != "private key" {
		t.Errorf("as it was: key %q", key)
	}
}

// TestAResetFindsARDOISEAfterAWipe: deployed, wiped, reset as a person would order it, with capture and restore as they are.
func TestAResetFindsARDOISEAfterAWipe(t *testing.T) {
	golden := image(t, 64*mib)
	tool(t, "", "sgdisk", "-n", "1:2048:+20M", "-t", "1:8300", golden)
	volume, files := image(t, 20*mib), t.TempDir()
	if err := os.WriteFile(filepath.Join(files, "one"), noise(300_000), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "", "mke2fs", "-q", "-t", "ext4", "-d", files, volume)
	b, err := os.ReadFile(volume)
	if err != nil {
		t.Fatal(err)
	}
	change(t, golden, mib, b)
	from, store := mustOpen(t, golden, disk.Mode{Read: true}), &storetest.Kept{}
	m, _, err := capture.Run(t.Context(), capture.Options{Disk: from, Size: from.Size(), SectorSize: 512, Sink: store, Names: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	path := image(t, 512*mib)
	d := mustOpen(t, path, disk.Mode{Write: true})
	o := restore.Options{Manifest: m, Target: d, SectorSize: 512, Source: store, MakeArdoise: true, Cache: disk.CacheLeast}
	first, err := restore.Run(t.Context(), o)
	if err != nil || !first.Proven || first.Ardoise == nil || first.Cache == nil {
		t.Fatalf("deployed: %+v, %v", first, err)
	}
	a, err := disk.OpenArdoise(d, *first.Ardoise)
	if err == nil {
		err = a.Key().Store([]byte("private key"))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, wipe := range [][]byte{make([]byte, mib), noise(int(mib)), make([]byte, 512)} {
		change(t, path, 0, wipe)
		o.MakeArdoise, o.Cache = false, 0
		r, err := restore.Run(t.Context(), o)
		if err != nil || !r.Proven || r.Ardoise == nil || *r.Ardoise != *first.Ardoise || r.Cache == nil || *r.Cache != *first.Cache {
			t.Fatalf("reset: %+v, %v", r, err)
		}
		if out := tool(t, "", "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
			t.Errorf("after the reset: %s", out)
		}
		if diff, _, err := restore.Verify(t.Context(), o); err != nil || !diff.None() {
			t.Errorf("after the reset: %s, %v", diff.Summary(), err)
		}
		key, err := a.Key().Load()
		if err != nil || string(key) != "private key" {
			t.Errorf("after the reset: key %q, %v", key, err)
		}
		if again, err := disk.ReadTable(d, d.Size(), 512); err != nil || len(again.Warnings) > 0 || again.Ardoise == nil {
			t.Errorf("after the reset: table %+v, %v", again, err)
		}
	}
}

func TestAnImageOf4096ByteSectorsIsKnownByItsBackupToo(t *testing.T) {
	m := master(t, windows(t, 64*mib))
	m.Disk.SectorSize, m.Disk.FirstLBA = 4096, 6
	path := image(t, 512*mib)
	plan, err := disk.Plan(m, 512*mib, 4096, disk.Ours{Ardoise: true})
	if err != nil {
		t.Fatal(err)
	}
	apply(t, path, plan.Tables)
	d := mustOpen(t, path, disk.Mode{Write: true})
	a, err := disk.MakeArdoise(d, *plan.Ardoise, d.SectorSize(), disk.MakeOptions{})
	if err == nil {
		err = errors.Join(a.Key().Store([]byte("private key")), d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	change(t, path, 0, make([]byte, mib))
	if key := keyOf(t, path); key != "private key" {
		t.Errorf("key %q", key)
	}
}
