package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"

	"github.com/ardoise/ardoise/scripts/machine"
)

// Machine says what the figures were measured on, and against which version.
type Machine struct {
	machine.Machine
	LoadBefore string `json:"load_before"` // over one, five and fifteen minutes
	LoadAfter  string `json:"load_after"`
	Udpcast    string `json:"udpcast"`
}

// describe reads the machine.
func describe(ctx context.Context) (Machine, error) {
	m := Machine{LoadBefore: load(), Udpcast: "?"}
	var err error
	if m.Machine, err = machine.Read(); err != nil {
		return m, err
	}
	if out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", "udpcast").Output(); err == nil {
		m.Udpcast = string(out)
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

// print writes the machine on one line.
func (m Machine) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s, %d cores, %s; Linux %s, %s; udpcast %s; load before %s, after %s\n",
		m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Udpcast, m.LoadBefore, m.LoadAfter)
}
