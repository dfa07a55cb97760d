// Package machine says what figures were measured on: it reads /proc, asks dpkg, and knows nothing of the measurements.
package machine

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine is the part of a description that every bench has. Embedded, its JSON keys stand beside the bench's own.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// Read describes this machine (/proc/cpuinfo, /proc/meminfo, /proc/sys/kernel/osrelease).
func Read() (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
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
	return m, nil
}

// Load is the machine's load now, over one, five and fifteen minutes.
func Load() (string, error) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "?", err
	}
	return strings.Join(strings.Fields(string(text))[:3], " "), nil
}

// Package is the installed version of a Debian package, "" if there is none or nobody can tell.
func Package(ctx context.Context, name string) string {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", name).Output()
	if err != nil {
		return ""
	}
	return string(out)
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
