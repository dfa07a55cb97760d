package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/ardoise/ardoise/integration/lab"
)

// Machine says what the figures were measured on.
type Machine struct {
	CPU         string            `json:"cpu"`
	Cores       int               `json:"cores"`
	Memory      string            `json:"memory"`
	Kernel      string            `json:"kernel"`
	Go          string            `json:"go"`
	QEMU        string            `json:"qemu"`
	Load        string            `json:"load"` // over one, five and fifteen minutes, before
	Accelerator map[string]string `json:"accelerator"`
}

// describe reads the machine.
func describe(ctx context.Context) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), Accelerator: map[string]string{}}
	for _, fact := range []struct {
		path, key string
		into      *string
	}{
		{"/proc/cpuinfo", "model name", &m.CPU},
		{"/proc/meminfo", "MemTotal", &m.Memory},
	} {
		text, err := os.ReadFile(fact.path)
		if err != nil {
			return m, err
		}
		*fact.into = field(string(text), fact.key)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return m, err
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return m, err
	}
	m.Kernel, m.Load = strings.TrimSpace(string(kernel)), strings.Join(strings.Fields(string(load))[:3], " ")
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

// field finds "key : value" in a file of /proc.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return "?"
}

// print writes the machine on three lines.
func (m Machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, %s; load %s\n", m.CPU, m.Cores, m.Memory, m.Load)
	fmt.Fprintf(w, "Linux %s, %s, %s\n", m.Kernel, m.QEMU, m.Go)
	fmt.Fprintf(w, "accelerator: bios %s, secureboot %s\n", m.Accelerator["bios"], m.Accelerator["secureboot"])
}
