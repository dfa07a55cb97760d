package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ardoise/ardoise/scripts/goldenmaster/sums"
	"github.com/ardoise/ardoise/scripts/initramfs"
)

// rootModules are the drivers of the disks that a test may give the master, and what its root needs.
func rootModules() []string {
	return []string{
		"virtio_blk", "virtio_scsi", "ahci", "ata_piix", "nvme", "vmd", "sd_mod", "usb_storage", "uas", "xhci_pci", "ehci_pci",
		"mmc_block", "sdhci_pci", "ext4", "crc32c_generic", "efivarfs",
	}
}

// initramfs makes the master's own initramfs.
func (m *master) initramfs(ctx context.Context) ([]byte, error) {
	program := filepath.Join(m.work, "init")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", program,
		"github.com/ardoise/ardoise/scripts/goldenmaster/init")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building its init: %w: %s", err, out)
	}
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var a initramfs.Archive
	a.File("init", text, true)
	a.File("golden.name", []byte(m.name+"\n"), false)
	a.File("golden.uuid", []byte(uuid(m.ids.root)+"\n"), false)
	for _, dir := range []string{"dev", "proc", "sys", "mnt"} {
		a.Folder(dir)
	}
	a.Device("dev/console", 5, 1)
	names, err := m.packages.Kernel.Modules.Closure(rootModules())
	if err != nil {
		return nil, err
	}
	if err := m.packages.Kernel.Add(&a, m.packages.Trees, names, names); err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	if err := a.Write(&plain); err != nil {
		return nil, err
	}
	return initramfs.Compress(plain.Bytes())
}

// menu is GRUB's configuration of the root. The kernel speaks on screen and serial port; a panic ends in a restart, so
// that a test sees it rather than waits.
func (m *master) menu() []byte {
	return fmt.Appendf(nil, "set timeout=0\n"+
		"menuentry 'Golden master %s' {\n"+
		"\techo 'GOLDEN MASTER GRUB: %s'\n"+
		"\tlinux /boot/vmlinuz console=tty0 console=ttyS0,115200 panic=10 quiet %s\n"+
		"\tinitrd /boot/initrd.img\n"+
		"}\n", m.name, m.name, m.args)
}

// stageRoot puts the files of the root together in a folder and returns it with the number of names in its list.
func (m *master) stageRoot(ctx context.Context) (string, int, error) {
	root := filepath.Join(m.work, "root")
	if err := growTree(filepath.Join(root, "golden"), m.seed, m.content*mib); err != nil {
		return "", 0, err
	}
	list, err := sums.Scan(filepath.Join(root, "golden"))
	if err != nil {
		return "", 0, err
	}
	var text bytes.Buffer
	if err := sums.Write(&text, list); err != nil {
		return "", 0, err
	}
	initrd, err := m.initramfs(ctx)
	if err != nil {
		return "", 0, err
	}
	kernel, err := os.ReadFile(m.packages.Kernel.Image)
	if err != nil {
		return "", 0, err
	}
	for name, content := range map[string][]byte{
		"boot/vmlinuz": kernel, "boot/initrd.img": initrd, "boot/grub/grub.cfg": m.menu(),
		"golden.sums": text.Bytes(), "etc/hostname": []byte(m.name + "\n"), "var/boots": []byte("0\n"),
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return "", 0, err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return "", 0, err
		}
	}
	return root, len(list), nil
}

// rootImage makes the ext4 of the root. mke2fs -d would take owner, times and order from the folder; debugfs is told
// each file in order, owned by root and dated by us. Features newer than Debian 12's mke2fs and its GRUB are named off,
// so that a newer mke2fs makes the same.
func (m *master) rootImage(ctx context.Context, size int64) (string, int, error) {
	root, files, err := m.stageRoot(ctx)
	if err != nil {
		return "", 0, err
	}
	image := filepath.Join(m.work, "root.img")
	if err := emptyFile(image, size); err != nil {
		return "", 0, err
	}
	_, err = m.run(ctx, "", "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-I", "256", "-L", "golden", "-U", uuid(m.ids.root),
		"-O", "^metadata_csum_seed,^orphan_file", "-J", "size=4", "-m", "1",
		"-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0,nodiscard,hash_seed="+uuid(m.ids.hash), image)
	if err != nil {
		return "", 0, err
	}
	commands, err := debugfsCommands(root)
	if err != nil {
		return "", 0, err
	}
	out, err := m.run(ctx, commands, "debugfs", "-w", image)
	if err != nil {
		return "", 0, err
	}
	if err := complaint(out); err != nil {
		return "", 0, err
	}
	_, err = m.run(ctx, "", "e2fsck", "-f", "-n", image)
	return image, files, err
}

// debugfsCommands are debugfs(8) requests that copy a folder.
func debugfsCommands(root string) (string, error) {
	var b strings.Builder
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == root {
			return err
		}
		name := strings.TrimPrefix(file, root)
		fmt.Fprintf(&b, "cd \"%s\"\n", path.Dir(name)) // write knows the current folder only
		name = path.Base(name)
		switch d.Type() {
		case fs.ModeDir:
			fmt.Fprintf(&b, "mkdir \"%s\"\n", name)
		case fs.ModeSymlink:
			target, err := os.Readlink(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "symlink \"%s\" \"%s\"\n", name, target)
		default:
			fmt.Fprintf(&b, "write \"%s\" \"%s\"\n", file, name)
		}
		return nil
	})
	return b.String(), err
}

// complaint finds the first line of debugfs that is neither an echoed request nor good news; its exit code is always 0.
func complaint(out []byte) error {
	for line := range strings.Lines(string(out)) {
		good := func(prefix string) bool { return strings.HasPrefix(line, prefix) }
		if !slices.ContainsFunc([]string{"debugfs", "Allocated inode:", "\n"}, good) {
			return fmt.Errorf("running debugfs: %s", strings.TrimSpace(line))
		}
	}
	return nil
}

// emptyFile makes a file of zeros without blocks.
func emptyFile(name string, size int64) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
