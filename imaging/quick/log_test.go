package quick_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ardoise/ardoise/imaging/quick"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/masters/manifest"
)

// logged is the master of an ext4 volume with a journal of so many MiB. Sessions are what the computer has seen before it is
// captured: each leaves the log's head elsewhere, where the kernel keeps one.
func logged(t *testing.T, mib, sessions int, more ...string) *master {
	t.Helper()
	path := filepath.Join(t.TempDir(), "master.img")
	must(t, os.WriteFile(path, nil, 0o600), os.Truncate(path, 512<<20))
	args := append([]string{"-q", "-F", "-t", "ext4", "-J", fmt.Sprintf("size=%d", mib), "-E", "lazy_itable_init=0,lazy_journal_init=0"}, more...)
	tool(t, "mke2fs", append(args, path)...)
	for k := range sessions {
		mountedExt(t, path, func(dir string) { work(t, dir, fmt.Sprintf("before%d", k), 40) })
	}
	return captured(t, path)
}

// work is a session of so many transactions.
func work(t *testing.T, dir, name string, transactions int) {
	d, err := os.Open(dir)
	must(t, err)
	defer func() { _ = d.Close() }()
	for i := range transactions {
		write(t, filepath.Join(dir, name, fmt.Sprint(i)), noise(uint64(i), 5000))
		must(t, unix.Syncfs(int(d.Fd())))
	}
}

// deployed is a PC as a deployment leaves it.
func (c *master) deployed(t *testing.T) string {
	t.Helper()
	pc := c.pc(t)
	d := open(t, pc, true)
	defer func() { _ = d.Close() }()
	if _, err := restore.Run(context.Background(), restore.Options{Manifest: c.m, Target: d, SectorSize: d.SectorSize(), Source: c.frames}); err != nil {
		t.Fatal(err)
	}
	return pc
}

// body is the part of an image where the master has fills, in their order.
func (c *master) body(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer func() { _ = f.Close() }()
	var out []byte
	for _, x := range c.m.Fills {
		b := make([]byte, x.Length)
		if _, err := f.ReadAt(b, x.Offset); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

// log is the body of the journal, which lies behind its superblock.
func (c *master) log(t *testing.T) manifest.Extent {
	t.Helper()
	for _, x := range c.m.Fills {
		if b := make([]byte, 8); x.Length > 32<<20 {
			f, err := os.Open(c.path)
			must(t, err)
			_, err = f.ReadAt(b, x.Offset-4096)
			must(t, err, f.Close())
			if string(b) == "\xc0\x3b\x39\x98\x00\x00\x00\x04" {
				return x.Extent
			}
		}
	}
	t.Fatal("the master has no log")
	return manifest.Extent{}
}

// left is how many bytes of fills a verdict leaves to the reset.
func (c *master) left(v *quick.Verdict) (n int64) {
	for k := range c.m.Fills {
		for _, e := range v.Fill(k) {
			n += e.Length
		}
	}
	return n
}

// The log is read where it was written, wherever sessions began, and a reset leaves nothing in it.
func TestALogIsReadAsFarAsItWasWritten(t *testing.T) {
	for name, how := range map[string]struct {
		mib, before int
		sessions    []int
		more        []string
		most        int64 // bytes read
	}{
		"nobody came":                   {mib: 64, most: 8 << 20},
		"one session":                   {mib: 64, sessions: []int{40}, most: 12 << 20},
		"a short one after a long one":  {mib: 64, sessions: []int{200, 3}, most: 20 << 20},
		"a master that has lived":       {mib: 64, before: 3, sessions: []int{60}, most: 20 << 20},
		"a log that was written around": {mib: 4, sessions: []int{150, 150, 150}, most: 7 << 20},
		"around, from its head on":      {mib: 8, before: 2, sessions: []int{200, 200}, most: 11 << 20},
		"blocks of 1 KiB":               {mib: 32, before: 1, sessions: []int{40}, more: []string{"-b", "1024"}, most: 12 << 20},
		"a block map":                   {mib: 64, sessions: []int{40}, more: []string{"-O", "^extents,^64bit"}, most: 12 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			c := logged(t, how.mib, how.before, how.more...)
			pc := c.deployed(t)
			for k, n := range how.sessions {
				mountedExt(t, pc, func(dir string) { work(t, dir, fmt.Sprintf("pupil%d", k), n) })
			}
			written := len(bytes.Trim(c.body(t, pc), "\x00"))
			if len(how.sessions) > 0 && written == 0 {
				t.Fatal("no session wrote to the log: this test could not fail")
			}
			v := c.look(t, pc)
			if v.Doubt != "" || v.FillBytes > how.most {
				t.Errorf("of a log of %d MiB in which %d bytes were written %d were read, doubt %q", how.mib, written, v.FillBytes, v.Doubt)
			}
			c.reset(t, pc, v)
			if b := c.body(t, pc); bytes.Count(b, []byte{0}) != len(b) {
				t.Error("the reset left something in the log")
			}
		})
	}
}

// What no session wrote vouches for nothing: a disk with a former life, a log that lies elsewhere, or one of a kind that is
// written in more places.
func TestALogThatIsNotUnderstoodIsRead(t *testing.T) {
	c := logged(t, 64, 0)
	log := c.log(t)
	at, whole, head := log.Offset, log.Length, log.Offset-4096
	for name, change := range map[string]func(t *testing.T, pc string){
		"a former life":           func(t *testing.T, pc string) { poke(t, pc, at+40<<20, noise(1, 1<<20)) },
		"fast commits":            func(t *testing.T, pc string) { poke(t, pc, head+40, []byte{0, 0, 0, 0x20}) },
		"a feature to come":       func(t *testing.T, pc string) { poke(t, pc, head+44, []byte{0, 0, 0, 1}) },
		"a head outside":          func(t *testing.T, pc string) { poke(t, pc, head+88, binary.BigEndian.AppendUint32(nil, 1<<30)) },
		"a body that begins late": func(t *testing.T, pc string) { poke(t, pc, head+20, binary.BigEndian.AppendUint32(nil, 9)) },
	} {
		t.Run(name, func(t *testing.T) {
			pc := c.deployed(t)
			change(t, pc)
			v := c.look(t, pc)
			if v.Doubt == "" && v.FillBytes < whole {
				t.Errorf("%d of %d bytes of the log were read", v.FillBytes, whole)
			}
			c.reset(t, pc, v)
		})
	}
}

// The part that nobody wrote to is in the sample.
func TestTheRestOfALogIsInTheSample(t *testing.T) {
	c := logged(t, 64, 0)
	pc := c.deployed(t)
	poke(t, pc, c.log(t).Offset+50<<20+5000, []byte("past the file system"))
	if v := c.look(t, pc, func(o *quick.Options) { o.Draw = always }); !strings.Contains(v.Doubt, "sample") {
		t.Errorf("what was written past the file system is not a doubt: %q", v.Doubt)
	}
	if left := c.left(c.look(t, pc)); left != 0 {
		t.Errorf("%d bytes of the log are left to the reset", left)
	}
}
