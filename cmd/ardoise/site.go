package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/ardoise/ardoise/console/access"
	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/masters/durable"
)

// secretName is the file, in the data folder, of the secret that the keys of computers are derived from. Backups have it.
const secretName = "keys/site.secret"

// cookieKeyName is the file, in the data folder, of the key that seals the cookies of logins under way.
const cookieKeyName = "keys/login.secret"

// openFleet loads the fleet, with all that it needs of its neighbours.
func (s *site) openFleet(ctx context.Context) error {
	secret, err := keyFile(filepath.Join(s.o.data, filepath.FromSlash(secretName)))
	if err != nil {
		return err
	}
	s.fleet, err = fleet.Open(ctx, fleet.Options{Store: s.store, Archive: s.store, Signer: siteKey{s.library}, SendUnknown: s.o.unknown == "agent",
		Log: s.log, Wake: s.wake, Networks: s.networks, Versions: access.Versions{Library: s.library}, Secret: secret, Personal: &personaliser{library: s.library}})
	return err
}

// keyFile reads 32 secret bytes from a file, or makes it at first start. With other ones every computer would have other
// keys after its next reset, so a file that is not as it was made is not replaced.
func keyFile(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		secret = make([]byte, 32)
		if _, err := rand.Read(secret); err != nil {
			return nil, fmt.Errorf("drawing a secret: %w", err)
		}
		return secret, durable.WriteFile(durable.OS(), path, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("reading a secret: %w", err)
	}
	if len(secret) != 32 {
		return nil, fmt.Errorf("reading a secret: %s has %d bytes, want 32: restore it from a backup", path, len(secret))
	}
	return secret, nil
}

// running is what the running system of a computer, last seen at an address, is told of this server: the one of our
// addresses that is most like its own.
func (s *site) running(address string) (server, ca string) {
	near, _ := netip.ParseAddr(address) // the zero one is like none
	best, likest := netip.AddrFrom4([4]byte{127, 0, 0, 1}), -1
	for _, a := range *s.known.Load() {
		if n := agentapi.SharedBits(a, near.Unmap()); !a.IsLoopback() && n > likest {
			best, likest = a, n
		}
	}
	return netip.AddrPortFrom(best, uint16(s.o.agentPort)).String(), s.ca.Fingerprint()
}
