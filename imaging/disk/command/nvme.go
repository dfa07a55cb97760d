package command

import (
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NVMe is a namespace of an NVMe controller, whose admin queue takes commands.
type NVMe struct{ File *os.File }

// Admin is one admin command.
type Admin struct {
	Opcode  uint8
	NSID    uint32    // namespace; AllNamespaces for the controller
	CDW     [6]uint32 // command dwords 10 to 15
	Timeout time.Duration
}

// AllNamespaces is the NSID of a command that is for the whole controller.
const AllNamespaces = 0xFFFFFFFF

// StatusError says that a drive has refused a command, or could not do it: its status field, without the phase tag.
type StatusError struct{ Status uint16 }

// Error implements error. The field is type (3 bits) and code (8 bits), NVM Express base specification 2.0, 3.3.3.2.1.
func (e *StatusError) Error() string {
	return fmt.Sprintf("the drive answers with status %d/%02Xh", e.Status>>8&7, e.Status&0xFF)
}

// adminCommand is struct nvme_admin_cmd of linux/nvme_ioctl.h.
type adminCommand struct {
	opcode, flags       uint8
	_                   uint16
	nsid                uint32
	_, _                uint32
	metadata            uint64
	addr                uint64
	metadataLen, length uint32
	cdw                 [6]uint32 // 10 to 15
	timeoutMS           uint32
	result              uint32
}

// NVME_IOCTL_ADMIN_CMD: _IOWR('N', 0x41, struct nvme_admin_cmd); NVME_IOCTL_ID: _IO('N', 0x40).
const (
	ioctlAdmin = 3<<30 | unsafe.Sizeof(adminCommand{})<<16 | 'N'<<8 | 0x41
	ioctlID    = 'N'<<8 | 0x40
)

// Admin sends c and waits for its end. What the drive has to say fills data, which may be empty. It fails with
// *StatusError, or with what the kernel says.
func (n NVMe) Admin(c Admin, data []byte) (result uint32, err error) {
	k := &adminCommand{opcode: c.Opcode, nsid: c.NSID, length: uint32(len(data)), cdw: c.CDW,
		timeoutMS: milliseconds(c.Timeout)}
	var pin runtime.Pinner
	defer pin.Unpin()
	if len(data) > 0 {
		pin.Pin(&data[0])
		k.addr = uint64(uintptr(unsafe.Pointer(&data[0])))
	}
	status, _, errno := unix.Syscall(unix.SYS_IOCTL, n.File.Fd(), ioctlAdmin, uintptr(unsafe.Pointer(k)))
	switch {
	case errno != 0:
		return 0, errno
	case status != 0:
		return 0, &StatusError{uint16(status) & 0x7FF}
	}
	return k.result, nil
}

// Namespace returns the number of the namespace that the file is of.
func (n NVMe) Namespace() (uint32, error) {
	id, _, errno := unix.Syscall(unix.SYS_IOCTL, n.File.Fd(), ioctlID, 0)
	if errno != 0 {
		return 0, errno
	}
	return uint32(id), nil
}

// milliseconds is d as the kernel takes it, 32 bits.
func milliseconds(d time.Duration) uint32 { return uint32(min(d.Milliseconds(), 1<<32-1)) }
