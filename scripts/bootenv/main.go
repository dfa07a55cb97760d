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

	"github.com/ardoise/ardoise/scripts/initramfs"
	"github.com/ardoise/ardoise/scripts/sources"
)

func main() {
	var s sources.Settings
	s.Flags(flag.CommandLine)
	out := flag.String("o", "build/boot", "folder of the boot files")
	agent := flag.String("agent", "", "agent `program` already built; else cmd/ardoise-agent is built")
	flag.BoolVar(&s.Update, "update", false, "take the newest packages and rewrite the lock")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, s, *out, *agent); err != nil {
		fmt.Fprintln(os.Stderr, "error: building the boot environment:", err)
		var hinted interface{ Hint() string }
		if errors.As(err, &hinted) {
			fmt.Fprintln(os.Stderr, "hint:", hinted.Hint())
		}
		os.Exit(1)
	}
}

// build makes all files of the boot environment and then puts them in place.
func build(ctx context.Context, s sources.Settings, out, agentFile string) error {
	packages, err := sources.Open(ctx, s)
	if err != nil {
		return err
	}
	defer packages.Close()
	agent, err := agentProgram(ctx, agentFile, s.Cache)
	if err != nil {
		return err
	}
	files, err := bootFiles(packages, agent, s.Cache)
	if err != nil {
		return err
	}
	return publish(out, packages.Kernel.Version, packages.Taken, files)
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
func bootFiles(p *sources.Packages, agent []byte, cacheDir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	var err error
	for name, from := range map[string]string{
		"shimx64.efi": "usr/lib/shim/shimx64.efi.signed",
		"grubx64.efi": "usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed",
		"vmlinuz":     "boot/" + filepath.Base(p.Kernel.Image),
	} {
		if files[name], err = p.Read(from); err != nil {
			return nil, err
		}
	}
	one, names, err := stageOne(p, agent)
	if err != nil {
		return nil, fmt.Errorf("stage one: %w", err)
	}
	two, err := stageTwo(p, names)
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
