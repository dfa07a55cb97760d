package wipe

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/disk/command"
	"github.com/ardoise/ardoise/imaging/job"
)

// Open returns what a disk of the computer can do to itself, and what closes it; a nil Drive where nothing is known of its
// kind. Bridges from USB are not asked: some hang on what they do not know.
func Open(d job.Disk) (Drive, func() error, error) {
	if d.Bus != "nvme" && d.Bus != "sata" && d.Bus != "scsi" {
		return nil, func() error { return nil }, nil
	}
	// Commands that change a drive want a descriptor that may write.
	f, err := os.OpenFile(d.Path, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("opening %s for commands: %w", d.Path, err)
	}
	if d.Bus != "nvme" {
		return ATA{command.ATA{File: f}}, f.Close, nil
	}
	n := command.NVMe{File: f}
	id, err := n.Namespace()
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("asking %s for its namespace: %w", d.Path, err)
	}
	return NVMe{n, id}, f.Close, nil
}
