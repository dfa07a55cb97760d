package session

import (
	"bytes"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"time"
)

// What the derivations from a file key are bound to.
const (
	certificateInfo = "ardoise session certificate 0"
	secretInfo      = "ardoise session secret 0"
)

// MemberHeader tells members of a session apart that stands alone: all have the same key, so each names itself.
const MemberHeader = "Ardoise-Member"

// FileKey is the secret that both ends of a session that stands alone are given in a file.
type FileKey [32]byte

// KeyError says that a file holds no key.
type KeyError struct{ Reason string }

// Error implements error.
func (e *KeyError) Error() string { return "key of a session: " + e.Reason }

// ParseFileKey reads the content of a key file: 32 random bytes in base64, one line; else *KeyError.
func ParseFileKey(content []byte) (FileKey, error) {
	line, rest, _ := bytes.Cut(content, []byte("\n"))
	if len(bytes.TrimSpace(rest)) > 0 {
		return FileKey{}, &KeyError{Reason: "the file has more than one line"}
	}
	raw, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
	if err != nil {
		return FileKey{}, &KeyError{Reason: "the line is not base64"}
	}
	if len(raw) != len(FileKey{}) {
		return FileKey{}, &KeyError{Reason: fmt.Sprintf("%d bytes, want %d", len(raw), len(FileKey{}))}
	}
	if bytes.Count(raw, raw[:1]) == len(raw) {
		return FileKey{}, &KeyError{Reason: "all bytes are the same: it is not random"}
	}
	return FileKey(raw), nil
}

// Secret makes a session's secret: 32 bytes read from random, mixed with the key, so that a weak source of randomness
// alone does not give it away, and no two runs share it.
func (k FileKey) Secret(random io.Reader) ([]byte, error) {
	var salt [32]byte
	if _, err := io.ReadFull(random, salt[:]); err != nil {
		return nil, fmt.Errorf("secret of a session: %w", err)
	}
	return hkdf.Key(sha256.New, k[:], salt[:], secretInfo, 32)
}

// TLS returns the configuration of both ends: TLS 1.3, a certificate whose ed25519 key is derived from the file key,
// and nobody else's key accepted. Dates and names in certificates prove nothing here and are not looked at.
func (k FileKey) TLS() (*tls.Config, error) {
	seed, err := hkdf.Key(sha256.New, k[:], nil, certificateInfo, ed25519.SeedSize)
	if err != nil {
		return nil, fmt.Errorf("certificate of a session: %w", err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	public := private.Public().(ed25519.PublicKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "ardoise session"},
		NotBefore:    time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("certificate of a session: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		ClientAuth:   tls.RequireAnyClientCert,
		// The key is compared below, in every handshake; there is no name and no authority to check.
		InsecureSkipVerify:     true,
		SessionTicketsDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) != 1 {
				return ErrOtherKey
			}
			theirs, ok := s.PeerCertificates[0].PublicKey.(ed25519.PublicKey)
			if !ok || !theirs.Equal(public) {
				return ErrOtherKey
			}
			return nil
		},
	}, nil
}

// ErrOtherKey says that the other end has another key file.
var ErrOtherKey = errors.New("the other end of the session has another key file")

// OwnName authorises every request of a session that stands alone, in which TLS has proven the key already. The member
// is whoever MemberHeader says.
type OwnName struct{}

// Authorise implements Authoriser.
func (OwnName) Authorise(r *http.Request) (string, error) {
	name := r.Header.Get(MemberHeader)
	if name == "" || len(name) > maxName {
		return "", fmt.Errorf("a header %s of %d bytes", MemberHeader, len(name))
	}
	return name, nil
}
