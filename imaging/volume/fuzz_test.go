package volume_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters/manifest"
)

// seeds are small volumes of each reader, made by the real tools.
func seeds(t testing.TB) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/a/file", noise(1, 30000))
	write(t, dir+"/a/b/empty", nil)
	write(t, dir+"/note", []byte("short"))
	out := map[string][]byte{}
	sized := func(name, size string, args ...string) {
		i := image{t.TempDir() + "/seed", 0}
		tool(t, "mke2fs", append(append([]string{"-q", "-F", "-N", "32", "-m", "0", "-d", dir}, args...), i.path, size)...)
		out[name] = i.bytes(t)
	}
	ext := func(name string, args ...string) { sized(name, "160k", args...) }
	ext("ext2", "-t", "ext2", "-b", "1024")
	ext("ext2 of revision 0", "-t", "ext2", "-r", "0", "-b", "1024")
	ext("ext4 without checksums", "-t", "ext4", "-b", "1024", "-O", "^has_journal,^metadata_csum,^uninit_bg,inline_data")
	ext("ext4 with checksums", "-t", "ext4", "-b", "1024", "-O", "^has_journal,^resize_inode")
	ext("ext4 with clusters", "-t", "ext4", "-b", "1024", "-C", "4096", "-O", "^has_journal,^metadata_csum,bigalloc,^resize_inode")
	sized("ext3", "1500k", "-t", "ext3", "-b", "1024", "-J", "size=1")
	sized("ext4 with a journal", "1800k", "-t", "ext4", "-b", "1024", "-J", "size=1", "-O", "orphan_file")
	sized("ext4 with blocks of 4 KiB", "400k", "-t", "ext4", "-b", "4096", "-O", "^has_journal,^metadata_csum,mmp")
	const groups = "^has_journal,^metadata_csum,^resize_inode," // of 256 blocks
	sized("ext4 with meta_bg", "1m", "-t", "ext4", "-b", "1024", "-g", "256", "-O", groups+"meta_bg")
	sized("ext4 with sparse_super2", "1m", "-t", "ext4", "-b", "1024", "-g", "256", "-O", groups+"sparse_super2,^flex_bg")
	sized("ext4 with quotas, indirect blocks", "1m", "-t", "ext4", "-b", "1024", "-g", "256", "-I", "128", "-O", groups+"quota,^extent,^64bit")
	fat16 := mkfat(t, 2200, "-F", "16", "-s", "1")
	mcopy(t, fat16, dir)
	out["fat16"] = fat16.bytes(t)
	for name, args := range map[string][]string{"fat12": {"-F", "12", "-s", "1"}, "fat32": {"-F", "32", "-s", "1", "-f", "1"}} {
		i := mkfat(t, 200, args...)
		if name == "fat12" { // mtools takes a FAT32 of so few clusters for a FAT12
			mtool(t, "mcopy", "-s", "-i", i.path, dir+"/a", dir+"/note", "::/")
		}
		out[name] = i.bytes(t)
	}
	swap := blank(t, 1)
	tool(t, "mkswap", swap.path)
	out["swap"] = swap.bytes(t)[:200<<10]
	for name, args := range map[string][]string{"ntfs": {"-c", "512"}, "ntfs of 4096 byte sectors": {"-s", "4096"}} {
		i := image{t.TempDir() + "/seed", 3 << 19} // mkntfs wants 1 MiB, most of which is not for files
		if err := os.WriteFile(i.path, make([]byte, i.size), 0o644); err != nil {
			t.Fatal(err)
		}
		tool(t, "mkntfs", append(args, "-q", "-Q", "-F", i.path)...)
		tool(t, "ntfscp", "-f", i.path, dir+"/a/file", "file")
		tool(t, "ntfscp", "-f", "-N", "stream", i.path, dir+"/a/file", "file")
		out[name] = i.bytes(t)
	}
	return out
}

// hostile reads bytes that may be anything: what comes out must add up.
func hostile(t testing.TB, b []byte) {
	l, err := volume.Read(bytes.NewReader(b), int64(len(b)), volume.Options{})
	if err != nil {
		return
	}
	classes(t, l, int64(len(b)))
	for _, h := range l.Heads {
		if h.Offset < 0 || h.Length <= 0 || h.Offset+h.Length > int64(len(b)) {
			t.Fatalf("head at %d lies outside", h.Offset)
		}
	}
}

func FuzzRead(f *testing.F) {
	r := rand.New(rand.NewPCG(9, 9))
	for _, b := range seeds(f) {
		f.Add(b)
		used := worthDamage(b)
		for range 3 {
			f.Add(damaged(r, b, used))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 3<<20 {
			hostile(t, b)
		}
	})
}

// FuzzPatch damages volumes where their structures lie: one byte string at one place of a sound volume. It goes deeper
// than FuzzRead, which spends its time on the first block.
func FuzzPatch(f *testing.F) {
	all := seeds(f)
	names := []string{"ext2", "ext2 of revision 0", "ext4 without checksums", "ext4 with clusters", "fat12", "fat32", "ntfs",
		"ntfs of 4096 byte sectors", "ext3", "ext4 with blocks of 4 KiB", "ext4 with meta_bg", "ext4 with sparse_super2",
		"ext4 with quotas, indirect blocks", "fat16"}
	for i := range names {
		f.Add(uint8(i), uint32(1024), []byte{0})
	}
	f.Fuzz(func(t *testing.T, seed uint8, at uint32, patch []byte) {
		b := bytes.Clone(all[names[int(seed)%len(names)]])
		copy(b[int(at)%len(b):], patch)
		hostile(t, b)
	})
}

func TestDamagedVolumesNeverBreakTheRules(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, sound := range seeds(t) {
		t.Run(name, func(t *testing.T) {
			l, err := volume.Read(bytes.NewReader(sound), int64(len(sound)), volume.Options{})
			if err != nil || name != "swap" && l.Order != manifest.ByFile {
				t.Fatalf("undamaged: %+v, %v", l, err)
			}
			used := worthDamage(sound)
			for range 300 {
				hostile(t, damaged(r, sound, used))
			}
		})
	}
}

// worthDamage is where something is, in the part of a volume that has its structures.
func worthDamage(sound []byte) []int {
	var used []int
	for i, c := range sound {
		if c != 0 && i < 64<<10 {
			used = append(used, i)
		}
	}
	return used
}

// damaged is a copy of a sound volume with a few bytes of it changed.
func damaged(r *rand.Rand, sound []byte, used []int) []byte {
	b := bytes.Clone(sound)
	for range 1 + r.IntN(4) {
		at := used[r.IntN(len(used))]
		if r.IntN(3) == 0 {
			at = min(at+r.IntN(8), len(b)-1)
		}
		b[at] = byte([]int{0, 1, 0xff, r.IntN(256)}[r.IntN(4)])
	}
	return b
}
