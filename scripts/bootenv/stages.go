package main

import (
	"maps"
	"slices"

	"github.com/ardoise/ardoise/scripts/initramfs"
	"github.com/ardoise/ardoise/scripts/sources"
)

// maxStageOne bounds stage one: firmware that fetches 1.5 MB/s needs 8 s for it.
const maxStageOne = 12 << 20

// stageOne is the agent with what it needs to reach the server. It returns the names of its modules too.
func stageOne(p *sources.Packages, agent []byte) (*initramfs.Archive, []string, error) {
	names, err := p.Kernel.Modules.Closure(stageOneModules())
	if err != nil {
		return nil, nil, err
	}
	var a initramfs.Archive
	for _, dir := range []string{"dev", "proc", "sys", "run", "tmp", "mnt", "etc", "root"} {
		a.Folder(dir)
	}
	// The kernel opens the console for PID 1 before anybody could mount devtmpfs.
	a.Device("dev/console", 5, 1)
	a.Device("dev/null", 1, 3)
	a.File("init", agent, true)
	return &a, names, p.Kernel.Add(&a, p.Trees, names, names)
}

// stageTwo is everything else. Its tables cover both stages and replace those of the first.
func stageTwo(p *sources.Packages, first []string) (*initramfs.Archive, error) {
	all, err := p.Kernel.Modules.Closure(slices.Concat(first, stageTwoModules()))
	if err != nil {
		return nil, err
	}
	rest := slices.DeleteFunc(slices.Clone(all), func(m string) bool { return slices.Contains(first, m) })
	var a initramfs.Archive
	if err := p.Kernel.Add(&a, p.Trees, rest, all); err != nil {
		return nil, err
	}
	for _, program := range tools() {
		if err := a.Program(p.Trees, program); err != nil {
			return nil, err
		}
	}
	for name, target := range links() {
		a.Link(name, target)
	}
	files := map[string]string{"etc/mke2fs.conf": "etc/mke2fs.conf"}
	for pkg, file := range p.Copyrights {
		files["usr/share/doc/"+pkg+"/copyright"] = file
	}
	for name, from := range maps.All(files) {
		content, err := p.Read(from)
		if err != nil {
			return nil, err
		}
		a.File(name, content, false)
	}
	return &a, nil
}
