package boot

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// Index is what depmod knows of a folder of modules.
type Index struct {
	alias map[string][]alias // by the bus before the first ':', which patterns never vary
	files map[string]string  // module name -> path below the folder
	needs map[string][]string
	pre   map[string][]string // soft dependencies: wanted before, not needed
	post  map[string][]string
}

type alias struct{ pattern, module string }

// ReadIndex reads modules.alias, modules.dep and modules.softdep of a module folder. A missing file counts as empty:
// stage one may have been built without soft dependencies.
func ReadIndex(folder fs.FS) (*Index, error) {
	x := &Index{alias: map[string][]alias{}, files: map[string]string{}, needs: map[string][]string{},
		pre: map[string][]string{}, post: map[string][]string{}}
	for name, take := range map[string]func(string){
		"modules.dep": x.takeDep, "modules.alias": x.takeAlias, "modules.softdep": x.takeSoftdep} {
		if err := lines(folder, name, take); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func lines(folder fs.FS, name string, take func(string)) error {
	f, err := folder.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	defer func() { _ = f.Close() }()
	// 16 MiB is ten times the file of a full Debian kernel.
	s := bufio.NewScanner(io.LimitReader(f, 16<<20))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		if line := strings.TrimSpace(s.Text()); line != "" && line[0] != '#' {
			take(line)
		}
	}
	if err := s.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return nil
}

func (x *Index) takeDep(line string) {
	path, rest, ok := strings.Cut(line, ":")
	if !ok {
		return
	}
	name := moduleName(path)
	x.files[name] = path
	for _, dep := range strings.Fields(rest) {
		x.needs[name] = append(x.needs[name], moduleName(dep))
		if _, ok := x.files[moduleName(dep)]; !ok {
			x.files[moduleName(dep)] = dep
		}
	}
}

func (x *Index) takeAlias(line string) {
	f := strings.Fields(line)
	if len(f) < 3 || f[0] != "alias" {
		return
	}
	// Patterns may hold spaces: the module is the last word.
	pattern := strings.Join(f[1:len(f)-1], " ")
	bus := bus(pattern)
	x.alias[bus] = append(x.alias[bus], alias{pattern, moduleName(f[len(f)-1])})
}

func (x *Index) takeSoftdep(line string) {
	f := strings.Fields(line)
	if len(f) < 4 || f[0] != "softdep" {
		return
	}
	name, into := moduleName(f[1]), map[string][]string(nil)
	for _, w := range f[2:] {
		switch {
		case w == "pre:":
			into = x.pre
		case w == "post:":
			into = x.post
		case into != nil:
			into[name] = append(into[name], moduleName(w))
		}
	}
}

func bus(s string) string {
	b, _, ok := strings.Cut(s, ":")
	if !ok || strings.ContainsAny(b, "*?[") {
		return ""
	}
	return b
}

// moduleName is the kernel's name of a module file: no folder, no suffix, '-' read as '_'.
func moduleName(path string) string {
	name := path[strings.LastIndexByte(path, '/')+1:]
	if i := strings.Index(name, ".ko"); i > 0 {
		name = name[:i]
	}
	return strings.ReplaceAll(name, "-", "_")
}

// Match returns the modules that want a device, in the order of modules.alias, each once.
func (x *Index) Match(modalias string) []string {
	var list []string
	seen := map[string]bool{}
	for _, bucket := range []string{bus(modalias), ""} {
		for _, a := range x.alias[bucket] {
			if !seen[a.module] && glob(a.pattern, modalias) {
				seen[a.module] = true
				list = append(list, a.module)
			}
		}
		if bus(modalias) == "" {
			break
		}
	}
	return list
}

// File returns the path of a module below the folder of the index.
func (x *Index) File(module string) (string, bool) {
	f, ok := x.files[moduleName(module)]
	return f, ok
}

// Before returns what must be loaded before a module, its soft dependencies first. modules.dep lists dependencies of
// dependencies too, the deepest last.
func (x *Index) Before(module string) []string {
	needs := x.needs[module]
	list := append([]string(nil), x.pre[module]...)
	for i := len(needs) - 1; i >= 0; i-- {
		list = append(list, needs[i])
	}
	return list
}

// glob is fnmatch(3) without flags, as kmod uses it: *, ?, [set], and nothing special about '/'.
func glob(pattern, s string) bool {
	starP, starS := -1, 0
	p, i := 0, 0
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '*' {
			starP, starS = p, i
			p++
			continue
		}
		if n, ok := one(pattern[p:], s[i]); ok {
			p += n
			i++
			continue
		}
		if starP < 0 {
			return false
		}
		starS++
		p, i = starP+1, starS
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// one matches one character and returns the length of the pattern that did.
func one(pattern string, c byte) (int, bool) {
	if pattern == "" {
		return 0, false
	}
	switch pattern[0] {
	case '?':
		return 1, true
	case '[':
		end := strings.IndexByte(pattern, ']')
		if end < 0 {
			return 1, c == '['
		}
		set := pattern[1:end]
		for i := 0; i < len(set); i++ {
			if i+2 < len(set) && set[i+1] == '-' {
				if set[i] <= c && c <= set[i+2] {
					return end + 1, true
				}
				i += 2
				continue
			}
			if set[i] == c {
				return end + 1, true
			}
		}
		return 0, false
	}
	return 1, pattern[0] == c
}
