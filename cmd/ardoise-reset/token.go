package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ardoise/ardoise/imaging/agent/client"
	"github.com/ardoise/ardoise/imaging/job"
)

// maxTokenFile is how much of the token file is read, bytes.
const maxTokenFile = 64 << 10

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
	if err := client.CheckServer(t.Server); err != nil {
		return t, fingerprint, fmt.Errorf("server: %w", err)
	}
	if fingerprint, err = client.ParseFingerprint(t.CA); err != nil {
		return t, fingerprint, fmt.Errorf("ca: %w", err)
	}
	if err := client.CheckSecret(t.Token); err != nil {
		return t, fingerprint, fmt.Errorf("token: %w", err)
	}
	return t, fingerprint, nil
}
