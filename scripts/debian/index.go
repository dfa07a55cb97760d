package debian

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strings"
)

// stanza is a paragraph of a Packages index, deb-control(5): field name in lower case to its folded value.
type stanza map[string]string

// readStanzas parses what apt-cache show prints. Continued lines are kept only so far as they belong to no field we ask.
func readStanzas(text []byte) []stanza {
	var all []stanza
	current := stanza{}
	flush := func() {
		if len(current) > 0 {
			all = append(all, current)
		}
		current = stanza{}
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
		default:
			if name, value, ok := strings.Cut(line, ":"); ok {
				current[strings.ToLower(name)] = strings.TrimSpace(value)
			}
		}
	}
	flush()
	return all
}

// show lists the versions that the state's indexes hold of the named packages; newest says: only what apt would take.
func (a *Apt) show(ctx context.Context, newest bool, names ...string) ([]Entry, error) {
	option := "--all-versions"
	if newest {
		option = "--no-all-versions"
	}
	out, err := a.run(ctx, "apt-cache", append([]string{option, "show"}, names...)...)
	if err != nil {
		return nil, err
	}
	var found []Entry
	for _, s := range readStanzas(out) {
		e := Entry{Package: s["package"], Version: s["version"], Suite: "unknown", SHA256: s["sha256"]}
		if why := e.check(); why != "" {
			return nil, fmt.Errorf("reading the index of %s: %s", e.Package, why)
		}
		found = append(found, e)
	}
	return found, nil
}

// suites says in which suite and component each version lies, by "package version".
func (a *Apt) suites(ctx context.Context, names ...string) (map[string]string, error) {
	out, err := a.run(ctx, "apt-cache", append([]string{"madison"}, names...)...)
	if err != nil {
		return nil, err
	}
	return readMadison(string(out)), nil
}

// readMadison parses lines such as "shim-signed | 1.51 | http://mirror/debian trixie/main amd64 Packages".
func readMadison(text string) map[string]string {
	at := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.Split(line, "|")
		if len(f) != 3 {
			continue
		}
		where := strings.Fields(f[2])
		if len(where) < 2 {
			continue
		}
		key := strings.TrimSpace(f[0]) + " " + strings.TrimSpace(f[1])
		if _, known := at[key]; !known {
			at[key] = where[1]
		}
	}
	return at
}

// dependency names the first package that another one, at its newest version, depends on and that starts with prefix.
// This is how a metapackage names the kernel of the day.
func (a *Apt) dependency(ctx context.Context, name, prefix string) (string, error) {
	out, err := a.run(ctx, "apt-cache", "--no-all-versions", "show", name)
	if err != nil {
		return "", err
	}
	for _, s := range readStanzas(out) {
		for _, d := range strings.FieldsFunc(s["depends"], func(r rune) bool { return r == ',' || r == '|' }) {
			if target, _, _ := strings.Cut(strings.TrimSpace(d), " "); strings.HasPrefix(target, prefix) {
				return target, nil
			}
		}
	}
	return "", fmt.Errorf("package %s depends on no %s*", name, prefix)
}
