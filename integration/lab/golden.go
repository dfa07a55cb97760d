package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// Golden is the path of the golden master's image: a small system that starts with BIOS and UEFI, checks its own files
// and prints GOLDEN MASTER OK.
func (s *School) Golden() string { return filepath.Join(s.Checkout, "build", "golden.img") }

// OpenGolden raises a school whose library holds the golden master as golden@1 and whose daemon runs. It returns what
// the capture printed. The logs go to build/lab/NAME.
func OpenGolden(ctx context.Context, name string) (*School, string, error) {
	root, err := checkout()
	if err != nil {
		return nil, "", err
	}
	s, err := Open(ctx, Options{Checkout: root, Logs: filepath.Join(root, "build", "lab", name)})
	if err != nil {
		return nil, "", err
	}
	said, err := s.furnish(ctx)
	if err != nil {
		return nil, said, errors.Join(err, s.Close())
	}
	return s, said, nil
}

// furnish captures the golden master and starts the daemon.
func (s *School) furnish(ctx context.Context) (string, error) {
	for _, needed := range []string{s.Binary(), s.Golden(), filepath.Join(s.BootFiles(), "boot.json")} {
		if _, err := os.Stat(needed); err != nil {
			return "", fmt.Errorf("%w: run `make build golden` first", err)
		}
	}
	said, err := s.Ardoise(ctx, "master", "capture", "golden", "--disk", s.Golden(), "--data", s.Data)
	if err != nil {
		return said, err
	}
	return said, s.StartDaemon(ctx)
}

// Verify compares the first disk of a PC, which must be off, with a master, reading both from outside. The library is
// copied for it: the running daemon holds its own, and lets nobody else in.
func (s *School) Verify(ctx context.Context, master string, pc *PC) (string, error) {
	library := filepath.Join(s.Dir, "library-of-"+pc.Name)
	if _, err := command(ctx, "cp", "-a", "--reflink=auto", s.Data, library); err != nil {
		return "", err
	}
	defer os.RemoveAll(library)
	return s.Ardoise(ctx, "master", "verify", master, "--disk", pc.Disk(), "--data", library)
}
