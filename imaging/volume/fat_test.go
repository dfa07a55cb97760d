package volume_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

func mkfat(t testing.TB, kib int, args ...string) image {
	t.Helper()
	i := image{filepath.Join(t.TempDir(), "fat"), int64(kib) << 10}
	tool(t, "mkfs.fat", append(append([]string{"-C", "-n", "SALLE", "-i", "CAFE0123"}, args...), i.path, fmt.Sprint(kib))...)
	return i
}

// mcopy copies what lies in dir to the root of a FAT volume.
func mcopy(t testing.TB, i image, dir string) {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	mtool(t, append([]string{"mcopy", "-s", "-Q", "-i", i.path}, append(list, "::/")...)...)
}

func mtool(t testing.TB, args ...string) {
	t.Helper()
	c := exec.Command(args[0], args[1:]...)
	c.Env = append(os.Environ(), "MTOOLS_SKIP_CHECK=1", "LC_ALL=C.UTF-8")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

var fats = map[string]struct {
	kib  int
	args string
}{
	"fat12 with 4 KiB clusters":    {8 << 10, "-F 12 -s 8"},
	"fat16 with 2 KiB clusters":    {32 << 10, "-F 16 -s 4"},
	"fat16 with one table":         {32 << 10, "-F 16 -s 4 -f 1"},
	"fat32 with 512 byte sectors":  {40 << 10, "-F 32 -s 1"},
	"fat16 with 4096 byte sectors": {32 << 10, "-F 16 -S 4096 -s 1"},
}

func TestFATOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := plainTree(t)
	for name, c := range fats {
		t.Run(name, func(t *testing.T) {
			i := mkfat(t, c.kib, strings.Fields(c.args)...)
			mcopy(t, i, tree)
			fragment(t, i, tree)
			l := i.mustRead(t)
			if l.Order != manifest.ByFile || l.Label != "SALLE" || l.UUID != "CAFE-0123" || !strings.HasPrefix(name, l.Kind) {
				t.Fatalf("%s by %s (%s), label %q, id %s", l.Kind, l.Order, l.Reason, l.Label, l.UUID)
			}
			if used := usedByFsck(t, i); l.Used != i.size-used.free {
				t.Errorf("%d bytes used, want %d", l.Used, i.size-used.free)
			}
			if class := classes(t, l, i.size); !strings.Contains(c.args, "-S 4096") {
				asPartclone(t, "fat", i, class, int64(l.Unit), l.Kind != "fat12") // of those it leaves some out that fsck.fat counts
			}
			streams := contents(t, i, l)
			for path, b := range streams {
				want, err := os.ReadFile(filepath.Join(tree, path))
				if err != nil || !bytes.Equal(b, want) {
					t.Errorf("stream %q differs from its file (%v)", path, err)
				}
			}
			if len(streams) < 140 {
				t.Errorf("%d streams, want 140 or more", len(streams))
			}
			out := restored(t, i, l)
			tool(t, "fsck.fat", "-n", out.path)
			dir := t.TempDir()
			mtool(t, "mcopy", "-s", "-Q", "-n", "-i", out.path, "::/*", dir)
			sameTree(t, tree, dir)
		})
	}
}

// fragment leaves holes between clusters and fills them with one file.
func fragment(t *testing.T, i image, tree string) {
	t.Helper()
	mtool(t, "mdel", "-i", i.path, "::/many/file number 7.txt", "::/many/file number 9.txt", "::/sizes/0065536")
	for _, f := range []string{"sizes/0900001", "many/file number 7.txt", "many/file number 9.txt", "sizes/0065536"} {
		mtool(t, "mcopy", "-o", "-D", "o", "-i", i.path, filepath.Join(tree, f), "::/"+f)
	}
}

type fatUse struct{ free int64 }

// usedByFsck figures the free bytes from fsck.fat's own count of clusters.
func usedByFsck(t *testing.T, i image) fatUse {
	t.Helper()
	var cluster, used, all int64
	for line := range strings.Lines(tool(t, "fsck.fat", "-n", "-v", i.path)) {
		if strings.HasSuffix(strings.TrimSpace(line), "bytes per cluster") {
			_, _ = fmt.Sscanf(line, "%d", &cluster)
		}
		if f := strings.Fields(line); len(f) > 3 && f[len(f)-1] == "clusters" {
			_, _ = fmt.Sscanf(f[len(f)-2], "%d/%d", &used, &all)
		}
	}
	if cluster == 0 || all == 0 {
		t.Fatal("fsck.fat prints no clusters")
	}
	return fatUse{(all - used) * cluster}
}

// table returns the offset of the first allocation table.
func table(t *testing.T, i image) (first, size int64) {
	b := i.bytes(t)
	sector := int64(b[11]) | int64(b[12])<<8
	per := int64(b[22]) | int64(b[23])<<8
	if per == 0 {
		per = int64(b[36]) | int64(b[37])<<8
	}
	return (int64(b[14]) | int64(b[15])<<8) * sector, per * sector
}

func TestFATThatIsNotCleanIsRefused(t *testing.T) {
	for name, how := range map[string]struct {
		width string
		at    int64 // in both tables; negative: in the boot sector
		bytes []byte
	}{
		"FAT16, not unmounted":      {"16", 3, []byte{0x7f}},
		"FAT16, errors":             {"16", 3, []byte{0xbf}},
		"FAT32, not unmounted":      {"32", 7, []byte{0x07}},
		"FAT32, errors":             {"32", 7, []byte{0x0b}},
		"FAT12, mounted by Linux":   {"12", -0x25, []byte{1}},
		"FAT32, mounted by Windows": {"32", -0x41, []byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			make := map[string]struct {
				kib     int
				sectors string // a cluster
			}{"12": {4 << 10, "4"}, "16": {32 << 10, "4"}, "32": {40 << 10, "1"}}[how.width]
			i := mkfat(t, make.kib, "-F", how.width, "-s", make.sectors)
			first, size := table(t, i)
			if how.at < 0 {
				i.patch(t, -how.at, how.bytes)
			} else {
				i.patch(t, first+how.at, how.bytes)
				i.patch(t, first+size+how.at, how.bytes)
			}
			_, err := i.read(t, volume.Options{})
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || refused.Hint == "" {
				t.Fatalf("got %v, want a refusal with a hint", err)
			}
			if l, err := i.read(t, volume.Options{AsIs: true}); err != nil || l.Order != manifest.Raw {
				t.Fatalf("as it is: %+v, %v", l, err)
			}
		})
	}
}

func TestFATThatContradictsItselfIsKeptMoreCoarsely(t *testing.T) {
	big := noise(1, 100000)
	for name, how := range map[string]struct {
		entry map[int64]uint16 // FAT16 entries to change in both tables
		one   bool             // only in the first
		want  manifest.Order
	}{
		"the copies differ":           {map[int64]uint16{900: 0xffff}, true, manifest.Raw},
		"a chain runs in a circle":    {map[int64]uint16{10: 3}, false, manifest.ByPosition},
		"a chain ends early":          {map[int64]uint16{10: 0xffff}, false, manifest.ByPosition},
		"a chain leaves the volume":   {map[int64]uint16{10: 0xff00}, false, manifest.ByPosition},
		"a chain runs into the free":  {map[int64]uint16{11: 0}, false, manifest.Raw},
		"a chain runs into the bad":   {map[int64]uint16{11: 0xfff7}, false, manifest.Raw},
		"a bad cluster and lost ones": {map[int64]uint16{900: 0xfff7, 901: 902, 902: 0xffff}, false, manifest.ByFile},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkfat(t, 32<<10, "-F", "16", "-s", "4")
			dir := t.TempDir()
			write(t, filepath.Join(dir, "big"), big)
			mcopy(t, i, dir)
			first, size := table(t, i)
			for n, v := range how.entry {
				i.patch(t, first+2*n, []byte{byte(v), byte(v >> 8)})
				if !how.one {
					i.patch(t, first+size+2*n, []byte{byte(v), byte(v >> 8)})
				}
			}
			l := i.mustRead(t)
			if l.Order != how.want {
				t.Fatalf("order %s (%s), want %s", l.Order, l.Reason, how.want)
			}
			c := classes(t, l, i.size)
			if how.want == manifest.ByFile {
				if len(l.DontCare) != 1 || l.DontCare[0].Length != 2048 {
					t.Errorf("the bad cluster is not don't-care: %v", l.DontCare)
				}
				lost := l.DontCare[0].Offset + 2048
				if bytes.Count(c[lost:lost+4096], []byte{1}) != 4096 {
					t.Error("lost clusters are not kept")
				}
			}
		})
	}
}

func TestFATWithoutItsHeadsDoesNotMount(t *testing.T) {
	i := mkfat(t, 40<<10, "-F", "32", "-s", "1")
	l := i.mustRead(t)
	if len(l.Heads) != 2 || l.Heads[1].Offset != 6*512 {
		t.Errorf("heads %v, want the boot sector and its backup", l.Heads)
	}
	for _, h := range l.Heads {
		i.patch(t, h.Offset, make([]byte, h.Length))
	}
	if l := i.mustRead(t); l.Kind != "raw" {
		t.Errorf("it is still recognised as %s", l.Kind)
	}
}
