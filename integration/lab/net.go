package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Switch is the name of the namespace that holds the bridge and the PCs.
func (s *School) Switch() string { return s.id + "-sw" }

// ServerSpace is the name of the daemon's namespace.
func (s *School) ServerSpace() string { return s.id + "-srv" }

// DHCPSpace is the name of the namespace of the school's own DHCP server.
func (s *School) DHCPSpace() string { return s.id + "-dhcp" }

// raiseSwitch makes the switch with the ports of DHCP server and daemon.
func (s *School) raiseSwitch(ctx context.Context) error {
	if err := raiseBridge(ctx, s.Switch(), "0"); err != nil {
		return err
	}
	if err := s.plug(ctx, "dhcp", AddressDHCP); err != nil {
		return err
	}
	if _, err := command(ctx, "ip", "-n", s.DHCPSpace(), "addr", "add", "fd77::1/64", "dev", "eth0"); err != nil {
		return err
	}
	return s.plug(ctx, "srv", AddressServer)
}

// raiseBridge makes a namespace with a switch; snooping "1" sends multicast only to the ports that asked for it.
func raiseBridge(ctx context.Context, space, snooping string) error {
	for _, step := range [][]string{
		{"ip", "netns", "add", space},
		{"ip", "-n", space, "link", "set", "lo", "up"},
		{"ip", "-n", space, "link", "add", "br0", "type", "bridge", "stp_state", "0", "mcast_snooping", snooping},
		{"ip", "-n", space, "link", "set", "br0", "up"},
	} {
		if _, err := command(ctx, step...); err != nil {
			return err
		}
	}
	// New namespaces send bridged packets through iptables where that exists (observed); a switch does not.
	_, _ = command(ctx, "ip", "netns", "exec", space, "sh", "-c",
		"test ! -e /proc/sys/net/bridge/bridge-nf-call-iptables || echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables")
	return nil
}

// Plug adds a namespace with its own port on the switch and returns its name: a pupil's laptop, another server.
func (s *School) Plug(ctx context.Context, name, address string) (string, error) {
	return s.id + "-" + name, s.plug(ctx, name, address)
}

func (s *School) plug(ctx context.Context, name, address string) error {
	return plugInto(ctx, s.Switch(), s.id+"-"+name, name, address+"/24")
}

// plugInto makes a namespace with eth0 on a port of a switch, and gives it an address with the length of its network.
func plugInto(ctx context.Context, bridge, space, name, address string) error {
	port := "p-" + name
	steps := [][]string{
		{"ip", "netns", "add", space},
		{"ip", "-n", bridge, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space},
		{"ip", "-n", bridge, "link", "set", port, "master", "br0", "up"},
		{"ip", "-n", space, "link", "set", "lo", "up"},
		{"ip", "-n", space, "link", "set", "eth0", "up"},
		{"ip", "-n", space, "addr", "add", address, "brd", "+", "dev", "eth0"},
	}
	for _, step := range steps {
		if _, err := command(ctx, step...); err != nil {
			return err
		}
	}
	return nil
}

// addTap makes the port of a PC and returns the name of its tap interface.
func (s *School) addTap(ctx context.Context) (string, error) {
	s.mu.Lock()
	name := "tap" + strconv.Itoa(s.taps)
	s.taps++
	s.mu.Unlock()
	for _, step := range [][]string{
		{"ip", "-n", s.Switch(), "tuntap", "add", "dev", name, "mode", "tap"},
		{"ip", "-n", s.Switch(), "link", "set", name, "master", "br0", "up"},
	} {
		if _, err := command(ctx, step...); err != nil {
			return "", err
		}
	}
	return name, nil
}

// Lose makes the switch drop that share of all packets between its ports, in hundredths of a percent; 0 stops it. The
// hook runs once for each outgoing port, so receivers lose independently of each other.
func (s *School) Lose(ctx context.Context, basisPoints int) error {
	rules := "table bridge lab\ndelete table bridge lab\n"
	if basisPoints > 0 {
		unlucky := fmt.Sprintf("numgen random mod 10000 < %d ", basisPoints)
		if basisPoints >= 10000 {
			unlucky = "" // numgen cannot compare with its own modulus
		}
		rules += "table bridge lab { chain f { type filter hook forward priority 0; policy accept;\n" +
			unlucky + "counter drop\n}\n}\n"
	}
	path := filepath.Join(s.Dir, "loss.nft")
	if err := os.WriteFile(path, []byte(rules), 0o600); err != nil {
		return err
	}
	_, err := command(ctx, "ip", "netns", "exec", s.Switch(), "nft", "-f", path)
	return err
}

// startDHCP starts the school's own DHCP server, which knows nothing of network boot.
func (s *School) startDHCP(context.Context) error {
	log, err := s.logFile("dnsmasq.log")
	if err != nil {
		return err
	}
	s.dhcp, err = start("dnsmasq", s.DHCPSpace(), log, "dnsmasq",
		"--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--port=0", "--interface=eth0",
		"--bind-interfaces", "--no-ping", "--log-dhcp", "--log-facility=-", "--pid-file=",
		"--dhcp-leasefile="+filepath.Join(s.Dir, "leases"),
		"--dhcp-range=10.77.0.50,10.77.0.199,255.255.255.0,12h", "--dhcp-option=3", "--dhcp-authoritative",
		"--enable-ra", "--dhcp-range=fd77::,ra-only,64,12h")
	return err
}

// removeNamespaces ends what runs inside the namespaces of a school and deletes them.
func removeNamespaces(ctx context.Context, id string) error {
	found, err := filepath.Glob("/run/netns/" + id + "-*")
	if err != nil {
		return err
	}
	var errs error
	for _, path := range found {
		name := filepath.Base(path)
		inside, err := command(ctx, "ip", "netns", "pids", name)
		errs = errors.Join(errs, err)
		for _, field := range strings.Fields(inside) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL) // an error means that it is gone already
			}
		}
		_, err = command(ctx, "ip", "netns", "del", name)
		errs = errors.Join(errs, err)
	}
	return errs
}
