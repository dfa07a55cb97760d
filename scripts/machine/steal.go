package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Spent is what the processors have done since the machine was started, in ticks of all of them together.
type Spent struct {
	All    int64 // every state, idle included
	Stolen int64 // the machine is a virtual one, would have run, and its host gave the processor to somebody else
}

// TooMuch is the share of stolen time from which on a run says more about the host than about the program.
const TooMuch = 0.03

// Now reads the first line of /proc/stat (proc(5): user nice system idle iowait irq softirq steal; guest time lies in user).
func Now() (Spent, error) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Spent{}, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return parseSpent(line)
}

func parseSpent(line string) (s Spent, err error) {
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return s, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return s, fmt.Errorf("/proc/stat begins with %q: %w", line, err)
		}
		s.All += n
		if i == 7 {
			s.Stolen = n
		}
	}
	return s, nil
}

// StolenSince is the share of the processors' time that the host took away since before; 0 where nobody can tell.
func StolenSince(before Spent) float64 {
	now, err := Now()
	if err != nil || now.All <= before.All {
		return 0
	}
	return float64(now.Stolen-before.Stolen) / float64(now.All-before.All)
}
