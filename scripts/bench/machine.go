package main

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/ardoise/ardoise/integration/lab"
	"github.com/ardoise/ardoise/scripts/machine"
)

// Machine says what the figures were measured on.
type Machine struct {
	machine.Machine
	QEMU        string            `json:"qemu"`
	Load        string            `json:"load"` // over one, five and fifteen minutes, before
	Accelerator map[string]string `json:"accelerator"`
}

// describe reads the machine.
func describe(ctx context.Context) (Machine, error) {
	m := Machine{Accelerator: map[string]string{}}
	var err error
	if m.Machine, err = machine.Read(); err != nil {
		return m, err
	}
	if m.Load, err = machine.Load(); err != nil {
		return m, err
	}
	qemu, err := exec.CommandContext(ctx, "qemu-system-x86_64", "--version").Output()
	if err != nil {
		return m, fmt.Errorf("asking QEMU for its version: %w", err)
	}
	m.QEMU, _, _ = strings.Cut(string(qemu), "\n")
	for _, f := range []lab.Firmware{lab.BIOS, lab.SecureBoot} {
		accel, err := lab.Accelerator(ctx, f)
		if err != nil {
			return m, err
		}
		m.Accelerator[string(f)] = accel
	}
	return m, nil
}

// print writes the machine on three lines.
func (m Machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s; load %s\n", m.CPU, m.Cores, m.Memory, m.Load)
	fmt.Fprintf(w, "Linux %s, %s, %s\n", m.Kernel, m.QEMU, m.Go)
	fmt.Fprintf(w, "accelerator: bios %s, secureboot %s\n", m.Accelerator["bios"], m.Accelerator["secureboot"])
}
