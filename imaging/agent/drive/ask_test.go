package drive

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/imaging/job"
)

func TestWhatIsNoDriveSaysNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bus := range []string{"nvme", "sata", "usb", "scsi", "virtio", "mmc"} {
		for _, p := range []string{path, path + ".gone"} {
			if s := Look(job.Disk{Path: p, Bus: bus, Serial: "X"}); s.Counter != nil || s.Health != nil {
				t.Errorf("%s on %s says %+v", p, bus, s)
			}
		}
	}
}

// told is an asker with a given answer.
type told struct {
	h  Health
	c  *job.WriteCounter
	ok bool
}

func (a told) ask() (Health, *job.WriteCounter, bool) { return a.h, a.c, a.ok }

func TestACounterWithoutASerialNumberIsNobodys(t *testing.T) {
	a := told{unknown(), &job.WriteCounter{Source: "nvme", Commands: 1, Sectors: 1}, true}
	if s := look(job.Disk{}, a); s.Counter != nil || s.Health == nil {
		t.Errorf("%+v", s)
	}
	if s := look(job.Disk{Serial: "S1"}, a); s.Counter == nil || s.Counter.Serial != "S1" {
		t.Errorf("%+v", s)
	}
}
