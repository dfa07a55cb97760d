package export_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/export"
)

// TestAnExportOfFormatOneIsReadForEver imports a file that was written when its format was frozen, and writes it again.
// When this fails, exports on shelves cannot be read any more: it is the code that must change.
func TestAnExportOfFormatOneIsReadForEver(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "salle-2.ardoise"))
	if err != nil {
		t.Fatal(err)
	}
	lib := closing(t, open(t, masters.Options{}, t.TempDir()))
	var foreign *masters.ForeignKeyError
	if _, err := (export.Import{}).Run(ctx, lib, bytes.NewReader(raw)); !errors.As(err, &foreign) {
		t.Fatalf("import without trust = %v, want *ForeignKeyError", err)
	}
	in, err := export.Import{Trust: []string{foreign.Fingerprint}}.Run(ctx, lib, bytes.NewReader(raw))
	if err != nil || in.Version.String() != "salle@2" || in.Report.Frames != 8 {
		t.Fatalf("import = %+v, %v", in, err)
	}
	// The library that it came from lies beside: it exports the same bytes to this day.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "testdata", "library-1"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "keys", "signing.key"), 0o600); err != nil {
		t.Fatal(err)
	}
	origin := closing(t, open(t, masters.Options{}, dir))
	v, err := origin.Resolve("salle@2")
	if err != nil || v.Hash != in.Version.Hash {
		t.Fatalf("Resolve = %s %s, %v, imported was %s", v, v.Hash, err, in.Version.Hash)
	}
	if again := exported(t, origin, v); !bytes.Equal(again, raw) {
		t.Errorf("%d bytes are written now, other than the %d of then", len(again), len(raw))
	}
	for _, version := range []byte{0, 2} {
		raw[8] = version
		var format *export.FormatError
		if _, err := (export.Import{}).Run(ctx, lib, bytes.NewReader(raw)); !errors.As(err, &format) || format.Version != uint32(version) {
			t.Errorf("a file of format %d = %v, want *FormatError", version, err)
		}
	}
}
