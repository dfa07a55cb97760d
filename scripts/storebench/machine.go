package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/ardoise/ardoise/scripts/machine"
)

// Machine says what the figures were measured on, and against which versions.
type Machine struct {
	machine.Machine
	LoadBefore string            `json:"load_before"` // over one, five and fifteen minutes
	LoadAfter  string            `json:"load_after"`
	Tools      map[string]string `json:"tools"`
}

// describe reads the machine.
func describe(ctx context.Context) (Machine, error) {
	m := Machine{Tools: map[string]string{}}
	m.LoadBefore, _ = machine.Load() // it says "?" itself
	var err error
	if m.Machine, err = machine.Read(); err != nil {
		return m, err
	}
	for _, name := range []string{"partclone", "zstd", "restic", "coreutils", "b3sum", "e2fsprogs", "ntfs-3g", "rsync"} {
		if version := machine.Package(ctx, name); version != "" {
			m.Tools[name] = version
		}
	}
	return m, nil
}

// print writes the machine on two lines.
func (m Machine) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s, %d cores, %s; Linux %s, %s; load before %s, after %s\n",
		m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.LoadBefore, m.LoadAfter)
	var tools []string
	for _, name := range sortedKeys(m.Tools) {
		tools = append(tools, name+" "+m.Tools[name])
	}
	_, _ = fmt.Fprintln(w, strings.Join(tools, ", "))
}
