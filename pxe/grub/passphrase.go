package grub

import (
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"
)

// The form in which password_pbkdf2 takes a passphrase (GRUB 2.12 manual, "password_pbkdf2"): iterations, salt and
// derived key, the latter two hexadecimal.
const (
	hashPrefix     = "grub.pbkdf2.sha512."
	hashIterations = 100_000 // half a second on a slow PC, once per try
	hashLength     = 64
	minPassphrase  = 12
)

// Names that a technician types before the passphrase. Their letters lie where they lie on every Latin keyboard.
const (
	Technician      = "technicien" // the passphrase as it comes through firmware that takes every keyboard for an American one
	TechnicianPlain = "tech"       // the same as it is written, for firmware that knows the keyboard
)

// PassphraseError says why a passphrase cannot be used.
type PassphraseError struct{ Reason string }

// Error implements error.
func (e *PassphraseError) Error() string { return "passphrase: " + e.Reason }

// HashPassphrase returns the lines for MenuOptions.Passphrase. GRUB and nearly all firmware take every keyboard for an
// American one, so what arrives from another is not what was typed: keyboard is "us", or "fr" for a French one. salt is
// 64 random bytes. It returns *PassphraseError.
func HashPassphrase(passphrase, keyboard string, salt []byte) ([]string, error) {
	if len(passphrase) < minPassphrase {
		return nil, &PassphraseError{fmt.Sprintf("it has %d characters, at least %d are needed", len(passphrase), minPassphrase)}
	}
	for _, c := range []byte(passphrase) {
		if c < 0x20 || c > 0x7e {
			return nil, &PassphraseError{"a start menu takes ASCII only: letters without accents, digits, punctuation"}
		}
	}
	if len(salt) < 16 {
		return nil, &PassphraseError{"its salt is too short"}
	}
	typed := passphrase
	switch keyboard {
	case "us":
	case "fr":
		var bad byte
		if typed, bad = asAmerican(passphrase); bad != 0 {
			return nil, &PassphraseError{fmt.Sprintf("%q cannot be typed on a French keyboard at start-up", bad)}
		}
	default:
		return nil, &PassphraseError{fmt.Sprintf("keyboard %q is not known", keyboard)}
	}
	lines := make([]string, 0, 2)
	for _, user := range [][2]string{{Technician, typed}, {TechnicianPlain, passphrase}} {
		if user[0] == TechnicianPlain && typed == passphrase {
			continue
		}
		key, err := pbkdf2.Key(sha512.New, user[1], salt, hashIterations, hashLength)
		if err != nil {
			return nil, fmt.Errorf("hashing a passphrase: %w", err)
		}
		lines = append(lines, fmt.Sprintf("%s %s%d.%s.%s", user[0], hashPrefix, hashIterations,
			strings.ToUpper(hex.EncodeToString(salt)), strings.ToUpper(hex.EncodeToString(key))))
	}
	return lines, nil
}

// What a French keyboard (AZERTY, ISO) has where an American one has the character below it. What needs AltGr, the dead
// keys and the key that American keyboards lack are left out.
const (
	french   = `&"'(-_)=azertyuiop$qsdfghjklm*wxcvbn,;:!1234567890+AZERTYUIOPQSDFGHJKLM%WXCVBN?./ `
	american = `134568-=qwertyuiop]asdfghjkl;\zxcvbnm,./!@#$%^&*()+QWERTYUIOPASDFGHJKL:"ZXCVBNM<> `
)

// asAmerican returns what firmware that expects an American keyboard reads when s is typed on a French one, or the first
// character that cannot be.
func asAmerican(s string) (typed string, bad byte) {
	b := make([]byte, len(s))
	for i := range b {
		at := strings.IndexByte(french, s[i])
		if at < 0 {
			return "", s[i]
		}
		b[i] = american[at]
	}
	return string(b), 0
}
