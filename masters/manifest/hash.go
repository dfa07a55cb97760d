package manifest

import (
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// SignatureContext is what the signature of a manifest is bound to; its payload is the 32 bytes of the hash.
const SignatureContext = "ardoise manifest 1"

// Signature is the proof of who made a manifest. It travels as JSON.
type Signature struct {
	Key       string // ed25519 public key, base64
	Signature []byte // over SignatureContext, 0x00, hash
	Hash      Hash   // what was signed; a reader compares it with the hash it has figured itself
}

// HashOf returns the hash of an encoded manifest or names table.
func HashOf(encoded []byte) Hash { return blake3.Sum256(encoded) }

// ParseHash reads the 64 hexadecimal digits that String writes.
func ParseHash(s string) (Hash, error) {
	var h Hash
	if len(s) != 2*len(h) {
		return h, fmt.Errorf("hash %q: %d characters, want %d", s, len(s), 2*len(h))
	}
	if _, err := hex.Decode(h[:], []byte(s)); err != nil {
		return h, fmt.Errorf("hash %q: %w", s, err)
	}
	return h, nil
}

// String returns the hash as 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText implements encoding.TextMarshaler with the form of String.
func (h Hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(text []byte) error {
	parsed, err := ParseHash(string(text))
	if err != nil {
		return err
	}
	*h = parsed
	return nil
}
