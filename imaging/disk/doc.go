// Package disk opens block devices and image files, and reads, checks, plans and writes how they are divided.
//
// It knows three things: the device itself (exclusive open, honest flush, reads from the medium), the partition table,
// and ARDOISE, our own place on the disk. Sources: UEFI 2.10 section 5 (GPT, protective MBR, ESP), the MBR and its
// extended partitions as every PC firmware and Linux block/partitions/msdos.c read them, Microsoft's FAT specification
// of 2000 (FAT32), Linux Documentation/ABI/stable/sysfs-block.
//
//	LBA  GPT disk                                MBR disk
//	  0  boot code 0-440, protective entry       boot code, signature @440, entries @446, 55 AA
//	  1  primary header                          boot gap (GRUB's core)
//	  2  entries, 128 x 128 bytes
//	     boot gap up to the first partition
//	     the master's partitions, same start and length on every disk
//	     ARDOISE, 320 MiB, at the next MiB       ARDOISE in a free primary slot
//	     ARDOISE-CACHE, see package cache        the same of type DA, behind ARDOISE
//	-33  backup entries
//	 -1  backup header
//
// A table is not captured as bytes but described (Table) and made again for each disk (Plan), because its backup, its
// last usable block and its checksums follow the size of the disk. Own lists the bytes that are described. Of a
// protective MBR only the size in its first entry is ours: the rest of that sector (boot code, the active flag that
// some BIOSes want on a GPT disk, hybrid entries) is kept with the bytes before the first partition. Where a BIOS starts
// our menu the boot code is ours, the master's lies on ARDOISE, and MasterView shows it in its place.
//
// A damaged primary GPT is read from its backup (UEFI 5.3.2). Firmware and kernel do so under a protective MBR only. We
// also do where sector 0 says nothing (zeros or noise over the first MiB), since the key of a computer lies on ARDOISE:
// where the table leads to an ARDOISE that is there. An MBR of somebody, without partitions even, or a volume that fills the
// disk is believed before it. An MBR disk keeps no second table: without its first sector it has lost ARDOISE.
//
// ARDOISE is a FAT32 of our own making whose files have fixed places: slots with two records, two generations of boot
// files of which one sector names the one that counts, loaders with two rooms whose names change places.
//
// Guaranteed: no length, count or offset found on a disk is believed before it is checked against the size of the
// disk; chains are bounded; a write handle of a block device is exclusive. Not guaranteed: that another program with
// root's rights leaves the disk alone; O_EXCL keeps away mounts, swap, device mapper and other exclusive openers only.
package disk
