// Command init is the whole operating system of a golden master: PID 1 of its initramfs.
//
// It stands for the system that a school would have on the disk, and does what a test needs of one: it starts from its
// own disk, through its own boot loader and kernel, reads all of its own files, and says so in one line on every console:
//
//	GOLDEN MASTER OK name=NAME files=N disk=/dev/vda firmware=uefi secureboot=1 boots=1 seconds=4.2
//	GOLDEN MASTER DAMAGED name=NAME disk=/dev/vda wrong=3 first="srv/x" differs
//
// Then it counts its start in var/boots, as a system that has run leaves traces, unmounts, and powers off; with
// golden.stay on the kernel's command line it stays on instead.
//
// Checked: the tree below golden/, read-only, before anything is written. Not checked: kernel, loaders and the file
// system's own tables, beyond that they were good enough to get here.
//
// Sources: Linux Documentation/filesystems/ramfs-rootfs-initramfs.rst; ext4's superblock (s_magic at 0x38, s_uuid at
// 0x68); UEFI 2.10 section 3.3 (SecureBoot).
package main
