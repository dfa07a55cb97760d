package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
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
	m := Machine{LoadBefore: load(), Tools: map[string]string{}}
	var err error
	if m.Machine, err = machine.Read(); err != nil {
		return m, err
	}
	for _, name := range []string{"partclone", "zstd", "restic", "coreutils", "b3sum", "e2fsprogs", "ntfs-3g"} {
		out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", name).Output()
		if err == nil && len(out) > 0 {
			m.Tools[name] = string(out)
		}
	}
	return m, nil
}

// load is the machine's load now.
func load() string {
	l, err := machine.Load()
	if err != nil {
		return "?"
	}
	return l
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
