package relay

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/ardoise/ardoise/imaging/job"
)

// The bounds of a key file.
const (
	MaxKey     = 64 << 10 // bytes of a key file
	maxServers = 64
	maxSecret  = 128 // characters
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
		host, port, err := net.SplitHostPort(s)
		if err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, "/?#@ \\") {
			return k, fingerprint, fmt.Errorf("servers has %.80q, not HOST:PORT", s)
		}
	}
	sum, err := hex.DecodeString(k.CA)
	if err != nil || len(sum) != len(fingerprint) {
		return k, fingerprint, errors.New("ca is not 64 hexadecimal digits")
	}
	if k.Secret == "" || len(k.Secret) > maxSecret {
		return k, fingerprint, fmt.Errorf("secret has %d characters", len(k.Secret))
	}
	for _, c := range []byte(k.Secret) {
		if c <= ' ' || c > '~' {
			return k, fingerprint, errors.New("secret has characters that no secret has")
		}
	}
	return k, [32]byte(sum), nil
}
