package udp

import (
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A batch has 64 buffers for datagrams, or for what the kernel has joined of them: no more than 64 KiB each. Their distance
// is no power of two, so that those with one datagram each do not lie in the same few lines of the caches.
const (
	buffers     = 64
	plainSize   = 2048 // longer than MaxPayload: what is too long must be seen to be so
	joinedSize  = 64<<10 + 24*64
	controlSize = 64 // UDP_GRO needs 24 bytes
)

// Batch is the memory that one Read fills: 128 KiB, or 4.2 MiB with GRO, of which the kernel touches what it fills. It is of
// the receiver that made it, and used by one goroutine.
type Batch struct {
	hdrs     []mmsghdr
	iovs     []unix.Iovec
	buffers  [][]byte
	controls [][]byte

	filled  int
	errno   syscall.Errno
	packets [][]byte
}

// NewBatch makes a batch for this receiver.
func (r *Receiver) NewBatch() *Batch {
	if r.gro {
		return newBatch(buffers, joinedSize)
	}
	return newBatch(buffers, plainSize)
}

func newBatch(count, size int) *Batch {
	b := &Batch{
		hdrs: make([]mmsghdr, count), iovs: make([]unix.Iovec, count),
		buffers: make([][]byte, count), controls: make([][]byte, count),
		packets: make([][]byte, 0, buffers*Burst),
	}
	memory, oob := make([]byte, count*size), make([]byte, count*controlSize)
	for i := range b.hdrs {
		b.buffers[i] = memory[i*size : (i+1)*size : (i+1)*size]
		b.controls[i] = oob[i*controlSize : (i+1)*controlSize : (i+1)*controlSize]
		b.iovs[i].Base = &b.buffers[i][0]
		b.iovs[i].SetLen(size)
		b.hdrs[i].hdr.Iov = &b.iovs[i]
		b.hdrs[i].hdr.SetIovlen(1)
		b.hdrs[i].hdr.Control = &b.controls[i][0]
	}
	return b
}

// Packet returns a datagram of the last Read. It may be written to, and is good until the next Read.
func (b *Batch) Packet(i int) []byte { return b.packets[i] }

// reset forgets the last Read; the kernel changes the lengths of what it fills.
func (b *Batch) reset() {
	for i := range b.hdrs {
		b.hdrs[i].hdr.SetControllen(controlSize)
	}
	b.filled, b.errno, b.packets = 0, 0, b.packets[:0]
}

// receive fills the batch with what a socket has, without waiting; errno is unix.EAGAIN when that is nothing.
func (b *Batch) receive(fd int) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&b.hdrs[0])), uintptr(len(b.hdrs)),
			unix.MSG_DONTWAIT, 0, 0)
		// ICMP causes errors too, but no true one of a receiver, which sends nothing
		if errno == unix.EINTR || errno != unix.EAGAIN && isRumour(errno) {
			continue
		}
		b.filled, b.errno = int(n), errno
		if errno != 0 {
			b.filled = 0
		}
		return
	}
}

// split finds the datagrams in the buffers and returns how many were too long.
func (b *Batch) split() (oversize uint64) {
	for i := range b.hdrs[:b.filled] {
		h := &b.hdrs[i]
		if h.hdr.Flags&unix.MSG_TRUNC != 0 {
			oversize++
			continue
		}
		data := b.buffers[i][:min(int(h.len), len(b.buffers[i]))]
		oob := b.controls[i][:min(int(h.hdr.Controllen), controlSize)]
		oversize += b.cut(data, segmentSize(oob))
	}
	return oversize
}

// cut adds the datagrams of one buffer. The kernel joins datagrams of one size, of which only the last may be shorter;
// a size of zero means that it holds one, which may be empty.
func (b *Batch) cut(data []byte, size int) (oversize uint64) {
	if size <= 0 || size > len(data) {
		size = max(len(data), 1)
	}
	for {
		n := min(size, len(data))
		if n > MaxPayload {
			oversize++
		} else {
			b.packets = append(b.packets, data[:n:n])
		}
		if data = data[n:]; len(data) == 0 {
			return oversize
		}
	}
}

// segmentSize reads the control message UDP_GRO (udp(7)); 0 when there is none.
func segmentSize(oob []byte) int {
	header := unix.CmsgLen(0)
	for len(oob) >= header {
		length, level, kind := cmsgHeader(oob)
		if length < header || length > len(oob) {
			return 0
		}
		if level == unix.IPPROTO_UDP && kind == unix.UDP_GRO && length >= header+4 {
			return int(int32(binary.NativeEndian.Uint32(oob[header:])))
		}
		oob = oob[min(unix.CmsgSpace(length-header), len(oob)):]
	}
	return 0
}

// cmsgHeader reads struct cmsghdr, whose length is as wide as a pointer.
func cmsgHeader(b []byte) (length, level, kind int) {
	wide := unix.SizeofPtr
	if wide == 8 {
		length = int(binary.NativeEndian.Uint64(b))
	} else {
		length = int(binary.NativeEndian.Uint32(b))
	}
	return length, int(int32(binary.NativeEndian.Uint32(b[wide:]))), int(int32(binary.NativeEndian.Uint32(b[wide+4:])))
}

// putCmsgHeader writes one.
func putCmsgHeader(b []byte, length, level, kind int) {
	wide := unix.SizeofPtr
	if wide == 8 {
		binary.NativeEndian.PutUint64(b, uint64(length))
	} else {
		binary.NativeEndian.PutUint32(b, uint32(length))
	}
	binary.NativeEndian.PutUint32(b[wide:], uint32(level))
	binary.NativeEndian.PutUint32(b[wide+4:], uint32(kind))
}
