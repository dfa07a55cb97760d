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

// modules are what every BIOS image holds: the script language, the Linux loader, the menu with its passphrase, and what
// it takes to start a disk. Nothing is loaded later: a module would come from whoever answers, or wrote to the disk.
func modules() []string {
	return []string{
		"normal", "configfile", "echo", "test", "sleep", "reboot", "halt", "linux", "chain", "boot", "search", "search_fs_file",
		"part_msdos", "part_gpt", "biosdisk", "fat", "true", "minicmd", "regexp", "loadenv", "smbios", "password_pbkdf2",
	}
}

// network are the modules that an image for the network has besides.
func network() []string { return []string{"pxe", "tftp", "http"} }

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

// fromDisk is run by the core image that ARDOISE holds. The disk that the BIOS started is looked at first: a stick, or a
// second disk that was cloned, may have an ARDOISE too.
const fromDisk = "set superusers=nobody\nsearch.file /ARDOISE/GEN root $root,\nset prefix=($root)/GRUB\n"

// Core returns the image for one server address. It takes about a second, nothing when the cache has it; a cached image
// is named by the hash of everything that goes into it.
func (m Maker) Core(ctx context.Context, server netip.Addr) ([]byte, error) {
	return m.make(ctx, image{"i386-pc-pxe", "grub-" + server.String(), embedded(server), append(network(), modules()...)})
}

// Where the first sector of a core image for disks notes the sector of the rest (GRUB's boot/i386/pc/diskboot.S).
const coreRest, coreRestEnd = 0x1f4, 0x1fc

// DiskCore returns what starts the menu of ARDOISE on a BIOS PC: boot.img, whose first 440 bytes are for the disk's first
// sector, and the core image that it loads. Both are as grub-mkimage has them but for the places, which are known on each
// computer only and are zero in the core image.
func (m Maker) DiskCore(ctx context.Context) (boot, core []byte, err error) {
	folder := m.Modules
	if folder == "" {
		folder = DefaultModules
	}
	if boot, err = os.ReadFile(filepath.Join(folder, "boot.img")); err != nil {
		return nil, nil, &MkimageMissingError{Path: folder}
	}
	core, err = m.make(ctx, image{"i386-pc", "grub-disk", fromDisk, modules()})
	if core == nil {
		return nil, nil, err
	}
	if len(boot) != 512 || len(core) < 1024 {
		return nil, nil, fmt.Errorf("making the GRUB image: boot.img has %d bytes, core.img %d", len(boot), len(core))
	}
	core = bytes.Clone(core)
	clear(core[coreRest:coreRestEnd])
	return boot, core, err
}

// image is one kind of core image.
type image struct {
	format  string // grub-mkimage's name of it
	name    string // in the cache
	config  string // run before anything else
	modules []string
}

// make returns an image from the cache, or makes it. An image that could not be kept is returned with the error.
func (m Maker) make(ctx context.Context, i image) ([]byte, error) {
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
	fmt.Fprintln(h, i.format, i.config, i.modules)
	h.Write(kernel)
	name := i.name + "-" + hex.EncodeToString(h.Sum(nil)[:8]) + ".0"
	if m.Cache != "" {
		if b, err := os.ReadFile(filepath.Join(m.Cache, name)); err == nil && len(b) > len(kernel)/4 {
			return b, nil
		}
	}
	b, err := build(ctx, path, folder, i)
	if err != nil {
		return nil, err
	}
	if m.Cache == "" {
		return b, nil
	}
	return b, keep(m.Cache, name, b)
}

// build runs grub-mkimage in a folder of its own.
func build(ctx context.Context, program, folder string, i image) (made []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	work, err := os.MkdirTemp("", "ardoise-grub-")
	if err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	early := filepath.Join(work, "early.cfg")
	out := filepath.Join(work, "core.0")
	if err := os.WriteFile(early, []byte(i.config), 0o600); err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	args := []string{"-O", i.format, "-d", folder, "-p", "/grub", "-c", early, "-o", out}
	cmd := exec.CommandContext(ctx, program, append(args, i.modules...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w: %s", err, strings.TrimSpace(said.String()))
	}
	made, err = os.ReadFile(out)
	if err != nil {
		return nil, fmt.Errorf("making the GRUB image: %w", err)
	}
	return made, nil
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
