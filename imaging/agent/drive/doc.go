// Package drive asks a disk drive what it counts and how it is: how much was ever written to it, and whether it is failing.
//
// It serves two ends. A drive on which nothing was written since it was last proven need not be read again (imaging/DESIGN.md,
// "Reset"); and a person who is told of a failing disk wants to know what the drive itself says.
//
//	path --> open, read only --+-- nvme --> Get Log Page 02h -----------------------> parseNVMe --+--> State
//	                           +-- sata --> ATA PASS-THROUGH(16):                                 |
//	                                          READ LOG EXT 04h, page 01h ----------> parseGeneral-+
//	                                          READ LOG EXT 04h, page 07h ----------> parseWear ---+
//	                                          SMART READ DATA ---------------------> parseSMART --+
//	                                          SMART RETURN STATUS -----------------> parseStatus -+
//
// Sources: NVM Express base specification 2.0, 5.16.1.3 (SMART / Health Information) and Linux' linux/nvme_ioctl.h;
// ACS-4, 7.22 (READ LOG EXT), 7.48 (SMART), 9.5.4 and 9.5.10 (Device Statistics: general, solid state); SAT-4, 12.2.3 (ATA
// PASS-THROUGH(16)) and 12.2.9 (the ATA Status Return descriptor); Linux' scsi/sg.h. What ACS calls vendor specific, the
// table of attributes, is read as all vendors lay it out: 5 reallocated, 9 hours, 187 reported, 190 and 194 temperature, 197 pending.
//
// Guaranteed: nothing is written, no answer is believed that contradicts itself or its page (checksum, page number, flags
// of validity, reserved bits, ranges): such a drive has no counter and no state, as has one that is asked in vain. What a
// drive says is hostile input: every parser is fuzzed. Not guaranteed: that a drive counts at all, or at once; who relies
// on a counter must have seen it move (package agent does). Neither counter moves for TRIM (NVMe: Deallocate).
package drive
