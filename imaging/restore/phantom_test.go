package restore_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/imaging/disk"
)

// mounted runs a shell script that finds the image mounted at $M, in a mount namespace that ends with it. A file named
// $C that the script makes is what a PC's disk holds when its power is cut at that moment.
func mounted(t testing.TB, path, cut, script string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root: run the tests through sudo")
	}
	c := exec.Command("unshare", "--mount", "sh", "-euc", "mount -o loop \"$I\" \"$M\"\n"+script+"\numount \"$M\"")
	c.Env = append(os.Environ(), "M="+t.TempDir(), "I="+path, "C="+cut)
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("with %s mounted: %v\n%s", path, err, out)
	}
	return strings.TrimSpace(string(out))
}

// Every session begins with the same work, a transaction each, so that the transactions of a later session can end
// just where one of a former session begins: the worst case, and the usual one of a PC that starts the same programs
// each morning.
const (
	pupilSession = `for n in $(seq 4); do mkdir "$M/work$n"; sync -f "$M"; done
		for n in $(seq 20); do echo pupil > "$M/pupil$n"; sync -f "$M"; done`
	nextSession = `for n in $(seq %d); do mkdir "$M/work$n"; sync -f "$M"; done; cp "$I" "$C"`
)

// journalOf is the body of the journal of an image, the fills of its master.
func (c captured) journalOf(t testing.TB, path string) []byte {
	t.Helper()
	all, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for _, f := range c.m.Fills {
		body = append(body, all[f.Offset:f.Offset+f.Length]...)
	}
	return body
}

// putJournal leaves in the journal what a reset that did not fill it would have left there.
func (c captured) putJournal(t testing.TB, path string, body []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, fill := range c.m.Fills {
		if _, err := f.WriteAt(body[:fill.Length], fill.Offset); err != nil {
			t.Fatal(err)
		}
		body = body[fill.Length:]
	}
}

func TestFilesOfAFormerSessionDoNotComeBackAfterAPowerCut(t *testing.T) {
	for name, args := range map[string][]string{
		"ext4 as mke2fs makes it":    {"-t", "ext4"},
		"ext4 with 1 KiB blocks":     {"-t", "ext4", "-b", "1024"},
		"ext4 without checksums":     {"-t", "ext4", "-O", "^metadata_csum"},
		"ext3":                       {"-t", "ext3"},
		"ext4 with a larger journal": {"-t", "ext4", "-J", "size=16"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			pc, careless := filepath.Join(dir, "pc"), filepath.Join(dir, "careless")
			if err := errors.Join(os.WriteFile(pc, nil, 0o600), os.Truncate(pc, 64*mib)); err != nil {
				t.Fatal(err)
			}
			tool(t, "", "mke2fs", append([]string{"-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0"}, append(args, pc)...)...)
			mounted(t, pc, "", `echo master > "$M/master"`)
			c := captureOf(t, pc)
			if len(c.m.Fills) == 0 {
				t.Fatalf("the master of %v has no journal to fill", c.m.Volumes)
			}

			mounted(t, pc, "", pupilSession)
			old := c.journalOf(t, pc)
			if n := bytes.Count(old, []byte("pupil20")); n == 0 {
				t.Fatal("the journal holds nothing of the pupil: this test could not fail")
			}
			d, err := disk.Open(pc, disk.Mode{Write: true})
			if err != nil {
				t.Fatal(err)
			}
			mustRun(t, c.options(d, false))
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if body := c.journalOf(t, pc); bytes.Count(body, []byte{0}) != len(body) {
				t.Fatal("the reset left something in the body of the journal")
			}
			tool(t, "", "cp", pc, careless)
			c.putJournal(t, careless, old)

			back := 0
			for work := 1; work <= 4; work++ {
				if files, faults := cutOff(t, pc, work); files != 0 || faults != "" {
					t.Errorf("after a power cut there are %d files of the pupil, and: %s", files, faults)
				}
				files, faults := cutOff(t, careless, work)
				t.Logf("with the journal's body left: %d files of the pupil, and: %.200s", files, faults)
				if files != 0 || faults != "" {
					back++
				}
			}
			if back == 0 {
				t.Error("nothing came back although the journal was left: this test cannot fail")
			}
		})
	}
}

// cutOff runs a session on a copy of a PC's disk, cuts its power, lets the kernel recover what is left, counts the
// pupil's files in it and says what is wrong with it.
func cutOff(t testing.TB, pc string, work int) (files int, faults string) {
	t.Helper()
	day, cut := filepath.Join(t.TempDir(), "day"), filepath.Join(t.TempDir(), "cut")
	tool(t, "", "cp", pc, day)
	mounted(t, day, cut, fmt.Sprintf(nextSession, work))
	if out := tool(t, "", "dumpe2fs", "-h", cut); !strings.Contains(out, "needs_recovery") {
		t.Fatal("nothing is there to be recovered: no power was cut")
	}
	got := mounted(t, cut, "", `set -- "$M"/pupil*; test -e "$1" || shift; echo $# $(cat "$M/master") $(ls -d "$M"/work* | wc -l)`)
	done := 0
	if _, err := fmt.Sscanf(got, "%d master %d", &files, &done); err != nil || done != work {
		faults = fmt.Sprintf("files read %q after %d pieces of work (%v)\n", got, work, err)
	}
	if out, err := exec.Command("e2fsck", "-fn", cut).CombinedOutput(); err != nil {
		faults += fmt.Sprintf("e2fsck: %v\n%s", err, out)
	}
	return files, faults
}
