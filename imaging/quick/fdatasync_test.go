package quick_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A pupil writes into a file of theirs, has the data written (fdatasync: the length stays, so no commit of the inode is
// waited for) and switches the computer off within the journal's five seconds. Its system starts once more and is shut
// down. The data is new, i_ctime is the master's.
func TestDataThatOutlivedItsInodeInAPowerCut(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 64*mib))
	tool(t, "mke2fs", "-q", "-t", "ext4", "-F", "-b", "4096", path)
	for file, change := range map[string]func(path string) error{
		"of a pupil's own":      func(p string) error { return os.Chown(p, 1000, 1000) },
		"of a pupil's group":    func(p string) error { return os.Chmod(p, 0o664) },
		"that all may write to": func(p string) error { return os.Chmod(p, 0o646) },
		"of a high number":      func(p string) error { return os.Chown(p, 65536, 0) },
	} {
		t.Run(file, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "one.img")
			tool(t, "cp", path, image)
			mountedExt(t, image, func(dir string) {
				f := filepath.Join(dir, "home/pupil/.profile")
				write(t, f, bytes.Repeat([]byte("good "), 40_000))
				must(t, change(f))
			})
			m := captured(t, image)
			pc := m.pc(t)
			dead := pc + ".cut"
			mountedExt(t, pc, func(dir string) {
				f, err := os.OpenFile(filepath.Join(dir, "home/pupil/.profile"), os.O_RDWR, 0)
				must(t, err)
				_, err = f.WriteAt(bytes.Repeat([]byte("evil "), 20_000), 0)
				must(t, err, unix.Fdatasync(int(f.Fd())))
				tool(t, "cp", pc, dead) // the disk as the power cut leaves it
				must(t, f.Close())
			})
			mountedExt(t, dead, func(string) {}) // the next start, and an ordinary end
			m.reset(t, dead, m.look(t, dead))    // fails where full finds what quick has vouched for
		})
	}
}
