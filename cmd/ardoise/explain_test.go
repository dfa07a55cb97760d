package main

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/notices"
	"github.com/ardoise/ardoise/imaging/capture"
	"github.com/ardoise/ardoise/imaging/disk"
	"github.com/ardoise/ardoise/imaging/multicast/session"
	"github.com/ardoise/ardoise/imaging/multicast/udp"
	"github.com/ardoise/ardoise/imaging/restore"
	"github.com/ardoise/ardoise/imaging/volume"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/backup"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
)

func TestEveryErrorIsExplained(t *testing.T) {
	for _, c := range []struct {
		exit int
		err  error
	}{
		{1, &differsError{count: 2}},
		{2, usagef("that means nothing")},
		{2, &masters.NameError{Name: "a/b", Reason: "holds '/'"}},
		{3, &masters.UnknownError{What: "salle-info@7"}},
		{3, &noKeyFileError{fs.ErrNotExist}},
		{3, &session.KeyError{Reason: "it has 3 bytes"}},
		{3, session.ErrOtherKey},
		{3, &udp.LinkError{Reason: udp.LinkNone}},
		{5, &silentSenderError{"10.0.0.1:7443", syscall.ECONNREFUSED}},
		{5, &session.RefusedError{Status: 403, Reason: "no"}},
		{5, &session.EndedError{Reason: "the server is gone"}},
		{3, &masters.InUseError{Dir: "/var/lib/ardoise"}},
		{3, &masters.FormatError{Dir: "/d", Line: "ardoise data 9"}},
		{3, &store.FormatError{Pack: 1, Version: 9}},
		{3, &manifest.FormatError{What: "manifest", Version: 9}},
		{3, &noDataError{"/d"}},
		{3, &sign.KeyFileError{Path: "/k", Reason: "mode 0644"}},
		{3, &volume.RefusedError{Kind: "ext4", Why: "was not shut down cleanly", Hint: "start it once"}},
		{3, &disk.TooSmallError{Need: 2, Have: 1}},
		{3, &disk.SectorSizeError{Need: 512, Have: 4096}},
		{3, &disk.InUseError{Path: "/dev/sda", By: "a mount"}},
		{3, &disk.NotADiskError{Path: "/tmp"}},
		{3, &disk.TableError{Kind: manifest.GPT, Reason: "its entries overlap"}},
		{3, &capture.ClassError{Reason: "a block has two classes"}},
		{3, &restore.InvalidError{Reason: "exceptions overlap"}},
		{3, &masters.RestoringError{Dir: "/d"}},
		{3, &export.ExistsError{Path: "/x"}},
		{3, &backup.NotEmptyError{Dir: "/d", Found: "keys"}},
		{2, &backup.WeakError{Reason: "5 characters"}},
		{4, &backup.PassphraseError{}},
		{4, &backup.FileError{Reason: "segment 3"}},
		{3, &backup.FormatError{Version: 0}},
		{2, &masters.NoteError{Reason: "a note has at most 4000 bytes"}},
		{2, &access.Error{Code: "bad-rule", Detail: "a rule keeps the last 1"}},
		{2, &access.Error{Code: "bad-master", What: "x y", Detail: "holds ' '"}},
		{5, &access.Error{Code: "no-space", Detail: "8 MB are needed"}},
		{5, noRoom(fmt.Errorf("writing /usb/x: %w", syscall.ENOSPC), "/usb/x")},
		{3, &access.Error{Code: "master-needed", What: "m@1", Detail: "channel stable"}},
		{3, &access.Error{Code: "nothing-before", What: "m@stable"}},
		{2, &access.Error{Code: "bad-channel", What: "X", Detail: "holds 'X'"}},
		{2, &access.Error{Code: "bad-note", Detail: "too long"}},
		{4, &access.Error{Code: "about-damaged", What: "m", Detail: "does not match"}},
		{3, &access.Error{Code: "foreign-key", What: "m@1", Detail: "aa"}},
		{3, &access.Error{Code: "version-taken", What: "m@1"}},
		{4, &access.Error{Code: "bad-file", Detail: "trailer"}},
		{3, &access.Error{Code: "newer-file", Detail: "format version 9"}},
		{4, &access.Error{Code: "incomplete", Detail: "3 chunks"}},
		{4, &access.Error{Code: "damaged-chunk", Detail: "chunk aa"}},
		{4, &masters.UntrustedError{Version: "m@1", Err: &sign.UntrustedError{Reason: "does not match"}}},
		{4, &manifest.InvalidError{Structure: "entry 1", Reason: "is out of order"}},
		{4, &restore.SourceError{Err: &chunk.DamagedError{Reason: "frame checksum differs"}}},
		{4, &store.NotFoundError{}},
		{4, &masters.IncompleteError{Count: 1, Reason: "is missing"}},
		{5, &restore.WriteError{Err: syscall.EIO}},
		{5, &restore.MismatchError{}},
		{5, syscall.ENOSPC},
		{5, fs.ErrNotExist},
		{5, context.Canceled},
		{5, fmt.Errorf("something nobody has thought of")},
	} {
		for _, l := range []notices.Language{notices.English, notices.French} {
			got := explain(fmt.Errorf("doing it: %w", c.err), l)
			if got.exit != c.exit || got.error == "" || got.hint == "" {
				t.Errorf("explain(%T, %s) = exit %d, error %q, hint %q, want exit %d", c.err, l, got.exit, got.error, got.hint, c.exit)
			}
		}
	}
}

func TestForeignWordsStayOnOneLine(t *testing.T) {
	if got := oneLine("a\nerror: b\x1b[2Jé"); got != "a error: b [2Jé" {
		t.Errorf("oneLine = %q", got)
	}
}

func TestBar(t *testing.T) {
	for name, c := range map[string]struct {
		terminal bool
		want     []string
	}{
		"on a terminal": {true, []string{"scan      [" + strings.Repeat(".", 24) + "]   0 %",
			"scan      [" + strings.Repeat("#", 12) + strings.Repeat(".", 12) + "]  50 %  100.0 MB/s  5s left\n", "verify"}},
		"in a log": {false, []string{"scan        0 % of 1.0 GB\n", "scan       50 % of 1.0 GB  50.0 MB/s  10s left\n", "verify"}},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			now := time.Unix(0, 0)
			b := &bar{w: &out, terminal: c.terminal, now: func() time.Time { return now }}
			b.show("scan", 0, 1e9)
			b.show("scan", 1, 1e9) // too soon to be drawn
			now = now.Add(5 * time.Second)
			if !c.terminal {
				now = now.Add(5 * time.Second)
			}
			b.show("scan", 5e8, 1e9)
			b.show("verify", 0, 0)
			b.end()
			text := out.String()
			for _, want := range c.want {
				if !strings.Contains(text, want) {
					t.Errorf("shown is %q, want %q in it", text, want)
				}
			}
			if got := strings.Count(text, "scan"); got != 2 {
				t.Errorf("scan is shown %d times, want 2: %q", got, text)
			}
		})
	}
}

// A command line that means nothing is answered by the one that would.
func TestUsageIsShownByExample(t *testing.T) {
	for hint, args := range map[string][]string{
		"hint: usage: ardoise master diff A B [flags]":                            {"master", "diff", "a"},
		"hint: usage: ardoise master promote NAME@VERSION CHANNEL [flags]":        {"master", "promote", "a@1"},
		"hint: usage: ardoise backup create FILE [flags]":                         {"backup", "create"},
		"hint: usage: ardoise master retain NAME [--last N | --off] [flags]":      {"master", "retain", "a", "--last", "0"},
		"hint: usage: ardoise master export NAME[@VERSION|@CHANNEL] FILE [flags]": {"master", "export", "a"},
		"hint: `ardoise help master` shows its commands":                          {"master"},
	} {
		if _, said, _ := strings.Cut(refused(t, 2, args...), "\n"); said != hint {
			t.Errorf("ardoise %s is answered by %q, want %q", strings.Join(args, " "), said, hint)
		}
	}
}

// What is said of a full disk names the disk that is full.
func TestAFullDiskIsTheOneThatIsNamed(t *testing.T) {
	there := explain(noRoom(fmt.Errorf("writing /usb/x: %w", syscall.ENOSPC), "/usb/x"), notices.English)
	if !strings.Contains(there.error, "/usb/x") || strings.Contains(there.error+there.hint, "server") {
		t.Errorf("a full stick is told as %+v", there)
	}
	if err := noRoom(syscall.EIO, "/usb/x"); err != syscall.EIO {
		t.Errorf("another error becomes %v", err)
	}
}
