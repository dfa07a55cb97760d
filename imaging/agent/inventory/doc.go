// Package inventory reads what a PC is made of from sysfs and procfs.
//
// Sources: Documentation/ABI/testing sysfs-firmware-dmi-tables, sysfs-class-net, sysfs-class-tpm; SMBIOS 3.6 types 0, 1,
// 2; UEFI 2.10 section 3.3 (SecureBoot).
//
// All of it comes from firmware and devices and is hostile: at most 255 printable characters a string, at most 64
// interfaces. Nothing here fails: what cannot be read is empty.
package inventory
