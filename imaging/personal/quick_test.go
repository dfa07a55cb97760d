package personal_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/personal"
	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
)

// A quick reset of a computer with a name of its own: the records that the name changed are what they should be, so nothing
// is doubted, and nothing is written. Without the exceptions it would be the master's name again.
func TestAQuickResetKeepsTheName(t *testing.T) {
	for name, image := range map[string]string{"linux": extImage(t, debian(), "-t", "ext4"),
		"EBD0A0A2-B9E5-4433-87C0-68B6B72699C7": windows(t, 5000, 150)} {
		m := captured(t, image, name)
		v := values()
		v.Answer = personal.AnswerFile{Path: answers, Content: bytes.Repeat([]byte("n"), 900)}
		exceptions, _ := m.plan(t, v)
		if len(exceptions) == 0 {
			t.Fatal("no exceptions")
		}
		path := blank(t, m.m.Disk.Size)
		d, err := disk.Open(path, disk.Mode{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		o := restore.Options{Manifest: m.m, Target: d, SectorSize: d.SectorSize(), Source: m.store, Exceptions: exceptions}
		if _, err := restore.Run(context.Background(), o); err != nil {
			t.Fatal(err)
		}
		verdict, err := quick.Look(context.Background(), quick.Options{Disk: d, Manifest: m.m, Source: m.store, Exceptions: exceptions,
			Names: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.names)), nil }})
		if err != nil || verdict.Doubt != "" || verdict.VouchedFiles == 0 {
			t.Fatalf("doubt %q, %d files vouched for, %v", verdict.Doubt, verdict.VouchedFiles, err)
		}
		o.Vouched = verdict
		report, err := restore.Run(context.Background(), o)
		if err != nil || report.WrittenBytes != 0 || !report.Proven {
			t.Errorf("%s: wrote %d bytes, proven %v, %v", name, report.WrittenBytes, report.Proven, err)
		}
		if diff, _, err := restore.Verify(context.Background(), o); err != nil || !diff.None() {
			t.Errorf("%s: %s, %v", name, diff.Summary(), err)
		}
	}
}
