package debian_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/scripts/debian"
)

const sumA = "ae3ab86d467b8b765ea1ea3e264c11a07a6f8a73e6b3df665c787d45b9b3491f"

func TestLockReadsWhatItWrote(t *testing.T) {
	want := debian.Lock{
		{Package: "busybox-static", Version: "1:1.37.0-6+b9", Suite: "trixie/main", SHA256: sumA},
		{Package: "linux-image-6.12.117+deb13-amd64", Version: "6.12.117-1", Suite: "trixie-security/main", SHA256: sumA},
	}
	var text strings.Builder
	if err := (debian.Lock{want[1], want[0]}).Write(&text); err != nil {
		t.Fatal(err)
	}
	got, err := debian.ReadLock(strings.NewReader("# comment\n\n" + text.String()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lock changed on its way (-want +got):\n%s", diff)
	}
}

func TestLockRefuses(t *testing.T) {
	for why, line := range map[string]string{
		"a field too few":                    "zlib1g 1.3 trixie/main",
		"a field too many":                   "zlib1g 1.3 trixie/main " + sumA + " extra",
		"a package that is an option of apt": "-oDir::Bin=x 1.3 trixie/main " + sumA,
		"a package with a path":              "../zlib1g 1.3 trixie/main " + sumA,
		"a version with a blank in disguise": "zlib1g 1.3\u00a0x trixie/main " + sumA,
		"a version with a path":              "zlib1g ../1.3 trixie/main " + sumA,
		"a hash too short":                   "zlib1g 1.3 trixie/main " + sumA[1:],
		"a hash in capitals":                 "zlib1g 1.3 trixie/main " + strings.ToUpper(sumA),
		"a hash that is a path":              "zlib1g 1.3 trixie/main ../../" + sumA[6:],
		"a package named twice":              "zlib1g 1.3 trixie/main " + sumA + "\nzlib1g 1.4 trixie/main " + sumA,
	} {
		t.Run(why, func(t *testing.T) {
			var line1 *debian.LineError
			if lock, err := debian.ReadLock(strings.NewReader(line)); !errors.As(err, &line1) {
				t.Errorf("ReadLock = %v, %v; want a LineError", lock, err)
			}
		})
	}
}

func FuzzReadLock(f *testing.F) {
	f.Add("zlib1g  1:1.3.dfsg+really1.3.1-1+deb13u1  trixie-security/main  " + sumA + "\n# end")
	f.Add("a b c")
	f.Fuzz(func(t *testing.T, text string) {
		lock, err := debian.ReadLock(strings.NewReader(text))
		if err != nil {
			return
		}
		var again strings.Builder
		if err := lock.Write(&again); err != nil {
			t.Fatal(err)
		}
		if second, err := debian.ReadLock(strings.NewReader(again.String())); err != nil || len(second) != len(lock) {
			t.Errorf("%d entries became %d: %v", len(lock), len(second), err)
		}
	})
}
