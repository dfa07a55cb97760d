package volume_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

func TestNTFSOfEveryMakeIsKeptWhole(t *testing.T) {
	tree := plainTree(t)
	for name, args := range map[string]string{
		"clusters of 512 bytes":               "-c 512",
		"clusters of 1 KiB":                   "-c 1024",
		"clusters of 2 KiB":                   "-c 2048",
		"clusters of 4 KiB":                   "-c 4096",
		"clusters of 8 KiB":                   "-c 8192",
		"clusters of 64 KiB":                  "-c 65536",
		"clusters of 128 KiB":                 "-c 131072",
		"sectors of 1 KiB":                    "-s 1024",
		"sectors of 2 KiB, clusters of 4 KiB": "-s 2048 -c 4096",
		"sectors of 4 KiB":                    "-s 4096",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := mkntfs(t, 32, strings.Fields(args)...)
			cluster := info(t, i, "Cluster Size")
			var want map[string]string
			mounted(t, i, "", func(dir string) {
				copyTree(t, tree, dir)
				windowsTree(t, dir, cluster <= 4096)
				scatter(t, dir, 40, 200001)
			})
			l := i.mustRead(t)
			if l.Kind != "ntfs" || l.Order != manifest.ByFile || l.Label != "salle é" || l.Unit != int(cluster) {
				t.Fatalf("%s by %s (%s), label %q, unit %d", l.Kind, l.Order, l.Reason, l.Label, l.Unit)
			}
			if id := tool(t, "blkid", "-p", "-o", "value", "-s", "UUID", i.path); strings.TrimSpace(id) != l.UUID {
				t.Errorf("UUID %s, want %s", l.UUID, id)
			}
			free := info(t, i, "Free Clusters")
			if used := i.size - free*cluster; l.Used != used {
				t.Errorf("%d bytes used, want %d", l.Used, used)
			}
			asPartclone(t, "ntfs", i, classes(t, l, i.size), cluster, true)
			streams := contents(t, i, l)
			mounted(t, i, ",ro", func(dir string) {
				want = digest(t, dir)
				sameTree(t, tree, dir)
				byName(t, streams, dir)
			})
			out := restored(t, i, l)
			tool(t, "ntfsfix", "-n", out.path)
			tool(t, "ntfscluster", "-i", out.path)
			mounted(t, out, ",ro", func(dir string) { sameDigest(t, want, digest(t, dir)) })
			if again := out.mustRead(t); again.Used != l.Used || again.Order != l.Order {
				t.Errorf("restored: %d bytes used by %s, want %d", again.Used, again.Order, l.Used)
			}
		})
	}
}

// byName compares the streams of files that are not compressed with what the driver reads under the same name.
func byName(t *testing.T, streams map[string][]byte, dir string) {
	t.Helper()
	named := 0
	for path, b := range streams {
		if strings.HasPrefix(path, "$") || strings.HasPrefix(path, "packed/") {
			continue
		}
		if want, err := os.ReadFile(filepath.Join(dir, path)); err != nil || !bytes.Equal(b, want) {
			t.Errorf("stream %.60s differs from its file (%v)", path, err)
		}
		if strings.Contains(path, ":") {
			named++
		}
	}
	if streams["a hard link"] == nil || streams["sizes/0900001"] != nil {
		t.Error("of a file with two names, not only the first has a stream")
	}
	if least := 4; named < least || len(streams) < 20 {
		t.Errorf("%d streams, %d of them named, want %d", len(streams), named, least)
	}
}

func TestNTFSWithClustersOf2MiBIsKept(t *testing.T) {
	i := mkntfs(t, 512, "-c", strconv.Itoa(2<<20))
	mounted(t, i, "", func(dir string) {
		write(t, filepath.Join(dir, "a", "file"), noise(1, 3<<20))
		write(t, filepath.Join(dir, "another"), noise(2, 5000))
	})
	l := i.mustRead(t)
	if free := info(t, i, "Free Clusters"); l.Order != manifest.ByFile || l.Unit != 2<<20 || l.Used != i.size-free*2<<20 {
		t.Fatalf("order %s (%s), unit %d, %d bytes used, %d clusters free", l.Order, l.Reason, l.Unit, l.Used, free)
	}
	f, err := os.Open(i.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	found := 0
	if err := l.Streams(func(s volume.Stream) error {
		want := map[string][]byte{"a/file": noise(1, 3<<20), "another": noise(2, 5000)}[s.Path]
		if want == nil {
			return nil
		}
		found++
		got := make([]byte, s.Length)
		for _, p := range s.Pieces {
			if _, err := f.ReadAt(got[p.At:p.At+p.Length], p.Offset); err != nil {
				return err
			}
		}
		if !bytes.Equal(got[:s.Size], want) {
			t.Errorf("%s differs", s.Path)
		}
		return nil
	}); err != nil || found != 2 {
		t.Errorf("%d files found: %v", found, err)
	}
}
