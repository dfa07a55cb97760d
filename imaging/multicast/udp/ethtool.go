package udp

import (
	"encoding/binary"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Lengths of structures of linux/ethtool.h, in bytes.
const (
	ethtoolCmdLen = 44
)

// ifreq is struct ifreq with the member that SIOCETHTOOL uses.
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// ethtool gives a command to the driver of an interface and gets its answer in the same bytes.
func ethtool(name string, cmd []byte) error {
	if len(name) >= unix.IFNAMSIZ {
		return unix.ENODEV
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("opening a socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }() // nothing was written to it
	r := ifreq{data: unsafe.Pointer(&cmd[0])}
	copy(r.name[:], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&r))); errno != 0 {
		return errno
	}
	return nil
}

// speed asks the driver, by ETHTOOL_GSET, how fast the link is, in Mb/s; 0 when it does not say.
func speed(name string) (mbit int, half bool) {
	cmd := make([]byte, ethtoolCmdLen)
	binary.NativeEndian.PutUint32(cmd, unix.ETHTOOL_GSET)
	if ethtool(name, cmd) != nil {
		return 0, false
	}
	value := uint32(binary.NativeEndian.Uint16(cmd[12:])) | uint32(binary.NativeEndian.Uint16(cmd[28:]))<<16
	const unknown = 0xffffffff
	if value == unknown || value == 0xffff || value == 0 {
		return 0, false
	}
	const halfDuplex = 0
	return int(value), cmd[14] == halfDuplex
}
