package client

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
)

// maxSecret is the longest token or secret, in characters.
const maxSecret = 128

// CheckServer refuses what is not HOST:PORT: it becomes part of an address.
func CheckServer(s string) error {
	host, port, err := net.SplitHostPort(s)
	if err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, "/?#@ \\") {
		return fmt.Errorf("%.80q is not HOST:PORT", s)
	}
	return nil
}

// ParseFingerprint reads the SHA-256 of a CA certificate, 64 hexadecimal digits.
func ParseFingerprint(s string) (out [32]byte, err error) {
	sum, err := hex.DecodeString(s)
	if err != nil || len(sum) != len(out) {
		return out, errors.New("it is not 64 hexadecimal digits")
	}
	return [32]byte(sum), nil
}

// CheckSecret refuses what is no token or secret of ours: it becomes part of a header.
func CheckSecret(s string) error {
	if s == "" || len(s) > maxSecret {
		return fmt.Errorf("it has %d characters", len(s))
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return errors.New("it has characters that none has")
		}
	}
	return nil
}
