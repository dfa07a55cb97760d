package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/ardoise/ardoise/imaging/job"
)

const (
	maxToken     = 128      // characters
	maxTokenFile = 64 << 10 // bytes
)

// readToken reads the token file and the CA fingerprint in it.
func (p *pc) readToken(path string) (t job.RunningToken, fingerprint [32]byte, err error) {
	w := p.words
	b, err := readSmall(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, fingerprint, &fault{exitIO, fmt.Sprintf(w.noToken, path), w.newToken}
	case errors.Is(err, fs.ErrPermission):
		return t, fingerprint, &fault{exitRefused, fmt.Sprintf(w.notYours, path), w.callSomebody}
	case err != nil:
		return t, fingerprint, err
	}
	if t, fingerprint, err = parseToken(b); err != nil {
		return t, fingerprint, &fault{exitDamaged, fmt.Sprintf(w.badToken, path, err), w.newToken}
	}
	return t, fingerprint, nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return b, nil
}

// parseToken checks what must not reach a header or an address as it is.
func parseToken(b []byte) (t job.RunningToken, fingerprint [32]byte, err error) {
	if err := json.Unmarshal(b, &t); err != nil {
		return t, fingerprint, err
	}
	host, port, err := net.SplitHostPort(t.Server)
	if err != nil || host == "" || port == "" || strings.Trim(port, "0123456789") != "" || strings.ContainsAny(host, "/?#@ \\") {
		return t, fingerprint, fmt.Errorf("server is %.80q, not HOST:PORT", t.Server)
	}
	sum, err := hex.DecodeString(t.CA)
	if err != nil || len(sum) != len(fingerprint) {
		return t, fingerprint, errors.New("ca is not 64 hexadecimal digits")
	}
	if t.Token == "" || len(t.Token) > maxToken {
		return t, fingerprint, fmt.Errorf("token has %d characters", len(t.Token))
	}
	for _, c := range []byte(t.Token) {
		if c <= ' ' || c > '~' {
			return t, fingerprint, errors.New("token has characters that no token has")
		}
	}
	return t, [32]byte(sum), nil
}
