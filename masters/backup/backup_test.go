package backup_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/backup"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/masters/storetest"
)

const passphrase = "cheval agrafe pile correct"

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var (
	tops  = []string{"keys", "masters", "db"}
	files = map[string][]byte{"keys/signing.key": []byte("secret"), "masters/m/000001/manifest": bytes.Repeat([]byte("manifest "), 20_000),
		"masters/m/000001/empty": {}, "db": bytes.Repeat([]byte{7}, 64<<10)}
)

func sealed(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := backup.NewWriter(&out, backup.Options{Passphrase: passphrase, Iterations: 10, Rand: rand.Reader})
	check(t, err)
	for name, content := range files {
		check(t, w.Add(name, int64(len(content)), bytes.NewReader(content)))
	}
	check(t, w.Close())
	return out.Bytes()
}

// opened returns what a backup holds.
func opened(raw []byte, passphrase string) (map[string][]byte, error) {
	got := map[string][]byte{}
	err := backup.Read(bytes.NewReader(raw), passphrase, func(name string, size int64, content io.Reader) error {
		b, err := io.ReadAll(content)
		got[name] = b
		return err
	})
	return got, err
}

func TestSealAndOpen(t *testing.T) {
	for name, size := range map[string]int{"nothing": -1, "an empty file": 0, "a segment": 64<<10 - 1536, "a little more": 64 << 10, "much": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			in := map[string][]byte{}
			if size >= 0 {
				in["x"] = bytes.Repeat([]byte("s"), size)
			}
			raw := sealed(t, in)
			if bytes.Contains(raw, []byte("ssss")) {
				t.Error("the content can be read in the file")
			}
			got, err := opened(raw, passphrase)
			if err != nil || len(got) != len(in) || !bytes.Equal(got["x"], in["x"]) {
				t.Errorf("Read = %d files, %v", len(got), err)
			}
			var wrong *backup.PassphraseError
			if got, err := opened(raw, passphrase+"e"); !errors.As(err, &wrong) || len(got) != 0 {
				t.Errorf("Read with another passphrase = %d files, %v, want *PassphraseError", len(got), err)
			}
		})
	}
}

func TestWhatWasAlteredIsNotRead(t *testing.T) {
	raw := sealed(t, files)
	refused := func(what string, b []byte) {
		t.Helper()
		_, err := opened(b, passphrase)
		var wrong *backup.PassphraseError
		var file *backup.FileError
		if !errors.As(err, &wrong) && !errors.As(err, &file) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i := 0; i < len(raw); i += 1 + len(raw)/400 {
		if i >= 12 && i < 16 {
			continue // the iterations: another number takes as long as it says
		}
		b := slices.Clone(raw)
		b[i] ^= 1
		refused(fmt.Sprintf("byte %d", i), b)
		refused(fmt.Sprintf("cut at %d", i), raw[:i])
	}
	const segment = 64<<10 + 16
	refused("cut between segments", raw[:48+segment])
	refused("segments exchanged", slices.Concat(raw[:48], raw[48+segment:48+2*segment], raw[48:48+segment], raw[48+2*segment:]))
	refused("one more byte", append(slices.Clone(raw), 0))
	hungry := slices.Clone(raw)
	copy(hungry[12:], []byte{255, 255, 255, 255})
	refused("iterations for a year", hungry)
}

func TestPassphrases(t *testing.T) {
	for p, ok := range map[string]bool{"": false, "eleven char": false, "twelve chars": true, "éèàéèàéèàéèà": true, "éèàéèàéèàéè": false} {
		var weak *backup.WeakError
		_, err := backup.NewWriter(io.Discard, backup.Options{Passphrase: p, Iterations: 10, Rand: rand.Reader})
		if (err == nil) != ok || err != nil && !errors.As(err, &weak) {
			t.Errorf("passphrase %q: %v, want ok %v", p, err, ok)
		}
	}
}

func TestRestoreIntoAFolder(t *testing.T) {
	raw := sealed(t, files)
	into := func(dir string, raw []byte, passphrase string) error {
		return backup.Restore(durable.OS(), dir, tops, bytes.NewReader(raw), passphrase)
	}
	t.Run("a new one", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "new")
		check(t, into(dir, raw, passphrase))
		for name, want := range files {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
		}
		if info, err := os.Stat(filepath.Join(dir, "keys/signing.key")); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the key's mode is %v, %v", info.Mode(), err)
		}
		var full *backup.NotEmptyError
		if err := into(dir, raw, passphrase); !errors.As(err, &full) {
			t.Errorf("restoring twice = %v, want *NotEmptyError", err)
		}
	})
	t.Run("one that holds the store", func(t *testing.T) {
		dir := t.TempDir()
		check(t, os.Mkdir(filepath.Join(dir, "store"), 0o700))
		check(t, into(dir, raw, passphrase))
	})
	t.Run("nobody opens one that is half restored", func(t *testing.T) {
		dir := t.TempDir()
		check(t, os.Mkdir(filepath.Join(dir, backup.Restoring), 0o700))
		var half *masters.RestoringError
		if _, err := masters.Open(dir, masters.Options{}); !errors.As(err, &half) {
			t.Errorf("Open = %v, want *masters.RestoringError", err)
		}
		check(t, into(dir, raw, passphrase))
	})
	t.Run("with another passphrase nothing is left", func(t *testing.T) {
		dir := t.TempDir()
		var wrong *backup.PassphraseError
		if err := into(dir, raw, "not the passphrase"); !errors.As(err, &wrong) {
			t.Errorf("Restore = %v, want *PassphraseError", err)
		}
		check(t, into(dir, raw, passphrase))
	})
	for _, name := range []string{"../out", "/etc/passwd", "keys/../../out", "keys//x", "."} {
		t.Run("a file called "+name, func(t *testing.T) {
			dir := t.TempDir()
			var file *backup.FileError
			if err := into(dir, sealed(t, map[string][]byte{name: {1}}), passphrase); !errors.As(err, &file) {
				t.Errorf("Restore = %v, want *FileError", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "lock" {
				t.Errorf("the folder holds %v", left)
			}
		})
	}
}

// What a newer version of this program keeps is named, and nothing of its backup is restored.
func TestAFileOfANewerVersionIsNamed(t *testing.T) {
	raw := sealed(t, files)
	into := func(dir string, raw []byte, passphrase string) error {
		return backup.Restore(durable.OS(), dir, tops, bytes.NewReader(raw), passphrase)
	}
	for _, name := range []string{"post.json", "new/deep/file"} {
		t.Run("a file of a newer version, "+name, func(t *testing.T) {
			newer := maps.Clone(files) // what it knows is there as well, and is not restored either
			newer[name] = []byte("{}")
			dir := t.TempDir()
			var unknown *backup.UnknownFileError
			if err := into(dir, sealed(t, newer), passphrase); !errors.As(err, &unknown) || unknown.Name != name {
				t.Errorf("Restore = %v, want *UnknownFileError", err)
			}
			if left, _ := os.ReadDir(dir); len(left) != 1 || left[0].Name() != "lock" {
				t.Errorf("the folder holds %v", left)
			}
			check(t, into(dir, raw, passphrase))
		})
	}
	t.Run("one that a newer version began to restore", func(t *testing.T) {
		dir := t.TempDir()
		check(t, os.Mkdir(filepath.Join(dir, backup.Restoring), 0o700))
		check(t, os.WriteFile(filepath.Join(dir, "post.json"), nil, 0o600))
		check(t, os.Mkdir(filepath.Join(dir, "keys"), 0o700))
		var full *backup.NotEmptyError
		if err := into(dir, raw, passphrase); !errors.As(err, &full) || full.Found != "post.json" {
			t.Errorf("Restore = %v, want *NotEmptyError", err)
		}
		if _, err := os.Stat(filepath.Join(dir, "keys")); err != nil {
			t.Errorf("what was there is gone: %v", err)
		}
		check(t, os.Remove(filepath.Join(dir, "post.json")))
		check(t, into(dir, raw, passphrase))
	})
}

func TestPowerCutAndErrorAtEveryOperationOfARestore(t *testing.T) {
	raw := sealed(t, files)
	work := func(d *storetest.Disk) error {
		return backup.Restore(d.FS(), "/data", tops, bytes.NewReader(raw), passphrase)
	}
	// A folder is restored whole, or marked, or empty.
	look := func(what string, d *storetest.Disk) (whole bool) {
		t.Helper()
		entries, err := d.ReadDir("/data")
		if err != nil || slices.Contains(entries, backup.Restoring) {
			return false
		}
		found := 0
		for name, want := range files {
			got, err := durable.ReadFile(d.FS(), "/data/"+name, 1<<20)
			if err == nil && bytes.Equal(got, want) {
				found++
			}
		}
		if found != 0 && found != len(files) {
			t.Fatalf("%s: %d files of %d are there, and no mark", what, found, len(files))
		}
		return found > 0
	}
	whole := storetest.NewDisk()
	check(t, work(whole))
	for n := range whole.Ops() {
		for _, kind := range storetest.Kinds() {
			what := fmt.Sprintf("%s, operation %d", kind, n)
			d := storetest.NewDisk()
			d.CutAfter(n)
			if err := work(d); !errors.Is(err, storetest.ErrPowerCut) {
				t.Fatalf("%s: %v, want a power cut", what, err)
			}
			d.Restart(kind)
			if look(what, d) {
				continue
			}
			if err := work(d); err != nil || !look(what+", again", d) {
				t.Fatalf("%s: the same again = %v", what, err)
			}
		}
		d := storetest.NewDisk()
		d.FailAt(n, syscall.EIO)
		what := fmt.Sprintf("operation %d fails", n)
		err := work(d)
		if err != nil && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want EIO", what, err)
		}
		if whole := look(what, d); err == nil && !whole { // a removal may be tried twice
			t.Errorf("%s: Restore tells of success, and there is nothing", what)
		}
	}
	t.Logf("%d operations", whole.Ops())
}

func FuzzRead(f *testing.F) {
	f.Add(sealed(f, map[string][]byte{"db": []byte("x")}))
	f.Add(sealed(f, nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 16 {
			b[13], b[14], b[15] = 0, 0, 0 // at most 255 iterations: time is what the fuzzer has least of
		}
		_ = backup.Read(bytes.NewReader(b), passphrase, func(_ string, _ int64, content io.Reader) error {
			_, err := io.Copy(io.Discard, content)
			return err
		})
	})
}
