package sign_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/ardoise/ardoise/masters/sign"
)

func TestCreateLoadAndReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signing.key")
	made, err := sign.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
	loaded, err := sign.Load(path)
	if err != nil || loaded.Public() != made.Public() {
		t.Errorf("Load = %q, %v, want %q", loaded.Public(), err, made.Public())
	}
	if _, err := sign.Create(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create over a key = %v, want fs.ErrExist", err)
	}
	again, err := sign.LoadOrCreate(path)
	if err != nil || again.Public() != made.Public() {
		t.Errorf("LoadOrCreate = %q, %v, want the same key", again.Public(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("folder holds %d files, want the key alone", len(left))
	}
}

func TestLoadRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"a file that others may read":     {"", 0o644},
		"a file that is not PEM":          {"secret", 0o600},
		"PEM that is not PKCS #8":         {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", 0o600},
		"a PEM block of another type":     {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0o600},
		"an X25519 key, which only seals": {"-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEIEhO9HJ3OeDz9tDfSS8T+tm9JVNTZLIZtKFxeyMVDWFI\n-----END PRIVATE KEY-----\n", 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "key")
			if err := os.WriteFile(path, []byte(c.content), c.mode); err != nil {
				t.Fatal(err)
			}
			_, err := sign.Load(path)
			var refused *sign.KeyFileError
			if !errors.As(err, &refused) || refused.Path != path {
				t.Errorf("Load = %v, want *KeyFileError for %s", err, path)
			}
		})
	}
}

func TestAKeyPrintsItsPublicHalfOnly(t *testing.T) {
	key, err := sign.Create(filepath.Join(t.TempDir(), "a"))
	if err != nil {
		t.Fatal(err)
	}
	want := "ed25519 " + key.Public()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, key); got != want {
			t.Errorf("a key printed by %s is %q", verb, got)
		}
	}
	if got := fmt.Sprint(sign.Key{}); got != "ed25519 " {
		t.Errorf("no key is printed as %q", got)
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	key, err := sign.Create(filepath.Join(dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := sign.Create(filepath.Join(dir, "b"))
	if err != nil {
		t.Fatal(err)
	}
	payload := []byte("thirty-two bytes of a hash ......")
	sig := key.Sign("context 0", payload)
	for name, c := range map[string]struct {
		trusted      []string
		key, context string
		payload, sig []byte
		ok           bool
	}{
		"a trusted key over the same bytes":            {[]string{other.Public(), key.Public()}, key.Public(), "context 0", payload, sig, true},
		"a key that nobody trusts":                     {[]string{other.Public()}, key.Public(), "context 0", payload, sig, false},
		"another trusted key":                          {[]string{other.Public(), key.Public()}, other.Public(), "context 0", payload, sig, false},
		"another context":                              {[]string{key.Public()}, key.Public(), "context 1", payload, sig, false},
		"a context that ends where the payload begins": {[]string{key.Public()}, key.Public(), "context 0\x00t", payload[1:], sig, false},
		"another payload":                              {[]string{key.Public()}, key.Public(), "context 0", payload[1:], sig, false},
		"a signature cut short":                        {[]string{key.Public()}, key.Public(), "context 0", payload, sig[:63], false},
		"no signature":                                 {[]string{key.Public()}, key.Public(), "context 0", payload, nil, false},
		"a trusted key that is no key":                 {[]string{"AAAA"}, "AAAA", "context 0", payload, sig, false},
		"an empty key with nothing trusted":            {nil, "", "context 0", payload, sig, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := sign.Verify(c.trusted, c.key, c.context, c.payload, c.sig)
			var untrusted *sign.UntrustedError
			if (err == nil) != c.ok || err != nil && !errors.As(err, &untrusted) {
				t.Errorf("Verify = %v, want ok %v", err, c.ok)
			}
		})
	}
}

func TestAKeyWithoutAFile(t *testing.T) {
	key, err := sign.New()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := key.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := sign.Parse("k", raw)
	if err != nil || again.Public() != key.Public() {
		t.Errorf("Parse(PEM) = %s, %v, want %s", again, err, key)
	}
	if sig := again.Sign("c", []byte("p")); sign.Verify([]string{key.Public()}, key.Public(), "c", []byte("p"), sig) != nil {
		t.Error("a key that was written and read signs otherwise")
	}
	for name, bad := range map[string][]byte{"nothing": nil, "no PEM": []byte("key"), "cut": raw[:len(raw)/2]} {
		var file *sign.KeyFileError
		if _, err := sign.Parse("k", bad); !errors.As(err, &file) || file.Path != "k" {
			t.Errorf("Parse of %s = %v, want *KeyFileError", name, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	got, err := sign.Fingerprint(base64.StdEncoding.EncodeToString(make([]byte, 32)))
	if want := "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"; err != nil || got != want {
		t.Errorf("Fingerprint of 32 zeros = %s, %v, want %s", got, err, want) // SHA-256, as any other tool says it
	}
	for _, bad := range []string{"", "AAAA", "no base64"} {
		var untrusted *sign.UntrustedError
		if _, err := sign.Fingerprint(bad); !errors.As(err, &untrusted) {
			t.Errorf("Fingerprint(%q) = %v, want *UntrustedError", bad, err)
		}
	}
}
