package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
)

// grubFolder holds GRUB's parts for BIOS, of package grub-pc-bin.
const grubFolder = "/usr/lib/grub/i386-pc"

// Where boot.img, the 446 bytes that a BIOS starts, keeps what an installer fills in (GRUB's boot/i386/pc/boot.S).
const (
	bootCode        = 440  // what of sector 0 is code: the disk signature follows
	bootCoreSector  = 0x5c // 8 bytes: the sector of the core image
	bootDriveCheck  = 0x66 // a jump over the check for BIOSes that hand over a wrong drive number
	coreFirstSector = 0x1f4
)

// core makes GRUB's core image: it finds the root by its UUID and goes on with the menu that lies there.
func (m *master) core(ctx context.Context) ([]byte, error) {
	script := filepath.Join(m.work, "core.cfg")
	text := fmt.Sprintf("search.fs_uuid %s root\nset prefix=($root)/boot/grub\n", uuid(m.ids.root))
	if err := os.WriteFile(script, []byte(text), 0o644); err != nil {
		return nil, err
	}
	out := filepath.Join(m.work, "core.img")
	_, err := m.run(ctx, "", "grub-mkimage", "-O", "i386-pc", "-d", grubFolder, "-o", out, "-c", script, "-p", "/boot/grub",
		"biosdisk", "part_gpt", "part_msdos", "ext2", "search_fs_uuid", "normal", "echo", "linux", "boot")
	if err != nil {
		return nil, err
	}
	return os.ReadFile(out)
}

// installBoot writes boot code and core image, as grub-bios-setup would: the core lies at a sector in one piece.
func installBoot(disk *os.File, core []byte, at, room int64) error {
	if int64(len(core)) > room || len(core) < 2*sector {
		return fmt.Errorf("GRUB's core image has %d bytes, room is for %d", len(core), room)
	}
	boot, err := os.ReadFile(filepath.Join(grubFolder, "boot.img"))
	if err != nil {
		return err
	}
	if len(boot) != sector {
		return fmt.Errorf("GRUB's boot.img has %d bytes, not %d", len(boot), sector)
	}
	placeBoot(boot, core, at)
	if _, err := disk.WriteAt(boot[:bootCode], 0); err != nil {
		return err
	}
	_, err = disk.WriteAt(core, at)
	return err
}

// placeBoot fills in the sectors: boot.img's pointer to the core image, and the first entry of the core's own list of
// blocks, which starts one sector later; its length was set by grub-mkimage. Two NOPs in place of the jump switch the check
// of the drive number on, as for every hard disk.
func placeBoot(boot, core []byte, at int64) {
	binary.LittleEndian.PutUint64(boot[bootCoreSector:], uint64(at/sector))
	boot[bootDriveCheck], boot[bootDriveCheck+1] = 0x90, 0x90
	binary.LittleEndian.PutUint64(core[coreFirstSector:], uint64(at/sector)+1)
}
