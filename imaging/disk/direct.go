package disk

import (
	"fmt"
	"io"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	pageSize    = 4096     // what O_DIRECT asks of offset, length and memory at most
	bounceSize  = 4 << 20  // bytes of one aligned transfer
	directWorth = 64 << 10 // below this the page cache is as fast
)

// deviceSize returns the size of a block device in bytes (BLKGETSIZE64, linux/fs.h). golang.org/x/sys has no helper for
// an ioctl that fills a 64-bit value.
func deviceSize(f *os.File) (int64, error) {
	var size uint64
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), unix.BLKGETSIZE64, uintptr(unsafe.Pointer(&size)))
	if errno != 0 {
		return 0, errno
	}
	if size > 1<<62 {
		return 0, fmt.Errorf("%d bytes is no size", size)
	}
	return int64(size), nil
}

// Aligned returns n bytes of memory that O_DIRECT takes without a copy.
func Aligned(n int) []byte {
	b := make([]byte, n+pageSize)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) & (pageSize - 1))
	return b[skip : skip+n : skip+n]
}

func isAligned(p []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(p)))&(pageSize-1) == 0
}

// ReadAt implements io.ReaderAt.
func (d *Disk) ReadAt(p []byte, off int64) (int, error) {
	d.mu.RLock()
	cold := d.cold
	d.mu.RUnlock()
	if !cold || d.direct == nil || len(p) == 0 {
		return d.file.ReadAt(p, off)
	}
	if off < 0 || off >= d.size {
		return d.file.ReadAt(p, off)
	}
	return d.readDirect(p, off)
}

// readDirect reads through aligned memory. The end of a device need not be a multiple of a page, only of a sector.
func (d *Disk) readDirect(p []byte, off int64) (int, error) {
	unit := int64(d.sector)
	done := 0
	var bounce []byte
	for done < len(p) {
		at := off + int64(done)
		if at >= d.size {
			return done, io.EOF
		}
		rest := p[done:]
		if at%unit == 0 && int64(len(rest)) >= unit && isAligned(rest) {
			n, err := d.direct.ReadAt(rest[:int64(len(rest))/unit*unit], at)
			if done += n; err != nil {
				return done, err
			}
			continue
		}
		if bounce == nil {
			bounce = Aligned(int(min(bounceSize, (int64(len(rest))+2*unit+pageSize-1)/pageSize*pageSize)))
		}
		skip := at % unit
		want := min((skip+int64(len(rest))+unit-1)/unit*unit, int64(len(bounce))/unit*unit)
		n, err := d.direct.ReadAt(bounce[:want], at-skip)
		if int64(n) > skip {
			done += copy(rest, bounce[skip:n])
		}
		if done < len(p) && err != nil {
			return done, err
		}
		if int64(n) <= skip {
			return done, io.ErrUnexpectedEOF
		}
	}
	return done, nil
}

// WriteAt implements io.WriterAt. Large aligned parts go to a block device with O_DIRECT; the kernel keeps the page cache
// coherent with them. A write past the end of an image file is refused: a disk does not grow.
func (d *Disk) WriteAt(p []byte, off int64) (int, error) {
	defer d.clean.Store(false) // a flush that comes before the end of a write does not count for it
	if off < 0 || off > d.size || int64(len(p)) > d.size-off {
		return 0, fmt.Errorf("writing %d bytes at %d: %w", len(p), off, unix.ENOSPC)
	}
	if d.direct == nil || len(p) < directWorth {
		return d.file.WriteAt(p, off)
	}
	done := 0
	if skip := off % pageSize; skip != 0 {
		n, err := d.file.WriteAt(p[:pageSize-skip], off)
		if done += n; err != nil {
			return done, err
		}
	}
	var bounce []byte
	for len(p)-done >= pageSize {
		part := p[done : done+min(bounceSize, (len(p)-done)/pageSize*pageSize)]
		if !isAligned(part) {
			if bounce == nil {
				bounce = Aligned(len(part))
			}
			part = bounce[:copy(bounce[:len(part)], part)]
		}
		n, err := d.direct.WriteAt(part, off+int64(done))
		if done += n; err != nil {
			return done, err
		}
	}
	if done < len(p) {
		n, err := d.file.WriteAt(p[done:], off+int64(done))
		return done + n, err
	}
	return done, nil
}
