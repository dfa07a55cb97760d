package kmod

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Table is what depmod knows of one kernel's modules.
type Table struct {
	Dir     string              // lib/modules/VERSION, holding the module files
	paths   map[string]string   // module name -> path below Dir, as in modules.dep
	needs   map[string][]string // module name -> names it needs, the one to be loaded first at the end
	before  map[string][]string // module name -> names or aliases to be loaded before it
	offers  map[string][]string // alias without wildcard -> modules
	aliases []alias             // all aliases in the order of the file
	builtin map[string]string   // modules inside the kernel -> their line in modules.builtin
}

// alias is one line of modules.alias.
type alias struct{ pattern, module string }

// Name is the module of a file name, as the kernel spells it: "xhci-pci.ko.xz" is xhci_pci.
func Name(file string) string {
	base, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(base, "-", "_")
}

// Read reads modules.dep, modules.alias, modules.softdep and modules.builtin of a folder.
func Read(dir string) (*Table, error) {
	t := &Table{
		Dir: dir, paths: map[string]string{}, needs: map[string][]string{}, before: map[string][]string{},
		offers: map[string][]string{}, builtin: map[string]string{},
	}
	for _, part := range []struct {
		file string
		line func(string) error
	}{
		{"modules.dep", t.dep}, {"modules.alias", t.alias}, {"modules.softdep", t.softdep}, {"modules.builtin", t.inside},
	} {
		if err := eachLine(filepath.Join(dir, part.file), part.line); err != nil {
			return nil, fmt.Errorf("reading %s: %w", part.file, err)
		}
	}
	return t, nil
}

// eachLine hands on the lines of a file that are neither empty nor comment. A kernel without soft dependencies has no
// modules.softdep.
func eachLine(file string, do func(string) error) error {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) && filepath.Base(file) == "modules.softdep" {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if text := strings.TrimSpace(lines.Text()); text != "" && text[0] != '#' {
			if err := do(text); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (t *Table) dep(line string) error {
	file, needs, ok := strings.Cut(line, ":")
	if !ok || !filepath.IsLocal(file) {
		return fmt.Errorf("line %q", line)
	}
	t.paths[Name(file)] = file
	for _, n := range strings.Fields(needs) {
		t.needs[Name(file)] = append(t.needs[Name(file)], Name(n))
	}
	return nil
}

func (t *Table) alias(line string) error {
	f := strings.Fields(line)
	if len(f) != 3 || f[0] != "alias" {
		return nil // an alias with a blank in it matches no hardware
	}
	t.aliases = append(t.aliases, alias{f[1], f[2]})
	if !strings.ContainsAny(f[1], "*?[") {
		t.offers[f[1]] = append(t.offers[f[1]], Name(f[2]))
	}
	return nil
}

func (t *Table) softdep(line string) error {
	f := strings.Fields(line)
	if len(f) < 2 || f[0] != "softdep" {
		return fmt.Errorf("line %q", line)
	}
	pre := false
	for _, word := range f[2:] {
		switch {
		case word == "pre:" || word == "post:":
			pre = word == "pre:"
		case pre:
			t.before[Name(f[1])] = append(t.before[Name(f[1])], word)
		}
	}
	return nil
}

func (t *Table) inside(line string) error {
	t.builtin[Name(line)] = line
	return nil
}

// UnknownError names a wish that no module of the kernel answers.
type UnknownError struct{ Wish string }

// Error names the wish.
func (e *UnknownError) Error() string { return fmt.Sprintf("no module %s in this kernel", e.Wish) }

// Closure returns the modules named by the wishes and all they need or ask for, sorted by name. A wish is a module's
// name, or the path of modules below the kernel's folder with the wildcards of path.Match and without suffix:
// "kernel/drivers/net/phy/*". A module inside the kernel answers a wish and adds nothing.
func (t *Table) Closure(wishes []string) ([]string, error) {
	var todo []string
	for _, w := range wishes {
		found := t.named(w)
		if len(found) == 0 && t.builtin[Name(w)] == "" {
			return nil, &UnknownError{w}
		}
		todo = append(todo, found...)
	}
	chosen := map[string]bool{}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if chosen[m] || t.paths[m] == "" {
			continue
		}
		chosen[m] = true
		todo = append(todo, t.needs[m]...)
		for _, word := range t.before[m] {
			todo = append(todo, t.providers(word)...)
		}
	}
	names := make([]string, 0, len(chosen))
	for m := range chosen {
		names = append(names, m)
	}
	slices.Sort(names)
	return names, nil
}

// named lists the modules that a wish means.
func (t *Table) named(wish string) []string {
	if !strings.Contains(wish, "/") {
		if t.paths[Name(wish)] != "" {
			return []string{Name(wish)}
		}
		return nil
	}
	var found []string
	for name, file := range t.paths {
		stem, _, _ := strings.Cut(file, ".ko")
		if ok, err := path.Match(wish, stem); err == nil && ok {
			found = append(found, name)
		}
	}
	return found
}

// providers lists the modules that a soft dependency means, by name or by alias.
func (t *Table) providers(word string) []string {
	if t.paths[Name(word)] != "" {
		return []string{Name(word)}
	}
	return t.offers[word]
}

// first lists the providers of a soft dependency that load on every CPU.
func (t *Table) first(word string) []string {
	all := t.providers(word)
	if len(all) <= 1 {
		return all
	}
	var portable []string
	for _, m := range all {
		if strings.HasSuffix(m, "_generic") {
			portable = append(portable, m)
		}
	}
	return portable
}

// Path is where a module lies below the table's folder, unpacked: "kernel/fs/fat/vfat.ko".
func (t *Table) Path(module string) string {
	stem, _, _ := strings.Cut(t.paths[module], ".ko")
	return stem + ".ko"
}

// order lists what is loaded for a module in the order of modules.dep: last first.
func (t *Table) order(module string) []string {
	var all []string
	var walk func(m string, depth int)
	walk = func(m string, depth int) {
		if depth > 16 || t.paths[m] == "" { // no chain of the kernel is half as long: a loop
			return
		}
		all = append(all, m)
		for _, n := range t.needs[m] {
			walk(n, depth+1)
		}
		for _, word := range t.before[m] {
			for _, n := range t.first(word) {
				walk(n, depth+1)
			}
		}
	}
	walk(module, 0)
	var once []string
	for i, m := range all {
		if m != module && !slices.Contains(all[i+1:], m) {
			once = append(once, m)
		}
	}
	return once
}

// Index writes the tables of the chosen modules: file name below the kernel's folder to content.
func (t *Table) Index(chosen []string) map[string][]byte {
	var deps, aliases, inside strings.Builder
	for _, m := range chosen {
		deps.WriteString(t.Path(m) + ":")
		for _, n := range t.order(m) {
			deps.WriteString(" " + t.Path(n))
		}
		deps.WriteByte('\n')
	}
	for _, a := range t.aliases {
		if _, ok := slices.BinarySearch(chosen, Name(a.module)); ok {
			fmt.Fprintf(&aliases, "alias %s %s\n", a.pattern, a.module)
		}
	}
	for _, line := range slices.Sorted(maps.Values(t.builtin)) {
		inside.WriteString(line + "\n")
	}
	return map[string][]byte{
		"modules.dep":     []byte(deps.String()),
		"modules.alias":   []byte(aliases.String()),
		"modules.builtin": []byte(inside.String()),
	}
}
