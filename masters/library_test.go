package masters_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/store"
	"github.com/ardoise/ardoise/masters/storetest"
)

const smallPack = 300 << 10

var ctx = context.Background()

// version is what a capture would hand over: a manifest whose chunks are frames, and its names table.
func version(t testing.TB, frames []chunk.Frame) (*manifest.Manifest, []byte) {
	t.Helper()
	var names bytes.Buffer
	w := manifest.NewNamesWriter(&names)
	m := &manifest.Manifest{Disk: manifest.Disk{Size: 1 << 30, SectorSize: 512, Table: manifest.NoTable}}
	var end int64
	for i, f := range frames {
		m.Chunks.Append(manifest.Entry{ID: f.ID, Length: f.Length, Stream: uint32(i), Pieces: []manifest.Piece{{Length: f.Length, Offset: end}}})
		end += int64(f.Length)
		if err := w.Add(manifest.Name{Stream: uint32(i), Path: fmt.Sprintf("file %d", i), Size: int64(f.Length)}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if m.Names, m.NameCount, err = w.Close(); err != nil {
		t.Fatal(err)
	}
	m.Volumes = []manifest.Volume{{Length: 1 << 30, Kind: "raw", Order: manifest.Raw, Unit: 1, Used: end}}
	return m, names.Bytes()
}

func publish(t testing.TB, lib *masters.Library, name string, frames []chunk.Frame) (masters.Version, error) {
	t.Helper()
	ing, err := lib.Begin(ctx)
	if err != nil {
		return masters.Version{}, err
	}
	defer ing.Close()
	for i := range frames {
		if err := ing.Put(ctx, frames[i:i+1]); err != nil {
			return masters.Version{}, err
		}
	}
	m, names := version(t, frames)
	return ing.Publish(ctx, name, masters.Meta{Author: "marie", Note: "first"}, m, bytes.NewReader(names))
}

func open(t testing.TB, dir string) *masters.Library {
	t.Helper()
	lib, err := masters.Open(dir, masters.Options{PackSize: smallPack})
	if err != nil {
		t.Fatal(err)
	}
	return lib
}

// prove checks one version to its last byte.
func prove(t testing.TB, lib *masters.Library, v masters.Version) {
	t.Helper()
	m, err := lib.Open(v)
	if err != nil {
		t.Errorf("Open(%s) = %v", v, err)
		return
	}
	if m.Name != v.Name || m.Version != v.Number || m.Parent != v.Parent {
		t.Errorf("the manifest of %s says %s@%d, parent %s", v, m.Name, m.Version, m.Parent)
	}
	var ids []chunk.ID
	for _, e := range m.Chunks.All() {
		ids = append(ids, e.ID)
	}
	storetest.Prove(t, lib, ids)
	names, err := lib.Names(v.Hash)
	if err != nil {
		t.Errorf("Names(%s) = %v", v, err)
		return
	}
	if err := errors.Join(manifest.CheckNames(names, m), names.Close()); err != nil {
		t.Errorf("names of %s: %v", v, err)
	}
}

func TestPublishAndOpenAgain(t *testing.T) {
	_, frames := storetest.Frames(t, 6, 1)
	dir := t.TempDir()
	lib := open(t, dir)
	first, err := publish(t, lib, "salle-info", frames[:4])
	if err != nil {
		t.Fatal(err)
	}
	second, err := publish(t, lib, "salle-info", frames)
	if err != nil {
		t.Fatal(err)
	}
	if first.Number != 1 || second.Number != 2 || second.Parent != first.Hash || first.Parent != (manifest.Hash{}) {
		t.Errorf("versions are %+v and %+v", first, second)
	}
	before, err := lib.List()
	if err != nil || !slices.Equal(before, []masters.Version{first, second}) {
		t.Errorf("List = %+v, %v", before, err)
	}
	key := lib.Key().Public()
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}

	lib = open(t, dir)
	after, err := lib.List()
	if err != nil || !slices.Equal(after, before) {
		t.Errorf("List after opening again = %+v, want %+v", after, before)
	}
	if lib.Key().Public() != key || !slices.Equal(lib.TrustedKeys(), []string{key}) {
		t.Error("the keys changed")
	}
	for _, v := range after {
		prove(t, lib, v)
	}
	if got := lib.StoredBytes(must(lib.Open(second))); got <= 0 {
		t.Errorf("StoredBytes = %d", got)
	}
	for ref, want := range map[string]int{"salle-info": 2, "salle-info@1": 1, "salle-info@2": 2} {
		if v, err := lib.Resolve(ref); err != nil || v.Number != want {
			t.Errorf("Resolve(%s) = %s, %v", ref, v, err)
		}
	}
	for _, ref := range []string{"salle-info@3", "other"} {
		var unknown *masters.UnknownError
		if _, err := lib.Resolve(ref); !errors.As(err, &unknown) || unknown.What != ref {
			t.Errorf("Resolve(%s) = %v, want *UnknownError", ref, err)
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func must(m *manifest.Manifest, err error) *manifest.Manifest {
	if err != nil {
		panic(err)
	}
	return m
}

func TestNames(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "Salle-12_b.v2": true, "0": true, strings.Repeat("n", 64): true,
		"": false, strings.Repeat("n", 65): false, ".": false, "..": false, "../keys": false, "a/b": false, ".new": false,
		"-rf": false, "a b": false, "a\x00": false, "é": false, "a@1": false,
	} {
		err := masters.CheckName(name)
		var refused *masters.NameError
		if (err == nil) != ok || err != nil && !errors.As(err, &refused) {
			t.Errorf("CheckName(%q) = %v, want ok %v", name, err, ok)
		}
	}
	for ref, ok := range map[string]bool{"a": true, "a@1": true, "a@": false, "a@0": false, "a@01": false, "a@-1": false,
		"a@stable": true, "a@Stable": false, "a@s t": false, "a@1@2": false, "a@+1": false, "@1": false, "a@99999999999999999999": false} {
		if _, err := masters.ParseRef(ref); (err == nil) != ok {
			t.Errorf("ParseRef(%q) = %v, want ok %v", ref, err, ok)
		}
	}
}

func TestASecondOpenerIsRefused(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	_, err := masters.Open(dir, masters.Options{})
	var held *masters.InUseError
	if !errors.As(err, &held) || held.Dir != dir {
		t.Errorf("Open of a folder in use = %v, want *InUseError", err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAFolderOfAnotherFormatIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("ardoise data 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := masters.Open(dir, masters.Options{})
	var other *masters.FormatError
	if !errors.As(err, &other) || other.Line != "ardoise data 9" {
		t.Errorf("Open = %v, want *FormatError", err)
	}
}

func TestPublishRefuses(t *testing.T) {
	_, frames := storetest.Frames(t, 4, 2)
	for name, c := range map[string]struct {
		master string
		put    int
		spoil  func(m *manifest.Manifest, names *[]byte)
		check  func(error) bool
	}{
		"a chunk that is missing": {"m", 3, func(*manifest.Manifest, *[]byte) {}, func(err error) bool {
			var e *masters.IncompleteError
			return errors.As(err, &e) && e.ID == frames[3].ID && e.Count == 1
		}},
		"a chunk of another length": {"m", 4, func(m *manifest.Manifest, _ *[]byte) {
			e := m.Chunks.At(0)
			m.Chunks.Append(manifest.Entry{ID: e.ID, Length: e.Length%chunk.MaxSize + 1, Index: 7})
		}, func(err error) bool {
			var e *masters.IncompleteError
			return errors.As(err, &e) && strings.Contains(e.Reason, "bytes, not")
		}},
		"an inconsistent manifest":  {"m", 4, func(m *manifest.Manifest, _ *[]byte) { m.Volumes[0].Used++ }, isInvalid},
		"names of another manifest": {"m", 4, func(m *manifest.Manifest, _ *[]byte) { m.Names[3]++ }, isInvalid},
		"names cut short":           {"m", 4, func(_ *manifest.Manifest, names *[]byte) { *names = (*names)[:20] }, isInvalid},
		"a name that is a path": {"../x", 4, func(*manifest.Manifest, *[]byte) {}, func(err error) bool {
			var e *masters.NameError
			return errors.As(err, &e)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lib := open(t, dir)
			defer func() { _ = lib.Close() }()
			ing, err := lib.Begin(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer ing.Close()
			if err := ing.Put(ctx, frames[:c.put]); err != nil {
				t.Fatal(err)
			}
			m, names := version(t, frames)
			c.spoil(m, &names)
			if _, err := ing.Publish(ctx, c.master, masters.Meta{}, m, bytes.NewReader(names)); !c.check(err) {
				t.Errorf("Publish = %v", err)
			}
			if all, _ := lib.List(); len(all) != 0 {
				t.Errorf("List after a refusal = %v", all)
			}
			if v, err := publish(t, lib, "m", frames); err != nil || v.Number != 1 {
				t.Errorf("publishing a good one then = %s, %v, want number 1", v, err)
			}
			if left, _ := os.ReadDir(filepath.Join(dir, "masters", "m")); len(left) != 1 {
				t.Errorf("the master's folder holds %v, want the version alone", left)
			}
		})
	}
}

func isInvalid(err error) bool {
	var e *manifest.InvalidError
	return errors.As(err, &e)
}

func TestWhatWasAlteredIsNotTrusted(t *testing.T) {
	_, frames := storetest.Frames(t, 4, 3)
	flip := func(name string, at func(size int) int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			path := filepath.Join(dir, "masters", "m", "000001", name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[at(len(b))] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, alter := range map[string]func(*testing.T, string){
		"the manifest's preamble":  flip("manifest", func(int) int { return 3 }),
		"the manifest's head":      flip("manifest", func(int) int { return 80 }),
		"the manifest's last byte": flip("manifest", func(n int) int { return n - 1 }),
		"the manifest's middle":    flip("manifest", func(n int) int { return n / 2 }),
		"the signature":            flip("signature.json", func(n int) int { return n - 20 }),
		"the signature's key":      flip("signature.json", func(int) int { return 12 }),
		"signed by a stranger": func(t *testing.T, dir string) {
			stranger, err := sign.Create(filepath.Join(t.TempDir(), "k"))
			if err != nil {
				t.Fatal(err)
			}
			folder := filepath.Join(dir, "masters", "m", "000001")
			encoded, err := os.ReadFile(filepath.Join(folder, "manifest"))
			if err != nil {
				t.Fatal(err)
			}
			hash := manifest.HashOf(encoded)
			sig := fmt.Sprintf(`{"Key":%q,"Signature":"%s","Hash":%q}`, stranger.Public(),
				base64.StdEncoding.EncodeToString(stranger.Sign(manifest.SignatureContext, hash[:])), hash)
			if err := os.WriteFile(filepath.Join(folder, "signature.json"), []byte(sig), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"version 1 in the place of version 2": func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "masters", "m", "000001"), filepath.Join(dir, "masters", "m", "000002")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lib := open(t, dir)
			v, err := publish(t, lib, "m", frames)
			if err != nil {
				t.Fatal(err)
			}
			other, err := publish(t, lib, "other", frames)
			if err != nil {
				t.Fatal(err)
			}
			alter(t, dir)
			if name != "version 1 in the place of version 2" {
				var untrusted *masters.UntrustedError
				if _, err := lib.Open(v); !errors.As(err, &untrusted) {
					t.Errorf("Open while the library is open = %v, want *UntrustedError", err)
				}
			}
			if err := lib.Close(); err != nil {
				t.Fatal(err)
			}
			lib = open(t, dir)
			defer func() { _ = lib.Close() }()
			v, err = lib.Resolve("m")
			if err == nil {
				_, err = lib.Open(v)
			}
			var untrusted *masters.UntrustedError
			if !errors.As(err, &untrusted) || !strings.HasPrefix(untrusted.Version, "m@") {
				t.Errorf("Resolve and Open after opening again = %v, want *UntrustedError", err)
			}
			prove(t, lib, other)
			if next, err := publish(t, lib, "m", frames); err != nil || next.Number < 2 {
				t.Errorf("the next version is %s, %v, want a new number", next, err)
			}
		})
	}
}

func TestPublishersAndReadersAtOnce(t *testing.T) {
	_, frames := storetest.Frames(t, 12, 4)
	lib := open(t, t.TempDir())
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for range 3 {
				v, err := publish(t, lib, "shared", frames[worker*3:worker*3+3])
				if err != nil {
					t.Error(err)
					return
				}
				prove(t, lib, v)
			}
		})
	}
	all.Wait()
	versions, err := lib.List()
	if err != nil || len(versions) != 12 {
		t.Fatalf("List = %d versions, %v, want 12", len(versions), err)
	}
	for i, v := range versions {
		if v.Number != i+1 || i > 0 && v.Parent != versions[i-1].Hash {
			t.Errorf("version %d has number %d, parent %s", i+1, v.Number, v.Parent)
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

// work publishes two versions and tells which of them were reported as published.
func work(t testing.TB, d *storetest.Disk, key sign.Key, frames []chunk.Frame) (published []masters.Version, err error) {
	lib, err := masters.Open("/data", options(d, key))
	if err != nil {
		return nil, err
	}
	for _, part := range [][]chunk.Frame{frames[:3], frames[1:]} {
		v, err := publish(t, lib, "m", part)
		if err != nil {
			return published, errors.Join(err, lib.Close())
		}
		published = append(published, v)
	}
	return published, lib.Close()
}

func options(d *storetest.Disk, key sign.Key) masters.Options {
	return masters.Options{FS: d.FS(), PackSize: smallPack, Key: &key, Now: func() time.Time { return time.Unix(1.7e9, 0) }}
}

func checkAfter(t *testing.T, d *storetest.Disk, key sign.Key, published []masters.Version) {
	t.Helper()
	lib, err := masters.Open("/data", options(d, key))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = lib.Close() }()
	all, err := lib.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range published {
		if !slices.Contains(all, v) {
			t.Errorf("%s was reported as published and is gone", v)
		}
	}
	for _, v := range all {
		if v.Damaged != "" {
			t.Errorf("%s is damaged: %s", v, v.Damaged)
		}
		prove(t, lib, v)
	}
}

func testKey(t *testing.T) sign.Key {
	t.Helper()
	key, err := sign.Create(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestPowerCutAfterEveryOperationOfPublishing(t *testing.T) {
	_, frames := storetest.Frames(t, 5, 5)
	key := testKey(t)
	whole := storetest.NewDisk()
	if _, err := work(t, whole, key, frames); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations, %d kinds of cut", whole.Ops(), len(storetest.Kinds()))
	for _, kind := range storetest.Kinds() {
		for n := range whole.Ops() {
			t.Run(fmt.Sprintf("%s, after operation %d", kind, n), func(t *testing.T) {
				d := storetest.NewDisk()
				d.CutAfter(n)
				published, err := work(t, d, key, frames)
				if !errors.Is(err, storetest.ErrPowerCut) {
					t.Fatalf("work = %v, want a power cut", err)
				}
				d.Restart(kind)
				checkAfter(t, d, key, published)
				if kind != storetest.LoseUnsynced {
					return
				}
				more, err := work(t, d, key, frames)
				if err != nil {
					t.Fatalf("the same work again = %v", err)
				}
				checkAfter(t, d, key, append(published, more...))
			})
		}
	}
}

func TestAnErrorAtEveryOperationOfPublishing(t *testing.T) {
	_, frames := storetest.Frames(t, 5, 6)
	key := testKey(t)
	whole := storetest.NewDisk()
	if _, err := work(t, whole, key, frames); err != nil {
		t.Fatal(err)
	}
	for n := range whole.Ops() {
		d := storetest.NewDisk()
		d.FailAt(n, syscall.EIO)
		published, err := work(t, d, key, frames)
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("operation %d fails: work = %v, want EIO", n, err)
		}
		checkAfter(t, d, key, published)
	}
}

func TestUnknownHashes(t *testing.T) {
	lib := open(t, t.TempDir())
	var unknown *masters.UnknownError
	if _, _, err := lib.Manifest(manifest.Hash{1}); !errors.As(err, &unknown) {
		t.Errorf("Manifest = %v, want *UnknownError", err)
	}
	if _, err := lib.Names(manifest.Hash{1}); !errors.As(err, &unknown) {
		t.Errorf("Names = %v, want *UnknownError", err)
	}
	var missing *store.NotFoundError
	err := lib.Fetch(ctx, []chunk.ID{{1}}, func(chunk.Frame) error { return io.EOF })
	if !errors.As(err, &missing) || missing.ID != (chunk.ID{1}) {
		t.Errorf("Fetch = %v, want *store.NotFoundError", err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}
