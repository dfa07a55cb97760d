package main

// stageOneModules lists the wishes for stage one: reach the server, read the keyboard.
func stageOneModules() []string {
	return []string{
		// Wired network cards of desktop PCs of the last twenty years, of their virtual likes, and of the few servers
		// that a school uses as a reference PC.
		"8139cp", "8139too", "alx", "atl1", "atl1c", "atl1e", "atl2", "atlantic", "amd_xgbe", "b44", "bnx2", "dwmac_intel",
		"e100", "e1000", "e1000e", "forcedeth", "hv_netvsc", "igb", "igc", "ixgbe", "jme", "ne2k_pci", "pcnet32", "r8169",
		"sis190", "sis900", "skge", "sky2", "tg3", "tulip", "typhoon", "via_rhine", "via_velocity", "virtio_net", "vmxnet3",
		"3c59x",
		"kernel/drivers/net/phy/*", "kernel/drivers/net/phy/aquantia/*",

		// USB and the dongles through which laptops of a trolley are imaged.
		"xhci_pci", "xhci_pci_renesas", "ehci_pci", "uhci_hcd", "ohci_pci",
		"aqc111", "asix", "ax88179_178a", "cdc_ether", "cdc_mbim", "cdc_ncm", "cdc_subset", "dm9601", "lan78xx", "mcs7830",
		"pegasus", "r8152", "r8153_ecm", "rndis_host", "rtl8150", "smsc75xx", "smsc95xx", "sr9700", "sr9800", "usbnet",

		// Keyboards. Those with a driver of their own work with hid_generic too, but for Apple's and Logitech's receivers.
		"atkbd", "hid_apple", "hid_generic", "hid_hyperv", "hid_logitech", "hid_logitech_dj", "hid_microsoft", "hyperv_keyboard",
		"i8042", "usbhid",

		// Firmware variables (boot entries, Secure Boot state), randomness, buses of virtual machines, the TPM.
		"af_packet", "efivarfs", "hv_utils", "tpm_crb", "tpm_tis", "virtio_mmio", "virtio_pci", "virtio_rng",
	}
}

// stageTwoModules lists what stage two has besides: disks and file systems.
func stageTwoModules() []string {
	return []string{
		// SATA and IDE.
		"ahci", "acard_ahci", "ata_generic", "ata_piix", "kernel/drivers/ata/pata_*", "kernel/drivers/ata/sata_*",
		// NVMe, also behind Intel's RST (VMD), and UFS of small laptops.
		"nvme", "vmd", "ufshcd_pci",
		// SD and eMMC, and the card readers they hang on.
		"mmc_block", "sdhci_pci", "sdhci_acpi", "rtsx_pci_sdmmc", "rtsx_usb_sdmmc", "alcor", "via_sdmmc",
		// USB.
		"usb_storage", "uas", "kernel/drivers/usb/storage/ums-*",
		// Servers and virtual machines.
		"virtio_blk", "virtio_scsi", "hv_storvsc", "vmw_pvscsi", "mptsas", "mptspi", "mpt3sas", "megaraid_sas", "hpsa",
		"smartpqi", "aacraid", "BusLogic", "sym53c8xx",
		// Disk, optical drive, SCSI by hand.
		"sd_mod", "sr_mod", "sg",
		// Block layers.
		"dm_mod", "dm_crypt", "dm_snapshot", "loop", "md_mod", "raid0", "raid1",
		// File systems, and what FAT and NTFS need for names.
		"btrfs", "exfat", "ext4", "fuse", "isofs", "msdos", "ntfs3", "udf", "vfat", "xfs", "nls_cp437", "nls_cp850", "nls_ascii",
		"nls_iso8859_1", "nls_iso8859_15", "nls_utf8",
		// What these ask of the kernel's cryptography by name at run time.
		"crc32c_generic", "crc32c_intel", "xxhash_generic", "blake2b_generic", "sha256_generic",
	}
}

// tools lists the programs of stage two.
func tools() []string {
	return []string{
		"usr/sbin/e2fsck", "usr/sbin/resize2fs", "usr/sbin/mke2fs", "usr/sbin/tune2fs", "usr/sbin/dumpe2fs", "usr/sbin/debugfs",
		"usr/bin/ntfs-3g", "usr/bin/ntfsfix", "usr/bin/ntfsinfo", "usr/sbin/ntfsresize", "usr/sbin/ntfslabel", "usr/sbin/mkntfs",
		"usr/sbin/fsck.fat", "usr/sbin/mkfs.fat", "usr/sbin/fatlabel",
		"usr/sbin/mkfs.xfs", "usr/sbin/xfs_repair", "usr/sbin/xfs_growfs",
		"usr/bin/btrfs", "usr/sbin/mkfs.btrfs", "usr/bin/btrfstune",
		"usr/bin/busybox",
	}
}

// links lists other names of programs of stage two. busybox gives a technician on the PC's console a shell.
func links() map[string]string {
	return map[string]string{
		"usr/sbin/mkfs.ext2":  "mke2fs",
		"usr/sbin/mkfs.ext3":  "mke2fs",
		"usr/sbin/mkfs.ext4":  "mke2fs",
		"usr/sbin/mkfs.vfat":  "mkfs.fat",
		"usr/sbin/fsck.vfat":  "fsck.fat",
		"usr/sbin/mkfs.ntfs":  "mkntfs",
		"usr/sbin/mount.ntfs": "../bin/ntfs-3g",
		"usr/bin/btrfsck":     "btrfs",
		"bin/busybox":         "../usr/bin/busybox",
		"bin/sh":              "../usr/bin/busybox",
		"sbin/modprobe":       "../usr/bin/busybox",
	}
}
