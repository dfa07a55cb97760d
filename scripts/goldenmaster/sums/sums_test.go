package sums_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ardoise/ardoise/scripts/goldenmaster/sums"
)

// grow makes a small tree with names that try the list.
func grow(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{"a/b c.txt": "x", "a/\"quoted\" \n.txt": "", "élève": "note 20\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("a/b c.txt", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return root
}

// listed scans a tree and takes the list through its text.
func listed(t *testing.T, root string) []sums.Entry {
	t.Helper()
	list, err := sums.Scan(root)
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := sums.Write(&text, list); err != nil {
		t.Fatal(err)
	}
	again, err := sums.Read(&text)
	if diff := cmp.Diff(list, again); err != nil || diff != "" {
		t.Fatalf("list changed on its way: %v (-want +got):\n%s", err, diff)
	}
	return again
}

func TestCheckFindsEveryDamage(t *testing.T) {
	for why, c := range map[string]struct {
		damage func(root string) error
		want   string
	}{
		"nothing":              {func(string) error { return nil }, ""},
		"a byte of a file":     {func(r string) error { return os.WriteFile(r+"/élève", []byte("note 19\n"), 0o644) }, "differs"},
		"a file cut short":     {func(r string) error { return os.Truncate(r+"/élève", 3) }, "differs"},
		"a file gone":          {func(r string) error { return os.Remove(r + "/a/b c.txt") }, "is missing"},
		"a file too many":      {func(r string) error { return os.WriteFile(r+"/new", nil, 0o644) }, "not in the list"},
		"a link gone astray":   {func(r string) error { return errors.Join(os.Remove(r+"/link"), os.Symlink("a", r+"/link")) }, "differs"},
		"a link made a file":   {func(r string) error { return errors.Join(os.Remove(r+"/link"), os.WriteFile(r+"/link", nil, 0o644)) }, "differs"},
		"a file made a folder": {func(r string) error { return errors.Join(os.Remove(r+"/élève"), os.Mkdir(r+"/élève", 0o755)) }, "differs"},
	} {
		t.Run(why, func(t *testing.T) {
			root := grow(t)
			list := listed(t, root)
			if err := c.damage(root); err != nil {
				t.Fatal(err)
			}
			wrong, err := sums.Check(root, list)
			if err != nil {
				t.Fatal(err)
			}
			if c.want == "" && len(wrong) > 0 || c.want != "" && (len(wrong) != 1 || !strings.Contains(wrong[0], c.want)) {
				t.Errorf("Check = %q, want one with %q", wrong, c.want)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add("d - \"a\"\nf " + strings.Repeat("0a", 32) + " \"a/b c.txt\"\nl - \"link\" \"a\"\n")
	f.Add("f - \"x\"")
	f.Add("l - \"x\" \"")
	f.Add("d - \"../x\"")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := sums.Read(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range list {
			if !filepath.IsLocal(e.Path) {
				t.Errorf("a path that leaves the tree: %q", e.Path)
			}
		}
		var again bytes.Buffer
		if err := sums.Write(&again, list); err != nil {
			t.Fatal(err)
		}
		second, err := sums.Read(&again)
		if diff := cmp.Diff(list, second); err != nil || diff != "" {
			t.Errorf("list changed on its way: %v\n%s", err, diff)
		}
	})
}
