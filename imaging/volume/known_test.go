package volume_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// blank is an empty volume of mib MiB that a tool then formats.
func blank(t testing.TB, mib int64) image {
	t.Helper()
	i := image{filepath.Join(t.TempDir(), "volume"), mib << 20}
	f, err := os.Create(i.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(i.size); err != nil {
		t.Fatal(err)
	}
	return i
}

func TestSwapKeepsOnlyItsHeader(t *testing.T) {
	i := blank(t, 4)
	i.patch(t, 0, noise(1, int(i.size)))
	tool(t, "mkswap", "-L", "echange", "-U", "11111111-2222-3333-4444-555555555555", i.path)
	i.patch(t, i.size-1, []byte{7})
	i.size += 512 // behind the last page
	i.patch(t, i.size-512, bytes.Repeat([]byte{9}, 512))
	l := i.mustRead(t)
	if l.Kind != "swap" || l.Order != manifest.ByFile || l.Label != "echange" || l.UUID != "11111111-2222-3333-4444-555555555555" {
		t.Fatalf("%+v", l)
	}
	c := classes(t, l, i.size)
	for class, want := range map[byte]int{1: 4096 + 512, 2: 64 << 10, 3: 4<<20 - 4096 - 64<<10} {
		if n := bytes.Count(c, []byte{class}); n != want {
			t.Errorf("%d bytes of class %d, want %d", n, class, want)
		}
	}
	if out := tool(t, "blkid", "-p", restored(t, i, l).path); !strings.Contains(out, "echange") {
		t.Errorf("blkid says %s", out)
	}
}

func TestSwapWithAHibernatedSystemIsRefused(t *testing.T) {
	i := blank(t, 1)
	tool(t, "mkswap", i.path)
	i.patch(t, 4086, []byte("S1SUSPEND\x00"))
	_, err := i.read(t, volume.Options{})
	var refused *volume.RefusedError
	if !errors.As(err, &refused) || refused.Hint == "" {
		t.Fatalf("got %v, want a refusal with a hint", err)
	}
}

func TestVolumesThatAreOnlyRecognisedAreKeptWhole(t *testing.T) {
	for kind, how := range map[string]struct {
		mib  int64
		make func(t *testing.T, i image)
	}{
		"exfat": {1, func(t *testing.T, i image) { i.patch(t, 3, []byte("EXFAT   ")); i.patch(t, 510, []byte{0x55, 0xaa}) }},
		"lvm2": {1, func(t *testing.T, i image) {
			i.patch(t, 512, []byte("LABELONE"))
			i.patch(t, 512+24, []byte("LVM2 001"))
		}},
		"raw": {1, func(t *testing.T, i image) { i.patch(t, 0, noise(2, 1<<20)) }},
	} {
		t.Run(kind, func(t *testing.T) {
			i := blank(t, how.mib)
			how.make(t, i)
			l := i.mustRead(t)
			if l.Kind != kind || l.Order != manifest.Raw || l.Reason == "" || l.Used != i.size || len(l.Heads) == 0 {
				t.Fatalf("%+v", l)
			}
			for _, h := range l.Heads {
				i.patch(t, h.Offset, make([]byte, h.Length))
			}
			if again := i.mustRead(t); again.Kind != "raw" {
				t.Errorf("without its heads it is still recognised as %s", again.Kind)
			}
		})
	}
}

func TestEncryptedAndDirtyVolumesAreRefused(t *testing.T) {
	for name, how := range map[string]struct {
		patch map[int64]string
	}{
		"LUKS":                  {patch: map[int64]string{0: "LUKS\xba\xbe\x00\x02"}},
		"LUKS over an old ext4": {patch: map[int64]string{0: "LUKS\xba\xbe\x00\x01", 1080: "\x53\xef"}},
		"BitLocker":             {patch: map[int64]string{0: "\xeb\x58\x90-FVE-FS-"}},
	} {
		t.Run(name, func(t *testing.T) {
			i := blank(t, 16)
			for off, s := range how.patch {
				i.patch(t, off, []byte(s))
			}
			_, err := i.read(t, volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			if l, err := i.read(t, volume.Options{AsIs: true}); err != nil || l.Order != manifest.Raw || l.Used != i.size {
				t.Fatalf("as it is: %+v, %v", l, err)
			}
		})
	}
}

func TestAVolumeWithTwoFileSystemsIsKeptWhole(t *testing.T) {
	i := mkfat(t, 32<<10, "-F", "16", "-s", "4", "-R", "8")
	i.patch(t, 1080, []byte("\x53\xef"))
	l := i.mustRead(t)
	if l.Order != manifest.Raw || !strings.Contains(l.Reason, "both") {
		t.Errorf("order %s, reason %q", l.Order, l.Reason)
	}
}

func TestTinyVolumesAreKept(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 1082, 2047, 4096, 65536} {
		b := noise(5, int(size))
		if size > 1080 { // what is left of an ext4 that was cut
			copy(b[1080:], "\x53\xef")
		}
		l, err := volume.Read(bytes.NewReader(b), size, volume.Options{AsIs: true})
		if err != nil || l.Used != size {
			t.Errorf("%d bytes: %+v, %v", size, l, err)
		}
	}
}

func TestAnUnreadableDiskIsAnError(t *testing.T) {
	i := mkext(t, "", 8, "-t", "ext4")
	b := i.bytes(t)
	if _, err := volume.Read(bytes.NewReader(b[:100000]), i.size, volume.Options{}); err == nil {
		t.Error("a volume that ends early was read without an error")
	}
}
