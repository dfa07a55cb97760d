// Command goldenmaster makes the disk image of a small PC that starts by itself and checks itself: the golden master of
// the demo and of the tests.
//
//	gpt                                              mbr (BIOS only)
//	0      GRUB's boot.img, protective MBR, GPT      0      GRUB's boot.img, MBR
//	1 MiB  BIOS boot: GRUB's core image              512 B  gap: GRUB's core image
//	2 MiB  ESP, FAT32: Debian's shim and GRUB        1 MiB  root, ext4, active
//	42 MiB root, ext4                                ...
//	...    backup GPT
//
// The root holds Debian's signed kernel, an initramfs with our own small init (./init), a tree below golden/ and its list
// golden.sums. So one disk starts under BIOS, UEFI and Secure Boot, as Debian's own installations do. Nothing is mounted
// and no root is needed: mke2fs and debugfs, mkfs.fat and mtools, sfdisk and grub-mkimage work on files.
//
// The same flags, packages and tools give the same bytes: identifiers come from name and seed, times are fixed. Another
// name with the same seed has the same tree on another file system; another seed has another tree.
//
//	go run ./scripts/goldenmaster -o build/golden.img
//	go run ./scripts/goldenmaster -o build/golden-mbr.img -table mbr -seed 2 -name salle-104
//
// Sources: UEFI 2.10 sections 5 (GPT) and 13.3 (ESP); GRUB 2's boot.S and diskboot.S (where boot.img keeps the sector of
// the core image, and the core image its own list of blocks).
package main
