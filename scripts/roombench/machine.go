package main

import (
	"cmp"
	"context"
	"fmt"
	"io"

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
	m := Machine{Udpcast: cmp.Or(machine.Package(ctx, "udpcast"), "?")}
	m.LoadBefore, _ = machine.Load() // it says "?" itself
	var err error
	if m.Machine, err = machine.Read(); err != nil {
		return m, err
	}
	return m, nil
}

// print writes the machine on one line.
func (m Machine) print(w io.Writer) {
	_, _ = fmt.Fprintf(w, "%s, %d cores, %s; Linux %s, %s; udpcast %s; load before %s, after %s\n",
		m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Udpcast, m.LoadBefore, m.LoadAfter)
}
