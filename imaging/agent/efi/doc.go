// Package efi keeps the boot order of a UEFI PC as Ardoise wants it.
//
// Sources: UEFI 2.10 sections 3.1.2 (boot manager), 3.1.3 (EFI_LOAD_OPTION), 3.3 (Boot####, BootOrder, BootNext), 10.3
// (device paths: 10.3.4.11 MAC, 10.3.4.12 and .13 IPv4 and IPv6, 10.3.4.22 URI, 10.3.5.1 hard drive, 10.3.5.4 file path).
// All integers are little-endian:
//
//	EFI_LOAD_OPTION                      device path node
//	  0  4  attributes (1 = active)        0  1  type: 1 hardware 2 ACPI 3 messaging 4 media 0x7f end
//	  4  2  bytes of device path           1  1  sub-type
//	  6  n  description, UTF-16, NUL       2  2  length of the node, these four bytes included
//	     m  device path                    4     data
//	        optional data
//
// What Arrange does, and why: Debian's or Windows' own set-up puts itself first, so that neither our menu nor the network is
// ever asked again; and firmware tries IPv6 and HTTP boot for 64 s a round before it comes to the disk. So: in a menu room
// our loader on ARDOISE, then the IPv4 entry of our NIC, then the system on the disk, then what there was; IPv6 and HTTP
// entries inactive. In other rooms the entry of our loader is taken away.
//
// Guaranteed: one entry of ours for the menu and one for the system at most, however often it runs; no entry of anybody else is removed; a variable that
// already has its value is not written (flash wears). Not guaranteed: that firmware keeps it. EDK2 deletes an automatic
// entry whose attributes changed and makes a new active one at the end of the order: there the order alone does the work.
package efi
