// Package command sends commands to a disk drive that are neither reads nor writes: what it counts, what it can do, and
// erasing itself.
//
//	NVMe --> ioctl NVME_IOCTL_ADMIN_CMD ----------------------------> completion: result, status
//	ATA  --> ioctl SG_IO, ATA PASS-THROUGH(16) --> SATL, libata ----> sense data: ATA Status Return descriptor
//
// Sources: NVM Express base specification 2.0, 3.3.3 (submission and completion entries) and Linux' linux/nvme_ioctl.h;
// SAT-4, 12.2.2.3 (ATA PASS-THROUGH(16)) and 12.2.9 (the ATA Status Return descriptor); Linux' scsi/sg.h.
//
// Guaranteed: a command goes to the device whose file it is given, and what comes back is returned as it came: it is
// hostile input to whoever reads it. Not guaranteed: that a command does no harm. Whoever sends one knows it.
package command
