package lab

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Phase is the moment a PC reached a point of its way.
type Phase struct {
	Name string
	At   time.Duration // since power-on
}

// phasePatterns are the lines that show how far a PC has come, in the order of its way through the house. Firmware that
// draws on the screen only leaves its points out.
var phasePatterns = []struct {
	name    string
	pattern *regexp.Regexp
}{
	{"network", regexp.MustCompile(`Start PXE over IPv4|Configuring \(net0|iPXE initialising`)},
	{"loader", regexp.MustCompile(`Fetching Netboot Image|Welcome to GRUB|GRUB loading|Downloading NBP file|Loading kernel|Ardoise: `)},
	{"menu", regexp.MustCompile(`^ardoise: menu`)},
	{"kernel", regexp.MustCompile(`Linux version |EFI stub: `)},
	{"agent", regexp.MustCompile(`^ardoise: (notice|network|agent)`)},
	{"first report", regexp.MustCompile(`^ardoise: agent `)},
	{"task", regexp.MustCompile(`^ardoise: step `)},
	{"task done", regexp.MustCompile(`^ardoise: done `)},
	{"own system", regexp.MustCompile(`GOLDEN MASTER OK`)},
}

// Phases finds the points of a PC's way in what it printed, each once, in order.
func Phases(lines []Line) []Phase {
	var found []Phase
	next := 0
	for _, line := range lines {
		for i := next; i < len(phasePatterns); i++ {
			if phasePatterns[i].pattern.MatchString(line.Text) {
				found = append(found, Phase{phasePatterns[i].name, line.At})
				next = i + 1
				break
			}
		}
	}
	return found
}

// PhaseLine shows phases on one line: "network 9.0 s, loader 12.4 s, ...".
func PhaseLine(phases []Phase) string {
	parts := make([]string, len(phases))
	for i, p := range phases {
		parts[i] = fmt.Sprintf("%s %.1f s", p.Name, p.At.Seconds())
	}
	return strings.Join(parts, ", ")
}
