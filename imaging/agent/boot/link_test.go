package boot

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestMemory(t *testing.T) {
	for text, want := range map[string][2]int64{
		"MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:  800 kB\n": {1000 << 10, 800 << 10},
		"MemTotal: 1000 kB\n": {1000 << 10, 0},
		"MemTotal: -5 kB\nMemAvailable: 99999999999999999999 kB\nMem\n\n": {0, 0},
		"": {0, 0},
	} {
		path := filepath.Join(t.TempDir(), "meminfo")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if total, available := memory(path); total != want[0] || available != want[1] {
			t.Errorf("%q: %d and %d, want %v", text, total, available, want)
		}
	}
	if total, available := Memory(); total == 0 || available == 0 || available > total {
		t.Errorf("this machine has %d, %d available", total, available)
	}
	if Tagged("lo") || Tagged("no-such-interface") {
		t.Error("an interface is told to be in a VLAN that is in none")
	}
}

func TestTaggedInterfaces(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: a network of its own")
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		plain := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "eth0"}, PeerName: "eth1"}
		if err := netlink.LinkAdd(plain); err != nil {
			t.Error(err)
			return
		}
		made, err := netlink.LinkByName("eth0")
		if err != nil {
			t.Error(err)
			return
		}
		tagged := &netlink.Vlan{LinkAttrs: netlink.LinkAttrs{Name: "eth0.5", ParentIndex: made.Attrs().Index}, VlanId: 5}
		if err := netlink.LinkAdd(tagged); err != nil {
			t.Log("this kernel has no VLANs: ", err)
		} else if !Tagged("eth0.5") {
			t.Error("eth0.5 is not told to be in a VLAN")
		}
		if Tagged("eth0") {
			t.Error("eth0 is told to be in a VLAN")
		}
	}()
	<-over
}
