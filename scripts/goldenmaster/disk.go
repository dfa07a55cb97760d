package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Where things lie, in bytes. An ESP of 40 MiB is about the least that FAT32 allows with clusters of one sector.
const (
	mbrGap    = sector
	firstPart = 1 * mib
	espStart  = 2 * mib
	espSize   = 40 * mib
	rootStart = espStart + espSize
)

// Partition types of the GPT: GRUB's BIOS boot partition, EFI system partition (UEFI 2.10 table 5.7), Linux data.
const (
	typeBIOS  = "21686148-6449-6E6F-744E-656564454649"
	typeESP   = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
	typeLinux = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
)

// disk makes the whole image and returns it with the number of names in the master's list.
func (m *master) disk(ctx context.Context) (image string, files int, err error) {
	image = filepath.Join(m.work, "disk.img")
	if err := emptyFile(image, m.size*mib); err != nil {
		return "", 0, err
	}
	start, end := int64(firstPart), m.size*mib
	script := m.tableMBR()
	if m.table == "gpt" {
		start, end = rootStart, m.size*mib-mib // the backup table lies in the last 33 sectors
		script = m.tableGPT(end)
	}
	if _, err := m.run(ctx, script, "sfdisk", "-q", "--no-reread", "--no-tell-kernel", image); err != nil {
		return "", 0, err
	}
	rootImage, files, err := m.rootImage(ctx, end-start)
	if err != nil {
		return "", 0, err
	}
	core, err := m.core(ctx)
	if err != nil {
		return "", 0, err
	}
	f, err := os.OpenFile(image, os.O_RDWR, 0)
	if err != nil {
		return "", 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := copyInto(f, rootImage, start); err != nil {
		return "", 0, err
	}
	if m.table == "mbr" {
		return image, files, installBoot(f, core, mbrGap, firstPart-mbrGap)
	}
	esp, err := m.espImage(ctx)
	if err != nil {
		return "", 0, err
	}
	if err := copyInto(f, esp, espStart); err != nil {
		return "", 0, err
	}
	return image, files, installBoot(f, core, firstPart, espStart-firstPart)
}

// tableGPT is sfdisk's script of three partitions.
func (m *master) tableGPT(end int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "label: gpt\nlabel-id: %s\nfirst-lba: 34\nunit: sectors\n", uuid(m.ids.disk))
	for _, p := range []struct {
		start, end int64
		kind, name string
		id         [16]byte
	}{
		{firstPart, espStart, typeBIOS, "BIOS boot", m.ids.bios},
		{espStart, rootStart, typeESP, "EFI system", m.ids.espPart},
		{rootStart, end, typeLinux, "root", m.ids.root},
	} {
		fmt.Fprintf(&b, "start=%d, size=%d, type=%s, uuid=%s, name=\"%s\"\n",
			p.start/sector, (p.end-p.start)/sector, p.kind, uuid(p.id), p.name)
	}
	return b.String()
}

// tableMBR is sfdisk's script of one active Linux partition.
func (m *master) tableMBR() string {
	return fmt.Sprintf("label: dos\nlabel-id: 0x%08x\nunit: sectors\nstart=%d, size=%d, type=83, bootable\n",
		word(m.ids.disk), firstPart/sector, m.size*mib/sector-firstPart/sector)
}

// espImage makes the FAT32 of the ESP: the removable-media path, which firmware starts on a disk it has no entry for, and
// Debian's own folder, where its signed GRUB looks for its configuration.
func (m *master) espImage(ctx context.Context) (string, error) {
	image := filepath.Join(m.work, "esp.img")
	if err := emptyFile(image, espSize); err != nil {
		return "", err
	}
	if _, err := m.run(ctx, "", "mkfs.fat", "-F", "32", "-s", "1", "-n", "ESP", "--invariant",
		"-i", fmt.Sprintf("%08x", word(m.ids.esp)), image); err != nil {
		return "", err
	}
	if _, err := m.run(ctx, "", "mmd", "-i", image, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"); err != nil {
		return "", err
	}
	shim, err := m.packages.Trees.Find("usr/lib/shim/shimx64.efi.signed")
	if err != nil {
		return "", err
	}
	grub, err := m.packages.Trees.Find("usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed")
	if err != nil {
		return "", err
	}
	config := filepath.Join(m.work, "esp.cfg")
	text := fmt.Sprintf("search.fs_uuid %s root\nset prefix=($root)/boot/grub\nconfigfile $prefix/grub.cfg\n", uuid(m.ids.root))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return "", err
	}
	for _, c := range [][2]string{
		{shim, "EFI/BOOT/BOOTX64.EFI"}, {grub, "EFI/BOOT/grubx64.efi"},
		{shim, "EFI/debian/shimx64.efi"}, {grub, "EFI/debian/grubx64.efi"}, {config, "EFI/debian/grub.cfg"},
	} {
		if _, err := m.run(ctx, "", "mcopy", "-i", image, c[0], "::/"+c[1]); err != nil {
			return "", err
		}
	}
	return image, nil
}

// copyInto copies the parts of a file that have data to an offset of the disk, so that the image stays sparse.
func copyInto(disk *os.File, file string, offset int64) error {
	src, err := os.Open(file)
	if err != nil {
		return err
	}
	defer src.Close()
	for at := int64(0); ; {
		data, err := unix.Seek(int(src.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return nil
		}
		if err != nil {
			return err
		}
		if at, err = unix.Seek(int(src.Fd()), data, unix.SEEK_HOLE); err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(disk, offset+data), io.NewSectionReader(src, data, at-data)); err != nil {
			return err
		}
	}
}
