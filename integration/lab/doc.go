// Package lab raises a virtual school on one Linux machine: a switch, the school's own DHCP server, our daemon and PCs
// with real firmware. Tests and the demo stand on it; it needs root.
//
//	netns  ardoise-PID-xxxx-sw                 netns ...-dhcp                netns ...-srv
//	+---------------------------+              +------------------+         +-------------------+
//	|  br0 --- p-dhcp ----------|--- veth ---- | eth0  10.77.0.1  |         |                   |
//	|   |  \-- p-srv -----------|--- veth -----|------------------|-------- | eth0  10.77.0.2   |
//	|  tap0  tap1 ...           |              | dnsmasq: leases, |         | ardoise serve     |
//	|   |     |                 |              | RA, no PXE words |         |                   |
//	|  qemu  qemu   (run here)  |              +------------------+         +-------------------+
//	+---------------------------+
//
// Firmware is what a school has: SeaBIOS with QEMU's iPXE ROM, OVMF, and OVMF with Secure Boot on and Microsoft's keys
// enrolled (q35 with SMM, variables in flash that the guest cannot write around). A PC keeps its disk, its firmware
// variables, MAC address and UUID between two power-ons; cutting its power is a SIGKILL to its QEMU.
//
// The dnsmasq announces an IPv6 prefix although nothing uses it: without an announcement iPXE waits 15 seconds for one
// (observed). It does not probe addresses before it hands them out (`--no-ping`), which would cost 3 more.
//
// A Room is the other half: a server and any number of PCs as bare namespaces on one switch, with ports of a set speed
// and queue and with packets lost at random. Programs of this machine run in it; what it costs is only their own work.
//
// Guaranteed: every name carries the process id and a random part, so schools never meet; children die with the
// process that started them; what a killed run left (namespaces, folders) is swept by the next one, which touches only
// names of this form whose process is dead. Not guaranteed: speed. Without KVM a PC is some fifty times slower than a
// real one, and more than two at once on two cores slow each other down.
package lab
