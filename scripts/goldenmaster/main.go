package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/ardoise/ardoise/scripts/sources"
)

const (
	mib    = 1 << 20
	sector = 512
)

// settings are the flags.
type settings struct {
	sources.Settings
	out     string
	name    string // printed by the master's own system
	table   string // "gpt" or "mbr"
	args    string // more of the kernel's command line
	seed    uint64 // of the tree
	size    int64  // of the disk, in MiB
	content int64  // of the tree, in MiB
}

func main() {
	var s settings
	s.Flags(flag.CommandLine)
	flag.StringVar(&s.out, "o", "build/golden.img", "disk image to make")
	flag.StringVar(&s.name, "name", "golden", "name that the master's own system prints: letters, digits, . _ -")
	flag.StringVar(&s.table, "table", "gpt", "partition table: gpt (BIOS and UEFI) or mbr (BIOS only)")
	flag.StringVar(&s.args, "args", "", "more of the kernel's command line, such as golden.stay")
	flag.Uint64Var(&s.seed, "seed", 1, "seed of the tree")
	flag.Int64Var(&s.size, "size", 256, "size of the disk in MiB")
	flag.Int64Var(&s.content, "content", 40, "size of the tree in MiB")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := build(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "error: building the golden master:", err)
		var missing *exec.Error
		if errors.As(err, &missing) {
			fmt.Fprintln(os.Stderr, "hint: run scripts/install-packages")
		}
		os.Exit(1)
	}
}

// check says what is wrong with the flags.
func (s *settings) check() error {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	switch {
	case s.name == "" || len(s.name) > 64 || strings.Trim(s.name, allowed) != "":
		return fmt.Errorf("name %q: want 1 to 64 of letters, digits, . _ -", s.name)
	case s.table != "gpt" && s.table != "mbr":
		return fmt.Errorf("table %q: want gpt or mbr", s.table)
	case strings.ContainsAny(s.args, "\n'\""):
		return fmt.Errorf("args %q: want one line without quotes", s.args)
	case s.content < 1 || s.content > 4096:
		return fmt.Errorf("content of %d MiB: want 1 to 4096", s.content)
	case s.size < s.content+100 || s.size > 1<<20:
		return fmt.Errorf("size of %d MiB: want %d to %d for this content", s.size, s.content+100, 1<<20)
	}
	return nil
}

// build makes the image beside its place and then puts it there.
func build(ctx context.Context, s settings) error {
	if err := s.check(); err != nil {
		return err
	}
	packages, err := sources.Open(ctx, s.Settings)
	if err != nil {
		return err
	}
	defer packages.Close()
	if err := os.MkdirAll(filepath.Dir(s.out), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(s.out), ".golden-*")
	if err == nil {
		work, err = filepath.Abs(work)
	}
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	m := &master{settings: s, packages: packages, work: work, ids: identify(s.name, s.seed)}
	image, files, err := m.disk(ctx)
	if err != nil {
		return err
	}
	if err := os.Rename(image, s.out); err != nil {
		return err
	}
	fmt.Printf("%s: %d MiB, %s, name %s, seed %d, %d names checked at each start, kernel %s\n",
		s.out, s.size, s.table, s.name, s.seed, files, packages.Kernel.Version)
	return nil
}

// master is one golden master in the making.
type master struct {
	settings
	packages *sources.Packages
	work     string // folder for what it is made of
	ids      identifiers
}

// run runs a tool in the work folder with fixed times, and makes an error of its complaints. mke2fs and debugfs take
// the time of E2FSPROGS_FAKE_TIME, mtools that of SOURCE_DATE_EPOCH.
func (m *master) run(ctx context.Context, input, program string, args ...string) ([]byte, error) {
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program // not on the path of an ordinary user
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = m.work
	cmd.Stdin = strings.NewReader(input)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLSRC=/dev/null", "MTOOLS_SKIP_CHECK=1",
		fmt.Sprintf("E2FSPROGS_FAKE_TIME=%d", epoch), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", epoch))
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("running %s: %w: %s", filepath.Base(program), err, out)
	}
	return out, nil
}
