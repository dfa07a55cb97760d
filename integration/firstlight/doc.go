// Package firstlight shows, on virtual PCs with real firmware, that a bare PC becomes a proven copy of a master over the
// network: the built daemon, the built boot environment, a foreign DHCP server, nothing faked.
//
//	PC           firmware, disk, card               what it shows
//	north, south Secure Boot, NVMe, virtio; BIOS,   deployed by one multicast session, the master on the wire once
//	             virtio, e1000
//	slate        Secure Boot on, virtio, virtio     empty disk -> enrolled -> deployed -> its own system; nothing to do
//	reference    BIOS, AHCI, e1000                  the daemon is killed in mid-deploy; then it is captured over the network
//	copy         UEFI, NVMe, virtio                 deployed from that capture; its power is cut in mid-write
//
// Each value of firmware, disk and card occurs, not all products: that is what `make soak` is for. At most two PCs run
// at once, for two cores under emulation carry no more in reasonable time. Each test prints the times of its phases.
package firstlight
