// Command bootenv builds the boot environment: what a PC is given between its firmware and our agent.
//
//	shimx64.efi   Debian's shim, signed by Microsoft's UEFI CA of 2011 and of 2023     firmware checks it
//	grubx64.efi   Debian 13's GRUB 2.12 for the network, signed by Debian              shim checks it
//	vmlinuz       Debian 13's kernel, signed by Debian                                 GRUB has shim check it
//	stage1.img    the agent, drivers for wired networks, USB and keyboards             nobody checks it
//	stage2.img    drivers for disks and file systems, tools                            the agent checks it by hash
//	boot.json     versions, sizes, hashes
//
// Two stages, because what firmware and GRUB fetch comes at one or two megabytes a second: stage one is what it takes to
// reach the server, and the agent fetches the rest itself. Both are cpio archives and stage two replaces files of stage
// one, so a GRUB that starts from a disk may simply load both. The modules.dep of stage two covers both stages.
//
// Everything but the agent comes from Debian packages, unmodified and unpacked without being installed; their copyright
// files are in stage two. The same lock and the same agent give the same bytes.
//
//	go run ./scripts/bootenv -o build/boot            build; offline when build/cache has everything
//	go run ./scripts/bootenv -o build/boot -update    take the newest versions and rewrite scripts/debian.lock
package main
