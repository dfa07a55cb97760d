package boot

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/job"
)

// syncLimit is how long a flush may take: a disk that is still writing gets its time, a dead one does not hold the PC.
const syncLimit = 2 * time.Minute

// End kills every other process, unmounts, flushes, and restarts the PC or switches it off. It returns only when the
// kernel refuses. Only PID 1 may call it.
func End(e job.Ending) error {
	_ = unix.Kill(-1, unix.SIGTERM)
	time.Sleep(200 * time.Millisecond)
	_ = unix.Kill(-1, unix.SIGKILL)
	for {
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != nil || pid <= 0 {
			break
		}
	}
	Unmount()
	done := make(chan struct{})
	go func() { unix.Sync(); close(done) }()
	select {
	case <-done:
	case <-time.After(syncLimit):
	}
	command := unix.LINUX_REBOOT_CMD_RESTART
	if e == job.EndPowerOff {
		command = unix.LINUX_REBOOT_CMD_POWER_OFF
	}
	if err := unix.Reboot(command); err != nil {
		return fmt.Errorf("asking the kernel to end: %w", err)
	}
	return nil
}
