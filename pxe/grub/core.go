package grub

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Defaults of a Maker whose fields are empty.
const (
	DefaultMkimage = "grub-mkimage"
	DefaultModules = "/usr/lib/grub/i386-pc"
)

// MkimageMissingError says that the host cannot make the GRUB of BIOS PCs.
type MkimageMissingError struct {
	Path string // of what is missing
}

// Error implements error.
func (e *MkimageMissingError) Error() string {
	return fmt.Sprintf("PCs with BIOS firmware cannot start: %s is missing (Debian packages grub-common and grub-pc-bin)", e.Path)
}

// modules are what the BIOS image holds: network, both transports, the script language, the Linux loader, and what it
// takes to start a disk. Nothing is fetched later: a fetched module would come from whoever answers.
func modules() []string {
	return []string{
		"pxe", "tftp", "http", "normal", "configfile", "echo", "test", "sleep", "reboot", "halt", "linux", "chain", "boot",
		"search", "search_fs_file", "part_msdos", "part_gpt", "biosdisk", "true", "minicmd",
	}
}

// Maker makes core images.
type Maker struct {
	Mkimage string // program; "" means DefaultMkimage in PATH
	Modules string // folder of GRUB's i386-pc modules; "" means DefaultModules
	Cache   string // folder to keep images in; "" means none
}

// embedded is run by the core image before anything else. It names our address, because under proxy-DHCP GRUB takes the
// school's DHCP server for its file server.
func embedded(server netip.Addr) string {
	return fmt.Sprintf("set superusers=nobody\nset prefix=(tftp,%v)/grub\nset root=(tftp,%v)\n", server, server)
}

// Core returns the image for one server address. It takes about a second, nothing when the cache has it; a cached image
// is named by the hash of everything that goes into it.
func (m Maker) Core(ctx context.Context, server netip.Addr) ([]byte, error) {
	program, folder := m.Mkimage, m.Modules
	if program == "" {
		program = DefaultMkimage
	}
	if folder == "" {
		folder = DefaultModules
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, &MkimageMissingError{Path: program}
	}
	kernel, err := os.ReadFile(filepath.Join(folder, "kernel.img"))
	if err != nil {
		return nil, &MkimageMissingError{Path: folder}
	}
	h := sha256.New()
	fmt.Fprintln(h, embedded(server), modules())
	h.Write(kernel)
	name := "grub-" + server.String() + "-" + hex.EncodeToString(h.Sum(nil)[:8]) + ".0"
	if m.Cache != "" {
		if b, err := os.ReadFile(filepath.Join(m.Cache, name)); err == nil && len(b) > len(kernel)/4 {
			return b, nil
		}
	}
	b, err := build(ctx, path, folder, embedded(server))
	if err != nil {
		return nil, err
	}
	if m.Cache == "" {
		return b, nil
	}
	return b, keep(m.Cache, name, b)
}

// build runs grub-mkimage in a folder of its own.
func build(ctx context.Context, program, folder, config string) (image []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	work, err := os.MkdirTemp("", "ardoise-grub-")
	if err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	early := filepath.Join(work, "early.cfg")
	out := filepath.Join(work, "core.0")
	if err := os.WriteFile(early, []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	args := []string{"-O", "i386-pc-pxe", "-d", folder, "-p", "/grub", "-c", early, "-o", out}
	cmd := exec.CommandContext(ctx, program, append(args, modules()...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w: %s", err, strings.TrimSpace(said.String()))
	}
	image, err = os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	return image, nil
}

// keep writes an image into the cache so that a crash leaves either none or all of it.
func keep(folder, name string, b []byte) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keeping the GRUB image: %w", err)
	}
	f, err := os.CreateTemp(folder, ".grub-*")
	if err != nil {
		return fmt.Errorf("keeping the GRUB image: %w", err)
	}
	defer os.Remove(f.Name()) // after the rename there is nothing of that name
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(folder, name))
	}
	if err != nil {
		return fmt.Errorf("keeping the GRUB image: %w", err)
	}
	return nil
}
