package oidc

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Provider is the process of a provider.
type Provider struct {
	Issuer string // its address
	stdin  io.Closer
	cmd    *exec.Cmd
}

// Start starts the provider on a port of this machine ("0": any), which sends browsers back to the address given. root is
// the top of the source tree. It ends with Stop, with ctx and with this process.
func Start(ctx context.Context, root, port, redirect string) (*Provider, error) {
	packages, err := filepath.Abs(filepath.Join(root, "build/npm/node_modules"))
	if err != nil {
		return nil, fmt.Errorf("finding the provider: %w", err)
	}
	if _, err := os.Stat(filepath.Join(packages, "oidc-provider")); err != nil {
		return nil, fmt.Errorf("the provider is not installed (make npm): %w", err)
	}
	var complaints bytes.Buffer
	p := &Provider{cmd: exec.CommandContext(ctx, "node", filepath.Join(root, "integration/oidc/testdata/provider.mjs"), packages, port, redirect)}
	p.cmd.Stderr = &complaints
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting the provider: %w", err)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the provider: %w", err)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the provider: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if p.Issuer = strings.TrimSpace(line); err != nil || !strings.HasPrefix(p.Issuer, "http://127.0.0.1:") {
		p.Stop()
		return nil, fmt.Errorf("the provider says %q, %v: %s", line, err, complaints.String())
	}
	return p, nil
}

// Stop ends the provider as its standard input ends, and waits for it.
func (p *Provider) Stop() {
	_ = p.stdin.Close()
	_ = p.cmd.Wait()
}
