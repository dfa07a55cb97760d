package agent_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/agent/drive"
	"github.com/ardoise/ardoise/imaging/agent/notices"
	"github.com/ardoise/ardoise/imaging/job"
)

// A disk that takes no more in the midst of a reset: the report names the sector and what the drive says of itself, and
// the proof on the disk, where there still is one, does not claim anything.
func TestADiskThatFailsDuringADeployment(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a file system that is full")
	}
	small := t.TempDir()
	if err := unix.Mount("tmpfs", small, "tmpfs", 0, "size=3m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(small, unix.MNT_DETACH) })
	bad := filepath.Join(small, "disk.img")
	must(t, os.WriteFile(bad, nil, 0o600))
	must(t, os.Truncate(bad, target))
	p := newPC(t, bad)
	_, hash := captured(t, p)
	p.drive = func(d job.Disk) drive.State {
		if d.Path != bad {
			t.Errorf("%s is asked", d.Path)
		}
		return drive.State{Health: &drive.Health{Failing: true, Warning: 1, Reallocated: -1, Pending: -1, Reported: -1, MediaErrors: 7, Used: 104, Spare: 1}}
	}
	r := p.life(func(k *job.Task) { k.Kind, k.Manifest = job.KindDeploy, hash })
	q := r.Outcome.Proof
	want := "SMART: critical warning: spare blocks used up, 7 media faults, 104 % of its life used, 1 % spare left"
	if r.State != job.TaskFailed || r.Outcome.Code != string(notices.DiskFault) || !strings.Contains(r.Outcome.Detail, bad+", sector ") ||
		!strings.Contains(r.Outcome.Detail, " cannot be written, SMART: ") ||
		!strings.Contains(r.Outcome.Detail, want) || q == nil || q.Ok || !strings.Contains(q.Failure, want) {
		t.Errorf("%+v, proof %+v", r.Outcome, q)
	}
}
