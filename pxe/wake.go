package pxe

import (
	"context"
	"net"

	"github.com/ardoise/ardoise/pxe/wol"
)

// Wake sends Wake-on-LAN to one computer: three times, through the named interfaces or, without names, all wired ones
// that are up. password is nil, or the card's SecureOn password of 4 or 6 bytes. Whoever wakes a room staggers the calls
// (200 ms apart: thirty PCs at once trip a breaker). There is no answer, so no error is no proof.
func Wake(ctx context.Context, mac net.HardwareAddr, password []byte, interfaces []string) error {
	links, err := Links(interfaces)
	if err != nil {
		return err
	}
	var out []net.Interface
	for _, l := range links {
		out = append(out, l.Interface)
	}
	return wol.Send(ctx, mac, password, out)
}
