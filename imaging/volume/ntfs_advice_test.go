package volume_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ardoise/ardoise/masters/manifest"
)

// settings is the hive SYSTEM of a Windows with fast startup, changed by commands of hivexsh.
func settings(t testing.TB, commands ...string) []byte {
	t.Helper()
	b, err := os.ReadFile("hive/testdata/system.hive")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hive")
	write(t, path, b)
	c := exec.Command("hivexsh", "-w", path)
	c.Stdin = strings.NewReader(strings.Join(append(commands, "commit"), "\n") + "\n")
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("hivexsh: %v\n%s", err, out)
	}
	if b, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFastStartupIsSeenInTheSettingsOfWindows(t *testing.T) {
	on := settings(t)
	power := `cd \ControlSet002\Control\Session Manager\Power`
	damaged := append([]byte(nil), on...)
	for i := 4096; i < len(damaged); i += 3 {
		damaged[i] ^= 0x55
	}
	for name, c := range map[string]struct {
		path    string
		content []byte
		advice  int
	}{
		"switched on":              {"Windows/System32/config/SYSTEM", on, 1},
		"in small letters":         {"windows/system32/config/system", on, 1},
		"switched off":             {"Windows/System32/config/SYSTEM", settings(t, power, "setval 1", "HiberbootEnabled", "dword:0"), 0},
		"not mentioned":            {"Windows/System32/config/SYSTEM", settings(t, power, "setval 0"), 0},
		"not a number":             {"Windows/System32/config/SYSTEM", settings(t, power, "setval 1", "HiberbootEnabled", "string:1"), 0},
		"in a control set of old":  {"Windows/System32/config/SYSTEM", settings(t, `cd \Select`, "setval 1", "Current", "dword:1"), 0},
		"after powercfg /h off":    {"Windows/System32/config/SYSTEM", settings(t, `cd \ControlSet002\Control\Power`, "setval 1", "HibernateEnabled", "dword:0"), 0},
		"without HibernateEnabled": {"Windows/System32/config/SYSTEM", settings(t, `cd \ControlSet002\Control\Power`, "setval 0"), 1},
		"a copy of the settings":   {"Windows/System32/config/RegBack/SYSTEM", on, 0},
		"damaged":                  {"Windows/System32/config/SYSTEM", damaged, 0},
		"empty":                    {"Windows/System32/config/SYSTEM", nil, 0},
		"cut short":                {"Windows/System32/config/SYSTEM", on[:5000], 0},
		"a small text":             {"Windows/System32/config/SYSTEM", []byte("regf"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			i := mkntfs(t, 4)
			mounted(t, i, "", func(dir string) { write(t, filepath.Join(dir, c.path), c.content) })
			l := i.mustRead(t)
			if l.Order != manifest.ByFile {
				t.Fatalf("%s: %s", l.Order, l.Reason)
			}
			if len(l.Advice) != c.advice || c.advice == 1 && !strings.Contains(l.Advice[0], "powercfg /h off") {
				t.Errorf("advice %q", l.Advice)
			}
		})
	}
}
