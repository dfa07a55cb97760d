package disk

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Discard tells the device that n bytes at off are not needed any more (BLKDISCARD, linux/fs.h); in an image file they
// become a hole. Sectors that are not wholly inside stay. A device or file system that cannot is no fault: discarding is
// a kindness to the drive, and what reads afterwards must not count on zeros.
func (d *Disk) Discard(off, n int64) error {
	unit := int64(d.sector)
	end := (off + n) / unit * unit
	off = (off + unit - 1) / unit * unit
	if off < 0 || end > d.size {
		return fmt.Errorf("discarding up to byte %d of a disk of %d bytes: %w", end, d.size, unix.EINVAL)
	}
	if off >= end {
		return nil
	}
	defer d.clean.Store(false)
	var err error
	if d.block {
		span := [2]uint64{uint64(off), uint64(end - off)}
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, d.file.Fd(), unix.BLKDISCARD, uintptr(unsafe.Pointer(&span))); errno != 0 {
			err = errno
		}
	} else {
		err = unix.Fallocate(int(d.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, end-off)
	}
	if err == nil || err == unix.EOPNOTSUPP || err == unix.ENOSYS {
		return nil
	}
	return fmt.Errorf("discarding %d bytes at %d of %s: %w", end-off, off, d.path, err)
}
