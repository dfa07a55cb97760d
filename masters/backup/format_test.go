package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/masters/backup"
)

// filesOne are what testdata/backup-1 holds, in its order: two segments, a name that tar has to say in two parts, and one
// that takes a record of its own.
func filesOne() (names []string, content map[string][]byte) {
	content = map[string][]byte{"format": []byte("ardoise data 1\n"), "ardoise.db": bytes.Repeat([]byte("row "), 17_000),
		"keys/rotations": {}, "masters/" + strings.Repeat("n", 64) + "/000001/" + strings.Repeat("long", 20): []byte("manifest"),
		"masters/" + strings.Repeat("long/", 60) + "é": []byte("names")}
	for name := range content {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, content
}

const (
	passphraseOne = "quatre mots sans rapport"
	iterationsOne = 1000
)

// TestABackupOfFormatOneIsReadForEver reads a file that was written when its format was frozen. When this fails, nobody's
// backups can be restored any more: it is the code that must change.
func TestABackupOfFormatOneIsReadForEver(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "backup-1"))
	check(t, err)
	got, err := opened(raw, passphraseOne)
	check(t, err)
	names, want := filesOne()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("it holds (-want +got):\n%s", d)
	}
	// With the same salt it is written as it was: nothing else in it is left to chance.
	var again bytes.Buffer
	w, err := backup.NewWriter(&again, backup.Options{Passphrase: passphraseOne, Iterations: iterationsOne, Rand: bytes.NewReader(raw[16:48])})
	check(t, err)
	for _, name := range names {
		check(t, w.Add(name, int64(len(want[name])), bytes.NewReader(want[name])))
	}
	check(t, w.Close())
	if !bytes.Equal(again.Bytes(), raw) {
		t.Errorf("%d bytes are written now, other than the %d of then", again.Len(), len(raw))
	}
	for _, version := range []byte{0, 2} {
		raw[8] = version
		var format *backup.FormatError
		if _, err := opened(raw, passphraseOne); !errors.As(err, &format) || format.Version != uint32(version) {
			t.Errorf("a backup of format %d = %v, want *FormatError", version, err)
		}
	}
}
