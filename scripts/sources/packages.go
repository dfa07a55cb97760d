package sources

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/scripts/debian"
	"github.com/ardoise/ardoise/scripts/initramfs"
)

// release is the Debian whose kernel and GRUB we take: 12's GRUB 2.06 asks the school's DHCP server for its files, though
// we answered beside it, and its kernel knows neither NTFS nor the network cards of this year.
const release = "trixie"

// kernelMeta depends on the signed kernel of the day, whose name carries its version.
const kernelMeta, kernelPrefix = "linux-image-amd64", "linux-image-"

// wanted lists the packages, each with why it is there.
func wanted() debian.Want {
	return debian.Want{
		Meta: map[string]string{kernelMeta: kernelPrefix},
		Packages: []string{
			"shim-signed", "grub-efi-amd64-signed",
			"firmware-realtek", "firmware-misc-nonfree", "firmware-bnx2", // r8169 and r8152, tg3 and e100, bnx2
			"e2fsprogs", "libext2fs2t64", "libcom-err2", "libss2", "libblkid1", "libuuid1", "libc6",
			"ntfs-3g", "libntfs-3g89t64",
			"dosfstools",
			"xfsprogs", "libinih1", "liburcu8t64",
			"btrfs-progs", "liblzo2-2", "libzstd1", "zlib1g", "libudev1", "libcap2",
			"busybox-static",
		},
	}
}

// Settings say where packages come from and go to.
type Settings struct {
	Cache  string // folder of packages and indexes
	Lock   string // file of versions and hashes
	Mirror string // of Debian; empty: the one of the host's apt
	Secure string // of Debian's security updates; empty: the one of the host's apt
	Update bool   // take the newest and rewrite the lock
}

// Flags adds the settings to a command line.
func (s *Settings) Flags(f *flag.FlagSet) {
	f.StringVar(&s.Cache, "cache", "build/cache", "folder of packages and indexes")
	f.StringVar(&s.Lock, "lock", "scripts/debian.lock", "versions and hashes of the packages")
	f.StringVar(&s.Mirror, "mirror", "", "Debian mirror; else the one of the host's apt")
	f.StringVar(&s.Secure, "security-mirror", "", "mirror of Debian's security updates; else the one of the host's apt")
}

// Packages are the fetched packages.
type Packages struct {
	Taken      debian.Lock
	Trees      initramfs.Trees
	Kernel     *Kernel
	Copyrights map[string]string // package -> its copyright file in the trees
	lock       *os.File
}

// Close lets the next builder at the cache.
func (p *Packages) Close() error { return p.lock.Close() }

// Open brings the packages into the cache, unpacks them and reads the kernel's tables. It waits for another builder that
// has the cache open.
func Open(ctx context.Context, s Settings) (*Packages, error) {
	if err := os.MkdirAll(s.Cache, 0o755); err != nil {
		return nil, err
	}
	lock, err := os.Create(filepath.Join(s.Cache, "in-use"))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("waiting for the cache: %w", err), lock.Close())
	}
	p, err := open(ctx, s)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	p.lock = lock
	return p, nil
}

// open does the work of Open, alone in the cache.
func open(ctx context.Context, s Settings) (*Packages, error) {
	dir, err := filepath.Abs(s.Cache)
	if err != nil {
		return nil, err
	}
	lock, err := readLock(s.Lock)
	if err != nil {
		return nil, err
	}
	cache := debian.Cache{
		Dir:    dir,
		Apt:    debian.Apt{Dir: filepath.Join(dir, "apt"), Release: release, Mirror: s.Mirror, Secure: s.Secure},
		Notice: func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) },
	}
	taken, err := cache.Fetch(ctx, wanted(), lock, s.Update)
	if err != nil {
		return nil, err
	}
	if s.Update {
		if err := writeLock(s.Lock, taken); err != nil {
			return nil, err
		}
	}
	return unpack(ctx, &cache, taken)
}

// unpack unpacks what is not unpacked yet.
func unpack(ctx context.Context, cache *debian.Cache, taken debian.Lock) (*Packages, error) {
	p := &Packages{Taken: taken, Copyrights: map[string]string{}}
	var kernel string
	for _, e := range taken {
		tree, err := cache.Tree(ctx, e)
		if err != nil {
			return nil, err
		}
		p.Trees = append(p.Trees, tree)
		if _, err := os.Stat(filepath.Join(tree, "boot")); err == nil {
			kernel = tree
		}
		file := "usr/share/doc/" + e.Package + "/copyright"
		if _, err := os.Stat(filepath.Join(tree, file)); err == nil { // else a link to that of another package
			p.Copyrights[e.Package] = file
		}
	}
	var err error
	p.Kernel, err = openKernel(ctx, kernel)
	return p, err
}

// Read reads a file of the packages.
func (p *Packages) Read(name string) ([]byte, error) {
	file, err := p.Trees.Find(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}

// readLock reads the lock; a checkout without one starts with none.
func readLock(file string) (debian.Lock, error) {
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lock, err := debian.ReadLock(f)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return lock, nil
}

// writeLock writes the lock with what it is on top.
func writeLock(file string, lock debian.Lock) error {
	var b bytes.Buffer
	b.WriteString("# Debian packages of the boot environment, as last tried: package, version, suite, sha256 of the .deb.\n" +
		"# Written by: go run ./scripts/bootenv -update\n")
	if err := lock.Write(&b); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}
