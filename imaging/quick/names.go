package quick

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/zeebo/blake3"

	"github.com/ardoise/ardoise/masters/manifest"
)

// naming is the table of names while it is read and proven, which goes on beside the records.
type naming struct {
	batches chan []manifest.Name
	err     error // valid when batches is closed: why the table counts for nothing
}

const (
	namesTogether = 1024
	namesAhead    = 64 // batches
)

// readNames begins to read the table of names. Who stops ctx must still empty batches.
func (l *look) readNames(ctx context.Context) *naming {
	n := &naming{batches: make(chan []manifest.Name, namesAhead)}
	go func() {
		defer close(n.batches)
		n.err = l.decodeNames(ctx, n.batches)
	}()
	return n
}

// decodeNames sends the names of the table, and fails unless it is the master's.
func (l *look) decodeNames(ctx context.Context, batches chan<- []manifest.Name) (err error) {
	if l.o.Names == nil {
		return doubtf("there is no table of the names of files")
	}
	r, err := l.o.Names()
	if err != nil {
		return doubtf("the table of the names of files cannot be had: %v", err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	sum := blake3.New()
	next := uint32(0)
	batch := make([]manifest.Name, 0, namesTogether)
	send := func() error {
		select {
		case batches <- batch:
			batch = make([]manifest.Name, 0, namesTogether)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for n, err := range manifest.ReadNames(io.TeeReader(r, sum)) {
		if err != nil {
			return doubtf("the table of the names of files is damaged: %v", err)
		}
		if n.Stream != next || int64(next) >= int64(l.m.NameCount) || n.Volume >= len(l.m.Volumes) {
			return doubtf("the table of the names of files is not the master's")
		}
		next++
		if batch = append(batch, n); len(batch) == namesTogether {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if int64(next) != int64(l.m.NameCount) || manifest.Hash(sum.Sum(nil)) != l.m.Names {
		return doubtf("the table of the names of files is not the master's")
	}
	return send()
}

// names gives each stream the verdict on its record. Until the table is proven nothing counts.
func (l *look) names() error {
	for batch := range l.naming.batches {
		for _, n := range batch {
			l.judge(n)
		}
	}
	return l.naming.err
}

// judge enters whether a stream is vouched for.
func (l *look) judge(n manifest.Name) {
	r := l.volumes[n.Volume]
	if r == nil || n.Number == 0 || n.Stream == l.m.Volumes[n.Volume].Meta || n.Stream == r.table {
		return
	}
	if !r.vouches(n.Number) || r.always(n) {
		l.v.CheckedFiles++
		return
	}
	l.v.VouchedFiles++
	l.v.streams.set(uint64(n.Stream))
	if r.sniff(n) {
		l.sniff.set(uint64(n.Stream))
	}
}

// mayBeSwap tells of a file whether it may be one that mkswap has prepared: at least ten pages, and nothing else.
func mayBeSwap(n manifest.Name) bool { return n.Size >= 10*4096 && n.Size%4096 == 0 }

// alwaysExt tells what is read on ext whatever its record says: what firmware and loaders read and, as GRUB does with
// grubenv, write past the file system. A volume of its own for /boot has the same names at its root.
func alwaysExt(n manifest.Name) bool {
	first, _, below := strings.Cut(n.Path, "/")
	first = strings.ToLower(first)
	switch {
	case below && (first == "boot" || first == "grub" || first == "grub2" || first == "loader" || first == "efi" || first == "syslinux" ||
		first == "extlinux"):
		return true
	case !below && hasPrefix(first, "vmlinu", "initr", "bzimage", "ldlinux"):
		return true
	}
	return strings.HasSuffix("/"+n.Path, "/grubenv")
}

// alwaysNTFS tells the same of NTFS: besides the file system's own records, the registry's hives, which are also changed
// through mappings and whose records Windows brings up to date late, and what its loaders read or write by themselves
// (bootstat.dat). And homes: see the inodes that are open on ext. Capital letters do not matter to Windows. The name of a stream is behind a colon.
func alwaysNTFS(n manifest.Name) bool {
	path, _, _ := strings.Cut(strings.ToLower(n.Path), ":")
	first, _, below := strings.Cut(path, "/")
	base := path[strings.LastIndexByte(path, '/')+1:]
	switch {
	case n.Number < ntfsOwn:
		return true
	case below && (first == "$extend" || first == "system volume information" || first == "boot" || first == "efi" ||
		first == "recovery" || first == "$winreagent" || first == "users"):
		return true
	case !below && hasPrefix(first, "bootmgr", "bootnxt", "bootsect", "ntldr", "ntdetect", "boot.ini"):
		return true
	case hasPrefix(path, "windows/system32/config/", "windows/boot/", "windows/bootstat.dat"):
		return true
	case hasPrefix(base, "ntuser.dat", "ntuser.man", "usrclass.dat", "winload.", "winresume.", "bootstat.dat") ||
		strings.HasSuffix(base, ".hve") || strings.Contains(base, ".hve."):
		return true
	}
	return strings.HasPrefix(path, "#") // it has no name that leads to it
}

func hasPrefix(s string, any ...string) bool {
	for _, p := range any {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
