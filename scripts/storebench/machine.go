package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine says what the figures were measured on, and against which versions.
type Machine struct {
	CPU        string            `json:"cpu"`
	Cores      int               `json:"cores"`
	Memory     string            `json:"memory"`
	Kernel     string            `json:"kernel"`
	Go         string            `json:"go"`
	LoadBefore string            `json:"load_before"` // over one, five and fifteen minutes
	LoadAfter  string            `json:"load_after"`
	Tools      map[string]string `json:"tools"`
}

// describe reads the machine.
func describe(ctx context.Context) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version(), LoadBefore: load(), Tools: map[string]string{}}
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
	m.Kernel = strings.TrimSpace(string(kernel))
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
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?"
	}
	return strings.Join(strings.Fields(string(text))[:3], " ")
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
