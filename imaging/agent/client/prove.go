package client

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// UnprovenError says why the server that answered is not the one of this site.
type UnprovenError struct{ Reason string }

// Error implements error.
func (e *UnprovenError) Error() string { return "server is not proven: " + e.Reason }

// prove checks that the chain ends in the CA with this fingerprint and that the CA signed the leaf.
func prove(chain []*x509.Certificate, fingerprint [32]byte) error {
	if len(chain) < 2 {
		return &UnprovenError{fmt.Sprintf("it presents %d certificates, want its own and its authority's", len(chain))}
	}
	leaf := chain[0]
	for _, ca := range chain[1:] {
		if sha256.Sum256(ca.Raw) != fingerprint {
			continue
		}
		if !ca.IsCA || !ca.BasicConstraintsValid {
			return &UnprovenError{"the pinned certificate is no authority's"}
		}
		if err := leaf.CheckSignatureFrom(ca); err != nil {
			return &UnprovenError{"its certificate is not signed by the pinned authority: " + err.Error()}
		}
		if !serves(leaf) {
			return &UnprovenError{"its certificate is not one for servers"}
		}
		return nil
	}
	return &UnprovenError{"no certificate it presents has the pinned fingerprint"}
}

// serves tells whether a certificate may be a server's: an authority that one day signs other things must not make
// servers of them.
func serves(c *x509.Certificate) bool {
	for _, u := range c.ExtKeyUsage {
		if u == x509.ExtKeyUsageServerAuth || u == x509.ExtKeyUsageAny {
			return true
		}
	}
	return len(c.ExtKeyUsage) == 0 && len(c.UnknownExtKeyUsage) == 0
}

// configuration is the TLS side of the agent.
func configuration(fingerprint [32]byte, certificate tls.Certificate) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		// The chain is judged by prove instead: crypto/x509 cannot leave dates and names aside.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			return prove(s.PeerCertificates, fingerprint)
		},
		// Always, also when the server's list of authorities does not name our self-signed one.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &certificate, nil },
	}
}

// NewKey makes the key of a computer.
func NewKey() (*ecdsa.PrivateKey, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making the computer's key: %w", err)
	}
	return k, nil
}

// MarshalKey returns the form in which a key is kept (PKCS #8, DER).
func MarshalKey(k *ecdsa.PrivateKey) ([]byte, error) {
	b, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, fmt.Errorf("encoding the computer's key: %w", err)
	}
	return b, nil
}

// ParseKey reads what MarshalKey wrote.
func ParseKey(b []byte) (*ecdsa.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(b)
	if err != nil {
		return nil, fmt.Errorf("reading the computer's key: %w", err)
	}
	ec, ok := k.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("reading the computer's key: it is not an ECDSA key on P-256")
	}
	return ec, nil
}

// KeyName returns the SHA-256 of the public key (SubjectPublicKeyInfo), hexadecimal: a computer's name in tasks.
func KeyName(k *ecdsa.PrivateKey) (string, error) {
	spki, err := x509.MarshalPKIXPublicKey(&k.PublicKey)
	if err != nil {
		return "", fmt.Errorf("encoding the computer's public key: %w", err)
	}
	sum := sha256.Sum256(spki)
	return hex.EncodeToString(sum[:]), nil
}

// Certificate returns the certificate of a computer's key.
func Certificate(k *ecdsa.PrivateKey) (tls.Certificate, error) { return certify(k) }

// proveKey checks that the other end has the key with this name.
func proveKey(chain []*x509.Certificate, name string) error {
	if len(chain) == 0 {
		return &UnprovenError{"it presents no certificate"}
	}
	sum := sha256.Sum256(chain[0].RawSubjectPublicKeyInfo)
	if hex.EncodeToString(sum[:]) != name {
		return &UnprovenError{"it has another key than the server named"}
	}
	return nil
}

// certify wraps the key in a certificate that says nothing but the key. Its dates span all clocks.
func certify(k *ecdsa.PrivateKey) (tls.Certificate, error) {
	t := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "ardoise agent"},
		NotBefore:    time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 4.1.2.5: no expiry
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}, // it may give to others
	}
	der, err := x509.CreateCertificate(rand.Reader, &t, &t, &k.PublicKey, k)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the computer's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k}, nil
}
