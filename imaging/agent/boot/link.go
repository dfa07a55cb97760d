package boot

import (
	"os"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// Tagged tells whether an interface is one of a VLAN: what it sends has a tag (IEEE 802.1Q).
func Tagged(name string) bool {
	l, err := netlink.LinkByName(name)
	return err == nil && l.Type() == "vlan"
}

// Memory returns how many bytes of RAM there are, and how many of them programs may still have: proc_meminfo(5). 0 is
// unknown.
func Memory() (total, available int64) { return memory("/proc/meminfo") }

func memory(path string) (total, available int64) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil || n < 0 || n >= 1<<50/1024 {
			continue
		}
		switch f[0] {
		case "MemTotal:":
			total = n * 1024
		case "MemAvailable:":
			available = n * 1024
		}
	}
	return total, available
}
