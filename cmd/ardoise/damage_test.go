package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// wreck is one thing that befalls a whole disk, past its file systems. Package quick has what happens within them.
type wreck struct {
	name  string
	do    func(t *testing.T, path string)
	loses bool // the entries of ARDOISE and cache are gone with the table
	idle  bool // there is nothing to put right
	doubt string
}

// sgdisk changes the table of a disk.
func sgdisk(args ...string) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		tool(t, "sgdisk", append(args, path)...)
	}
}

// fills writes bytes of one value; from below 0 counts from the end of the disk.
func fills(from, n int64, value byte) func(*testing.T, string) {
	return func(t *testing.T, path string) {
		t.Helper()
		if from < 0 {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			from += info.Size()
		}
		write(t, path, from, bytes.Repeat([]byte{value}, int(n)))
	}
}

func wrecks() []wreck {
	all := func(steps ...func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, path string) {
			t.Helper()
			for _, do := range steps {
				do(t, path)
			}
		}
	}
	const array = 33 * 512 // entries and header of a GPT
	return []wreck{
		{name: "nothing", do: func(*testing.T, string) {}, idle: true},
		{name: "the first GPT", do: fills(512, array, 0)},
		{name: "a checksum of the first GPT", do: fills(512+16, 1, 0x5a)},
		{name: "the backup GPT", do: fills(-array, array, 0xff)},
		{name: "table and first GPT", do: fills(0, 512+array, 0), loses: true},
		{name: "both GPTs", do: all(fills(512, array, 0), fills(-array, array, 0)), loses: true, doubt: "partition table is not understood"},
		{name: "an MBR instead", do: all(sgdisk("-Z"), func(t *testing.T, path string) {
			write(t, path, 446, []byte{0x80, 0, 2, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0})
			write(t, path, 510, []byte{0x55, 0xaa})
		}), loses: true},
		{name: "another GPT", do: all(sgdisk("-Z"), sgdisk("-n", "1:0:+10M")), loses: true},
		{name: "a partition deleted", do: sgdisk("-d", "2")},
		{name: "a partition of another type", do: sgdisk("-t", "2:8200")},
		{name: "a partition of another name and identity", do: sgdisk("-c", "2:pupil", "-u", "2:R")},
		{name: "an attribute", do: sgdisk("-A", "1:set:2")},
		{name: "another identity of the disk", do: sgdisk("-g", "-U", "R")},
		{name: "our entries deleted", do: sgdisk("-d", "3", "-d", "4"), loses: true, idle: true}, // only a deployment makes them anew
		{name: "a partition grown over ours", do: sgdisk("-d", "2", "-d", "3", "-d", "4", "-n", "2:40960:0"), loses: true},
		{name: "a larger disk", do: all(func(t *testing.T, path string) {
			if err := os.Truncate(path, 640*mib); err != nil {
				t.Fatal(err)
			}
		}, sgdisk("-e"))},
		{name: "the boot code", do: fills(0, 440, 0x5a)},
		{name: "what lies before the first partition", do: fills(40*512, 100*512, 0x5a)},
		{name: "the ESP formatted", do: func(t *testing.T, path string) {
			tool(t, "mformat", "-i", path+"@@1M", "-T", "36864", "-h", "255", "-s", "63")
		}},
		{name: "another loader", do: func(t *testing.T, path string) {
			loader := filepath.Join(t.TempDir(), "SHIMX64.EFI")
			if err := os.WriteFile(loader, []byte("MZ evil"), 0o600); err != nil {
				t.Fatal(err)
			}
			tool(t, "mcopy", "-o", "-i", path+"@@1M", loader, "::EFI/SHIMX64.EFI")
		}},
		{name: "LUKS over the root", do: func(t *testing.T, path string) {
			write(t, path, rootStart, append([]byte("LUKS\xba\xbe\x00\x02"), noise(9, 1*mib)...))
		}, doubt: "does not begin with a superblock"},
		{name: "BitLocker over the root", do: func(t *testing.T, path string) {
			write(t, path, rootStart, append([]byte("\xeb\x58\x90-FVE-FS-"), noise(8, 1*mib)...))
		}, doubt: "does not begin with a superblock"},
		{name: "the superblock", do: fills(rootStart+1024, 1024, 0), doubt: "does not begin with a superblock"},
		{name: "everything before ours", do: fills(0, rootStart+rootSize, 0), loses: true, doubt: "does not begin with a superblock"},
	}
}

// TestADiskIsResetWhateverBefellIt damages tables, boot records and whole volumes, resets quick and full, and compares every
// kept and fill byte. Our partitions stay wherever one of the tables still tells of them, and what they hold with them.
func TestADiskIsResetWhateverBefellIt(t *testing.T) {
	t.Parallel()
	source, data := schoolPC(t), t.TempDir()
	must(t, "master", "capture", "m", "--disk", source, "--data", data)
	pc := withArdoise(t, data, "m", 600*mib)
	cacheOf(t, "fill", "m", "--disk", pc, "--data", data, "--make")
	for _, w := range wrecks() {
		for _, level := range []string{"quick", "full"} {
			t.Run(w.name+", "+level, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "pc.img")
				tool(t, "cp", "--sparse=always", pc, path)
				w.do(t, path)
				r := resetOf(t, "m", "--disk", path, "--data", data, "--"+level)
				if wrote := r.WrittenBytes > 0; wrote == w.idle {
					t.Errorf("%d bytes were written", r.WrittenBytes)
				}
				if want := level == "quick" && w.doubt != ""; want != (r.Doubt != "") || !strings.Contains(r.Doubt, w.doubt) && want {
					t.Errorf("doubt %q, want %q", r.Doubt, w.doubt)
				}
				if v := must(t, "master", "verify", "m", "--disk", path, "--data", data); v.Equal == nil || !*v.Equal {
					t.Errorf("verify = %+v", v)
				}
				if out := tool(t, "sgdisk", "-v", path); !strings.Contains(out, "No problems found") {
					t.Errorf("sgdisk: %s", out)
				}
				if w.loses {
					return
				}
				if c := cacheOf(t, "show", "--disk", path, "--check"); len(c.Versions) != 1 || c.Versions[0].Missing > 0 || c.Lost > 0 {
					t.Errorf("the cache has %+v", c)
				}
			})
		}
	}
}
