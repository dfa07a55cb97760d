package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Part is one share of the files on the disks.
type Part struct {
	Name  string `json:"name"`
	Files int    `json:"files"`
	Bytes int64  `json:"bytes"`
}

// source is where files of one sort lie on this machine, and how much of the disk they are to fill.
type source struct {
	name  string
	share int // per cent
	roots []string
}

// pool is the files of the machine that the disks are made of. Folders are the unit, as packages are: what version 2
// adds was not in version 1.
type pool struct {
	first []string // paths of version 1
	added []string // what version 2 has more
}

const (
	largestFile = 64 << 20 // bytes; a few giants would make one sort of all
	addedShare  = 10       // version 2 has a tenth more
)

func sources(modules, goroot string) []source {
	return []source{
		{"libraries", 34, []string{"/usr/lib/x86_64-linux-gnu", "/usr/lib/gcc", "/usr/lib/llvm-14", "/usr/lib/jvm"}},
		{"programs", 14, []string{"/usr/bin", "/usr/sbin", "/usr/libexec"}},
		{"shared data", 20, []string{"/usr/share"}},
		{"program text", 18, []string{modules, filepath.Join(goroot, "src"), "/usr/lib/python3.11", "/usr/lib/python3"}},
		{"state", 2, []string{"/var/lib/dpkg", "/var/lib/apt"}},
		{"compressed already", 12, []string{filepath.Join(modules, "cache"), "/var/cache/apt/archives", "/usr/share/icons"}},
		{"all else", 0, []string{"/usr/lib", "/usr/local", "/usr/include"}}, // fills what the others leave
	}
}

// choose walks the machine and chooses the files. The same machine gives the same files.
func (b *bench) choose(ctx context.Context) (*pool, error) {
	modules, err := goEnv(ctx, "GOMODCACHE")
	if err != nil {
		return nil, err
	}
	goroot, err := goEnv(ctx, "GOROOT")
	if err != nil {
		return nil, err
	}
	total := int64(b.gib * (1 << 30))
	left := total
	p := &pool{}
	taken := map[string]bool{}
	for i, s := range sources(modules, goroot) {
		quota := total * int64(s.share) / 100
		if i == len(sources(modules, goroot))-1 {
			quota = left
		}
		part := Part{Name: s.name}
		dirs, err := folders(s.roots)
		if err != nil {
			return nil, err
		}
		extra := quota / addedShare
		for _, files := range dirs {
			for _, f := range files {
				switch {
				case taken[f.path] || s.name != "compressed already" && strings.HasPrefix(f.path, filepath.Join(modules, "cache")):
				case part.Bytes+f.size <= quota:
					p.first, taken[f.path] = append(p.first, f.path), true
					part.Files, part.Bytes = part.Files+1, part.Bytes+f.size
				case f.size <= extra:
					p.added, taken[f.path], extra = append(p.added, f.path), true, extra-f.size
				}
			}
		}
		left -= part.Bytes
		b.result.Mix = append(b.result.Mix, part)
	}
	return p, nil
}

func goEnv(ctx context.Context, name string) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "env", name).Output()
	return strings.TrimSpace(string(out)), err
}

// file is a regular file of the machine.
type file struct {
	path string
	size int64
}

// folders returns the files below roots by folder, in an order that has nothing to do with names.
func folders(roots []string) ([][]file, error) {
	byDir := map[string][]file{}
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) { // it went while we walked
				return nil
			}
			if err == nil && info.Size() <= largestFile {
				dir := filepath.Dir(path)
				byDir[dir] = append(byDir[dir], file{path, info.Size()})
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	dirs := make([]string, 0, len(byDir))
	for dir := range byDir {
		dirs = append(dirs, dir)
	}
	slices.SortFunc(dirs, func(x, y string) int { return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x, y)) })
	out := make([][]file, len(dirs))
	for i, dir := range dirs {
		out[i] = byDir[dir]
	}
	return out, nil
}

// rank is a number that looks drawn by lot and is always the same.
func rank(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	var n uint64
	for _, c := range sum[:8] {
		n = n<<8 | uint64(c)
	}
	return n
}

// copyAll copies files below to, under their own paths.
func copyAll(ctx context.Context, files []string, from, to string) error {
	for _, path := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(from, path), filepath.Join(to, path)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies one file with its time and mode, and makes the folders it needs.
func copyFile(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		return errors.Join(err, out.Close())
	}
	if err := out.Close(); err != nil {
		return err
	}
	return os.Chtimes(to, info.ModTime(), info.ModTime())
}

// update does to a file what a new version of its package does: a text gets a line more, a program other addresses all
// over. The file is written anew and renamed into place, as package managers do.
func update(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if bytes.IndexByte(content[:min(len(content), 1024)], 0) < 0 {
		at := len(content) / 3
		content = slices.Concat(content[:at], fmt.Appendf(nil, "changed by %x\n", rank(path)), content[at:])
	} else {
		for at := 64; at+4 <= len(content); at += 4096 {
			content[at] += byte(rank(path)) | 1
		}
	}
	if err := os.WriteFile(path+".new", content, info.Mode().Perm()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
