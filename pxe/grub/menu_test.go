package grub_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/pxe/grub"
)

func options(t *testing.T) grub.MenuOptions {
	t.Helper()
	lines, err := grub.HashPassphrase("sections libres 2026", "fr", bytes.Repeat([]byte{7}, 64))
	if err != nil {
		t.Fatal(err)
	}
	return grub.MenuOptions{Reset: true, Passphrase: lines, Arguments: []string{"ardoise.server=10.9.0.2:7443", "a b;c", "$x"},
		Loaders: []string{"/EFI/debian/shimx64.efi"}}
}

func local(t *testing.T, o grub.MenuOptions) string {
	t.Helper()
	text, err := grub.LocalMenu(grub.LocalOptions{MenuOptions: o, MAC: "52:54:00:12:34:56"})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestGRUBAcceptsEveryMenu(t *testing.T) {
	o := options(t)
	a := agent()
	remote, err := grub.NetworkMenu(grub.NetworkOptions{MenuOptions: o, Agent: a})
	if err != nil {
		t.Fatal(err)
	}
	english := o
	english.Language = "en"
	for name, config := range map[string]string{"disk": local(t, o), "english": local(t, english), "bare": local(t, grub.MenuOptions{}),
		"network": remote, "first": grub.DiskCommon()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "grub.cfg")
			if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("grub-script-check", path).CombinedOutput(); err != nil {
				t.Errorf("%v: %s\n%s", err, out, config)
			}
		})
	}
}

// TestEntries lists what a person finds, who may choose it, and what comes by itself.
func TestEntries(t *testing.T) {
	with := options(t)
	first, none := with, with
	first.ResetFirst = true
	none.Passphrase, none.Reset, none.ResetFirst = nil, false, true
	for name, c := range map[string]struct {
		o       grub.MenuOptions
		entries []string
		first   string
	}{
		"on demand":   {with, []string{"disk", "reset", "reinstall!", "inventory!", "rescue!"}, "disk"},
		"every start": {first, []string{"disk", "reset", "reinstall!", "inventory!", "rescue!"}, "reset"},
		"never":       {none, []string{"disk"}, "disk"},
	} {
		t.Run(name, func(t *testing.T) {
			text := local(t, c.o)
			var got []string
			for _, m := range regexp.MustCompile(`(?m)^menuentry '([ -&(-~]+)' --id (\w+) (--unrestricted|--users \S+) \{$`).FindAllStringSubmatch(text, -1) {
				if m[3] == "--users technicien,tech" {
					m[2] += "!"
				}
				got = append(got, m[2])
			}
			if strings.Join(got, " ") != strings.Join(c.entries, " ") || strings.Count(text, "menuentry") != len(got) {
				t.Errorf("entries %v, want %v", got, c.entries)
			}
			if !strings.Contains(text, "\nset default="+c.first+"\n") || !strings.Contains(text, "\nset timeout=5\n") {
				t.Error("another default or another time")
			}
			if strings.Contains(text, "superusers=technicien") {
				t.Error("the technician may edit entries")
			}
		})
	}
}

func TestMenusRefuseWhatTheyCannotQuote(t *testing.T) {
	var bad *grub.ArgumentError
	for name, o := range map[string]grub.LocalOptions{
		"argument":   {MenuOptions: grub.MenuOptions{Arguments: []string{"x'; reboot; '"}}, MAC: "52:54:00:12:34:56"},
		"loader":     {MenuOptions: grub.MenuOptions{Loaders: []string{"/EFI/it's"}}, MAC: "52:54:00:12:34:56"},
		"card":       {MAC: "52:54:00:12:34:56:78:90"},
		"passphrase": {MenuOptions: grub.MenuOptions{Passphrase: []string{"technicien grub.pbkdf2.sha512.1.A.B\nreboot"}}, MAC: "52:54:00:12:34:56"},
		"user":       {MenuOptions: grub.MenuOptions{Passphrase: []string{"a;b grub.pbkdf2.sha512.1.A.B"}}, MAC: "52:54:00:12:34:56"},
		"plain":      {MenuOptions: grub.MenuOptions{Passphrase: []string{"technicien secret"}}, MAC: "52:54:00:12:34:56"},
	} {
		if _, err := grub.LocalMenu(o); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPassphraseAsGRUBHashesIt takes the salt from GRUB's own tool and compares what both make of it.
func TestPassphraseAsGRUBHashesIt(t *testing.T) {
	const phrase = "Sections libres: 2026!"
	cmd := exec.Command("grub-mkpasswd-pbkdf2", "-c", "100000")
	cmd.Stdin = strings.NewReader(phrase + "\n" + phrase + "\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`grub\.pbkdf2\.sha512\.100000\.([0-9A-F]+)\.[0-9A-F]+`).FindStringSubmatch(string(out))
	if want == nil {
		t.Fatalf("GRUB's tool said %s", out)
	}
	salt := raw(t, want[1])
	us, err := grub.HashPassphrase(phrase, "us", salt)
	if err != nil || len(us) != 1 || us[0] != "technicien "+want[0] {
		t.Errorf("got %v, %v\nwant %s", us, err, want[0])
	}
	fr, err := grub.HashPassphrase(phrase, "fr", salt)
	if err != nil || len(fr) != 2 || fr[1] != "tech "+want[0] || fr[0] == "technicien "+want[0] {
		t.Errorf("got %v, %v", fr, err)
	}
	// The same keys on an American keyboard.
	typed, err := grub.HashPassphrase(`Sections libres. @)@^/`, "us", salt)
	if err != nil || typed[0] != fr[0] {
		t.Errorf("typed on a French keyboard it does not fit: %v", err)
	}
}

func raw(t *testing.T, s string) []byte {
	t.Helper()
	var b []byte
	for i := 0; i+1 < len(s); i += 2 {
		hi, lo := strings.IndexByte("0123456789ABCDEF", s[i]), strings.IndexByte("0123456789ABCDEF", s[i+1])
		b = append(b, byte(hi<<4|lo))
	}
	return b
}

func TestPassphrasesThatAreRefused(t *testing.T) {
	var bad *grub.PassphraseError
	salt := make([]byte, 64)
	for _, c := range [][2]string{{"eleven char", "fr"}, {"motdepasse accentu\u00e9", "fr"}, {"quelqu'un@ecole", "fr"}, {"tab\tulation long", "us"}, {"long enough here", "dvorak"}} {
		if _, err := grub.HashPassphrase(c[0], c[1], salt); !errors.As(err, &bad) {
			t.Errorf("%q on %s: %v", c[0], c[1], err)
		}
	}
	if _, err := grub.HashPassphrase("long enough here", "us", nil); !errors.As(err, &bad) {
		t.Errorf("without salt: %v", err)
	}
}

func TestDiskCoreIsWhatABIOSLoads(t *testing.T) {
	m := grub.Maker{Cache: t.TempDir()}
	boot, core, err := m.DiskCore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(boot) != 512 || boot[0] != 0xEB || boot[510] != 0x55 {
		t.Errorf("boot.img: %d bytes, % x", len(boot), boot[:2])
	}
	if len(core) < 60<<10 || len(core) > 400<<10 || !bytes.Equal(core[0x1f4:0x1fc], make([]byte, 8)) {
		t.Errorf("core.img: %d bytes, place % x", len(core), core[0x1f4:0x1fc])
	}
	_, again, err := m.DiskCore(t.Context())
	if err != nil || !bytes.Equal(core, again) {
		t.Errorf("from the cache it is another: %v", err)
	}
}
