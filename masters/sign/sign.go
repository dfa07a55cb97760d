package sign

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

const pemType = "PRIVATE KEY"

// Key is a private Ed25519 key. The zero value cannot sign.
type Key struct {
	private ed25519.PrivateKey
}

// UntrustedError says why a signature does not count.
type UntrustedError struct {
	Key    string // public key that it claims, base64
	Reason string
}

// Error implements error.
func (e *UntrustedError) Error() string {
	return fmt.Sprintf("signature of key %q: %s", e.Key, e.Reason)
}

// KeyFileError says that a key file must not be used as it is.
type KeyFileError struct {
	Path   string
	Reason string
}

// Error implements error.
func (e *KeyFileError) Error() string { return fmt.Sprintf("key file %s: %s", e.Path, e.Reason) }

// New makes a key that lies in no file yet.
func New() (Key, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("making a signing key: %w", err)
	}
	return Key{private: private}, nil
}

// PEM returns the content of the key's file: it is the private key, for its owner alone.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, fmt.Errorf("encoding a signing key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// Parse reads what PEM returned, found at path; else *KeyFileError.
func Parse(path string, raw []byte) (Key, error) {
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != pemType {
		return Key{}, &KeyFileError{Path: path, Reason: "holds no PEM block " + pemType}
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return Key{}, &KeyFileError{Path: path, Reason: err.Error()}
	}
	private, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return Key{}, &KeyFileError{Path: path, Reason: "holds a key that is not Ed25519"}
	}
	return Key{private: private}, nil
}

// Create makes a new key and its file, durable before it returns. A file that is there already is an error that is
// fs.ErrExist.
func Create(path string) (Key, error) {
	key, err := New()
	if err != nil {
		return Key{}, err
	}
	raw, err := key.PEM()
	if err != nil {
		return Key{}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".key-*") // mode 0600
	if err != nil {
		return Key{}, fmt.Errorf("making key file %s: %w", path, err)
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Link(f.Name(), path) // unlike a rename, it never replaces a key
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return Key{}, fmt.Errorf("writing key file %s: %w", path, err)
	}
	return key, nil
}

func syncFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Load reads a key that Create made. A missing file is an error that is fs.ErrNotExist; a file that others may read or
// that holds no Ed25519 key is a *KeyFileError.
func Load(path string) (Key, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Key{}, fmt.Errorf("looking at key file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return Key{}, &KeyFileError{Path: path, Reason: fmt.Sprintf("mode %04o lets others read it, want 0600", info.Mode().Perm())}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("reading key file: %w", err)
	}
	return Parse(path, raw)
}

// LoadOrCreate loads the key, or makes it where there is no file.
func LoadOrCreate(path string) (Key, error) {
	key, err := Load(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Create(path)
	}
	return key, err
}

// String returns the public key: a log must never hold the private one.
func (k Key) String() string { return "ed25519 " + k.Public() }

// GoString is String, for %#v.
func (k Key) GoString() string { return k.String() }

// Public returns the public key, base64; "" for the zero value.
func (k Key) Public() string {
	if len(k.private) == 0 {
		return ""
	}
	return base64.StdEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey))
}

// Fingerprint returns what a person compares of a public key (base64): the SHA-256 of its 32 bytes, hexadecimal. It fails
// with *UntrustedError when it is no key.
func Fingerprint(public string) (string, error) {
	raw, err := base64.StdEncoding.DecodeString(public)
	if err != nil || len(raw) != ed25519.PublicKeySize {
		return "", &UntrustedError{Key: public, Reason: "is not the base64 of an Ed25519 public key"}
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}

// Sign returns the 64 bytes of the signature over context, 0x00 and payload.
func (k Key) Sign(context string, payload []byte) []byte {
	return ed25519.Sign(k.private, message(context, payload))
}

func message(context string, payload []byte) []byte {
	return append(append([]byte(context), 0), payload...)
}

// Verify tells, by nil, that key is one of the trusted keys and has signed payload in this context; else *UntrustedError.
func Verify(keys []string, key, context string, payload, sig []byte) error {
	if !slices.Contains(keys, key) {
		return &UntrustedError{Key: key, Reason: "is not one of the trusted keys"}
	}
	public, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return &UntrustedError{Key: key, Reason: "is not the base64 of an Ed25519 public key"}
	}
	if !ed25519.Verify(public, message(context, payload), sig) {
		return &UntrustedError{Key: key, Reason: "does not match"}
	}
	return nil
}
