package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// desyncModule is the casync of today, in Go, at the version that the promise names.
const desyncModule = "github.com/folbricht/desync@v1.0.0"

// keeper is a program that keeps versions in a folder of its own.
type keeper struct {
	name   string
	folder string
	argv   func(image string) []string
	env    []string
	idle   []string // what it does in idle time, nil for nothing

	sizes   []int64 // of the folder after each version
	settled []int64 // and after the idle time that follows it
}

// adds is what a version added when it came, in MB.
func (k *keeper) adds(version int) float64 {
	return float64(k.sizes[version]-k.settled[version-1]) / mega
}

// versions measures what each program's store grows by: version 1, version 2 in place, the same files on a new file
// system. With idle, what idle time makes smaller meanwhile.
func (b *bench) versions(ctx context.Context, first *Image, p *pool, idle bool) error {
	second, err := b.upgrade(ctx, first, p)
	if err != nil {
		return fmt.Errorf("making version 2: %w", err)
	}
	third, err := b.rebuild(ctx, second, first.Size)
	if err != nil {
		return fmt.Errorf("making the new file system: %w", err)
	}
	keepers, err := b.keepers(ctx)
	if err != nil {
		return err
	}
	if !idle {
		keepers[0].idle = nil
	}
	for _, image := range []string{first.path, second, third} {
		for _, k := range keepers {
			if err := k.keep(ctx, image); err != nil {
				return err
			}
		}
		if err := os.Remove(image); err != nil {
			return err
		}
	}
	b.versionRows(keepers)
	return nil
}

// keep gives the program one more version.
func (k *keeper) keep(ctx context.Context, image string) error {
	size := func(argv []string) (int64, error) {
		c := contender{name: k.name, argv: argv, env: k.env}
		if err := c.run(ctx); err != nil {
			return 0, err
		}
		return folderBytes(k.folder)
	}
	came, err := size(k.argv(image))
	if err != nil {
		return err
	}
	k.sizes, k.settled = append(k.sizes, came), append(k.settled, came)
	if k.idle != nil {
		k.settled[len(k.settled)-1], err = size(k.idle)
	}
	return err
}

func (b *bench) versionRows(keepers []*keeper) {
	figures := func(value func(k *keeper) float64) (Figure, []Figure) {
		var list []Figure
		for _, k := range keepers {
			list = append(list, Figure{Name: k.name, Value: value(k)})
		}
		return list[0], list[1:]
	}
	best := func(peers []Figure) float64 {
		least := peers[0].Value
		for _, p := range peers {
			least = min(least, p.Value)
		}
		return least
	}
	row := func(what, unit string, value func(k *keeper) float64) Row {
		ours, peers := figures(value)
		return Row{What: what, Unit: unit, Ours: ours, Peers: peers}
	}
	r := row("version 1, ext4", "MB", func(k *keeper) float64 { return float64(k.sizes[0]) / mega })
	b.add(r.noPromise(r.Ours.Value / best(r.Peers)))
	r = row("version 2 in place adds", "MB", func(k *keeper) float64 { return k.adds(1) })
	b.add(r.atMost(r.Ours.Value/best(r.Peers), 1.1, " x the best"))
	if keepers[0].idle != nil {
		r = row("the same, after recompression", "MB", func(k *keeper) float64 { return float64(k.settled[1]-k.settled[0]) / mega })
		b.add(r.atMost(r.Ours.Value/best(r.Peers), 1, " x the best"))
	}
	r = row("the same files on a new file system add", "% of version 1",
		func(k *keeper) float64 { return 100 * k.adds(2) * mega / float64(k.sizes[0]) })
	b.add(r.atMost(r.Ours.Value, 5, " %"))
}

// keepers prepares the programs: ours is the first.
func (b *bench) keepers(ctx context.Context) ([]*keeper, error) {
	folder := func(name string) string { return filepath.Join(b.dir, "kept-"+name) }
	data := folder("ardoise")
	list := []*keeper{{name: "ardoise", folder: data, idle: []string{b.ardoise, "store", "recompress", "--data", data}, argv: func(image string) []string {
		return []string{b.ardoise, "master", "capture", "m", "--disk", image, "--data", data, "--json"}
	}}}
	if desync, err := b.buildDesync(ctx); err != nil {
		b.note("desync left out: %v", err)
	} else {
		b.result.Machine.Tools["desync"] = "1.0.0"
		store := folder("desync")
		if err := os.MkdirAll(store, 0o755); err != nil {
			return nil, err
		}
		list = append(list, &keeper{name: "desync", folder: store, argv: func(image string) []string {
			return []string{desync, "make", "-s", store, filepath.Join(store, filepath.Base(image)+".caibx"), image}
		}})
	}
	repository := folder("restic")
	env := []string{"RESTIC_REPOSITORY=" + repository, "RESTIC_PASSWORD=bench", "RESTIC_CACHE_DIR=" + folder("cache")}
	initialise := contender{name: "restic", argv: []string{"restic", "init", "-q"}, env: env}
	if err := initialise.run(ctx); err != nil {
		return nil, err
	}
	return append(list, &keeper{name: "restic", folder: repository, env: env, argv: func(image string) []string {
		return []string{"restic", "backup", "-q", image}
	}}), nil
}

// buildDesync builds it outside the repository's module, once: it stays in build/.
func (b *bench) buildDesync(ctx context.Context) (string, error) {
	dir, err := filepath.Abs("build")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "desync")
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	// Not "go install": that asks for the list of versions, which some proxies do not give.
	var module struct{ Dir string }
	c := exec.CommandContext(ctx, "go", "mod", "download", "-json", desyncModule)
	c.Dir, c.Env = b.dir, append(os.Environ(), "GOFLAGS=")
	out, err := c.Output()
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		return "", fmt.Errorf("fetching desync: %w: %s", err, out)
	}
	for _, name := range []string{"go.mod", "go.sum"} { // the module's own folder is read-only
		content, err := os.ReadFile(filepath.Join(module.Dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(b.dir, name), content, 0o644)
		}
		if err != nil {
			return "", fmt.Errorf("building desync: %w", err)
		}
	}
	c = exec.CommandContext(ctx, "go", "build", "-modfile", filepath.Join(b.dir, "go.mod"), "-o", binary, "./cmd/desync")
	c.Dir, c.Env = module.Dir, append(os.Environ(), "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building desync: %w: %s", err, out)
	}
	return binary, nil
}
