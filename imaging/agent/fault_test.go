package agent

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/restore"
)

// scratched gives every byte but those of one sector.
type scratched struct{ sector int64 }

func (s scratched) ReadAt(p []byte, off int64) (int, error) {
	if off < (s.sector+1)*512 && off+int64(len(p)) > s.sector*512 {
		return 0, unix.EIO
	}
	return len(p), nil
}

func worn(job.Disk) drive.State {
	return drive.State{Health: &drive.Health{Reallocated: 12, Pending: 3, Reported: -1, MediaErrors: -1, Used: -1, Spare: -1}}
}

func TestAFailingDiskIsToldWithSectorAndSMART(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	open, err := disk.Open(path, disk.Mode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = open.Close() }()
	d := job.Disk{Path: "/dev/sda"}
	for name, c := range map[string]struct {
		reads []int64 // offsets of reads of 64 KiB
		err   error
		speak func(job.Disk) drive.State
		want  string
	}{
		"reading": {[]int64{0, 65536, 131072}, fault(notices.DiskFault, unix.EIO), worn,
			"/dev/sda, sector 200 cannot be read, SMART: 12 reallocated, 3 pending: input/output error"},
		"reading, and the drive says nothing": {[]int64{65536}, fault(notices.DiskFault, unix.EIO), nil,
			"/dev/sda, sector 200 cannot be read: input/output error"},
		"writing": {nil, fault(notices.DiskFault, &restore.WriteError{Offset: 5120, Sector: 10, Err: unix.EIO}), worn,
			"/dev/sda, writing sector 10 (byte 5120): input/output error, SMART: 12 reallocated, 3 pending"},
		"not what was written": {nil, fault(notices.NotProven, errors.New("read back: 1 streams")), worn,
			"/dev/sda, SMART: 12 reallocated, 3 pending: read back: 1 streams"},
		"no fault of the disk": {[]int64{65536}, fault(notices.MasterDamaged, errors.New("chunk 1")), worn, "chunk 1"},
	} {
		w := watch(open)
		w.from = scratched{200}
		for _, off := range c.reads {
			if _, err := w.ReadAt(make([]byte, 65536), off); (err != nil) != (off == 65536) {
				t.Errorf("%s: reading at %d: %v", name, off, err)
			}
		}
		a := &agent{Options: Options{PC: PC{Drive: c.speak}}}
		var f *FaultError
		err := a.failing(c.err, w, d)
		if !errors.As(err, &f) || f.Args[0].(error).Error() != c.want || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	w := watch(open)
	if _, err := w.ReadAt(make([]byte, 8192), 1<<20-4096); err != io.EOF {
		t.Errorf("the end of the disk: %v", err)
	}
	if s, n := w.unread(); s != -1 || n != 0 {
		t.Errorf("the end of the disk is no fault: sector %d, %d reads", s, n)
	}
}
