package volume_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/imaging/volume/ntfs"
)

func mkntfs(t testing.TB, mib int64, args ...string) image {
	t.Helper()
	i := blank(t, mib)
	tool(t, "mkntfs", append([]string{"-q", "-Q", "-F", "-L", "salle é"}, append(args, i.path)...)...)
	return i
}

// mounted runs do with the volume mounted by ntfs-3g, and returns when the driver has ended and written all.
func mounted(t testing.TB, i image, options string, do func(dir string)) {
	t.Helper()
	driven(t, i, options, func(dir string, _ *os.Process) { do(dir) })
}

// driven is mounted for who wants to end the driver, an end that is no fault then.
func driven(t testing.TB, i image, options string, do func(dir string, driver *os.Process)) {
	t.Helper()
	dir := t.TempDir()
	outside := device(t, dir)
	var said bytes.Buffer
	driver := exec.Command("ntfs-3g", "-o", "no_detach,streams_interface=windows,compression"+options, i.path, dir)
	driver.Stdout, driver.Stderr = &said, &said
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- driver.Wait() }()
	for device(t, dir) == outside {
		select {
		case err := <-ended:
			t.Fatalf("ntfs-3g does not mount: %v\n%s", err, &said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	defer func() {
		err := unmounted(dir)
		if err != nil && err != syscall.EINVAL { // EINVAL: the end of its driver has unmounted it
			t.Errorf("unmounting: %v", err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		}
		if err := <-ended; err != nil && driver.ProcessState.Exited() {
			t.Errorf("ntfs-3g: %v\n%s", err, &said)
		}
	}()
	do(dir, driver.Process)
}

func device(t testing.TB, dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	return info.Sys().(*syscall.Stat_t).Dev
}

// copyTree copies regular files.
func copyTree(t testing.TB, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// compressed makes a directory whose files NTFS compresses (FILE_ATTRIBUTE_DIRECTORY and _COMPRESSED).
func compressed(t testing.TB, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setxattr(dir, "system.ntfs_attrib", []byte{0x10, 8, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
}

func lines(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "line %d of a text that compresses well\n", i)
	}
	return b.Bytes()[:n]
}

// windowsTree writes what only NTFS has beside ordinary files.
func windowsTree(t testing.TB, dir string, compress bool) {
	t.Helper()
	long := strings.Repeat("ж", 120) + strings.Repeat("𝄞", 60)
	write(t, filepath.Join(dir, long, long+"é"), noise(1, 5000))
	if err := os.Link(filepath.Join(dir, "sizes", "0900001"), filepath.Join(dir, "a hard link")); err != nil {
		t.Fatal(err)
	}
	for n, size := range []int{700, 4096, 100000, 300001} {
		write(t, filepath.Join(dir, "streams", "with"+strconv.Itoa(n)), noise(3, 900*n))
		write(t, filepath.Join(dir, "streams", "with"+strconv.Itoa(n)+":Zone.Identifier"), noise(uint64(size), size))
	}
	write(t, filepath.Join(dir, "streams:of a directory"), noise(9, 50000))
	f, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{70000, 3 << 20, 40 << 20} {
		if _, err := f.WriteAt(noise(uint64(off), 9000), off); err != nil {
			t.Fatal(err)
		}
	}
	if compress {
		compressed(t, filepath.Join(dir, "packed"))
		write(t, filepath.Join(dir, "packed", "text"), lines(500001))
		write(t, filepath.Join(dir, "packed", "noise"), noise(5, 100000))
		write(t, filepath.Join(dir, "packed", "both"), append(lines(150000), noise(5, 150000)...))
	}
}

// scatter leaves free clusters between files and fills them with one file of n bytes.
func scatter(t testing.TB, dir string, files, n int) {
	t.Helper()
	name := func(k int) string { return filepath.Join(dir, "scattered", fmt.Sprintf("piece %d", k)) }
	for k := range files {
		write(t, name(k), noise(uint64(k), 3000))
	}
	for k := 0; k < files; k += 2 {
		if err := os.Remove(name(k)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "in pieces"), noise(12, n))
}

// digest describes all that a person or a program sees of a mounted volume: content, named streams, times, attributes.
func digest(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	add := func(rel string) {
		f, err := os.Open(filepath.Join(dir, rel))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Fatal(err)
		}
		out[rel] += fmt.Sprintf(" %x", h.Sum(nil))
	}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err != nil {
			return err
		}
		attributes := make([]byte, 4)
		_, _ = syscall.Getxattr(path, "system.ntfs_attrib", attributes)
		security, times := make([]byte, 4096), make([]byte, 32) // times of making, writing, reading, change
		n, _ := syscall.Getxattr(path, "system.ntfs_acl", security)
		security = security[:max(n, 0)]
		if n, err := syscall.Getxattr(path, "system.ntfs_times", times); err != nil || n != 32 || len(security) == 0 && rel != "." { // the driver cannot pass on that of the root
			t.Fatalf("%s: %d bytes of times, %d of security: %v", path, n, len(security), err)
		}
		out[rel] = fmt.Sprintf("%s %d %s links %d attributes %x security %x times %x", info.Mode(), info.Size(), info.ModTime().UTC(),
			info.Sys().(*syscall.Stat_t).Nlink, attributes, security, times)
		if d.Type().IsRegular() {
			add(rel)
		}
		list := make([]byte, 4096)
		n, err = syscall.Getxattr(path, "ntfs.streams.list", list)
		if err != nil {
			return nil // none
		}
		for name := range strings.SplitSeq(strings.TrimRight(string(list[:n]), "\x00"), "\x00") {
			if name != "" {
				add(rel + ":" + name)
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

func sameDigest(t testing.TB, want, got map[string]string) {
	t.Helper()
	for path, w := range want {
		if got[path] != w {
			t.Errorf("%.80s is %s, want %s", path, got[path], w)
		}
	}
	if len(got) != len(want) || len(want) < 20 {
		t.Errorf("%d files and streams, want %d", len(got), len(want))
	}
}

// info returns a number that ntfsinfo -m prints.
func info(t testing.TB, i image, field string) int64 {
	t.Helper()
	out := tool(t, "ntfsinfo", "-m", i.path)
	for line := range strings.Lines(out) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), field+": "); ok {
			n, err := strconv.ParseInt(strings.Fields(v)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("ntfsinfo prints no %q:\n%s", field, out)
	return 0
}

// asPartclone compares which bytes have a class with what partclone would copy: ours are never fewer, and where exact
// none is more. The last unit is left out: it has the backup of NTFS's boot sector, or is no whole one.
func asPartclone(t testing.TB, kind string, i image, class []byte, unit int64, exact bool) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "map")
	tool(t, "partclone."+kind, "-D", "-L", path+".log", "-s", i.path, "-o", path)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	theirs, last := make([]byte, len(class)), (int64(len(class))-1)/unit*unit
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "+" {
			continue
		}
		at, _ := strconv.ParseInt(f[0], 0, 64)
		n, _ := strconv.ParseInt(f[1], 0, 64)
		for end := min(at+n, int64(len(class))); at < end; at++ {
			theirs[at] = 1
		}
	}
	if bytes.Count(theirs, []byte{1}) == 0 {
		t.Fatalf("partclone.%s would copy nothing", kind)
	}
	for at := range last {
		if ours := class[at] != 0; ours != (theirs[at] != 0) && (exact || !ours) {
			t.Fatalf("byte %d has class %d, partclone.%s copies it: %v", at, class[at], kind, !ours)
		}
	}
}

// open reads the structures of a volume.
func open(t testing.TB, i image) *ntfs.Volume {
	t.Helper()
	v, err := ntfs.Open(bytes.NewReader(i.bytes(t)), i.size)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// place is the offset on the volume of byte off of the data of a file.
func place(t testing.TB, v *ntfs.Volume, number uint64, name string, off int64) int64 {
	t.Helper()
	f, err := v.File(number)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range f.Find(ntfs.TypeData, name).Runs {
		if in := off - r.VCN*v.Cluster; in >= 0 && in < r.Count*v.Cluster {
			return r.LCN*v.Cluster + in
		}
	}
	t.Fatalf("record %d has no byte %d", number, off)
	return 0
}

// protect puts the update sequence number of a record or page over the last two bytes of each 512.
func protect(b []byte) {
	at := binary.LittleEndian.Uint16(b[4:])
	for k := 1; k <= len(b)/512; k++ {
		end := b[k*512-2 : k*512]
		copy(b[int(at)+2*k:], end)
		copy(end, b[at:at+2])
	}
}

// edit changes a record of the file table, as it is without its fix-ups.
func edit(t testing.TB, i image, number uint64, change func(b []byte)) {
	t.Helper()
	v := open(t, i)
	off := place(t, v, ntfs.RecordMFT, "", int64(number)*v.Record)
	b := i.bytes(t)[off : off+v.Record]
	at := binary.LittleEndian.Uint16(b[4:])
	for k := 1; k <= len(b)/512; k++ {
		copy(b[k*512-2:], b[int(at)+2*k:int(at)+2*k+2])
	}
	change(b)
	protect(b)
	i.patch(t, off, b)
	if number < 4 { // the first four have a copy
		i.patch(t, place(t, v, ntfs.RecordMirror, "", int64(number)*v.Record), b)
	}
}

// find returns the offset in a record of an attribute's header.
func find(t testing.TB, b []byte, kind uint32, name string) int {
	t.Helper()
	for at := int(binary.LittleEndian.Uint16(b[0x14:])); binary.LittleEndian.Uint32(b[at:]) != 0xffffffff; {
		if binary.LittleEndian.Uint32(b[at:]) == kind && int(b[at+9]) == len(name) {
			return at
		}
		at += int(binary.LittleEndian.Uint32(b[at+4:]))
	}
	t.Fatalf("the record has no attribute %#x %q", kind, name)
	return 0
}

// numberOf is the record of a file.
func numberOf(t testing.TB, i image, path string) uint64 {
	t.Helper()
	v, number := open(t, i), uint64(0)
	if err := v.Files(func(f *ntfs.File, _ error) error {
		if v.Path(f) == path {
			number = f.Number
		}
		return nil
	}); err != nil || number == 0 {
		t.Fatalf("no file is called %s: %v", path, err)
	}
	return number
}
