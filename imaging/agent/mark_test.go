package agent

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
)

func TestWhatAMarkSlotLeavesStanding(t *testing.T) {
	data := &job.Mark{Phase: "data"}
	for name, tt := range map[string]struct {
		mark *job.Mark
		err  error
		want string // phase; "" for none
	}{
		"none was ever set":                  {nil, nil, ""},
		"one stands":                         {data, nil, "data"},
		"both records are damaged":           {nil, &disk.DamagedSlotError{Slot: "MARK"}, "unknown"},
		"the drive does not give its sector": {nil, fmt.Errorf("reading slot MARK: %w", errors.Join(unix.EIO, io.ErrUnexpectedEOF)), "unknown"},
	} {
		got := ""
		if m := standing(tt.mark, tt.err); m != nil {
			got = m.Phase
		}
		if got != tt.want {
			t.Errorf("%s: the mark that stands is %q, want %q", name, got, tt.want)
		}
	}
}
