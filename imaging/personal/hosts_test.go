package personal

import "testing"

func TestRenameHost(t *testing.T) {
	for name, c := range map[string]struct{ old, hosts, want string }{
		"the line of Debian":   {"golden", "127.0.1.1 golden\n", "127.0.1.1 pc-7\n"},
		"with a domain":        {"golden", "127.0.1.1\tgolden.example\tgolden", "127.0.1.1\tpc-7.example\tpc-7"},
		"part of another name": {"old", "127.0.1.1 older bold old-1 old\n", "127.0.1.1 older bold old-1 pc-7\n"},
		"a comment":            {"old", "# old\n127.0.1.1 old # old\n", "# old\n127.0.1.1 pc-7 # old\n"},
		"another computer":     {"old", "10.1.2.3 old\n", "10.1.2.3 old\n"},
		"IPv6":                 {"old", "::1 old localhost\n", "::1 pc-7 localhost\n"},
		"localhost":            {"localhost", "127.0.0.1 localhost\n", "127.0.0.1 localhost\n"},
		"no name":              {"", "127.0.0.1 localhost\n", "127.0.0.1 localhost\n"},
		"lines of Windows":     {"old", "127.0.1.1 old\r\n\r\n", "127.0.1.1 pc-7\r\n\r\n"},
		"capital letters":      {"Old", "127.0.1.1 OLD\n", "127.0.1.1 pc-7\n"},
	} {
		if got := string(renameHost([]byte(c.hosts), c.old, "pc-7")); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	if got := firstLine([]byte("# a comment\n\n  golden \nother\n")); got != "golden" {
		t.Errorf("first line %q", got)
	}
}
