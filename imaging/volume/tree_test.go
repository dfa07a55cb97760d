package volume_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
)

// tool runs a file system tool and fails the test with its output when the tool does.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func noise(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b)
	return b
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
}

// plainTree makes files whose sizes lie around every boundary that matters, with names any file system takes.
func plainTree(t testing.TB) string {
	dir := t.TempDir()
	for i, n := range []int{0, 1, 59, 60, 61, 511, 512, 1023, 1024, 1025, 4095, 4096, 4097, 65536, 262143, 262144, 262145, 900001} {
		write(t, filepath.Join(dir, "sizes", fmt.Sprintf("%07d", n)), noise(uint64(i), n))
	}
	write(t, filepath.Join(dir, "zeros"), make([]byte, 300000))
	for i := range 120 {
		write(t, filepath.Join(dir, "many", fmt.Sprintf("file number %d.txt", i)), noise(uint64(1000+i), 100+i))
	}
	deep := dir
	for i := range 12 {
		deep = filepath.Join(deep, fmt.Sprintf("level %d", i))
	}
	write(t, filepath.Join(deep, "bottom"), []byte("the bottom"))
	write(t, filepath.Join(dir, "Un nom en français.txt"), []byte("été"))
	return dir
}

// unixTree adds what only ext knows: links, holes, names of 255 bytes, a directory large enough for an htree.
func unixTree(t testing.TB) string {
	dir := plainTree(t)
	for i := range 300 {
		write(t, filepath.Join(dir, "htree", fmt.Sprintf("%d-%s", i, strings.Repeat("n", 60))), []byte{byte(i)})
	}
	write(t, filepath.Join(dir, strings.Repeat("x", 255)), []byte("long"))
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{70000, 5 << 20, 40 << 20} {
		if _, err := f.WriteAt(noise(uint64(off), 9000), off); err != nil {
			t.Fatal(err)
		}
	}
	for name, make := range map[string]func(string) error{
		"a hard link":  func(p string) error { return os.Link(filepath.Join(dir, "sizes", "0900001"), p) },
		"z hard link":  func(p string) error { return os.Link(filepath.Join(dir, "sizes", "0900001"), p) },
		"short link":   func(p string) error { return os.Symlink("zeros", p) },
		"longest link": func(p string) error { return os.Symlink(strings.Repeat("y/", 400), p) },
	} {
		if err := make(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// sameTree compares the regular files and links of two directories.
func sameTree(t *testing.T, want, got string) {
	t.Helper()
	count := 0
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(want, path)
		count++
		if d.Type()&fs.ModeSymlink != 0 {
			a, _ := os.Readlink(path)
			if b, err := os.Readlink(filepath.Join(got, rel)); err != nil || a != b {
				t.Errorf("link %s points to %.40q (%v), want %.40q", rel, b, err, a)
			}
			return nil
		}
		a, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if b, err := os.ReadFile(filepath.Join(got, rel)); err != nil || !bytes.Equal(a, b) {
			t.Errorf("file %.60s differs: %d bytes (%v), want %d", rel, len(b), err, len(a))
		}
		return nil
	})
	if err != nil || count < 100 {
		t.Fatalf("compared %d files: %v", count, err)
	}
}

// image is a volume in a file.
type image struct {
	path string
	size int64
}

func (i image) read(t testing.TB, o volume.Options) (*volume.Layout, error) {
	t.Helper()
	f, err := os.Open(i.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return volume.Read(f, i.size, o)
}

func (i image) mustRead(t testing.TB) *volume.Layout {
	t.Helper()
	l, err := i.read(t, volume.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// patch changes the image in place.
func (i image) patch(t testing.TB, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(i.path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(b, off); err != nil {
		t.Fatal(err)
	}
}

func (i image) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(i.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// classes marks the class of every byte: 0 none, 1 kept, 2 fill, 3 don't-care; a byte with two fails.
func classes(t testing.TB, l *volume.Layout, size int64) []byte {
	t.Helper()
	out := make([]byte, size)
	var used int64
	mark := func(off, length int64, class byte) {
		if off < 0 || length <= 0 || off+length > size {
			t.Fatalf("class %d at %d, %d bytes: outside the volume of %d", class, off, length, size)
		}
		used += length
		part := out[off : off+length]
		if bytes.Count(part, []byte{0}) != len(part) {
			t.Fatalf("of %d bytes at %d some have class %d and another one", length, off, class)
		}
		copy(part, bytes.Repeat([]byte{class}, len(part)))
	}
	if err := l.Streams(func(s volume.Stream) error {
		at := int64(0)
		for _, p := range s.Pieces {
			if p.At < at || p.At+p.Length > s.Length {
				t.Fatalf("stream %q: piece at %d, %d bytes, after %d in %d", s.Path, p.At, p.Length, at, s.Length)
			}
			at = p.At + p.Length
			mark(p.Offset, p.Length, 1)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range l.Fills {
		mark(f.Offset, f.Length, 2)
	}
	for _, e := range l.DontCare {
		mark(e.Offset, e.Length, 3)
	}
	if used != l.Used {
		t.Fatalf("classes add up to %d bytes, the layout uses %d", used, l.Used)
	}
	return out
}

// restored writes what the layout keeps and fills over garbage.
func restored(t testing.TB, i image, l *volume.Layout) image {
	t.Helper()
	from := i.bytes(t)
	to := bytes.Repeat([]byte{0xa5, 0x5a, 0xff}, int(i.size)/3+1)[:i.size]
	if err := l.Streams(func(s volume.Stream) error {
		for _, p := range s.Pieces {
			copy(to[p.Offset:p.Offset+p.Length], from[p.Offset:])
			if tail := min(p.At+p.Length-s.ZeroFrom(), p.Length); tail > 0 {
				clear(to[p.Offset+p.Length-tail : p.Offset+p.Length])
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, f := range l.Fills {
		copy(to[f.Offset:], bytes.Repeat([]byte{f.Byte}, int(f.Length)))
	}
	out := image{filepath.Join(t.TempDir(), "restored"), i.size}
	if err := os.WriteFile(out.path, to, 0o644); err != nil {
		t.Fatal(err)
	}
	return out
}

// contents reads every file of a layout by its stream alone.
func contents(t testing.TB, i image, l *volume.Layout) map[string][]byte {
	t.Helper()
	from, out := i.bytes(t), map[string][]byte{}
	if err := l.Streams(func(s volume.Stream) error {
		if s.Path == "" {
			return nil
		}
		b := make([]byte, s.Length)
		for _, p := range s.Pieces {
			copy(b[p.At:], from[p.Offset:p.Offset+p.Length])
		}
		if _, twice := out[s.Path]; twice {
			t.Errorf("two streams are called %s", s.Path)
		}
		out[s.Path] = b[:s.Size]
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}
