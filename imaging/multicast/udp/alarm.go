package udp

import (
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// alarm is a timer (timerfd_create(2)) on which one goroutine sleeps. time.Sleep keeps the runtime's poller busy with
// timeouts of whole milliseconds, two for each sleep, and a thread that sleeps in a system call keeps the runtime's
// monitor awake, 2,000 times a second: both cost more than reading the packets that come meanwhile.
type alarm struct {
	fd    int
	file  *os.File
	conn  syscall.RawConn
	time  unix.ItimerSpec
	armed bool
	news  func() bool        // tells whether there is no more to wait for
	step  func(uintptr) bool // made once: a closure per call would be garbage
}

// newAlarm makes an alarm. news is asked after it was set and before anybody sleeps.
func newAlarm(news func() bool) (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	a := &alarm{fd: fd, file: os.NewFile(uintptr(fd), "timer"), news: news}
	a.step = a.arm
	if a.conn, err = a.file.SyscallConn(); err != nil {
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	return a, nil
}

// set lets the alarm go off after a time, never where that is less than 0. What went off before is forgotten.
func (a *alarm) set(d time.Duration) {
	a.time = unix.ItimerSpec{}
	if d >= 0 {
		a.time.Value = unix.NsecToTimespec(int64(max(d, 1)))
	}
	// It does not wait, so the runtime need not know; it cannot fail: the timer is ours, and the time is one
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(a.fd), 0, uintptr(unsafe.Pointer(&a.time)), 0, 0, 0)
}

// sleep returns after a time, or soon after the alarm was rung.
func (a *alarm) sleep(d time.Duration) error {
	a.time.Value = unix.NsecToTimespec(int64(max(d, 1)))
	a.armed = false
	return a.conn.Read(a.step)
}

// arm sets the timer when the poller is ready to hear it, and is true when it was heard.
func (a *alarm) arm(uintptr) bool {
	if a.armed {
		return true
	}
	a.armed = true
	a.set(time.Duration(a.time.Value.Nano()))
	return a.news()
}

// ring ends a sleep that goes on. One that begins is ended by news, which must say so before.
func (a *alarm) ring() {
	soon := unix.ItimerSpec{Value: unix.Timespec{Nsec: 1}}
	_ = unix.TimerfdSettime(a.fd, 0, &soon, nil) // it cannot fail: the timer is ours, and the time is one
}

func (a *alarm) close() error { return a.file.Close() }
