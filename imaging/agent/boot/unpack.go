package boot

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

// Limits of what an archive may hold. The zero value means the limits of stage two.
type Limits struct {
	Bytes   int64 // of all files
	Entries int
}

// Stage two is some 40 MB; PCs have 1 GiB.
const (
	maxArchiveBytes   = 512 << 20
	maxArchiveEntries = 20000
	maxName           = 1024
	zstdWindow        = 128 << 20
)

// ArchiveError says what in an archive is refused.
type ArchiveError struct {
	Name   string // of the entry
	Reason string
}

// Error implements error.
func (e *ArchiveError) Error() string { return fmt.Sprintf("archive entry %q: %s", e.Name, e.Reason) }

// Unpack unpacks a newc cpio archive, compressed by zstd or not, into the folder root. Names are taken below root
// whatever they begin with; names with ".." and devices are refused with *ArchiveError. Files that exist are
// replaced. It reads the stream once and holds no more of it than a buffer, which is why it is our own: the reader of
// u-root wants the whole archive at hand and allocates the name length it is told, up to 4 GiB.
func Unpack(root *os.Root, r io.Reader, l Limits) error {
	if l.Bytes == 0 {
		l.Bytes = maxArchiveBytes
	}
	if l.Entries == 0 {
		l.Entries = maxArchiveEntries
	}
	b := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := b.Peek(4); string(magic) == "\x28\xb5\x2f\xfd" {
		z, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderConcurrency(2))
		if err != nil {
			return fmt.Errorf("decompressing the archive: %w", err)
		}
		defer z.Close()
		b = bufio.NewReaderSize(z, 64<<10)
	}
	u := unpacker{root: root, r: b, left: l.Bytes, links: map[[3]uint32]string{}}
	for range l.Entries {
		more, err := u.next()
		if err != nil || !more {
			return err
		}
	}
	return &ArchiveError{Reason: fmt.Sprintf("more than %d entries", l.Entries)}
}

type unpacker struct {
	root  *os.Root
	r     *bufio.Reader
	pos   int64
	left  int64
	links map[[3]uint32]string // device and inode of files with several names
}

type entry struct {
	ino, mode, links, mtime, size, major, minor uint32
	name                                        string
}

func (u *unpacker) read(b []byte) error {
	n, err := io.ReadFull(u.r, b)
	u.pos += int64(n)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (u *unpacker) align() error {
	var pad [3]byte
	return u.read(pad[:-u.pos&3])
}

// next unpacks one entry; false at the trailer.
func (u *unpacker) next() (bool, error) {
	var head [110]byte
	if err := u.read(head[:]); err != nil {
		return false, fmt.Errorf("reading an archive header: %w", err)
	}
	if m := string(head[:6]); m != "070701" {
		return false, &ArchiveError{Reason: fmt.Sprintf("magic %q", m)}
	}
	var f [13]uint32
	for i := range f {
		var b [4]byte
		if _, err := hex.Decode(b[:], head[6+8*i:14+8*i]); err != nil {
			return false, &ArchiveError{Reason: "header is not hexadecimal"}
		}
		f[i] = uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	}
	e := entry{ino: f[0], mode: f[1], links: f[4], mtime: f[5], size: f[6], major: f[7], minor: f[8]}
	if f[11] == 0 || f[11] > maxName {
		return false, &ArchiveError{Reason: fmt.Sprintf("name of %d bytes", f[11])}
	}
	name := make([]byte, f[11])
	if err := u.read(name); err != nil {
		return false, fmt.Errorf("reading an archive name: %w", err)
	}
	e.name = strings.TrimRight(string(name), "\x00")
	if err := u.align(); err != nil {
		return false, fmt.Errorf("reading an archive name: %w", err)
	}
	if e.name == "TRAILER!!!" {
		return false, nil
	}
	if err := u.place(e); err != nil {
		return false, err
	}
	return true, u.align()
}

func (u *unpacker) place(e entry) error {
	if u.left -= int64(e.size); u.left < 0 {
		return &ArchiveError{e.name, "archive holds more than allowed"}
	}
	name := strings.TrimLeft(e.name, "/")
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return &ArchiveError{e.name, "name goes up"}
		}
	}
	name = path.Clean(name)
	if strings.ContainsRune(name, 0) {
		return &ArchiveError{e.name, "name holds a zero byte"}
	}
	perm := fs.FileMode(e.mode & 0o777)
	var err error
	switch e.mode & unix.S_IFMT {
	case unix.S_IFDIR:
		err = u.folder(name, perm)
	case unix.S_IFREG:
		err = u.file(name, perm, e)
	case unix.S_IFLNK:
		err = u.link(name, e)
	default:
		return &ArchiveError{e.name, fmt.Sprintf("type %#o is refused", e.mode&unix.S_IFMT)}
	}
	if err == nil {
		return nil
	}
	var refused *ArchiveError
	if errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("unpacking %q: %w", e.name, err)
}

func (u *unpacker) folder(name string, perm fs.FileMode) error {
	if name == "." {
		return nil
	}
	err := u.root.MkdirAll(name, perm|0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

func (u *unpacker) file(name string, perm fs.FileMode, e entry) error {
	if dir := path.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	// newc gives the content of a file with several names once: with the last, or from some writers with the first.
	id := [3]uint32{e.major, e.minor, e.ino}
	first, again := u.links[id]
	again = again && e.links > 1
	_ = u.root.Remove(name)
	if again {
		if err := u.root.Link(first, name); err != nil || e.size == 0 {
			return err
		}
	}
	f, err := u.root.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, perm)
	if err != nil {
		return err
	}
	n, err := io.CopyN(f, u.r, int64(e.size))
	u.pos += n
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if e.links > 1 {
		u.links[id] = name
	}
	return u.root.Chtimes(name, time.Time{}, time.Unix(int64(e.mtime), 0))
}

func (u *unpacker) link(name string, e entry) error {
	if e.size == 0 || e.size > maxName {
		return &ArchiveError{e.name, fmt.Sprintf("link target of %d bytes", e.size)}
	}
	target := make([]byte, e.size)
	if err := u.read(target); err != nil {
		return err
	}
	// A link may point anywhere: os.Root follows none out of root, so nothing can be written through it.
	if dir := path.Dir(name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	_ = u.root.Remove(name)
	return u.root.Symlink(string(target), name)
}
