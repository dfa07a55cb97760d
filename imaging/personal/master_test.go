package personal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/personal"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/storetest"
)

const mib = int64(1 << 20)

// tool runs a program of the system.
func tool(t testing.TB, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/sbin:/usr/sbin")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// blank makes a file of zeros.
func blank(t testing.TB, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	write(t, path, nil)
	if err := os.Truncate(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

// copyPart copies n bytes of one file into another.
func copyPart(t testing.TB, from string, skip int64, to string, seek, n int64) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(io.NewOffsetWriter(out, seek), io.NewSectionReader(in, skip, n)); err != nil {
		t.Fatal(err)
	}
}

// store keeps the chunks of a master in memory.
type store struct {
	storetest.Kept
	codec *chunk.Codec
}

func (s *store) content(id chunk.ID) ([]byte, error) {
	var out []byte
	err := s.Fetch(context.Background(), []chunk.ID{id}, func(f chunk.Frame) (err error) {
		out, err = s.codec.Open(nil, f)
		return err
	})
	return out, err
}

// master is a captured disk with one partition from 1 MiB on.
type master struct {
	m     *manifest.Manifest
	store *store
	size  int64 // of the partition
	names []byte
}

// captured puts the image of a volume into a partition of a disk and captures that.
func captured(t testing.TB, image, kind string) master {
	t.Helper()
	info, err := os.Stat(image)
	if err != nil {
		t.Fatal(err)
	}
	path := blank(t, info.Size()+2*mib)
	script := fmt.Sprintf("label: gpt\nstart=2048, size=%d, type=%s\n", info.Size()/512, kind)
	c := exec.Command("/usr/sbin/sfdisk", "-q", path)
	c.Stdin = strings.NewReader(script)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	copyPart(t, image, 0, path, mib, info.Size())
	d, err := disk.Open(path, disk.Mode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	codec, err := chunk.NewCodec(1)
	if err != nil {
		t.Fatal(err)
	}
	out := master{size: info.Size(), store: &store{codec: codec}}
	var names bytes.Buffer
	out.m, _, err = capture.Run(context.Background(), capture.Options{Disk: d, Size: d.Size(), SectorSize: d.SectorSize(),
		Sink: out.store, Names: &names})
	if err != nil {
		t.Fatal(err)
	}
	out.names = names.Bytes()
	return out
}

// plan is Plan over the master.
func (m master) plan(t testing.TB, v personal.Values) ([]job.Exception, []personal.Skipped) {
	t.Helper()
	d := personal.MasterDisk(m.m, m.store.content)
	list, skipped, err := personal.Plan(d, m.m, v)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d exceptions, %d of %d chunks fetched", len(list), d.Fetched(), m.m.Chunks.Len())
	return list, skipped
}

// restored puts the master with the exceptions onto a disk full of something else, proves that nothing is left to do then,
// and returns the partition as a file.
func (m master) restored(t testing.TB, exceptions []job.Exception) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pc")
	write(t, path, bytes.Repeat([]byte{0x5a}, int(m.m.Disk.Size)))
	d, err := disk.Open(path, disk.Mode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	o := restore.Options{Manifest: m.m, Target: d, SectorSize: d.SectorSize(), Source: m.store, Exceptions: exceptions}
	if _, err := restore.Run(context.Background(), o); err != nil {
		t.Fatal(err)
	}
	again, err := restore.Run(context.Background(), o)
	if err != nil || again.WrittenBytes != 0 {
		t.Errorf("a second run wrote %d bytes, %v", again.WrittenBytes, err)
	}
	diff, _, err := restore.Verify(context.Background(), o)
	if err != nil || !diff.None() {
		t.Errorf("verify: %s, %v", diff.Summary(), err)
	}
	part := filepath.Join(t.TempDir(), "part")
	copyPart(t, path, mib, part, 0, m.size)
	return part
}
