package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"

	"github.com/ardoise/ardoise/scripts/debian"
	"github.com/ardoise/ardoise/scripts/initramfs"
)

// settings are the flags.
type settings struct {
	out, cache, lock, agent string
	mirror, secure          string
	update                  bool
}

func main() {
	var s settings
	flag.StringVar(&s.out, "o", "build/boot", "folder of the boot files")
	flag.StringVar(&s.cache, "cache", "build/cache", "folder of packages and indexes")
	flag.StringVar(&s.lock, "lock", "scripts/debian.lock", "versions and hashes of the packages")
	flag.StringVar(&s.agent, "agent", "", "agent `program` already built; else cmd/ardoise-agent is built")
	flag.StringVar(&s.mirror, "mirror", "", "Debian mirror; else the one of the host's apt")
	flag.StringVar(&s.secure, "security-mirror", "", "mirror of Debian's security updates; else the one of the host's apt")
	flag.BoolVar(&s.update, "update", false, "take the newest packages and rewrite the lock")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "error: building the boot environment:", err)
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			fmt.Fprintln(os.Stderr, "hint:", hinted.Hint())
		}
		os.Exit(1)
	}
}

// build makes all files of the boot environment and then puts them in place.
func build(ctx context.Context, s settings) error {
	cacheDir, err := filepath.Abs(s.cache)
	if err != nil {
		return err
	}
	packages, err := fetch(ctx, s, cacheDir)
	if err != nil {
		return err
	}
	agent, err := agentProgram(ctx, s.agent, cacheDir)
	if err != nil {
		return err
	}
	k, err := openKernel(ctx, packages.kernel)
	if err != nil {
		return err
	}
	files, err := bootFiles(k, packages, agent, cacheDir)
	if err != nil {
		return err
	}
	return publish(s.out, k.version, packages.taken, files)
}

// packages are the fetched packages and where they are unpacked.
type packages struct {
	taken      debian.Lock
	trees      initramfs.Trees
	kernel     string            // tree of the kernel's package
	copyrights map[string]string // package -> its copyright file in the trees
}

// fetch brings the packages into the cache, unpacks them, and keeps the lock.
func fetch(ctx context.Context, s settings, cacheDir string) (*packages, error) {
	lock, err := readLock(s.lock)
	if err != nil {
		return nil, err
	}
	cache := debian.Cache{
		Dir: cacheDir,
		Apt: debian.Apt{Dir: filepath.Join(cacheDir, "apt"), Release: release, Mirror: s.mirror, Secure: s.secure},
		Notice: func(format string, args ...any) {
			fmt.Fprintf(os.Stderr, format+"\n", args...)
		},
	}
	taken, err := cache.Fetch(ctx, wanted(), lock, s.update)
	if err != nil {
		return nil, err
	}
	if s.update {
		if err := writeLock(s.lock, taken); err != nil {
			return nil, err
		}
	}
	p := &packages{taken: taken, copyrights: map[string]string{}}
	for _, e := range taken {
		tree, err := cache.Tree(ctx, e)
		if err != nil {
			return nil, err
		}
		p.trees = append(p.trees, tree)
		if _, err := os.Stat(filepath.Join(tree, "boot")); err == nil {
			p.kernel = tree
		}
		file := "usr/share/doc/" + e.Package + "/copyright"
		if _, err := os.Stat(filepath.Join(tree, file)); err == nil { // else a link to that of another package
			p.copyrights[e.Package] = file
		}
	}
	return p, nil
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

// agentProgram reads the agent, built if none is given: static, without paths and commit in it, so that the same
// sources give the same bytes.
func agentProgram(ctx context.Context, given, cacheDir string) ([]byte, error) {
	if given != "" {
		return os.ReadFile(given)
	}
	out := filepath.Join(cacheDir, "ardoise-agent")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out,
		"github.com/ardoise/ardoise/cmd/ardoise-agent")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOFLAGS=")
	if text, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building the agent: %w: %s", err, text)
	}
	return os.ReadFile(out)
}

// bootFiles makes the content of every boot file.
func bootFiles(k *kernel, p *packages, agent []byte, cacheDir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	for name, from := range map[string]string{
		"shimx64.efi": "usr/lib/shim/shimx64.efi.signed",
		"grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
		"vmlinuz":     "boot/" + filepath.Base(k.image),
	} {
		source, err := p.trees.Find(from)
		if err != nil {
			return nil, err
		}
		if files[name], err = os.ReadFile(source); err != nil {
			return nil, err
		}
	}
	one, names, err := stageOne(k, p.trees, agent)
	if err != nil {
		return nil, fmt.Errorf("stage one: %w", err)
	}
	two, err := stageTwo(k, p.trees, names, p.copyrights)
	if err != nil {
		return nil, fmt.Errorf("stage two: %w", err)
	}
	for name, a := range map[string]*initramfs.Archive{"stage1.img": one, "stage2.img": two} {
		if files[name], err = pack(a, cacheDir); err != nil {
			return nil, err
		}
	}
	if n := len(files["stage1.img"]); n > maxStageOne {
		return nil, fmt.Errorf("stage one has %d bytes; firmware is slow, at most %d are wanted", n, maxStageOne)
	}
	return files, nil
}

// pack writes and compresses an archive; one that was compressed before comes from the cache.
func pack(a *initramfs.Archive, cacheDir string) ([]byte, error) {
	var plain bytes.Buffer
	if err := a.Write(&plain); err != nil {
		return nil, err
	}
	sum := sha256.Sum256(plain.Bytes())
	kept := filepath.Join(cacheDir, "stage", hex.EncodeToString(sum[:])+".zst")
	if packed, err := os.ReadFile(kept); err == nil {
		return packed, nil
	}
	packed, err := initramfs.Compress(plain.Bytes())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
		return nil, err
	}
	return packed, writeWhole(kept, packed)
}
