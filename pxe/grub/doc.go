// Package grub writes what GRUB 2.12 reads and makes the GRUB that BIOS firmware loads.
//
// Sources: the GRUB 2.12 manual (scripting, authentication, network), and what was seen on OVMF with Secure Boot and on
// QEMU's iPXE ROM. UEFI PCs run Debian's signed grubx64.efi as it is, which takes its configuration from /grub/grub.cfg
// of the server that shim came from; BIOS PCs run an image made here, because GRUB's BIOS network code takes the DHCP
// server for its file server, so that our own address has to be built in:
//
//	UEFI   shim -> grubx64.efi --\                             /-> (http,S:80)/vmlinuz, else (tftp,S)/vmlinuz
//	                              >-- /grub/grub.cfg -> mac-XX.cfg
//	BIOS   bios.0 (core image) --/    one for everybody        \-> or the disk's own loader
//
// From the disk (ARDOISE, see imaging/disk) the same signed image reads /GRUB/GRUB.CFG of the partition that it came from
// (its prefix is /grub, without a device), and a BIOS loads boot.img and a core image made here; both go on with the menu:
//
//	GRUB.CFG (DiskCommon) -- GEN --> A|B/MENU.CFG (LocalMenu) -- NEXT, or woken: at once
//	                                    \-- menu, 5 s --> disk | agent with ardoise.wish=
//
// The signed image has every module that this takes (password_pbkdf2, smbios, loadenv, regexp, chain, fat,
// part_gpt ...); the menu is ASCII on the text screen.
//
// Without a menu there is no prompt: no menu entry exists, so nothing is drawn and no key is asked for; the script never comes to its end, where
// GRUB would open its shell, but restarts the PC; and superusers is set to nobody, so that the shell, were it reached,
// asks for a password that does not exist. With a menu the shell and the editor are closed in the same way. Guaranteed: an argument never becomes GRUB syntax (Quote refuses what it
// cannot write down). Not guaranteed: anything against somebody who stands between the PC and us; that is what the
// signatures of shim, GRUB and kernel and the proof of the server by the agent are for.
package grub
