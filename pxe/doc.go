// Package pxe takes a PC from bare metal to the running agent.
//
// It answers beside the school's own DHCP server (proxy-DHCP), serves the first loaders by TFTP or HTTP, writes each
// PC's GRUB configuration, and wakes PCs that sleep. What a PC should start it asks a Booter; what it sees, it tells the
// Booter; it knows nothing else of the house. Sources: PXE 2.1 (Intel, 1999); RFC 2131, 4578, 5970 (DHCP), 1350 and 2347
// to 2349 (TFTP); UEFI 2.10 section 24; the sub-packages name theirs with the sections.
//
//	PC (firmware)                 school's DHCP        this server
//	 | DISCOVER "PXEClient" ------------->|------------------>| Booter.Boot: disk or agent?
//	 |<------------- OFFER 10.9.0.50 -----|                   |
//	 |<------------- OFFER file=shimx64.efi, siaddr ----------| raw frame, from port 67, which is never bound
//	 |-- REQUEST, ACK ------------------->|                   | (learns who has 10.9.0.50)
//	 |-- TFTP shimx64.efi, grubx64.efi ---------------------->| Event loader
//	 |-- TFTP grub/grub.cfg, grub/mac-52:54:00:00:00:01.cfg ->| Booter.Boot again, Event config
//	 |-- HTTP vmlinuz, stage1.img (else TFTP) --------------->| Events kernel, initrd
//	 | Linux, agent
//
//	nothing to do:
//	 |-- TFTP start-the-disk -------------------------------->| "file not found", Event local
//	 | next boot entry: the disk, 4 to 6 s later, with nothing of ours measured
//
// Guaranteed: never an address, never a NAK, never a word to a client that does not ask to boot from the network; what
// arrives is bounded in size, rate and memory; only the fixed table of files is served, read only. Without an answer of
// the Booter a PC starts its disk. Not guaranteed: anything about who the PC is, or that it reaches us rather than an
// impostor on the same network; the agent settles both. See DESIGN.md.
package pxe
