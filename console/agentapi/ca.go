package agentapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/ardoise/ardoise/masters/durable"
)

// CA is the site's certificate authority: an ECDSA key on P-256 that signs the server's certificate and nothing else.
type CA struct {
	der []byte
	crt *x509.Certificate
	key *ecdsa.PrivateKey
}

// validity of certificates. Agents look at keys, not at dates: clocks of PCs are wrong.
const (
	caYears  = 50
	leafDays = 397 // no browser takes more for granted; it is made anew at each start and a month before its end
	backdate = 48 * time.Hour
)

// OpenCA reads the authority in folder dir, or makes it at first start. The key file is 0600; one file holds both, so
// that a power cut leaves an authority or none.
func OpenCA(dir string, now time.Time) (*CA, error) {
	path := filepath.Join(dir, "ca.pem")
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if raw, err = makeCA(now); err != nil {
			return nil, fmt.Errorf("making the certificate authority: %w", err)
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the certificate authority: %w", err)
		}
		err = durable.WriteFile(durable.OS(), path, raw)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate authority: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %04o lets others read the key, want 0600", path, info.Mode().Perm())
	}
	ca, err := parseCA(raw)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return ca, nil
}

// makeCA returns a new authority in PEM.
func makeCA(now time.Time) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "Ardoise site authority"},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(caYears, 0, 0), IsCA: true, BasicConstraintsValid: true,
		MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...), nil
}

func parseCA(raw []byte) (*CA, error) {
	first, rest := pem.Decode(raw)
	if first == nil || first.Type != "CERTIFICATE" {
		return nil, errors.New("no certificate in it")
	}
	second, _ := pem.Decode(rest)
	if second == nil || second.Type != "PRIVATE KEY" {
		return nil, errors.New("no private key in it")
	}
	crt, err := x509.ParseCertificate(first.Bytes)
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(second.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok || !key.PublicKey.Equal(crt.PublicKey) {
		return nil, errors.New("the key is not the certificate's")
	}
	return &CA{der: first.Bytes, crt: crt, key: key}, nil
}

// Fingerprint is what the kernel command line names: SHA-256 of the certificate, hexadecimal.
func (ca *CA) Fingerprint() string {
	sum := sha256.Sum256(ca.der)
	return hex.EncodeToString(sum[:])
}

// Issue makes a certificate with a fresh key for a server at these addresses and of these names. The chain ends with the
// authority, whose fingerprint the agent compares.
func (ca *CA) Issue(addresses []netip.Addr, names []string, now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("making the server's key: %w", err)
	}
	serial, err := newSerial()
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{SerialNumber: serial, Subject: pkix.Name{CommonName: "Ardoise server"},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(0, 0, leafDays), DNSNames: names,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, a := range addresses {
		t.IPAddresses = append(t.IPAddresses, a.AsSlice())
	}
	der, err := x509.CreateCertificate(rand.Reader, t, ca.crt, &key.PublicKey, ca.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing the server's certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("issuing the server's certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, ca.der}, PrivateKey: key, Leaf: leaf}, nil
}

func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, fmt.Errorf("drawing a serial number: %w", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}
