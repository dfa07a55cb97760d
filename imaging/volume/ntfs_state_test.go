package volume_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/imaging/volume/ntfs"
	"github.com/ardoise/ardoise/masters/manifest"
)

// restartPage is a restart page of $LogFile as Windows writes it.
type restartPage struct {
	magic string // "" for RSTR
	major uint16
	lsn   uint64
	inUse uint16 // 0xffff: no client
	flags uint16 // 2: clean
}

func (r restartPage) bytes(log int64) []byte {
	b := make([]byte, 4096)
	le := binary.LittleEndian
	copy(b, "RSTR")
	if r.magic != "" {
		copy(b, r.magic)
	}
	le.PutUint16(b[0x04:], 0x1e)
	le.PutUint16(b[0x06:], 9)
	le.PutUint32(b[0x10:], 4096)
	le.PutUint32(b[0x14:], 4096)
	le.PutUint16(b[0x18:], 0x30)
	le.PutUint16(b[0x1a:], map[uint16]uint16{1: 1}[r.major])
	le.PutUint16(b[0x1c:], r.major)
	le.PutUint16(b[0x1e:], 7)
	area := b[0x30:]
	le.PutUint64(area, r.lsn)
	le.PutUint16(area[0x08:], 1)
	le.PutUint16(area[0x0a:], 0xffff)
	if r.inUse == 0xffff {
		le.PutUint16(area[0x0a:], 0)
	}
	le.PutUint16(area[0x0c:], r.inUse)
	le.PutUint16(area[0x0e:], r.flags)
	le.PutUint32(area[0x10:], uint32(67-bits.Len64(uint64(log))))
	le.PutUint16(area[0x14:], 0x40+0xa0)
	le.PutUint16(area[0x16:], 0x40)
	le.PutUint64(area[0x18:], uint64(log))
	le.PutUint16(area[0x24:], 0x30)
	le.PutUint16(area[0x26:], 0x40)
	client := area[0x40:]
	le.PutUint16(client[0x10:], 0xffff)
	le.PutUint16(client[0x12:], 0xffff)
	le.PutUint32(client[0x1c:], 8)
	copy(client[0x20:], "N\x00T\x00F\x00S\x00")
	protect(b)
	return b
}

// setLog writes two restart pages.
func setLog(t testing.TB, i image, first, second []byte) {
	v := open(t, i)
	i.patch(t, place(t, v, ntfs.RecordLogFile, "", 0), first)
	i.patch(t, place(t, v, ntfs.RecordLogFile, "", 4096), second)
}

// refusedBy says whether ntfs-3g would mount the volume for writing.
func refusedBy(t testing.TB, i image) bool {
	t.Helper()
	err := exec.Command("ntfs-3g.probe", "--readwrite", i.path).Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return err != nil
}

func TestNTFSThatIsNotCleanIsRefused(t *testing.T) {
	log := func(pages ...restartPage) func(*testing.T, image) {
		return func(t *testing.T, i image) {
			const size = 2 << 20
			setLog(t, i, pages[0].bytes(size), pages[len(pages)-1].bytes(size))
		}
	}
	file := func(name string, content string) func(*testing.T, image) {
		return func(t *testing.T, i image) {
			mounted(t, i, "", func(dir string) { write(t, filepath.Join(dir, name), []byte(content)) })
		}
	}
	flags := func(f uint16) func(*testing.T, image) {
		return func(t *testing.T, i image) {
			edit(t, i, ntfs.RecordVolume, func(b []byte) {
				at := find(t, b, ntfs.TypeVolumeInformation, "")
				binary.LittleEndian.PutUint16(b[at+0x18+10:], f)
			})
		}
	}
	page := strings.Repeat("\x00", 4096)
	const any, both = false, true // both: ntfs-3g knows this state too
	for name, how := range map[string]struct {
		make  func(*testing.T, image)
		why   string // "" for clean
		agree bool
	}{
		"new":                                     {func(*testing.T, image) {}, "", both},
		"unmounted by Windows XP and later":       {log(restartPage{major: 1, lsn: 9, flags: 2}), "", both},
		"unmounted by Windows 2000":               {log(restartPage{major: 1, lsn: 9, inUse: 0xffff}), "", both},
		"checked by chkdsk":                       {log(restartPage{magic: "CHKD", major: 1, lsn: 9, flags: 2}), "", both},
		"clean in the newer page":                 {log(restartPage{major: 1, lsn: 9}, restartPage{major: 1, lsn: 10, flags: 2}), "", both},
		"woken up":                                {file("hiberfil.sys", "wake"+page), "", both},
		"hibernation never used":                  {file("hiberfil.sys", page), "", both},
		"a hiberfil.sys of somebody's own folder": {file("mine/hiberfil.sys", "hibr"+page), "", both},
		"its other flags set":                     {flags(0x0004 | 0x0080), "", both},

		"dirty flag":                     {flags(0x0001), "dirty", any},
		"chkdsk under way":               {flags(0x4000), "dirty", any},
		"changed by chkdsk":              {flags(0x8000), "dirty", any},
		"journal not empty":              {log(restartPage{major: 1, lsn: 9}), "journal", both},
		"checked by chkdsk, not clean":   {log(restartPage{magic: "CHKD", major: 1, lsn: 9}), "journal", both},
		"pending in the newer page":      {log(restartPage{major: 1, lsn: 10}, restartPage{major: 1, lsn: 9, flags: 2}), "journal", both},
		"first page lost, second dirty":  {log(restartPage{magic: "BAAD", major: 1}, restartPage{major: 1, lsn: 9}), "journal", both},
		"fast startup":                   {log(restartPage{major: 2, lsn: 9}), "fast startup", both},
		"fast startup with a clean flag": {log(restartPage{major: 2, lsn: 9, flags: 2}), "fast startup", both},
		"journal of a version to come":   {log(restartPage{major: 3, lsn: 9}), "journal that is not understood", both},
		"both restart pages lost":        {log(restartPage{magic: "BAAD", major: 1}), "journal that is not understood", both},
		"hibernated by Windows 7":        {file("hiberfil.sys", "hibr"+page), "hibernated", both},
		"hibernated by Windows 8":        {file("hiberfil.sys", "HIBR"+page), "hibernated", both},
		"return from sleep cut short":    {file("HiberFil.sys", "RSTR"+page), "hibernated", any},
		"beside a sleeping Windows":      {file("hiberfil.sys", "x"), "hibernated", both},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkntfs(t, 8)
			how.make(t, i)
			l, err := i.read(t, volume.Options{})
			if clean := how.why == ""; how.agree && clean == refusedBy(t, i) {
				t.Errorf("ntfs-3g calls it clean: %v", !clean)
			}
			if how.why == "" {
				if err != nil || l.Order != manifest.ByFile {
					t.Fatalf("%+v, %v", l, err)
				}
				return
			}
			var refused *volume.RefusedError
			if !errors.As(err, &refused) || !strings.Contains(refused.Why, how.why) || !strings.Contains(refused.Hint, "shutdown /s /t 0") {
				t.Fatalf("got %v, want a refusal that speaks of %q", err, how.why)
			}
			l, err = i.read(t, volume.Options{AsIs: true})
			if err != nil || l.Order != manifest.Raw || l.Used != i.size || !strings.Contains(l.Reason, how.why) {
				t.Fatalf("as it is: %+v, %v", l, err)
			}
		})
	}
}

func TestNTFSThatIsHibernatedAndDamagedIsRefused(t *testing.T) {
	i := mkntfs(t, 8)
	mounted(t, i, "", func(dir string) {
		write(t, filepath.Join(dir, "before"), noise(1, 5000))
		write(t, filepath.Join(dir, "hiberfil.sys"), []byte("hibr"+strings.Repeat("\x00", 9000)))
	})
	v := open(t, i)
	i.patch(t, place(t, v, ntfs.RecordMFT, "", int64(numberOf(t, i, "before"))*v.Record), []byte("BAAD"))
	var refused *volume.RefusedError
	if _, err := i.read(t, volume.Options{}); !errors.As(err, &refused) || !strings.Contains(refused.Why, "hibernated") {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestNTFSJournalIsEmptied(t *testing.T) {
	i := mkntfs(t, 24)
	mounted(t, i, "", func(dir string) { copyTree(t, plainTree(t), dir) })
	p := restartPage{major: 1, lsn: 9, flags: 2}.bytes(2 << 20)
	setLog(t, i, p, p)
	i.patch(t, place(t, open(t, i), ntfs.RecordLogFile, "", 8192), noise(4, 100000)) // transactions of long ago
	l := i.mustRead(t)
	if len(l.Fills) != 1 || l.Fills[0].Byte != 0xff || l.Fills[0].Length != 2<<20 {
		t.Fatalf("fills %v, want the whole journal with 0xff", l.Fills)
	}
	out := restored(t, i, l)
	if b := out.bytes(t)[l.Fills[0].Offset:][:l.Fills[0].Length]; bytes.Count(b, []byte{0xff}) != len(b) {
		t.Error("not all of the journal is 0xff")
	}
	tool(t, "ntfsfix", "-n", out.path)
	if log, err := open(t, out).Log(); log != ntfs.LogEmpty || err != nil || refusedBy(t, out) {
		t.Errorf("the journal is in state %d (%v), want empty", log, err)
	}
}

func TestNTFSPageFilesAreDontCare(t *testing.T) {
	for name, cluster := range map[string]string{"small clusters": "4096", "large clusters": "131072"} {
		t.Run(name, func(t *testing.T) {
			i := mkntfs(t, 24, "-c", cluster)
			files := map[string]int{"pagefile.sys": 3 << 20, "swapfile.sys": 1 << 20, "hiberfil.sys": 256 << 10, "Pagefile.txt": 1 << 17}
			mounted(t, i, "", func(dir string) {
				for name, n := range files {
					content := noise(7, n)
					if name == "hiberfil.sys" {
						copy(content, "wake")
					}
					write(t, filepath.Join(dir, name), content)
				}
			})
			l := i.mustRead(t)
			var filled, unread int64
			for _, f := range l.Fills {
				if f.Byte == 0 {
					filled += f.Length
				}
			}
			for _, e := range l.DontCare {
				unread += e.Length
			}
			if filled != 3*64<<10 || unread != 3<<20+1<<20+256<<10-3*64<<10 {
				t.Errorf("%d bytes filled with zeros, %d don't-care", filled, unread)
			}
			classes(t, l, i.size)
			streams := contents(t, i, l)
			if streams["pagefile.sys"] != nil || len(streams["Pagefile.txt"]) != 1<<17 {
				t.Error("a page file has a stream, or another file has none")
			}
			out := restored(t, i, l)
			for _, name := range []string{"pagefile.sys", "swapfile.sys", "hiberfil.sys"} {
				off := place(t, open(t, out), numberOf(t, out, name), "", 0)
				if b := out.bytes(t)[off:][:64<<10]; bytes.Count(b, []byte{0}) != len(b) {
					t.Errorf("the start of %s is not zeros", name)
				}
			}
			if out.mustRead(t).Used != l.Used {
				t.Error("restored, it is read in another way")
			}
		})
	}
}
