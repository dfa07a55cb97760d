package masters_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/sign"
	"github.com/ardoise/ardoise/masters/storetest"
)

// some publishes n versions of master m.
func some(t testing.TB, lib *masters.Library, n int) []masters.Version {
	t.Helper()
	_, frames := storetest.Frames(t, 3, 8)
	var all []masters.Version
	for range n {
		v, err := publish(t, lib, "m", frames)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

func reopen(t testing.TB, lib *masters.Library, dir string) *masters.Library {
	t.Helper()
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	return open(t, dir)
}

// points says where the channels of m point, and where a rollback of each would go.
func points(t testing.TB, lib *masters.Library) string {
	t.Helper()
	about, err := lib.About("m")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range about.Channels {
		all = append(all, fmt.Sprintf("%s=%d<%d", c.Name, c.Version, c.Before))
		if v, err := lib.Resolve("m@" + c.Name); err != nil || v.Number != c.Version {
			t.Errorf("Resolve(m@%s) = %s, %v, About says %d", c.Name, v, err, c.Version)
		}
	}
	return strings.Join(all, " ")
}

func TestChannels(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	some(t, lib, 4)
	promote := func(v int, channel string) func() (masters.Move, error) {
		return func() (masters.Move, error) { return lib.Promote(fmt.Sprintf("m@%d", v), channel, "marie") }
	}
	back := func(channel string) func() (masters.Move, error) {
		return func() (masters.Move, error) { return lib.Rollback("m", channel, "jean") }
	}
	forget := func(v int) func() (masters.Move, error) {
		return func() (masters.Move, error) {
			_, err := lib.Forget(fmt.Sprintf("m@%d", v), "marie", nil)
			return masters.Move{}, err
		}
	}
	for i, step := range []struct {
		do       func() (masters.Move, error)
		from, to int
		want     string
		fails    string
	}{
		{promote(1, "stable"), 0, 1, "stable=1<0", ""},
		{back("stable"), 0, 0, "stable=1<0", "has pointed at no other version"},
		{promote(2, "test"), 0, 2, "stable=1<0 test=2<0", ""},
		{promote(2, "stable"), 1, 2, "stable=2<1 test=2<0", ""},
		{promote(2, "stable"), 2, 2, "stable=2<1 test=2<0", ""},
		{promote(3, "stable"), 2, 3, "stable=3<2 test=2<0", ""},
		{promote(4, "stable"), 3, 4, "stable=4<3 test=2<0", ""},
		{forget(3), 0, 0, "stable=4<2 test=2<0", ""},
		{back("stable"), 4, 2, "stable=2<1 test=2<0", ""},
		{back("stable"), 2, 1, "stable=1<0 test=2<0", ""},
		{promote(4, "stable"), 1, 4, "stable=4<1 test=2<0", ""},
		{promote(3, "stable"), 0, 0, "stable=4<1 test=2<0", "no master m@3"},
		{promote(4, "Stable"), 0, 0, "stable=4<1 test=2<0", "lower-case"},
		{promote(4, "4"), 0, 0, "stable=4<1 test=2<0", "lower-case"},
		{back("pilot"), 0, 0, "stable=4<1 test=2<0", "no master m@pilot"},
		{func() (masters.Move, error) { return lib.Withdraw("m", "test", "marie") }, 2, 0, "stable=4<1", ""},
		{func() (masters.Move, error) { return lib.Promote("m@stable", "copy", "marie") }, 0, 4, "copy=4<0 stable=4<1", ""},
	} {
		move, err := step.do()
		if step.fails == "" && err != nil || step.fails != "" && (err == nil || !strings.Contains(err.Error(), step.fails)) {
			t.Fatalf("step %d: %v, want %q", i, err, step.fails)
		}
		if step.fails == "" && step.to+step.from > 0 && (move.From != step.from || move.To != step.to) {
			t.Errorf("step %d: moved from %d to %d, want %d to %d", i, move.From, move.To, step.from, step.to)
		}
		if got := points(t, lib); got != step.want {
			t.Fatalf("step %d: channels are %q, want %q", i, got, step.want)
		}
		lib = reopen(t, lib, dir)
		if got := points(t, lib); got != step.want {
			t.Fatalf("step %d, opened again: channels are %q, want %q", i, got, step.want)
		}
	}
	about, err := lib.About("m")
	if err != nil || len(about.Moves) != 10 || about.Moves[5].By != "jean" {
		t.Errorf("moves are %+v, %v", about.Moves, err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNotesAreKeptBesideTheManifest(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	v := some(t, lib, 2)[0]
	for _, text := range []string{"essayée en S104", "  LibreOffice manque\n"} {
		if _, err := lib.Note("m@1", text, "jean"); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{strings.Repeat("x", 4001), "\xff", "a\x00b"} {
		var bad *masters.NoteError
		if _, err := lib.Note("m@1", text, "jean"); !errors.As(err, &bad) {
			t.Errorf("Note(%.10q) = %v, want *NoteError", text, err)
		}
	}
	lib = reopen(t, lib, dir)
	about, err := lib.About("m")
	if err != nil || len(about.Notes) != 2 || about.Notes[1].Text != "LibreOffice manque" || about.Notes[0].By != "jean" || about.Notes[0].Hash != v.Hash {
		t.Errorf("notes are %+v, %v", about.Notes, err)
	}
	prove(t, lib, v)
	if _, err := lib.Forget("m@1", "jean", nil); err != nil {
		t.Fatal(err)
	}
	if about, err := lib.About("m"); err != nil || len(about.Notes) != 0 {
		t.Errorf("notes of a forgotten version: %+v, %v", about.Notes, err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestForget(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	all := some(t, lib, 3)
	if _, err := lib.Promote("m@1", "stable", "marie"); err != nil {
		t.Fatal(err)
	}
	users := func(v masters.Version) []string {
		if v.Number == 1 {
			return []string{"S104-07 runs it"}
		}
		return nil
	}
	var held *masters.HeldError
	if _, err := lib.Forget("m@1", "marie", users); !errors.As(err, &held) || !slices.Equal(held.By, []string{"channel stable", "S104-07 runs it"}) {
		t.Errorf("Forget of what is needed = %v, want *HeldError with both", err)
	}
	for _, ref := range []string{"m", "m@stable"} {
		var name *masters.NameError
		if _, err := lib.Forget(ref, "marie", nil); !errors.As(err, &name) {
			t.Errorf("Forget(%s) = %v, want *NameError", ref, err)
		}
	}
	if v, err := lib.Forget("m@3", "marie", users); err != nil || v != all[2] {
		t.Fatalf("Forget = %+v, %v", v, err)
	}
	gone := func() {
		t.Helper()
		var unknown *masters.UnknownError
		if _, err := lib.Resolve("m@3"); !errors.As(err, &unknown) {
			t.Errorf("Resolve = %v, want *UnknownError", err)
		}
		if _, _, err := lib.Manifest(all[2].Hash); !errors.As(err, &unknown) {
			t.Errorf("Manifest = %v, want *UnknownError", err)
		}
		if v, err := lib.Resolve("m"); err != nil || v != all[1] {
			t.Errorf("the newest is %s, %v", v, err)
		}
	}
	gone()
	lib = reopen(t, lib, dir)
	gone()
	if left, _ := os.ReadDir(filepath.Join(dir, "masters", "m")); len(left) != 3 {
		t.Errorf("the folder holds %v, want two versions and the record", left)
	}
	if next := some(t, lib, 1)[0]; next.Number != 4 {
		t.Errorf("the next version is %s: a number is given twice", next)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedVersionCanBeForgotten(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	some(t, lib, 2)
	spoil(t, filepath.Join(dir, "masters", "m", "000002", "signature.json"), 20)
	lib = reopen(t, lib, dir)
	if _, err := lib.Forget("m@2", "marie", nil); err != nil {
		t.Fatal(err)
	}
	if v, err := lib.Resolve("m"); err != nil || v.Number != 1 {
		t.Errorf("the newest is %s, %v", v, err)
	}
	if next := some(t, lib, 1)[0]; next.Number != 3 {
		t.Errorf("the next version is %s", next)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func spoil(t testing.TB, path string, at int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestARecordThatWasAlteredIsNotBelieved(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	some(t, lib, 2)
	if _, err := lib.Promote("m@1", "stable", "marie"); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "masters", "m", "about")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		"another version":   bytes.Replace(raw, []byte(`"Version":1`), []byte(`"Version":2`), 1),
		"cut short":         raw[:len(raw)/2],
		"empty":             {},
		"of another master": nil,
	} {
		t.Run(name, func(t *testing.T) {
			if content == nil {
				if err := os.MkdirAll(filepath.Join(dir, "masters", "other"), 0o700); err != nil {
					t.Fatal(err)
				}
				defer func() { _ = os.RemoveAll(filepath.Join(dir, "masters", "other")) }()
				if err := os.WriteFile(filepath.Join(dir, "masters", "other", "about"), raw, 0o600); err != nil {
					t.Fatal(err)
				}
				lib = reopen(t, lib, dir)
				if about, err := lib.About("other"); err != nil || about.Damaged == "" {
					t.Errorf("About = %+v, %v, want it damaged", about, err)
				}
				return
			}
			if bytes.Equal(content, raw) {
				t.Fatal("nothing was altered")
			}
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			lib = reopen(t, lib, dir)
			var damaged *masters.AboutError
			if _, err := lib.Resolve("m@stable"); !errors.As(err, &damaged) {
				t.Errorf("Resolve = %v, want *AboutError", err)
			}
			if _, err := lib.Promote("m@2", "stable", "marie"); !errors.As(err, &damaged) {
				t.Errorf("Promote = %v, want *AboutError", err)
			}
			var held *masters.HeldError
			if _, err := lib.Forget("m@1", "marie", nil); !errors.As(err, &held) {
				t.Errorf("Forget of what a channel may point at = %v, want *HeldError", err)
			}
			if v, err := lib.Resolve("m"); err != nil || v.Number < 2 {
				t.Errorf("Resolve of the newest = %s, %v: versions do not need the record", v, err)
			}
			some(t, lib, 1)
		})
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKeyRotation(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	all := some(t, lib, 1)
	keys := lib.TrustedKeys()
	for range 3 {
		r, err := lib.RotateKey()
		if err != nil || r.Old != keys[0] || r.New == r.Old || lib.Key().Public() != r.New {
			t.Fatalf("RotateKey = %+v, %v", r, err)
		}
		keys = append([]string{r.New}, keys...)
		if got := lib.TrustedKeys(); !slices.Equal(got, keys) {
			t.Errorf("trusted are %q, want %q", got, keys)
		}
		if _, err := lib.Promote("m", "stable", "marie"); err != nil {
			t.Fatal(err)
		}
		all = append(all, some(t, lib, 1)...)
	}
	lib = reopen(t, lib, dir)
	if got := lib.TrustedKeys(); !slices.Equal(got, keys) {
		t.Errorf("opened again: trusted are %q, want %q", got, keys)
	}
	for _, v := range all {
		prove(t, lib, v)
	}
	if got := points(t, lib); got != "stable=3<2" {
		t.Errorf("channels are %q", got)
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "keys")); len(left) != 2 {
		t.Errorf("keys holds %v", left)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestNobodyAddsAKeyWithoutTheSigningKey(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	some(t, lib, 1)
	if _, err := lib.RotateKey(); err != nil {
		t.Fatal(err)
	}
	keys := lib.TrustedKeys()
	path := filepath.Join(dir, "keys", "rotations")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	mine, err := sign.New()
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte(mine.Public() + "\n" + keys[0])
	forged := fmt.Sprintf(`[{"Old":%q,"New":%q,"ByOld":%q,"ByNew":%q},`, mine.Public(), keys[0],
		b64(mine.Sign("ardoise key 1", payload)), b64(mine.Sign("ardoise key 1", payload)))
	for name, c := range map[string]struct {
		content string
		trusted []string
	}{
		"an old key that the present one does not know": {forged + strings.TrimPrefix(string(raw), "["), keys},
		"the old key's proof altered":                   {strings.Replace(string(raw), `"ByOld": "`, `"ByOld": "AAAA`, 1), keys[:1]},
		"no proofs":                                     {"[]", keys[:1]},
	} {
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		lib = reopen(t, lib, dir)
		if got := lib.TrustedKeys(); !slices.Equal(got, c.trusted) {
			t.Errorf("%s: trusted are %q, want %q", name, got, c.trusted)
		}
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	var file *sign.KeyFileError
	if _, err := masters.Open(dir, masters.Options{}); !errors.As(err, &file) {
		t.Errorf("Open with proofs that nobody can read = %v, want *sign.KeyFileError", err)
	}
}

// keeping is every change beside publishing, in one life of a library with keys of its own.
func keeping(t testing.TB, d *storetest.Disk, frames []chunk.Frame) (done []string, err error) {
	lib, err := masters.Open("/data", masters.Options{FS: d.FS(), PackSize: smallPack, Now: func() time.Time { return time.Unix(1.7e9, 0) }})
	if err != nil {
		return nil, err
	}
	var first, second masters.Version
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"published 1", func() (err error) { first, err = publish(t, lib, "m", frames); return err }},
		{"published 2", func() (err error) { second, err = publish(t, lib, "m", frames[1:]); return err }},
		{"promoted", func() error { _, err := lib.Promote(first.String(), "stable", "marie"); return err }},
		{"rotated", func() error { _, err := lib.RotateKey(); return err }},
		{"noted", func() error { _, err := lib.Note(first.String(), "bonne", "marie"); return err }},
		{"promoted again", func() error { _, err := lib.Promote(second.String(), "stable", "marie"); return err }},
		{"rolled back", func() error { _, err := lib.Rollback("m", "stable", "marie"); return err }},
		{"ruled", func() error { _, err := lib.SetRule("m", 1, "marie"); return err }},
		{"forgotten", func() error { _, err := lib.Forget(second.String(), "marie", nil); return err }},
		{"published 3", func() error { _, err := publish(t, lib, "m", frames); return err }},
		{"promoted 3", func() error { _, err := lib.Promote("m@3", "stable", "marie"); return err }},
		{"withdrawn", func() error { _, err := lib.Withdraw("m", "stable", "marie"); return err }},
		{"applied", func() error {
			for _, r := range lib.ApplyRules(time.Unix(1.8e9, 0), "night", nil) {
				if r.Err != nil {
					return r.Err
				}
			}
			return nil
		}},
	} {
		if err := step.do(); err != nil {
			return done, errors.Join(err, lib.Close())
		}
		done = append(done, step.name)
	}
	return done, lib.Close()
}

// checkKept opens what is left and sees that every step that was reported done is.
func checkKept(t *testing.T, what string, d *storetest.Disk, done []string) {
	t.Helper()
	lib, err := masters.Open("/data", masters.Options{FS: d.FS(), PackSize: smallPack})
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	defer func() { _ = lib.Close() }()
	has := func(step string) bool { return slices.Contains(done, step) }
	all, err := lib.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Damaged != "" {
			t.Fatalf("%s: %s is damaged: %s", what, v, v.Damaged)
		}
		prove(t, lib, v)
	}
	wrong := func(format string, args ...any) {
		t.Errorf("%s, after %v: "+format, append([]any{what, done}, args...)...)
	}
	_, firstErr := lib.Resolve("m@1")
	_, secondErr := lib.Resolve("m@2")
	if has("published 1") && !has("withdrawn") && firstErr != nil || has("published 2") && !has("rolled back") && secondErr != nil {
		wrong("versions are %v", all)
	}
	if has("forgotten") && secondErr == nil || has("applied") && firstErr == nil {
		wrong("what was forgotten is back: %v", all)
	}
	if _, err := lib.Resolve("m@3"); has("published 3") && err != nil {
		wrong("the newest is gone: %v", err)
	}
	if has("rotated") && len(lib.TrustedKeys()) != 2 {
		wrong("trusted are %q", lib.TrustedKeys())
	}
	about, _ := lib.About("m")
	if about.Damaged != "" {
		wrong("the record is damaged: %s", about.Damaged)
	}
	v, err := lib.Resolve("m@stable")
	switch {
	case has("published 3"): // from here on the channel moves on
	case has("promoted") && (err != nil || v.Number != 1 && !has("noted")) || has("rolled back") && v.Number != 1:
		wrong("m@stable is %s, %v", v, err)
	}
	if has("withdrawn") && err == nil {
		wrong("m@stable is %s", v)
	}
	if has("ruled") && about.Rule.KeepLast != 1 {
		wrong("the rule is %+v", about.Rule)
	}
	if has("noted") && !has("withdrawn") && (len(about.Notes) != 1 || about.Notes[0].Text != "bonne") {
		wrong("notes are %+v", about.Notes)
	}
}

func TestPowerCutAndErrorAtEveryOperationOfKeeping(t *testing.T) {
	_, frames := storetest.Frames(t, 3, 9)
	whole := storetest.NewDisk()
	done, err := keeping(t, whole, frames[1:])
	if err != nil || len(done) != 13 {
		t.Fatalf("%v, %v", done, err)
	}
	ops := whole.Ops()
	checkKept(t, "whole", whole, done)
	for n := range ops {
		for _, kind := range storetest.Kinds() {
			what := fmt.Sprintf("%s, operation %d", kind, n)
			d := storetest.NewDisk()
			d.CutAfter(n)
			done, err := keeping(t, d, frames[1:])
			if !errors.Is(err, storetest.ErrPowerCut) {
				t.Fatalf("%s: %v, want a power cut", what, err)
			}
			d.Restart(kind)
			checkKept(t, what, d, done)
			if kind == storetest.KeepNames {
				d.Restart(storetest.LoseUnsynced) // what it was opened with must be durable
				checkKept(t, what+", and again", d, done)
			}
		}
		what := fmt.Sprintf("operation %d fails", n)
		d := storetest.NewDisk()
		d.FailAt(n, syscall.EIO)
		done, err := keeping(t, d, frames[1:])
		if err != nil && !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: %v, want EIO", what, err)
		}
		checkKept(t, what, d, done)
	}
	t.Logf("%d operations", ops)
}

func TestAFolderThatIsBeingRestoredIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, ".restoring"), 0o700); err != nil {
		t.Fatal(err)
	}
	var restoring *masters.RestoringError
	if _, err := masters.Open(dir, masters.Options{}); !errors.As(err, &restoring) || restoring.Dir != dir {
		t.Errorf("Open = %v, want *RestoringError", err)
	}
}

func TestSizesAreRemembered(t *testing.T) {
	dir := t.TempDir()
	lib := open(t, dir)
	_, frames := storetest.Frames(t, 4, 10)
	first, err := publish(t, lib, "m", frames[:3])
	if err != nil {
		t.Fatal(err)
	}
	second, err := publish(t, lib, "m", frames)
	if err != nil {
		t.Fatal(err)
	}
	if first.StoredBytes == 0 || first.NewBytes != first.StoredBytes || second.NewBytes != int64(frames[3].Size()) ||
		second.StoredBytes != first.StoredBytes+second.NewBytes {
		t.Errorf("sizes are %d, %d and %d, %d", first.StoredBytes, first.NewBytes, second.StoredBytes, second.NewBytes)
	}
	if err := os.WriteFile(filepath.Join(dir, "masters", "m", "000001", "sizes.json"), []byte(`{"Stored":-5}`), 0o600); err != nil {
		t.Fatal(err)
	}
	lib = reopen(t, lib, dir)
	if v, err := lib.Resolve("m@1"); err != nil || v.StoredBytes != 0 || v.Damaged != "" {
		t.Errorf("with sizes that nobody wrote: %+v, %v", v, err)
	}
	if err := lib.Close(); err != nil {
		t.Fatal(err)
	}
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
