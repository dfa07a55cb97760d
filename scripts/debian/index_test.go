package debian

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIndexParsers(t *testing.T) {
	show := "Package: zlib1g\nVersion: 1.3\nDepends: libc6 (>= 2.14),\n libx (>= 1)\nSHA256: " + strings.Repeat("ab", 32) +
		"\nDescription: text\n Version: 9\n\nPackage: zlib1g\nVersion: 1.2\n"
	want := []stanza{
		{"package": "zlib1g", "version": "1.3", "depends": "libc6 (>= 2.14),", "sha256": strings.Repeat("ab", 32), "description": "text"},
		{"package": "zlib1g", "version": "1.2"},
	}
	if diff := cmp.Diff(want, readStanzas([]byte(show))); diff != "" {
		t.Errorf("a continued line was taken for a field, or stanzas ran together (-want +got):\n%s", diff)
	}
	madison := " shim-signed | 1.51~1 | http://mirror/debian trixie/main amd64 Packages\n" +
		" shim-signed | 1.51~1 | http://mirror/security trixie-security/main amd64 Packages\nnoise\n"
	if diff := cmp.Diff(map[string]string{"shim-signed 1.51~1": "trixie/main"}, readMadison(madison)); diff != "" {
		t.Errorf("suite of a version (-want +got):\n%s", diff)
	}
}

func TestMirrorIsTheHostsFirstOfEachKind(t *testing.T) {
	main, secure := pickMirrors("Debian-Security http://a/debian-security/\nDebian http://a/debian/\nDebian http://b/debian/\n" +
		"Debian [trusted=yes] http://c/\nOther http://d/\n")
	if main != "http://a/debian/" || secure != "http://a/debian-security/" {
		t.Errorf("mirrors %q and %q", main, secure)
	}
	if main, secure := pickMirrors("Debian x [trusted=yes]\n"); main != "" || secure != "" {
		t.Errorf("an address that would become an option of sources.list was taken: %q, %q", main, secure)
	}
}

func TestPickTakesTheLockedVersionWhileItIsServed(t *testing.T) {
	entry := func(version, sum string) Entry { return Entry{"p", version, "trixie/main", strings.Repeat(sum, 32)} }
	old, fresh := entry("1", "aa"), entry("2", "bb")
	for why, c := range map[string]struct {
		lock   Lock
		served []Entry
		want   Entry
	}{
		"locked and served: the locked":                {Lock{old}, []Entry{fresh, old}, old},
		"locked, no longer served: the newest":         {Lock{old}, []Entry{fresh}, fresh},
		"not in the lock: the newest":                  {nil, []Entry{fresh, old}, fresh},
		"served from two suites, equal: no difference": {Lock{old}, []Entry{old, fresh, old}, old},
	} {
		t.Run(why, func(t *testing.T) {
			got, err := pick([]string{"p"}, c.lock, []Entry{fresh}, c.served)
			if err != nil || got[0] != c.want {
				t.Errorf("pick = %v, %v; want %v", got, err, c.want)
			}
		})
	}
}

func TestPickRefusesAnotherFileUnderALockedVersion(t *testing.T) {
	locked := Entry{"p", "1", "trixie/main", strings.Repeat("aa", 32)}
	served := Entry{"p", "1", "trixie/main", strings.Repeat("bb", 32)}
	var altered *AlteredError
	if got, err := pick([]string{"p"}, Lock{locked}, []Entry{served}, []Entry{served}); !errors.As(err, &altered) {
		t.Errorf("pick = %v, %v; want an AlteredError", got, err)
	}
}
