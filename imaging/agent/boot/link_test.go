package boot

import (
	"os"
	"path/filepath"
	"testing"
)

func TestMemory(t *testing.T) {
	for text, want := range map[string][2]int64{
		"MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  800 kB\n": {1000 << 10, 800 << 10},
		"MemTotal: 1000 kB\n": {1000 << 10, 0},
		"MemTotal: -5 kB\nMemAvailable: 99999999999999999999 kB\nMem\n\n": {0, 0},
		"": {0, 0},
	} {
		path := filepath.Join(t.TempDir(), "meminfo")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if total, available := memory(path); total != want[0] || available != want[1] {
			t.Errorf("%q: %d and %d, want %v", text, total, available, want)
		}
	}
	if total, available := Memory(); total == 0 || available == 0 || available > total {
		t.Errorf("this machine has %d, %d available", total, available)
	}
	if Tagged("lo") || Tagged("no-such-interface") {
		t.Error("an interface is told to be in a VLAN that is in none")
	}
}
