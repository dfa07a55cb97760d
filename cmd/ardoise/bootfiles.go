package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"

	"github.com/ardoise/ardoise/console/agentapi"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/masters/durable"
	"github.com/ardoise/ardoise/pxe"
)

// contextStageTwo binds the signature of stage two: over the 32 bytes of its BLAKE3-256.
const contextStageTwo = "ardoise stage two 1"

// fileStageTwo is the archive's name in the boot environment.
const fileStageTwo = "stage2.img"

// openBoot reads stage two and signs it, so that a copy on a PC's own disk can be proven without the server. The other
// boot files are pxe's.
func (s *site) openBoot() error {
	path := filepath.Join(s.o.boot, fileStageTwo)
	var err error
	if s.stage2, err = agentapi.OpenStageTwo(path); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return &pxe.MissingFileError{Path: path}
		}
		return err
	}
	two, err := s.stage2.Current()
	if err != nil {
		return err
	}
	hash, err := hex.DecodeString(two.Hash)
	if err != nil {
		return fmt.Errorf("signing stage two: %w", err)
	}
	key := s.library.Key()
	document, err := json.Marshal(job.Envelope{Payload: hash, Key: key.Public(), Signature: key.Sign(contextStageTwo, hash)})
	if err != nil {
		return fmt.Errorf("signing stage two: %w", err)
	}
	dir := filepath.Join(s.o.data, "boot")
	if err := os.MkdirAll(filepath.Join(dir, "grub"), 0o700); err != nil {
		return fmt.Errorf("signing stage two: %w", err)
	}
	if err := durable.WriteFile(durable.OS(), filepath.Join(dir, "stage2.sig"), document); err != nil {
		return fmt.Errorf("signing stage two: %w", err)
	}
	return nil
}

// version is what the Go toolchain recorded of this build.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			v += " " + s.Value[:12]
		}
	}
	return v
}

func parseMAC(s string) (net.HardwareAddr, error) {
	hw, err := net.ParseMAC(s)
	if err != nil {
		return nil, fmt.Errorf("reading MAC address: %w", err)
	}
	return hw, nil
}
