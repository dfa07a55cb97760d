package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/export"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/storetest"
)

const smallPack = 300 << 10

var ctx = context.Background()

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, o masters.Options, dir string) *masters.Library {
	t.Helper()
	o.PackSize = smallPack
	lib, err := masters.Open(dir, o)
	check(t, err)
	return lib
}

func closing(t testing.TB, lib *masters.Library) *masters.Library {
	t.Cleanup(func() { check(t, lib.Close()) })
	return lib
}

// publish makes a version whose chunks are frames, each the content of one file.
func publish(t testing.TB, lib *masters.Library, name string, frames []chunk.Frame) masters.Version {
	t.Helper()
	ing, err := lib.Begin(ctx)
	check(t, err)
	defer ing.Close()
	check(t, ing.Put(ctx, frames))
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range append(frames, frames[0]) { // one chunk lies twice on the disk
		m.Chunks.Append(manifest.Entry{ID: f.ID, Length: f.Length, Stream: uint32(i), Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		check(t, w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}))
	}
	m.Names, m.NameCount, err = w.Close()
	check(t, err)
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	v, err := ing.Publish(ctx, name, masters.Meta{Author: "marie", Note: "à essayer"}, m, bytes.NewReader(names.Bytes()))
	check(t, err)
	return v
}

// prove reads a version to its last byte.
func prove(t testing.TB, lib *masters.Library, v masters.Version) {
	t.Helper()
	m, err := lib.Open(v)
	check(t, err)
	storetest.Prove(t, lib, export.Chunks(m))
	names, err := lib.Names(v.Hash)
	check(t, err)
	check(t, errors.Join(manifest.CheckNames(names, m), names.Close()))
}

func exported(t testing.TB, lib *masters.Library, v masters.Version) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.ardoise")
	r, err := export.Write(ctx, lib, v.Hash, path, export.Options{})
	check(t, err)
	raw, err := os.ReadFile(path)
	check(t, err)
	if r.Version != v.String() || r.Bytes != int64(len(raw)) || r.Hash != v.Hash || r.Key != lib.Key().Public() || r.Resumed != 0 {
		t.Errorf("report %+v of a file of %d bytes", r, len(raw))
	}
	return raw
}

func fingerprint(t testing.TB, lib *masters.Library) string {
	t.Helper()
	f, err := sign.Fingerprint(lib.Key().Public())
	check(t, err)
	return f
}

func TestThereAndBack(t *testing.T) {
	_, frames := storetest.Frames(t, 9, 1)
	from := closing(t, open(t, masters.Options{}, t.TempDir()))
	v := publish(t, from, "salle-info", frames)
	raw := exported(t, from, v)

	same, err := export.Import{}.Run(ctx, from, bytes.NewReader(raw))
	if err != nil || !same.Known || same.Version != v {
		t.Errorf("importing what is there = %+v, %v", same, err)
	}
	dir := t.TempDir()
	to := open(t, masters.Options{}, dir)
	var foreign *masters.ForeignKeyError
	if _, err := (export.Import{}).Run(ctx, to, bytes.NewReader(raw)); !errors.As(err, &foreign) ||
		foreign.Fingerprint != fingerprint(t, from) || foreign.Version != v.String() {
		t.Fatalf("importing a foreign version = %v, want *ForeignKeyError", err)
	}
	if _, err := (export.Import{Trust: []string{fingerprint(t, to)}}).Run(ctx, to, bytes.NewReader(raw)); !errors.As(err, &foreign) {
		t.Fatalf("importing with trust in another key = %v, want *ForeignKeyError", err)
	}
	trusting := export.Import{Trust: []string{fingerprint(t, from)}}
	got, err := trusting.Run(ctx, to, bytes.NewReader(raw))
	if err != nil || got.Known || got.Version.Hash != v.Hash || got.Version.String() != v.String() || got.Stats.NewFrames != len(frames) {
		t.Fatalf("importing with trust = %+v, %v", got, err)
	}
	if len(to.TrustedKeys()) != 1 {
		t.Error("the foreign key is trusted for more than this version")
	}
	if again, err := (export.Import{}).Run(ctx, to, bytes.NewReader(raw)); err != nil || !again.Known {
		t.Errorf("importing it again, without trust = %+v, %v, want it known", again, err)
	}
	trusting.As = "autre"
	as, err := trusting.Run(ctx, to, bytes.NewReader(raw))
	if err != nil || as.Version.String() != "autre@1" || as.Version.Note != "à essayer" || as.Stats.NewFrames != 0 {
		t.Errorf("importing under another name = %+v, %v", as, err)
	}
	check(t, to.Close())
	to = closing(t, open(t, masters.Options{}, dir))
	all, err := to.List()
	if err != nil || len(all) != 2 || all[0].Damaged+all[1].Damaged != "" {
		t.Errorf("List = %+v, %v", all, err)
	}
	for _, v := range all {
		prove(t, to, v)
	}
	if _, err := os.Stat(filepath.Join(dir, "masters", "salle-info", "000001", "origin.json")); err != nil {
		t.Errorf("the signature it came with: %v", err)
	}
	// The other way round: what this site signed keeps its number.
	other := publish(t, to, "salle-info", frames[1:])
	if other.String() != "salle-info@2" {
		t.Errorf("the next version is %s", other)
	}
	second := exported(t, to, other)
	publish(t, from, "salle-info", frames[2:])
	var taken *masters.TakenError
	_, err = export.Import{Trust: []string{fingerprint(t, to)}}.Run(ctx, from, bytes.NewReader(second))
	if !errors.As(err, &taken) || taken.Version != "salle-info@2" {
		t.Errorf("importing another version of the same number = %v, want *TakenError", err)
	}
}

func TestAnExportGoesOnWhereItWas(t *testing.T) {
	_, frames := storetest.Frames(t, 9, 2)
	lib := closing(t, open(t, masters.Options{}, t.TempDir()))
	v := publish(t, lib, "m", frames)
	other := publish(t, lib, "m", frames[3:])
	whole := exported(t, lib, v)
	path := filepath.Join(t.TempDir(), "x")
	for name, c := range map[string]struct {
		part    []byte
		resumed bool
	}{
		"nothing was there":              {nil, false},
		"cut in the preamble":            {whole[:9], false},
		"cut in the names":               {whole[:700], false},
		"cut in the frames":              {whole[:len(whole)/2], true},
		"cut in the trailer":             {whole[:len(whole)-7], true},
		"whole":                          {whole, true},
		"zeros after what was durable":   {append(slices.Clone(whole[:len(whole)/2]), make([]byte, 5000)...), true},
		"another version's":              {exported(t, lib, other), false},
		"more than there should be":      {append(slices.Clone(whole), 1, 2, 3), true},
		"a flipped byte in the manifest": {flipped(whole, 900), false},
	} {
		t.Run(name, func(t *testing.T) {
			_ = os.Remove(path)
			if c.part != nil {
				check(t, os.WriteFile(path+".part", c.part, 0o600))
			}
			r, err := export.Write(ctx, lib, v.Hash, path, export.Options{})
			check(t, err)
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, whole) {
				t.Errorf("the file has %d bytes, want %d, %v", len(got), len(whole), err)
			}
			if (r.Resumed > 0) != c.resumed {
				t.Errorf("%d bytes were taken over", r.Resumed)
			}
		})
	}
	var there *export.ExistsError
	if _, err := export.Write(ctx, lib, v.Hash, path, export.Options{}); !errors.As(err, &there) {
		t.Errorf("writing over a file = %v, want *ExistsError", err)
	}
}

func flipped(b []byte, i int) []byte {
	b = slices.Clone(b)
	b[i] ^= 1
	return b
}

func TestAFileThatIsNotWholeIsRefused(t *testing.T) {
	_, frames := storetest.Frames(t, 3, 3)
	key := closing(t, open(t, masters.Options{}, t.TempDir()))
	raw := exported(t, key, publish(t, key, "m", frames[1:])) // a few kilobytes
	lib := closing(t, open(t, masters.Options{}, t.TempDir()))
	trusting := export.Import{Trust: []string{fingerprint(t, key)}}
	refused := func(what string, b []byte) {
		t.Helper()
		_, err := trusting.Run(ctx, lib, bytes.NewReader(b))
		var file *export.FileError
		var format *export.FormatError
		var untrusted *masters.UntrustedError
		var foreign *masters.ForeignKeyError
		if !errors.As(err, &file) && !errors.As(err, &format) && !errors.As(err, &untrusted) && !errors.As(err, &foreign) {
			t.Fatalf("%s: %v", what, err)
		}
		if all, _ := lib.List(); len(all) != 0 {
			t.Fatalf("%s: there is %v", what, all)
		}
	}
	step := max(1, len(raw)/600)
	for i := 0; i < len(raw); i += step {
		refused(fmt.Sprintf("byte %d flipped", i), flipped(raw, i))
		refused(fmt.Sprintf("cut at %d", i), raw[:i])
	}
	refused("more at the end", append(slices.Clone(raw), 0))
	if got, err := trusting.Run(ctx, lib, bytes.NewReader(raw)); err != nil || got.Stats.NewFrames != 0 {
		t.Errorf("the whole file then = %+v, %v, want nothing stored twice", got.Stats, err)
	}
}

func TestADamagedVersionIsHealedByItsExport(t *testing.T) {
	_, frames := storetest.Frames(t, 4, 4)
	dir := t.TempDir()
	lib := open(t, masters.Options{}, dir)
	v := publish(t, lib, "m", frames)
	raw := exported(t, lib, v)
	check(t, lib.Close())
	for _, name := range []string{"manifest", "signature.json"} {
		path := filepath.Join(dir, "masters", "m", "000001", name)
		content, err := os.ReadFile(path)
		check(t, err)
		check(t, os.WriteFile(path, flipped(content, 20), 0o600))
		lib = open(t, masters.Options{}, dir)
		if all, _ := lib.List(); len(all) != 1 || all[0].Damaged == "" {
			t.Fatalf("%s flipped: %+v", name, all)
		}
		_, err = export.Import{}.Run(ctx, lib, bytes.NewReader(raw))
		check(t, err)
		healed, err := lib.Resolve("m@1")
		check(t, err)
		prove(t, lib, healed)
		check(t, lib.Close())
	}
}

func testKey(t *testing.T) *sign.Key {
	t.Helper()
	key, err := sign.New()
	check(t, err)
	return &key
}

func onDisk(d *storetest.Disk, key *sign.Key) masters.Options {
	return masters.Options{FS: d.FS(), Key: key, Now: func() time.Time { return time.Unix(1.7e9, 0) }}
}

func TestPowerCutAfterEveryOperationOfAnExport(t *testing.T) {
	_, frames := storetest.Frames(t, 60, 5)
	lib := closing(t, open(t, masters.Options{}, t.TempDir()))
	v := publish(t, lib, "m", frames)
	write := func(d *storetest.Disk) error {
		_, err := export.Write(ctx, lib, v.Hash, "/m", export.Options{FS: d.FS()})
		return err
	}
	whole := storetest.NewDisk()
	check(t, write(whole))
	want := content(t, whole)
	for _, kind := range storetest.Kinds() {
		for n := range whole.Ops() {
			d := storetest.NewDisk()
			d.CutAfter(n)
			if err := write(d); !errors.Is(err, storetest.ErrPowerCut) {
				t.Fatalf("%s, operation %d: Write = %v, want a power cut", kind, n, err)
			}
			d.Restart(kind)
			if got := content(t, d); got != nil && !bytes.Equal(got, want) {
				t.Fatalf("%s, operation %d: the file is there and not whole", kind, n)
			}
			var there *export.ExistsError
			if err := write(d); err != nil && !errors.As(err, &there) {
				t.Fatalf("%s, operation %d: the same again = %v", kind, n, err)
			}
			if !bytes.Equal(content(t, d), want) {
				t.Fatalf("%s, operation %d: the file is not whole then", kind, n)
			}
		}
	}
	t.Logf("%d operations", whole.Ops())
}

func content(t *testing.T, d *storetest.Disk) []byte {
	t.Helper()
	f, err := d.Open("/m")
	if err != nil {
		return nil
	}
	raw, err := io.ReadAll(f)
	check(t, err)
	return raw
}

func TestPowerCutAndErrorAtEveryOperationOfAnImport(t *testing.T) {
	_, frames := storetest.Frames(t, 5, 6)
	source := closing(t, open(t, masters.Options{}, t.TempDir()))
	v := publish(t, source, "m", frames)
	raw := exported(t, source, v)
	trusting := export.Import{Trust: []string{fingerprint(t, source)}}
	key := testKey(t)
	work := func(d *storetest.Disk) error {
		o := onDisk(d, key)
		o.PackSize = smallPack
		lib, err := masters.Open("/data", o)
		if err != nil {
			return err
		}
		_, err = trusting.Run(ctx, lib, bytes.NewReader(raw))
		return errors.Join(err, lib.Close())
	}
	whole := storetest.NewDisk()
	check(t, work(whole))
	look := func(what string, d *storetest.Disk) (there int) {
		t.Helper()
		lib := open(t, onDisk(d, key), "/data")
		defer func() { check(t, lib.Close()) }()
		all, err := lib.List()
		check(t, err)
		for _, v := range all {
			if v.Damaged != "" {
				t.Fatalf("%s: %s is damaged: %s", what, v, v.Damaged)
			}
			prove(t, lib, v)
		}
		return len(all)
	}
	for n := range whole.Ops() {
		for _, kind := range storetest.Kinds() {
			what := fmt.Sprintf("%s, operation %d", kind, n)
			d := storetest.NewDisk()
			d.CutAfter(n)
			if err := work(d); !errors.Is(err, storetest.ErrPowerCut) {
				t.Fatalf("%s: %v, want a power cut", what, err)
			}
			d.Restart(kind)
			look(what, d)
			check(t, work(d))
			if look(what+", again", d) != 1 {
				t.Fatalf("%s: the same import again has not made it", what)
			}
		}
		d := storetest.NewDisk()
		d.FailAt(n, syscall.EIO)
		if err := work(d); !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d fails: %v, want EIO", n, err)
		}
		look(fmt.Sprintf("operation %d fails", n), d)
	}
	t.Logf("%d operations", whole.Ops())
}

// anyone believes every manifest: what follows it must hold against hostile files all the same.
type anyone struct{}

func (anyone) Version(encoded []byte, _ manifest.Signature) (*manifest.Manifest, error) {
	m, _, err := manifest.Decode(bytes.NewReader(encoded), 1<<20)
	return m, err
}

func (anyone) Names(r io.Reader, m *manifest.Manifest) error { return manifest.CheckNames(r, m) }

func (anyone) Frame(chunk.Frame) error { return nil }

func FuzzRead(f *testing.F) {
	_, frames := storetest.Frames(f, 3, 7)
	lib, err := masters.Open(f.TempDir(), masters.Options{})
	check(f, err)
	raw := exported(f, lib, publish(f, lib, "m", frames[1:]))
	check(f, lib.Close())
	f.Add(raw)
	f.Add(raw[:len(raw)/2])
	f.Add(raw[:700])
	f.Add(flipped(raw, 17))
	one, err := os.ReadFile(filepath.Join("testdata", "salle-2.ardoise"))
	check(f, err)
	f.Add(one)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := export.Read(bytes.NewReader(b), 1<<20, anyone{})
		if err == nil && r.Bytes != int64(len(b)) {
			t.Fatalf("a whole file of %d bytes has %d", len(b), r.Bytes)
		}
	})
}
