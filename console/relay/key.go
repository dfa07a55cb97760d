package relay

import (
	"encoding/json"
	"fmt"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// The bounds of a key file.
const (
	MaxKey     = 64 << 10 // bytes of a key file
	maxServers = 64
)

// ParseKey reads a key file and the CA fingerprint in it. It refuses what must not get into an address or a header as it is.
func ParseKey(b []byte) (k job.HelperKey, fingerprint [32]byte, err error) {
	if err := json.Unmarshal(b, &k); err != nil {
		return k, fingerprint, err
	}
	if len(k.Servers) == 0 || len(k.Servers) > maxServers {
		return k, fingerprint, fmt.Errorf("servers has %d addresses", len(k.Servers))
	}
	for _, s := range k.Servers {
		if err := client.CheckServer(s); err != nil {
			return k, fingerprint, fmt.Errorf("servers: %w", err)
		}
	}
	if fingerprint, err = client.ParseFingerprint(k.CA); err != nil {
		return k, fingerprint, fmt.Errorf("ca: %w", err)
	}
	if err := client.CheckSecret(k.Secret); err != nil {
		return k, fingerprint, fmt.Errorf("secret: %w", err)
	}
	return k, fingerprint, nil
}
