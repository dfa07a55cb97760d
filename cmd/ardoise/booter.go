package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/ardoise/ardoise/fleet"
	"github.com/ardoise/ardoise/imaging/job"
	"github.com/ardoise/ardoise/pxe"
	"github.com/ardoise/ardoise/pxe/grub"
)

// booter lets the fleet answer what the boot server asks.
type booter struct {
	fleet *fleet.Fleet
	site  *site
}

var _ pxe.Booter = booter{}

// Boot implements pxe.Booter.
func (b booter) Boot(_ context.Context, m pxe.Machine) (pxe.Choice, error) {
	r := fleet.BootRequest{MAC: m.MAC.String(), UUID: m.UUID}
	if m.IP.IsValid() {
		r.Address = m.IP.String()
	}
	c := b.fleet.Boot(r)
	out := pxe.Choice{Action: pxe.StartDisk, Chainload: c.Chainload, Style: pxe.Style(c.Style), Arguments: b.site.kernelArgs}
	if c.Agent {
		out.Action = pxe.StartAgent
	}
	if c.Menu {
		out.Action, out.Menu = pxe.StartMenu, menuOptions(c.Room.Lang, c.Room.Policy, c.Room.Passphrase, c.Reset)
	}
	b.site.log.Debug("boot decision", "mac", r.MAC, "action", out.Action, "why", c.Why)
	return out, nil
}

// menuOptions says what a room's menu shows. reset tells whether there is something to go back to.
func menuOptions(lang string, policy job.Policy, passphrase []string, reset bool) grub.MenuOptions {
	reset = reset && policy != job.PolicyNever
	return grub.MenuOptions{Language: lang, Reset: reset, ResetFirst: reset && policy == job.PolicyStart, Passphrase: passphrase}
}

// Saw implements pxe.Booter.
func (b booter) Saw(e pxe.Event) {
	s := fleet.Sighting{Stage: string(e.Stage), Style: string(e.Style), Detail: e.Detail,
		Grave:  e.Stage == pxe.StageForeign || e.Stage == pxe.StageRefused,
		Config: e.Stage == pxe.StageConfig && e.Asker == nil, Works: e.Stage == pxe.StageLoader && e.Style != ""}
	if len(e.MAC) > 0 {
		s.MAC = e.MAC.String()
	}
	b.fleet.Saw(s)
}

// arguments are what the agent's kernel is told by a server that it reaches at this address.
func (s *site) arguments(server netip.Addr) []string {
	return []string{
		fmt.Sprintf("%s=%s", job.ParamServer, netip.AddrPortFrom(server, uint16(s.o.agentPort))),
		job.ParamCA + "=" + s.ca.Fingerprint(),
	}
}

// wake sends Wake-on-LAN to every address of a computer; one of them is the wired one.
func (s *site) wake(ctx context.Context, macs []string) error {
	for _, m := range macs {
		hw, err := parseMAC(m)
		if err != nil {
			return err
		}
		if err := pxe.Wake(ctx, hw, nil, s.o.interfaces); err != nil {
			return fmt.Errorf("waking %s: %w", m, err)
		}
	}
	return nil
}

// splitList splits "a,b" and drops what is empty.
func splitList(values []string) []string {
	var out []string
	for _, v := range values {
		for _, s := range strings.Split(v, ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out
}
