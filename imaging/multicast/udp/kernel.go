package udp

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// spoilsGSO tells whether a kernel by its release may send bursts with wrong UDP headers: those from 7.0 up to 7.1.4,
// which cut a burst wrongly whose datagrams are all of one size. They cannot be told from their repaired derivatives.
func spoilsGSO(release string) bool {
	var major, minor, patch int
	// What is missing at the end stays 0, as in "7.1-rc3"
	if n, _ := fmt.Sscanf(release, "%d.%d.%d", &major, &minor, &patch); n < 2 {
		return false
	}
	return major == 7 && (minor == 0 || minor == 1 && patch < 5)
}

// kernelRelease returns what uname -r prints.
func kernelRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "" // it fails only for a bad address
	}
	release, _, _ := bytes.Cut(u.Release[:], []byte{0})
	return string(release)
}
