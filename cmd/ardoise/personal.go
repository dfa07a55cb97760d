package main

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/imaging/personal"
	"github.com/ardoise/ardoise/masters"
	"github.com/ardoise/ardoise/masters/chunk"
	"github.com/ardoise/ardoise/masters/manifest"
)

// personaliser plans names and keys on the masters of a library. It keeps the master that it read last: a room has one.
type personaliser struct {
	library *masters.Library

	mu       sync.Mutex
	hash     manifest.Hash
	manifest *manifest.Manifest
	disk     *personal.Disk
}

var _ fleet.Personaliser = (*personaliser)(nil)

// Exceptions implements fleet.Personaliser.
func (p *personaliser) Exceptions(ctx context.Context, hash string, own fleet.Personal) ([]job.Exception, []string, error) {
	v := personal.Values{Hostname: own.Hostname}
	if own.Answer != "" {
		v.Answer = personal.AnswerFile{Path: own.Path, Content: []byte(own.Answer)}
		if v.Answer.Path == "" {
			v.Answer.Path = personal.AnswerPath
		}
	}
	if len(own.Seed) > 0 {
		if err := keys(&v, own.Seed); err != nil {
			return nil, nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(ctx, hash); err != nil {
		return nil, nil, err
	}
	out, left, err := personal.Plan(p.disk, p.manifest, v)
	if err != nil {
		p.disk = nil // it may have been the reading that went wrong
		return nil, nil, err
	}
	var skipped []string
	for _, s := range left {
		text := s.Why
		if s.Hint != "" {
			text += "; " + s.Hint
		}
		skipped = append(skipped, text)
	}
	return out, skipped, nil
}

// keys derives machine-id and SSH keys from a computer's seed.
func keys(v *personal.Values, seed []byte) (err error) {
	if v.MachineID, err = personal.MachineID([32]byte(seed)); err != nil {
		return fmt.Errorf("deriving a machine-id: %w", err)
	}
	if v.SSHKeys, err = personal.Keys([32]byte(seed)); err != nil {
		return fmt.Errorf("deriving SSH keys: %w", err)
	}
	return nil
}

// open reads a master, if it is not the last one. The caller holds mu.
func (p *personaliser) open(ctx context.Context, hash string) error {
	h, err := manifest.ParseHash(hash)
	if err != nil {
		return err
	}
	if p.disk != nil && p.hash == h {
		return nil
	}
	encoded, _, err := p.library.Manifest(h)
	if err != nil {
		return err
	}
	m, _, err := manifest.Decode(bytes.NewReader(encoded), 0)
	if err != nil {
		return fmt.Errorf("reading manifest %s: %w", hash, err)
	}
	codec, err := chunk.NewCodec(1)
	if err != nil {
		return err
	}
	reading := context.WithoutCancel(ctx) // the disk is kept for who asks next
	p.hash, p.manifest = h, m
	p.disk = personal.MasterDisk(m, func(id chunk.ID) (content []byte, err error) {
		err = p.library.Fetch(reading, []chunk.ID{id}, func(f chunk.Frame) (err error) {
			content, err = codec.Open(nil, f)
			return err
		})
		return content, err
	})
	return nil
}
